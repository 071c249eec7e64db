# amaranth: UnusedElaboratable=no

import itertools
import random
import re
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from gen.ir import Generator, PointSet
from golden.random.generator import choices, pass_bits
from hdl.random.mask_bank import MaskBank
from hdl.random.mtj_rng import MtjRng
from hdl.random.pseudo_rng import PseudoRng
from hdl.random.rng_bank import RngBank
from hdl.random.shifted_points import ShiftedPoints
from hdl.stream import moves
from sim.compare.packing import pack
from sim.component import transfer


#: Of passes of three bits, of two, and of one.
POINTS = [
    PointSet(1, ((0, 0, 1), (1, 0, 0), (0, 1, 1), (1, 1, 0)), (1, 1, 1)),
    PointSet(3, ((1, 7), (0, 4), (6, 2)), (3, 8)),
    PointSet(2, ((3,),), (0,)),
]


def block_of(points):
    return ShiftedPoints(points.bits, points.points, points.drop)


class Held(wiring.Component):
    """Points that begin an image after each so many answers, and are sent a bit only after they have asked
    for it."""

    def __init__(self, dut, counts):
        self.dut, self.counts = dut, counts
        super().__init__({name: member for name, member in dut.signature.members.items()
                          if name not in ("begin", "taken")})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        most  = max(self.counts)
        asked, given = Signal(range(most + 1)), Signal(range(most + 1))
        image, owed  = Signal(range(len(self.counts) + 1)), Signal(range(dut.count + 1))
        length = Array([*self.counts, 0])[image]
        connect(m, dut.o, flipped(self.o))
        connect(m, dut.draw, flipped(self.draw))
        m.d.comb += [
            dut.i.payload.eq(self.i.payload),
            dut.i.valid.eq(self.i.valid & (asked != length)),
            self.i.ready.eq(dut.i.ready & (asked != length)),
            dut.bits.payload.eq(self.bits.payload),
            dut.bits.valid.eq(self.bits.valid & (owed != 0)),
            self.bits.ready.eq(dut.bits.ready & (owed != 0)),
            dut.begin.eq((given == length) & (image != len(self.counts))),
        ]
        m.d.sync += [
            owed.eq(owed + moves(dut.draw) - moves(dut.bits)),
            asked.eq(asked + moves(dut.i)),
            given.eq(given + moves(dut.o)),
        ]
        with m.If(dut.begin):
            m.d.sync += [image.eq(image + 1), asked.eq(0), given.eq(0)]
        return m


class Source(wiring.Component):
    """A mask bank, points, and a random source."""

    def __init__(self, points, rng, passes):
        self.points = block_of(points)
        self.bank   = MaskBank((1,) * len(points.drop), range(len(points.drop)), passes)
        self.rng    = rng
        super().__init__({name: member for name, member in self.bank.signature.members.items()
                          if name not in ("draw", "bits", "taken")})

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank   = self.bank
        m.submodules.points = self.points
        m.submodules.rng    = self.rng
        connect(m, flipped(self.images), self.bank.images)
        m.d.comb += self.points.begin.eq(moves(self.bank.images))
        connect(m, self.bank.draw, self.points.i)
        connect(m, self.points.o, self.bank.bits)
        connect(m, self.points.draw, self.rng.i)
        connect(m, self.rng.o, self.points.bits)
        for layer, mask in enumerate(self.bank.masks):
            connect(m, mask, flipped(getattr(self, f"mask_{layer}")))
        return m


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("duty", [1.0, 0.3])
def test_matches_golden(points, duty):
    """The bits of images that go through all points, through some, or more than once."""
    width, whole = len(points.drop), len(points.points)
    rng    = random.Random(0)
    counts = [whole, 1, 2 * whole + 1, whole, 1, whole]
    dut    = block_of(points)
    generator = Generator((1,), (32768,) * dut.count, points)
    drawn  = [[rng.getrandbits(1) for _ in range(generator.bits(count))] for count in counts]
    wanted = [pass_bits(generator, np.array([bits], bool), count).ravel().tolist()
              for bits, count in zip(drawn, counts, strict=True)]
    taken  = []

    async def watch(ctx):
        while True:
            *_, one, bit = await ctx.tick().sample(dut.taken, dut.bits.payload)
            taken.extend([(one, bit)] if one else [])

    held = Held(dut, [width * count for count in counts])
    flat = list(itertools.chain(*drawn))
    passed = transfer(held, {"i": [*range(width)] * sum(counts), "bits": flat},
                      {"o": width * sum(counts), "draw": len(flat)}, duty=duty, processes=[watch])
    assert passed["o"].words == list(itertools.chain(*wanted))
    assert passed["draw"].words == [*range(dut.count)] * (len(flat) // dut.count)
    assert taken == [(1 << number % dut.count, bit) for number, bit in enumerate(flat)]


@pytest.mark.parametrize("points, several, mtj", [
    (POINTS[0], False, None), (POINTS[0], True, (2, 1, 1)), (POINTS[0], False, (1, 1, 40)),
    (POINTS[1], False, (2, 1, 1)), (POINTS[1], True, None), (POINTS[2], False, (1, 1, 40))])
def test_masks_and_timing(points, several, mtj):
    """From one source, or from one for each bit of the shifts, which draw at the same time."""
    count  = points.bits * len(points.drop)
    seeds  = tuple(range(5, 5 + (count if several else 1)))
    drop   = (32768,) * count
    rngs   = [PseudoRng(drop, seed=one) if mtj is None else
              MtjRng((0,) * count, 9, code=8, set_cycles=mtj[0], read_cycles=mtj[1], reset_cycles=mtj[2])
              for one in seeds]
    for passes in 1, len(points.points), 2 * len(points.points) + 1:
        rng    = RngBank(rngs)
        source = Source(points, rng, passes)
        passed = transfer(source, {"images": [passes] * 8},
                          {f"mask_{layer}": 8 for layer in range(len(points.drop))})
        generator = Generator(seeds, drop, points)
        drawn  = choices(replace(generator, points=None), 8, generator.bits(passes) // count)
        bits   = pass_bits(generator, drawn if mtj is None else np.ones_like(drawn), passes)
        for layer in range(len(points.drop)):
            assert passed[f"mask_{layer}"].words == [pack(of_image, 1) for of_image in bits[..., layer]]
        cycles = passed["images"].cycles[1:]
        assert {after - before for before, after in itertools.pairwise(cycles)} == {
            source.bank.interval(passes, rng, source.points)}


@pytest.mark.parametrize("width, points, drop, message", [
    (1, [], (1,), "Points must be one or more"),
    (1, [[0, 1], [0]], (1, 1), "Point must have 2 coordinates from 0 to 1, not (0,)"),
    (2, [[0, 4]], (1, 1), "Point must have 2 coordinates from 0 to 3, not (0, 4)"),
    (2, [[0, -1]], (1, 1), "Point must have 2 coordinates from 0 to 3, not (0, -1)"),
    (2, [[0, 1]], (1, 5), "Drop must be from 0 to 4, not 5"),
    (2, [[0, 1]], (-1, 4), "Drop must be from 0 to 4, not -1")])
def test_rejects(width, points, drop, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ShiftedPoints(width, points, drop)
