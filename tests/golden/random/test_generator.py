import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from gen.ir import Generator, PointSet
from golden.random.generator import choices, pass_bits


def one_by_one(generator, images, passes):
    """The definition of :class:`gen.ir.Generator`, a bit at a time."""
    states, drawn = list(generator.seeds), []
    for _ in range(images * passes):
        for drop in generator.drop:
            state = states.pop(0)
            state ^= (state << 13) % 2**64
            state ^= state >> 7
            state ^= (state << 17) % 2**64
            states.append(state)
            drawn.append((state >> 48) >= drop)
    return np.array(drawn).reshape(images, passes, len(generator.drop))


@pytest.mark.parametrize("seed", [1, 0x123456789abcdef, 2**64 - 1])
@pytest.mark.parametrize("images, passes", [(1, 1), (3, 20), (64, 1), (13, 7)])
def test_equals_definition(seed, images, passes):
    generator = Generator((seed,), (6554, 32768, 60000))
    assert (choices(generator, images, passes) == one_by_one(generator, images, passes)).all()
    generator = Generator((seed,), (*(32768,) * 3, 6554, *(32768,) * 7))
    assert (choices(generator, images, passes) == one_by_one(generator, images, passes)).all()
    generator = replace(generator, seeds=tuple(range(1, 11)) + (seed,))
    assert (choices(generator, images, passes) == one_by_one(generator, images, passes)).all()


def test_known_states():
    """First outputs of xorshift64 (13, 7, 17) from state 1, worked out from its three shifts."""
    # 1 -> 0x2001 -> 0x2041 -> 0x40822041; its upper 16 bits are zero.
    assert not choices(Generator((1,), (1,)), 1, 1).any()
    assert choices(Generator((1,), (0,)), 1, 1).all()
    # 1 << 40 -> bits 40, 53 -> and 33, 46 -> and 57, 50, 63: 0xe... upper half 0x8224.
    upper = sum(1 << bit - 48 for bit in (53, 57, 50, 63))
    assert choices(Generator((1 << 40,), (upper,)), 1, 1).all()
    assert not choices(Generator((1 << 40,), (upper + 1,)), 1, 1).any()


def test_fewer_images_are_a_beginning():
    generator = Generator((5,), (20000, 50000, 50000))
    assert (choices(generator, 10, 6)[:3] == choices(generator, 3, 6)).all()


def test_passes_are_taken_from_one_stream():
    generator = Generator((5,), (20000, 50000, 50000))
    assert (choices(generator, 10, 6).ravel() == choices(generator, 6, 10).ravel()).all()


def test_rates():
    """Each rate is within 5 standard deviations of p."""
    drop = (0, 6554, 32768, 65535, 65536)
    dropped = 1 - choices(Generator((1,), drop), 2000, 20).mean((0, 1))
    p = np.array(drop) / 65536
    assert (abs(dropped - p) <= 5 * np.sqrt(p * (1 - p) / 40000)).all()


def test_arrays_are_equally_likely():
    """Each of eight is within 5 standard deviations of an eighth."""
    drawn = choices(Generator((1,), (32768,) * 6), 2000, 20).reshape(-1, 2, 3)
    for layer in range(2):
        counts = np.bincount(drawn[:, layer] @ (4, 2, 1), minlength=8)
        assert len(counts) == 8
        assert (abs(counts - 5000) <= 5 * (40000 * 7 / 64)**0.5).all()


@pytest.mark.parametrize("sources", [1, 7])
def test_parts_are_the_whole(sources):
    """Of any length, and as many as ever: what is drawn does not depend on how it is divided."""
    generator = Generator(tuple(range(3, 3 + sources)), (20000, *(32768,) * 5, 50000))
    whole = choices(generator, 700, 11)
    bounds = 0, 1, 2, 100, 611, 700
    parts = [choices(generator, end - begin, 11, begin) for begin, end in itertools.pairwise(bounds)]
    assert (np.concatenate(parts) == whole).all()
    assert [len(choices(generator, 0, 11, first)) for first in (0, 5)] == [0, 0]


def test_far_ahead():
    """The states return after 2 ** 64 - 1 steps (the period of xorshift64), in which each step is a bit."""
    generator = Generator((5,), (20000, 50000, 1000))
    period = 2**64 - 1
    assert period % 3 == 0
    assert (choices(generator, 20, 1, period // 3) == choices(generator, 20, 1)).all()
    assert (choices(generator, 20, 1, period // 3 - 7)[7:] == choices(generator, 13, 1)).all()


def test_memory_is_that_of_a_part():
    """A part far behind takes what one at the beginning takes, and that is a few times its choices."""
    generator = Generator((1,), (32768,) * 15)
    choices(generator, 1, 1) # matrices are kept
    for first in (0, 1_000_000):
        tracemalloc.start()
        drawn = choices(generator, 50, 1024, first)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 4 * drawn.nbytes


def test_no_images():
    assert choices(Generator((1,), (1, 2, 2, 2)), 0, 20).shape == (0, 20, 4)


def test_no_bits():
    """A network that draws none has passes all the same."""
    drawn = choices(Generator((), ()), 3, 20, first=7)
    assert drawn.shape == (3, 20, 0) and drawn.dtype == bool


#: Three points for passes of two bits, the second of which is never 0.
POINTS = PointSet(3, ((1, 7), (0, 4), (6, 2)), (3, 0))


@pytest.mark.parametrize("sources", [1, 6])
@pytest.mark.parametrize("passes", [1, 2, 3, 4, 9])
def test_points(passes, sources):
    """By the definition of :class:`gen.ir.PointSet`: of each bit of a pass the shift is drawn with the most
    significant bit first, and again for each three passes of an image."""
    generator = Generator(tuple(range(5, 5 + sources)), (32768,) * 6, POINTS)
    turns     = -(-passes // 3)
    drawn     = choices(replace(generator, points=None), 7 * turns, 1).reshape(7, turns, 2, 3)
    found     = choices(generator, 7, passes)
    assert found.shape == (7, passes, 2) and generator.bits(passes) == 6 * turns
    for image, number, place in itertools.product(range(7), range(passes), range(2)):
        high, middle, low = drawn[image, number // 3, place]
        moved = (POINTS.points[number % 3][place] + 4 * high + 2 * middle + low) % 8
        assert found[image, number, place] == (moved >= POINTS.drop[place])
    # As if the source had given these, and wherever a part begins.
    assert (pass_bits(generator, drawn, passes) == found).all()
    parts = choices(generator, 3, passes), choices(generator, 4, passes, 3)
    assert (np.concatenate(parts) == found).all()


def test_points_keep_their_rates():
    """Each bit of each pass by itself, over all shifts: 3 in 8, and none."""
    drawn = np.array(list(itertools.product((0, 1), repeat=6)), bool)
    found = pass_bits(Generator((1,), (32768,) * 6, POINTS), drawn, 3)
    assert ((~found).sum(0) == (24, 0)).all()
