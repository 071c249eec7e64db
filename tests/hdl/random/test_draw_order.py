# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from hdl.random.draw_order import DrawOrder
from hdl.stream import counter, moves
from sim.component import transfer


class Drawing(wiring.Component):
    """Mask banks that draw so many bits for each image, and ask for those of the next when these are there;
    and a source."""

    def __init__(self, bits, instances):
        self.count = bits
        self.order = DrawOrder(8, instances)
        super().__init__({name: member for name, member in self.order.signature.members.items()
                          if name != "drawn"})

    def elaborate(self, platform):
        m = Module()
        m.submodules.order = order = self.order
        connect(m, order.o, flipped(self.o))
        # A bit comes after its request.
        owed = Signal(8)
        m.d.sync += owed.eq(owed + moves(self.o) - moves(self.i))
        m.d.comb += [order.i.valid.eq(self.i.valid & (owed != 0)), order.i.payload.eq(self.i.payload),
                     self.i.ready.eq(order.i.ready & (owed != 0))]
        drawn = []
        for number, (draw, bits) in enumerate(zip(order.draw, order.bits, strict=True)):
            asked, given = getattr(self, f"draw_{number}"), getattr(self, f"bits_{number}")
            connect(m, bits, flipped(given))
            begun, _   = counter(m, self.count + 1, moves(asked), name=f"begun_{number}")
            _, last    = counter(m, self.count, moves(bits), name=f"left_{number}")
            may = begun != self.count
            m.d.comb += [draw.valid.eq(asked.valid & may), draw.payload.eq(asked.payload),
                         asked.ready.eq(draw.ready & may)]
            drawn.append(moves(bits) & last)
            with m.If(drawn[-1]):
                m.d.sync += begun.eq(0)
        m.d.comb += order.drawn.eq(Cat(drawn))
        return m


@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize("instances", [1, 2, 3])
def test_one_image_after_another(instances, bits, duty):
    """Requests leave in the order of the images, and bits come back to the instance that has asked."""
    rng    = random.Random(3)
    images = [[rng.randrange(256) for _ in range(bits)] for _ in range(4 * instances)]
    drawn  = [[rng.randrange(2) for _ in range(bits)] for _ in images]
    passed = transfer(Drawing(bits, instances), {
        **{f"draw_{number}": sum(images[number::instances], []) for number in range(instances)},
        "i": sum(drawn, [])}, {
        **{f"bits_{number}": 4 * bits for number in range(instances)}, "o": len(images) * bits}, duty=duty)
    assert passed["o"].words == sum(images, [])
    for number in range(instances):
        assert passed[f"bits_{number}"].words == sum(drawn[number::instances], [])


def test_timing():
    """A request and a bit are a cycle late each; the next instance asks in the cycle after the last bit."""
    passed = transfer(Drawing(2, 2), {"draw_0": [1, 2], "draw_1": [3, 4], "i": [0, 1, 1, 0]},
                      {"bits_0": 2, "bits_1": 2, "o": 4})
    assert passed["draw_0"].cycles == [0, 1]
    assert passed["o"].cycles[:2] == [1, 2]
    assert passed["bits_0"].cycles == [cycle + 1 for cycle in passed["i"].cycles[:2]]
    assert passed["draw_1"].cycles == [passed["bits_0"].cycles[-1] + 1, passed["bits_0"].cycles[-1] + 2]


def test_an_instance_that_draws_nothing_stops_the_others():
    """The bits of an image are due before those of the next, even if this asks first."""
    passed = transfer(Drawing(1, 2), {"draw_0": [1], "draw_1": [2], "i": [0, 1]},
                      {"bits_0": 1, "bits_1": 1, "o": 2}, starts={"draw_0": 20})
    assert passed["o"].words == [1, 2]
    assert passed["draw_1"].cycles[0] > passed["bits_0"].cycles[0] > 20


def test_refuses():
    with pytest.raises(ValueError, match="Instances must be at least 1, not 0"):
        DrawOrder(3, 0)
