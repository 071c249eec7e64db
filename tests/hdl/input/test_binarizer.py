# amaranth: UnusedElaboratable=no

import numpy as np
import pytest

from hdl.input.binarizer import Binarizer
from sim.compare.packing import pack
from sim.component import transfer


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("thresholds, width", [
    ((128,), 8),
    ((1, 64, 255), 8),      # the least and the largest that is ever reached
    ((100, 256), 8),
    ((3, 1, 3), 2),
])
def test_compares_every_pixel(thresholds, width, duty):
    pixels = list(range(1 << width))
    passed = transfer(Binarizer(thresholds, width=width), {"i": pixels}, {"o": len(pixels)},
                      duty=duty)
    assert passed["o"].words == [
        sum((pixel >= threshold) << bit for bit, threshold in enumerate(thresholds))
        for pixel in pixels]


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("thresholds, bits", [
    ((1, 64, 255), 2),
    ((64, 192, 256), 2),
    (tuple(range(9, 255, 17)), 4),
    ((1, 2, 3, 255, 128, 128), 2),      # two channels
])
def test_counts_thresholds_of_a_channel(thresholds, bits, duty):
    passed = transfer(Binarizer(thresholds, bits=bits), {"i": range(256)}, {"o": 256}, duty=duty)
    each = 2**bits - 1
    assert passed["o"].words == [
        pack([sum(pixel >= threshold for threshold in thresholds[first:first + each])
              for first in range(0, len(thresholds), each)], bits) for pixel in range(256)]


def test_timing():
    passed = transfer(Binarizer((128,)), {"i": range(20)}, {"o": 20})
    assert passed["i"].cycles == list(range(20))
    assert passed["o"].cycles == [cycle + Binarizer.latency for cycle in range(20)]


@pytest.mark.parametrize("thresholds", [(128,), (1, 64, 255), (3, 200)])
def test_fills_while_words_wait(thresholds):
    """A pixel is taken although its word is not; then all move together."""
    passed = transfer(Binarizer(thresholds), {"i": range(8)}, {"o": 8}, starts={"o": 20})
    assert passed["i"].cycles == [0, *range(20, 27)]
    assert passed["o"].cycles == list(range(20, 28))


@pytest.mark.parametrize("thresholds, message", [
    ((), "Levels without thresholds must have the 8 bits of a pixel, not 1"),
    ((1, 0), "Threshold must be from 1 to 256, not 0"),
    ((257,), "Threshold must be from 1 to 256, not 257"),
])
def test_rejects(thresholds, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Binarizer(thresholds)


@pytest.mark.parametrize("thresholds, bits", [((1, 64, 255), 1), ((9, 99, 199), 2), ((), 8)])
def test_each_component_of_colours(thresholds, bits):
    """Channels of the first component come first; without thresholds a component is its own level."""
    pixels = np.random.default_rng(0).integers(0, 256, (50, 3))
    words  = [pack([int(part) for part in pixel], 8) for pixel in pixels]
    passed = transfer(Binarizer(thresholds, bits=bits, colours=3), {"i": words}, {"o": len(words)})
    each   = 2**bits - 1
    levels = [[int((part >= np.array(thresholds[first:first + each])).sum()) for part in pixel
               for first in range(0, len(thresholds), each)] for pixel in pixels]
    assert passed["o"].words == ([pack(level, bits) for level in levels] if thresholds else words)


def test_rejects_pixels_without_components():
    with pytest.raises(ValueError, match="^Pixels must have at least 1 component, not 0$"):
        Binarizer((1,), colours=0)


def test_rejects_part_of_a_channel():
    with pytest.raises(ValueError, match="^Number of thresholds must be a multiple of 3, not 4$"):
        Binarizer((1, 2, 3, 4), bits=2)
