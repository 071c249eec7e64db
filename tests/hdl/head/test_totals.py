# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.sim import Simulator

from hdl.head.totals import Totals
from sim.component import PERIOD


def add_up(dut, images):
    """Totals of each class, the class of the largest sum and the most confident passes, of each image. An
    image is a list of leaves, a leaf (p, count, confident) of each class, one class a cycle."""
    found = []

    async def bench(ctx):
        for leaves in images:
            for number, leaf in enumerate(leaves):
                ctx.set(dut.fresh, number == 0)
                for cycle in range(len(leaf) + 4):
                    ctx.set(dut.ahead.valid, cycle < len(leaf))
                    ctx.set(dut.ahead.payload, {"place": cycle % len(leaf), "first": cycle == 0})
                    # Products follow two cycles after the number of their class.
                    p, count, confident = leaf[(cycle - 2) % len(leaf)]
                    square = p * p
                    ctx.set(dut.products.sum, count * p)
                    ctx.set(dut.products.square_low, count * (square & 0xffff))
                    ctx.set(dut.products.square_high, count * (square >> 16))
                    ctx.set(dut.products.confident, count * confident)
                    await ctx.tick()
                    assert not (dut.protect and ctx.get(dut.error))
            largest, surest, rows = ctx.get(dut.largest), ctx.get(dut.surest), []
            ctx.set(dut.sending, 1)
            for index in range(len(leaf)):
                ctx.set(dut.index, index)
                await ctx.tick().repeat(2)
                row = ctx.get(dut.row)
                rows.append((row.sum, row.square, row.confident))
            ctx.set(dut.sending, 0)
            found.append((rows, largest, surest))

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("protect", [False, True])
@pytest.mark.parametrize("classes, counts", [(2, [1]), (3, [4, 1]), (10, [7, 5, 8])])
def test_totals_of_images(classes, counts, protect):
    """The totals of an image begin at zero, whatever those of the one before; the extremes of p fit."""
    rng = np.random.default_rng(classes)
    images = []
    for most in (65535, 30000, 65535, 9, *[65535] * 8):
        images.append([[(int(p), count, int(rng.random() < 0.3))
                        for p in rng.integers(0, most + 1, classes)] for count in counts])
    images[0][0][1] = (65535, counts[0], 1)
    for least in rng.integers(0, 65000, 12): # sums that differ by little
        images.append([[(int(p), count, 0) for p in least + rng.integers(0, 9, classes)]
                       for count in counts])
    found = add_up(Totals(classes, sum(counts), protect=protect), images)
    for leaves, (rows, largest, surest) in zip(images, found, strict=True):
        expected = [(sum(count * p for p, count, _ in entries),
                     sum(count * p * p for p, count, _ in entries),
                     sum(count * sure for _, count, sure in entries))
                    for entries in zip(*leaves, strict=True)]
        assert rows == expected
        assert largest == max(range(classes), key=lambda index: (expected[index][0], -index))
        assert surest == max(sure for _, _, sure in expected)


def test_lowest_class_of_equal_sums():
    leaf = [(7, 1, 0), (9, 1, 0), (9, 1, 0)]
    (_, largest, _), = add_up(Totals(3, 1), [[leaf]])
    assert largest == 1
