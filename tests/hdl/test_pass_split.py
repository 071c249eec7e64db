# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.pass_split import PassSplit, branches_layout, pass_set_layout
from sim.component import transfer


def make_images(passes, count):
    """Pass sets of 1 to 3 maps per image with the mask of each map, and the masks of the images."""
    rng, ones = random.Random(0), (1 << passes) - 1
    maps, masks = [], []
    for number in range(count):
        masks.append((0, ones, rng.getrandbits(passes))[min(number, 2)])
        maps_count = rng.randint(1, 3)
        for index in range(maps_count):
            maps.append((rng.getrandbits(passes), index == maps_count - 1, masks[-1]))
    return maps, masks


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("passes", [1, 5, 32])
def test_divides(passes, duty):
    """Outgoing sets are disjoint, their union is the set that entered, and masks choose."""
    maps, masks = make_images(passes, 20)
    layout = pass_set_layout(passes)
    entering = [layout.const({"set": inside, "last": last}).as_bits() for inside, last, _ in maps]
    passed = transfer(PassSplit(passes), {"i": entering, "mask": masks}, {"o": len(maps)}, duty=duty)
    for word, (inside, last, mask) in zip(passed["o"].words, maps, strict=True):
        branches = branches_layout(passes, 2).from_bits(word)
        dropped, kept = branches.sets
        assert dropped & kept == 0
        assert dropped | kept == inside
        assert (kept, branches.last) == (inside & mask, last)


def test_timing():
    maps, masks = make_images(8, 10)
    entering = [pass_set_layout(8).const({"set": inside, "last": last}).as_bits()
                for inside, last, _ in maps]
    passed = transfer(PassSplit(8), {"i": entering, "mask": masks}, {"o": len(maps)})
    assert passed["i"].cycles == list(range(len(maps)))
    assert passed["o"].cycles == [cycle + PassSplit.latency for cycle in passed["i"].cycles]
    assert passed["mask"].cycles == [cycle for cycle, (_, last, _) in enumerate(maps) if last]
