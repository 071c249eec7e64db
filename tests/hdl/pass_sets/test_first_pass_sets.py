# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.pass_sets.first_pass_sets import ArrayPasses, SequentialPasses, SharedPasses
from hdl.pass_sets.pass_split import Choice, pass_set_layout
from sim.component import transfer


def set_of(passes, members, last):
    return pass_set_layout(passes).const({"set": members, "last": last}).as_bits()


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("passes", [1, 2, 7])
def test_all_passes_at_once(passes, duty):
    images = list(range(passes + 1))
    passed = transfer(SharedPasses(passes), {"images": images}, {"o_sets": len(images)}, duty=duty)
    assert passed["o_sets"].words == [set_of(passes, (1 << count) - 1, 1) for count in images]
    assert passed["o_sets"].cycles == passed["images"].cycles


def make_images(words, passes, count):
    """Numbers of passes, words, and what leaves: the words of each pass, and its set."""
    rng = random.Random(0)
    images = [passes, 1, *(1 + number % passes for number in range(count - 2))]
    maps = [[rng.getrandbits(4) for _ in range(words)] for _ in images]
    leaving = [word for image, number in zip(maps, images, strict=True) for word in image * number]
    sets = [set_of(passes, 1 << number, number == image - 1)
            for image in images for number in range(image)]
    return images, [word for image in maps for word in image], leaving, sets


SHAPES = [(4, 5), (5, 3), (1, 4), (3, 1), (1, 1)]


@pytest.mark.parametrize("starts", [{}, {"o": 100}, {"o_sets": 100}, {"images": 100}])
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("words, passes", SHAPES)
def test_one_pass_after_another(words, passes, duty, starts):
    images, entering, leaving, sets = make_images(words, passes, 8)
    passed = transfer(SequentialPasses(4, words=words, passes=passes),
                      {"images": images, "i": entering},
                      {"o": len(leaving), "o_sets": len(sets)}, duty=duty, starts=starts)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == sets


@pytest.mark.parametrize("words, passes", SHAPES)
def test_timing(words, passes):
    """With two passes or more the output never pauses, and each set comes with its first word."""
    _, entering, _, _ = make_images(words, passes, 8)
    maps = 8 * passes
    passed = transfer(SequentialPasses(4, words=words, passes=passes),
                      {"images": [passes] * 8, "i": entering},
                      {"o": maps * words, "o_sets": maps})
    assert passed["i"].cycles[:2 * words] == list(range(2 * words))
    begin = words - 1 + SequentialPasses.latency
    if passes > 1 and words > 1:
        assert passed["o"].cycles == list(range(begin, begin + maps * words))
    assert passed["o"].cycles[0] == begin
    assert passed["o_sets"].cycles == passed["o"].cycles[::words]


@pytest.mark.parametrize("starts", [{}, {"o": 100}, {"o_sets": 100}, {"mask": 100}])
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("words, passes, arrays", [(4, 5, 4), (9, 3, 2), (1, 4, 8), (7, 1, 4)])
def test_array_by_array(words, passes, arrays, duty, starts):
    """An image is sent once to each array that a pass has chosen, with all passes that have."""
    rng = random.Random(0)
    images, entering, sets, masks, leaving, leaving_sets = 8, [], [], [], [], []
    for _ in range(images):
        count   = rng.randint(1, passes)
        drawn   = [rng.randrange(arrays) for _ in range(count)]
        image   = [rng.getrandbits(4) for _ in range(words)]
        entering += image
        sets.append(set_of(passes, (1 << count) - 1, 1))
        masks.append(sum((array >> bit & 1) << bit * passes + number
                         for number, array in enumerate(drawn) for bit in range(3)))
        for array in sorted(set(drawn)):
            leaving += image
            leaving_sets.append(pass_set_layout(passes, arrays).const({
                "set": sum(1 << number for number in range(count) if drawn[number] == array),
                "last": array == max(drawn), "choice": array}).as_bits())
    passed = transfer(ArrayPasses(4, words=words, choice=Choice(tuple(range(arrays))), passes=passes),
                      {"i": entering, "i_sets": sets, "mask": masks},
                      {"o": len(leaving), "o_sets": len(leaving_sets)}, duty=duty, starts=starts)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == leaving_sets
