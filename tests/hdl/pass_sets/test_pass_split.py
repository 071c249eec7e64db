# amaranth: UnusedElaboratable=no

import math
import random

import pytest

from hdl.pass_sets.pass_split import Choice, PassSplit, branches_layout, pass_set_layout
from sim.component import transfer


#: A keep bit.
KEEP = Choice((0, 1))


def make_images(passes, count, bits=1):
    """Pass sets of 1 to 3 maps per image with the masks of each map, and the masks of the images."""
    rng, ones = random.Random(0), (1 << passes * bits) - 1
    maps, masks = [], []
    for number in range(count):
        masks.append((0, ones, rng.getrandbits(passes * bits))[min(number, 2)])
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
    passed = transfer(PassSplit(passes, [KEEP]), {"i": entering, "mask_0": masks}, {"o": len(maps)},
                      duty=duty)
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
    passed = transfer(PassSplit(8, [KEEP]), {"i": entering, "mask_0": masks}, {"o": len(maps)})
    assert passed["i"].cycles == list(range(len(maps)))
    assert passed["o"].cycles == [cycle + PassSplit.latency for cycle in passed["i"].cycles]
    assert passed["mask_0"].cycles == [cycle for cycle, (_, last, _) in enumerate(maps) if last]


@pytest.mark.parametrize("passes", [1, 5, 32])
def test_fills_while_sets_wait(passes):
    """A map is taken although its sets are not; then all move together."""
    maps, masks = make_images(passes, 10)
    entering = [pass_set_layout(passes).const({"set": inside, "last": last}).as_bits()
                for inside, last, _ in maps]
    passed = transfer(PassSplit(passes, [KEEP]), {"i": entering, "mask_0": masks}, {"o": len(maps)},
                      starts={"o": 20})
    assert passed["i"].cycles == [0, *range(20, 19 + len(maps))]
    assert passed["o"].cycles == list(range(20, 20 + len(maps)))


@pytest.mark.parametrize("passes", [1, 5, 32])
def test_waits_for_the_mask(passes):
    """A map waits for the mask of its image, and nothing leaves meanwhile."""
    maps, masks = make_images(passes, 10)
    entering = [pass_set_layout(passes).const({"set": inside, "last": last}).as_bits()
                for inside, last, _ in maps]
    passed = transfer(PassSplit(passes, [KEEP]), {"i": entering, "mask_0": masks}, {"o": len(maps)},
                      starts={"mask_0": 20})
    assert passed["i"].cycles == list(range(20, 20 + len(maps)))
    assert passed["o"].cycles == list(range(21, 21 + len(maps)))


@pytest.mark.some(14)
@pytest.mark.parametrize("duty", [1.0, 0.3])
@pytest.mark.parametrize("tables, late", [
    (tables, late) for tables in [
        [], [range(4)], [range(8)], [range(2), range(4)], [range(4), range(2)], [range(2)] * 3,
        [(1, 2, 3, 4, 0, 0, 0, 0)], [(1, 0), (2, 0, 1, 2)]]
    for late in (None, "o", *(f"mask_{index}" for index in range(len(tables))))])
def test_divides_by_several_choices(tables, duty, late):
    """Each pass is in the set of what it came to, the last choice varying fastest. Masks of one choice may
    be later than the others; a map is taken although its sets are not."""
    passes, rng = 7, random.Random(1)
    choices = [len(table) for table in tables]
    bits  = [count.bit_length() - 1 for count in choices]
    maps, _ = make_images(passes, 40)
    drawn, masks = [], [[] for _ in choices]
    for _, last, _ in maps:
        image = drawn[-1] if drawn and not drawn[-1][1] else (
            [[rng.randrange(count) for _ in range(passes)] for count in choices], False)
        drawn.append((image[0], last))
        if last:
            for mask, outcomes, width in zip(masks, image[0], bits, strict=True):
                mask.append(sum((outcome >> bit & 1) << bit * passes + number
                                for number, outcome in enumerate(outcomes) for bit in range(width)))
    layout = pass_set_layout(passes)
    dut = PassSplit(passes, [Choice(tuple(table)) for table in tables])
    passed = transfer(dut, {"i": [layout.const({"set": inside, "last": last}).as_bits()
                                  for inside, last, _ in maps],
                            **{f"mask_{index}": words for index, words in enumerate(masks)}},
                      {"o": len(maps)}, duty=duty, starts={late: 30} if late else {})
    if late == "o":
        assert passed["i"].cycles[0] < 30
    elif late:
        assert passed["o"].cycles[0] > 30
    for word, (inside, last, _), (image, _) in zip(passed["o"].words, maps, drawn, strict=True):
        expected = [0] * math.prod(1 + max(table) for table in tables)
        for number in range(passes):
            branch = 0
            for numbers, table in zip(image, tables, strict=True):
                branch = branch * (1 + max(table)) + table[numbers[number]]
            expected[branch] |= (inside >> number & 1) << number
        branches = branches_layout(passes, len(expected)).from_bits(word)
        assert ([*branches.sets], branches.last) == (expected, last)


@pytest.mark.parametrize("members", [1, 2, 3, 5])
def test_divides_by_the_number_of_the_pass(members):
    """Nothing is drawn: pass t is in set t modulo the members, beside what it drew otherwise."""
    passes, (maps, masks) = 7, make_images(7, 20)
    layout = pass_set_layout(passes)
    dut = PassSplit(passes, [KEEP, Choice(tuple(range(members)), draw=None)])
    assert len(dut.masks) == 1
    passed = transfer(dut, {"i": [layout.const({"set": inside, "last": last}).as_bits()
                                  for inside, last, _ in maps], "mask_0": masks}, {"o": len(maps)})
    for word, (inside, last, mask) in zip(passed["o"].words, maps, strict=True):
        branches = branches_layout(passes, 2 * members).from_bits(word)
        expected = [0] * 2 * members
        for number in range(passes):
            expected[(mask >> number & 1) * members + number % members] |= (inside >> number & 1) << number
        assert ([*branches.sets], branches.last) == (expected, last)


@pytest.mark.parametrize("count", [3, 6])
def test_rejects(count):
    numbers = 1 << (count - 1).bit_length()
    message = f"Choice must have an outcome for each of {numbers} numbers, not {count}"
    with pytest.raises(ValueError, match=f"^{message}$"):
        PassSplit(4, [KEEP, Choice(tuple(range(count)))])
