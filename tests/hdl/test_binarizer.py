# amaranth: UnusedElaboratable=no

import pytest

from hdl.binarizer import Binarizer
from sim.component import transfer


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("thresholds, width", [
    ((128,), 8),
    ((1, 64, 255), 8),      # the least and the largest
    ((3, 1, 3), 2),
])
def test_compares_every_pixel(thresholds, width, duty):
    pixels = list(range(1 << width))
    passed = transfer(Binarizer(thresholds, width=width), {"i": pixels}, {"o": len(pixels)},
                      duty=duty)
    assert passed["o"].words == [
        sum((pixel >= threshold) << bit for bit, threshold in enumerate(thresholds))
        for pixel in pixels]


def test_timing():
    passed = transfer(Binarizer((128,)), {"i": range(20)}, {"o": 20})
    assert passed["i"].cycles == list(range(20))
    assert passed["o"].cycles == [cycle + Binarizer.latency for cycle in range(20)]


@pytest.mark.parametrize("thresholds, message", [
    ((), "Binarizer must have at least one threshold"),
    ((1, 0), "Threshold must be from 1 to 255, not 0"),
    ((256,), "Threshold must be from 1 to 255, not 256"),
])
def test_rejects(thresholds, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Binarizer(thresholds)
