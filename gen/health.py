"""Limits of the health tests of the random bits."""

import math

from gen.ir import Generator


__all__ = ["cutoffs", "limits"]


#: A test raises the alarm on good bits with this probability, as a power of two, for each bit
#: (repetition) or window (proportion): at ten million bits a second, less than once in a
#: thousand years.
FALSE_ALARM_BITS = 60

WINDOW = 1024


def limits(generator: Generator) -> list[dict]:
    """Return the parameters of :class:`hdl.health.Health` for the bits of each source of ``generator``.

    Those of a source that serves all layers are watched together, and each against the same bit of the
    pass before; where each bit of a pass has a source, that of its layer alone.
    """
    if len(generator.seeds) == 1:
        return [{**cutoffs(generator.drop), "period": sum(generator.bits)}]
    return [{**cutoffs((drop,)), "period": 1}
            for drop, bits in zip(generator.drop, generator.bits, strict=True) for _ in range(bits)]


def cutoffs(drop: tuple[int, ...]) -> dict:
    """Return the limits of both tests for layers that drop with ``drop / 65536``.

    The bits of all layers are watched together, so each counts as if it had the least entropy of
    any: ``H = -log2(max(p, 1 - p))`` (NIST SP 800-90B, 4.4). Where ``p`` leaves so little that a
    test could never fail, its limit is out of reach of good bits but not of a source that is stuck
    for ``2 ** 16`` bits.
    """
    likely = max(max(p, 65536 - p) for p in drop) / 65536
    entropy = -math.log2(likely)
    repetition = min(1 << 16, 1 + math.ceil(FALSE_ALARM_BITS / entropy)) if entropy else 1 << 16
    window = WINDOW
    while (proportion := _proportion(likely, window)) > window and window < 1 << 16:
        window *= 2
    return {"repetition": repetition, "window": window, "proportion": min(proportion, window)}


def _proportion(likely: float, window: int) -> int:
    """Least count that good bits of a window reach with a chance of at most ``2 ** -FALSE_ALARM_BITS``.

    The first is the reference, and counts; so it is one less among the others.
    """
    if likely == 1:
        return window + 1
    tail, others = 0.0, window - 1
    logs = math.log(likely), math.log1p(-likely)
    for equal in range(others, -1, -1):
        tail += math.exp(math.lgamma(others + 1) - math.lgamma(equal + 1)
                         - math.lgamma(others - equal + 1)
                         + equal * logs[0] + (others - equal) * logs[1])
        if tail > 2.0 ** -FALSE_ALARM_BITS:
            return equal + 2
    return 1
