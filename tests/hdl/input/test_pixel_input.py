# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.input.pixel_input import PixelInput
from hdl.pass_sets.pass_split import pass_set_layout
from sim.component import transfer


def changing(dut, values):
    """A process that sets ``passes`` to the next of ``values`` once the first pixel of an image
    has been taken, and to anything in between."""
    async def process(ctx):
        for value in values:
            ctx.set(dut.passes, value)
            for number in range(dut.pixels):
                taken = False
                while not taken:
                    *_, valid, ready = await ctx.tick().sample(dut.i.valid, dut.i.ready)
                    taken = valid and ready
                if number + 1 < dut.pixels:
                    ctx.set(dut.passes, random.Random(number).getrandbits(len(dut.passes)))
    return process


def all_of(passes):
    """The pass set of an image."""
    return pass_set_layout(5).const({"set": (1 << passes) - 1, "last": 1}).as_bits()


@pytest.mark.some(12)
@pytest.mark.parametrize("late", [(), ("masks",), ("sets",), ("masks", "sets")], ids=" and ".join)
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("pixels", [1, 4, 7])
def test_announces_each_image(pixels, duty, late):
    """Zero counts as one, and what is beyond T_max as T_max. Where announcements are taken late, they fill
    their queue, and one may be taken as another comes."""
    values = [0, 1, 5, 6, 7, 3, 2, 4, 6, 1, 3, 5, 2, 0, 4, 7]
    words  = [*random.Random(0).randbytes(len(values) * pixels)]
    dut    = PixelInput(pixels, 5)
    passed = transfer(dut, {"i": words}, {"o": len(words), "masks": len(values), "sets": len(values)},
                      duty=duty, starts=dict.fromkeys(late, 70), processes=[changing(dut, values)])
    assert passed["o"].words == words
    passes = [min(max(value, 1), 5) for value in values]
    assert passed["masks"].words == passes
    assert passed["sets"].words == [all_of(count) for count in passes]


def test_timing():
    passed = transfer(PixelInput(4, 5), {"i": [0] * 20}, {"o": 20, "masks": 5, "sets": 5},
                      pins={"passes": 3})
    assert passed["i"].cycles == passed["o"].cycles == list(range(20))
    assert passed["masks"].cycles == passed["sets"].cycles == [2, 6, 10, 14, 18]


@pytest.mark.parametrize("late", ["masks", "sets"])
def test_first_pixel_waits_for_room(late):
    passed = transfer(PixelInput(3, 5), {"i": [0] * 30}, {"o": 30, "masks": 10, "sets": 10},
                      pins={"passes": 2}, starts={late: 100})
    early = sum(cycle < 100 for cycle in passed["i"].cycles)
    assert early == 3 * PixelInput.AHEAD
    assert passed[late].words == [2 if late == "masks" else all_of(2)] * 10
