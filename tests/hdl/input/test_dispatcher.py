# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Cat

from hdl.checks.parity import Parity
from hdl.input.dispatcher import Dispatcher
from sim.compare.packing import pack
from sim.component import transfer


def words_of(images, per_word):
    """The words of ``images``, lists of pixels of four bits."""
    return [pack((image[first:first + per_word] + per_word * [9])[:per_word], 4)
            for image in images for first in range(0, len(image), per_word)]


def make(pixels, per_word, instances, *, passes=5, protect=False):
    return Dispatcher(pixels, width=4, per_word=per_word, passes=passes, instances=instances,
                      protect=protect)


@pytest.mark.parametrize("protect", [False, True])
@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("pixels, per_word, instances", [
    (6, 3, 3), (7, 3, 2), (3, 1, 3), (2, 4, 2), (4, 2, 1)])
def test_gives_images_in_turn(pixels, per_word, instances, duty, protect):
    rng    = random.Random(2)
    images = [[rng.randrange(16) for _ in range(pixels)] for _ in range(2 * instances + 1)]
    dut    = make(pixels, per_word, instances, protect=protect)
    shares = [sum(images[number::instances], []) for number in range(instances)]
    errors = []

    async def watch(ctx):
        while True:
            await ctx.tick()
            errors.append(protect and ctx.get(dut.error))

    passed = transfer(dut, {"i": words_of(images, per_word)},
                      {f"o_{number}": len(share) for number, share in enumerate(shares)}, duty=duty,
                      processes=[watch])
    for number, share in enumerate(shares):
        assert passed[f"o_{number}"].words == share
    assert not any(errors)


def test_passes_are_those_of_the_first_word():
    """``passes`` counts as the first word of an image is taken, and goes with all its pixels."""
    dut  = make(4, 2, 2)
    seen = {0: [], 1: []}

    async def change(ctx):
        # A number for each word: 1, 2, 3, 4; the first word of the second image is the third.
        ctx.set(dut.passes, 1)
        while True:
            *_, valid, ready = await ctx.tick().sample(dut.i.valid, dut.i.ready)
            if valid and ready:
                ctx.set(dut.passes, ctx.get(dut.passes) % 4 + 1)

    async def watch(ctx):
        while True:
            await ctx.tick()
            for number in seen:
                if ctx.get(dut.o[number].valid) and ctx.get(dut.o[number].ready):
                    seen[number].append(ctx.get(dut.o_passes[number]))

    transfer(dut, {"i": words_of([[1, 2, 3, 4]] * 2, 2)}, {"o_0": 4, "o_1": 4},
             processes=[change, watch])
    assert seen == {0: [1] * 4, 1: [3] * 4}


def test_timing():
    """Words enter in each cycle while every instance takes a pixel in each cycle."""
    dut    = make(8, 4, 4)
    passed = transfer(dut, {"i": words_of([list(range(8))] * 16, 4)},
                      {f"o_{number}": 32 for number in range(4)})
    assert passed["i"].cycles == list(range(32))
    for number in range(4):
        first = 2 * number + Dispatcher.latency
        assert passed[f"o_{number}"].cycles == list(range(first, first + 32))


def test_an_image_waits_for_each_instance():
    """An instance that takes nothing does not stop those before it in the turn."""
    dut    = make(6, 3, 2)
    passed = transfer(dut, {"i": words_of([[1] * 6] * 4, 3)}, {"o_0": 12, "o_1": 12}, starts={"o_1": 60})
    assert passed["o_0"].cycles[-1] < 60 <= passed["o_1"].cycles[0]


def test_a_word_that_has_lost_its_parity(monkeypatch):
    """It is seen as the word is taken, and not before."""
    monkeypatch.setattr(Parity, "stored", lambda parity, word: Cat(word, ~word.xor()))
    dut  = make(2, 2, 1, protect=True)
    seen = []

    async def watch(ctx):
        while True:
            *_, error = await ctx.tick().sample(dut.error)
            seen.append(error)

    passed = transfer(dut, {"i": words_of([[1, 2]] * 4, 2)}, {"o_0": 8}, starts={"i": 10},
                      processes=[watch])
    assert passed["i"].cycles[0] == 10
    assert not any(seen[:11]) and any(seen)


def test_refuses():
    with pytest.raises(ValueError, match="Instances must be at least 1, not 0"):
        make(2, 2, 0)
