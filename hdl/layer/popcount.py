"""Pipelined population count."""

from amaranth import *


__all__ = ["popcount", "popcount_latency"]


def popcount(m, bits, name):
    """Add a counter of the ones in the value ``bits`` to ``m``; return the count as a registered signal.

    Groups of six bits are counted by two full adders and a two-bit sum, then a tree of adders adds the
    counts of the groups, with a register after every step.

    Latency is ``popcount_latency(len(bits))`` cycles, throughput one count per cycle. The pipeline
    never stalls.
    """
    total = len(bits)
    words = -(-total // 6)
    # All groups of six are counted by vectors, of which bit i belongs to group i.
    sixth = [Cat(bits[index] if index < total else Const(0, 1)
                 for index in range(first, 6 * words, 6)) for first in range(6)]
    vectors = [Signal(words, name=f"{name}_{part}") for part in
               ("low_a", "high_a", "low_b", "high_b", "carry", "ones", "twos", "fours")]
    low_a, high_a, low_b, high_b, carry, ones, twos, fours = vectors
    m.d.comb += [
        Cat(low_a, high_a).eq(Cat(*_full_adder(*sixth[:3]))),
        Cat(low_b, high_b).eq(Cat(*_full_adder(*sixth[3:]))),
        carry.eq(low_a & low_b),
    ]
    m.d.sync += [
        ones.eq(low_a ^ low_b),
        twos.eq(high_a ^ high_b ^ carry),
        fours.eq(high_a & high_b | high_a & carry | high_b & carry),
    ]
    level = [(Cat(ones[index], twos[index], fours[index]), min(6, total - 6 * index))
             for index in range(words)]
    step = 0
    while len(level) > 1:
        sums = []
        for index in range(0, len(level), 2):
            most   = sum(top for _, top in level[index:index + 2])
            result = Signal(range(most + 1), name=f"{name}_sum_{step}_{index}")
            m.d.sync += result.eq(sum(value for value, _ in level[index:index + 2]))
            sums.append((result, most))
        level = sums
        step += 1
    return level[0][0]


def popcount_latency(bits):
    """Cycles from ``bits`` bits to their count."""
    words = -(-bits // 6)
    return 1 + (words - 1).bit_length()


def _full_adder(a, b, c):
    return a ^ b ^ c, a & b | a & c | b & c
