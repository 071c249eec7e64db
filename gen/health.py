"""Limits of the health tests of the random bits."""

import math


__all__ = ["cutoffs"]


#: A test raises the alarm on good bits with this probability, as a power of two, for each bit
#: (repetition) or window (proportion): at ten million bits a second, less than once in a
#: thousand years.
FALSE_ALARM_BITS = 60

WINDOW = 1024


def cutoffs(drop: tuple[int, ...]) -> dict:
    """Return the parameters of :class:`hdl.health.Health` for layers that drop with ``drop / 65536``.

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
    """Least count whose probability among ``window`` bits is at most ``2 ** -FALSE_ALARM_BITS``."""
    if likely == 1:
        return window + 1
    tail, count = 0.0, window
    logs = math.log(likely), math.log1p(-likely)
    while count >= 0:
        tail += math.exp(math.lgamma(window + 1) - math.lgamma(count + 1)
                         - math.lgamma(window - count + 1)
                         + count * logs[0] + (window - count) * logs[1])
        if tail > 2.0 ** -FALSE_ALARM_BITS:
            return count + 1
        count -= 1
    return 0
