# amaranth: UnusedElaboratable=no

import itertools
import random

import numpy as np
import pytest
from amaranth.sim import Simulator

from hdl.pass_sets.resize import Resize


SIZES = (1, 2, 3)


def steps(dut, count):
    """What ``dut`` has in each of so many steps, between which cycles may pass."""
    rng, found = random.Random(0), []

    async def take(ctx):
        while len(found) < count:
            step = rng.random() < 0.7
            ctx.set(dut.step, step)
            if step:
                found.append(tuple(ctx.get(port) for port in (dut.word, dut.first, dut.last)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(take)
    simulator.run()
    return found


@pytest.mark.parametrize("height, width", [*itertools.product(SIZES, SIZES)])
def test_order(height, width):
    """That of the words of the nearest pixels, of two maps one after the other, however steps come."""
    for factor in itertools.product(SIZES, SIZES):
        dut    = Resize(height, width, factor)
        larger = np.arange(height * width).reshape(height, width)
        for axis, times in enumerate(factor):
            larger = larger.repeat(times, axis)
        expected = [(int(word), number == 0, number == larger.size - 1)
                    for number, word in enumerate(larger.flat)]
        assert dut.words == len(expected)
        assert steps(dut, 2 * dut.words) == 2 * expected


@pytest.mark.parametrize("arguments, message", [
    ((0, 2, (1, 1)), "Height of a map that is resized must be at least 1, not 0"),
    ((2, 0, (1, 1)), "Width of a map that is resized must be at least 1, not 0"),
    ((2, 2, (1, 0)), "Factor of a map that is resized must be at least 1, not 0"),
])
def test_rejects(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Resize(*arguments)
