"""Levels: how many of several thresholds a number has reached."""

from amaranth import *


__all__ = ["level_of", "level_of_value"]


def level_of(reached):
    """Number of ones of ``reached``, a thermometer code of ``2 ** bits - 1`` bits, lowest first.

    By bisection: the middle bit is the top bit of the number, and says which half has the other bits.
    """
    reached, level = list(reached), []
    while reached:
        middle  = len(reached) // 2
        top     = reached[middle]
        level   = [top, *level]
        reached = [Mux(top, upper, lower) for lower, upper in
                   zip(reached[:middle], reached[middle + 1:], strict=True)]
    return Cat(level)


def level_of_value(value, thresholds):
    """Number of ``thresholds``, ``2 ** bits - 1`` that ascend, that a value in fixed point v has reached,
    which comes as ``v + 2 ** (width - 1)``: so the one of 0 is reached by those whose highest bit is 1."""
    zero = 1 << len(value) - 1
    return level_of([value[-1] if threshold == 0 else value >= zero + threshold
                     for threshold in thresholds])
