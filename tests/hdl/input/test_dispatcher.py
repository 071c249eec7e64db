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


def dispatch(dut, images, duty=1.0, starts=None):
    """Give ``images`` to ``dut``, and check that those of each instance come out, with the passes that
    stood there as their first word was taken; return what passed."""
    rng    = random.Random(7)
    count  = dut.instances
    shares = [sum(images[number::count], []) for number in range(count)]
    stood  = [rng.randrange(6) for _ in range(len(images) * dut.words)] # as each word was taken
    seen   = [[] for _ in range(count)]
    errors = []

    async def change(ctx):
        for passes in stood:
            ctx.set(dut.passes, passes)
            taken = False
            while not taken:
                *_, valid, ready = await ctx.tick().sample(dut.i.valid, dut.i.ready)
                taken = valid & ready

    def watch_passes(number):
        async def watch(ctx):
            while True:
                *_, valid, ready, passes = await ctx.tick().sample(
                    dut.o[number].valid, dut.o[number].ready, dut.o_passes[number])
                seen[number].extend([passes] * (valid & ready))
        return watch

    async def watch_error(ctx):
        while True:
            await ctx.tick()
            errors.append(dut.protect and ctx.get(dut.error))

    passed = transfer(dut, {"i": words_of(images, dut.per_word)},
                      {f"o_{number}": len(share) for number, share in enumerate(shares)}, duty=duty,
                      starts=starts, processes=[change, watch_error, *map(watch_passes, range(count))])
    for number, share in enumerate(shares):
        assert passed[f"o_{number}"].words == share
        assert seen[number] == [passes for passes in stood[number * dut.words::count * dut.words]
                                for _ in range(dut.pixels)]
    assert not any(errors)
    return passed


def make_images(pixels, count):
    rng = random.Random(2)
    return [[rng.randrange(16) for _ in range(pixels)] for _ in range(count)]


#: Pixels of an image and of a word, and instances.
SHAPES = [(6, 3, 3), (7, 3, 2), (3, 1, 3), (2, 4, 2), (4, 2, 1)]


@pytest.mark.parametrize("protect", [False, True])
@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("pixels, per_word, instances", SHAPES)
def test_gives_images_in_turn(pixels, per_word, instances, duty, protect):
    """Passes count as the first word of an image is taken, and go with all its pixels."""
    dispatch(make(pixels, per_word, instances, protect=protect), make_images(pixels, 4 * instances + 1),
             duty)


def test_timing():
    """Words enter in each cycle while every instance takes a pixel in each cycle."""
    passed = dispatch(make(8, 4, 4), make_images(8, 16))
    assert passed["i"].cycles == list(range(32))
    for number in range(4):
        first = 2 * number + Dispatcher.latency
        assert passed[f"o_{number}"].cycles == list(range(first, first + 32))


@pytest.mark.some(10)
@pytest.mark.parametrize("protect", [False, True])
@pytest.mark.parametrize("pixels, per_word, instances, held", [
    (*shape, held) for shape in [*SHAPES, (8, 4, 4)] for held in range(shape[-1])])
def test_an_image_waits_for_each_instance(pixels, per_word, instances, held, protect):
    """An instance that takes nothing does not stop the others until it is its turn again."""
    dut    = make(pixels, per_word, instances, protect=protect)
    passed = dispatch(dut, make_images(pixels, 7 * instances), starts={f"o_{held}": 100})
    assert passed["i"].cycles[(held + instances) * dut.words - 1] < 100 <= passed["i"].cycles[-1]
    for number in range(instances):
        others = held > number # in front of the one that is held in the turn
        assert sum(cycle < 100 for cycle in passed[f"o_{number}"].cycles) >= (
            0 if number == held else (1 + others) * pixels)


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
