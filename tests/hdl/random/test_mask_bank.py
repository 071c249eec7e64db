# amaranth: UnusedElaboratable=no

import itertools
import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from gen.ir import Generator
from golden.random.generator import choices
from hdl.random.mask_bank import MaskBank
from hdl.random.mtj_rng import MtjRng
from hdl.random.pseudo_rng import PseudoRng
from hdl.random.rng_bank import RngBank
from sim.compare.packing import pack
from sim.component import transfer


class Asked(wiring.Component):
    """A mask bank that is sent each bit only after it has asked for it."""

    def __init__(self, bank):
        self.bank = bank
        super().__init__(dict(bank.signature.members))

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank = bank = self.bank
        connect(m, flipped(self.images), bank.images)
        connect(m, bank.draw, flipped(self.draw))
        for layer, mask in enumerate(bank.masks):
            connect(m, mask, flipped(getattr(self, f"mask_{layer}")))
        owed = Signal(8)
        m.d.sync += owed.eq(owed + (self.draw.valid & self.draw.ready)
                            - (self.bits.valid & self.bits.ready))
        m.d.comb += [
            bank.bits.payload.eq(self.bits.payload),
            bank.bits.valid.eq(self.bits.valid & (owed != 0)),
            self.bits.ready.eq(bank.bits.ready & (owed != 0)),
            self.taken.eq(bank.taken),
        ]
        return m


class Source(wiring.Component):
    """A mask bank and a random source."""

    def __init__(self, bank, rng):
        self.bank = bank
        self.rng  = rng
        super().__init__({name: member for name, member in bank.signature.members.items()
                          if name not in ("draw", "bits", "taken")})

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank = self.bank
        m.submodules.rng  = self.rng
        connect(m, flipped(self.images), self.bank.images)
        connect(m, self.bank.draw, self.rng.i)
        connect(m, self.rng.o, self.bank.bits)
        for layer, mask in enumerate(self.bank.masks):
            connect(m, mask, flipped(getattr(self, f"mask_{layer}")))
        return m


def watch_taken(asked, taken):
    """A process that lists which bit of a pass the bank says to have taken, in each cycle in which it does,
    and the bit."""
    async def process(ctx):
        while True:
            *_, one, bit = await ctx.tick().sample(asked.taken, asked.bits.payload)
            taken.extend([(one, bit)] if one else [])
    return process


def masks_of(layers, images):
    return {f"mask_{layer}": images for layer in range(layers)}


def images_of(widths, passes):
    """Passes of eight images, and the choices of each: of all passes, of one, and of an even and an odd
    number of them. What an image overwrites if it does not wait for the fourth before it differs in every
    bit."""
    rng    = random.Random(0)
    counts = [passes, 1, max(1, passes - 1), rng.randint(1, passes)]
    drawn  = [[[rng.getrandbits(width) for width in widths] for _ in range(count)] for count in counts]
    other  = [[[choice ^ (1 << width) - 1 for choice, width in zip(number, widths, strict=True)]
               for number in image] for image in drawn]
    return 2 * counts, drawn + other


def masks_by(bits, counts):
    """Masks of images of ``counts`` passes, layer by layer, that hold ``bits``, a row for each pass."""
    ends = [*itertools.accumulate(counts)]
    return {f"mask_{layer}": [pack(column[end - count:end], 1)
                              for end, count in zip(ends, counts, strict=True)]
            for layer, column in enumerate(zip(*bits, strict=True))}


def collect(widths, passes, duty=1.0, starts=None):
    """Bits that are asked for make the masks of their choices, once there is an image for them.

    The first bit of a choice is the most significant one; masks have the least significant lowest.
    """
    images, drawn = images_of(widths, passes)
    flat   = [outcome >> bit & 1 for image in drawn for number in image
              for outcome, width in zip(number, widths, strict=True) for bit in reversed(range(width))]
    asked, taken = Asked(MaskBank(widths, range(len(widths)), passes)), []
    passed = transfer(asked, {"images": images, "bits": flat},
                      {"draw": len(flat), **masks_of(len(widths), len(images))}, duty=duty,
                      starts=starts, processes=[watch_taken(asked, taken)])
    assert taken == [(1 << number % sum(widths), bit) for number, bit in enumerate(flat)]
    assert passed["draw"].words == [*range(sum(widths))] * sum(images)
    firsts = [sum(widths) * sum(images[:number]) for number in range(len(images))]
    assert all(passed["draw"].cycles[first] > cycle
               for first, cycle in zip(firsts, passed["images"].cycles, strict=True))
    for layer, width in enumerate(widths):
        assert passed[f"mask_{layer}"].words == [
            sum((number[layer] >> bit & 1) << bit * passes + at
                for at, number in enumerate(image) for bit in range(width)) for image in drawn]


#: Bits of the draws, and passes.
DRAWS = [((1, 1, 1), 5), ((1,), 4), ((1, 1), 1), ((1,), 1), ((1, 1, 1, 1), 9), ((3, 3), 4), ((1, 2, 3), 5),
         ((3,), 1), ((2, 1), 9)]


@pytest.mark.some(15)
@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("widths, passes", DRAWS)
def test_collects_in_pass_major_order(widths, passes, duty, late):
    """Masks are taken at once, or so late that the queues fill."""
    collect(widths, passes, duty, {f"mask_{layer}": 500 for layer in range(len(widths))} if late else {})


@pytest.mark.some(5)
@pytest.mark.parametrize("widths, passes, last", [
    (widths, passes, layer) for widths, passes in DRAWS if len(widths) > 1 for layer in range(len(widths))])
def test_waits_for_each_choice(widths, passes, last):
    """The queue of one choice alone is full."""
    collect(widths, passes, starts={f"mask_{last}": 500})


#: None for the pseudo-random source, else the cycles of SET, read and RESET.
SOURCES = [None, (2, 1, 1), (1, 1, 9)]


def make_source(layers, passes, mtj=None, several=False):
    drop = (20000,) * layers
    rngs = [PseudoRng(drop, seed=5) if mtj is None else
            MtjRng((0,) * layers, 9, code=8, set_cycles=mtj[0], read_cycles=mtj[1], reset_cycles=mtj[2])
            for _ in range(layers if several else 1)]
    bank = MaskBank((1,) * layers, range(layers), passes)
    return Source(bank, RngBank(rngs)), drop


def test_masks_from_the_generator():
    source, drop = make_source(3, 6)
    passed = transfer(source, {"images": [6] * 4}, masks_of(3, 4))
    keep = choices(Generator((5,), drop), 4, 6)
    for layer in range(3):
        assert passed[f"mask_{layer}"].words == [pack(bits, 1) for bits in keep[:, :, layer]]


@pytest.mark.some(5)
@pytest.mark.parametrize("mtj", SOURCES)
@pytest.mark.parametrize("layers, passes, several", [
    (3, 6, False), (1, 1, False), (2, 9, False), (2, 9, True), (3, 1, True), (14, 2, True)])
def test_bits_and_timing(mtj, layers, passes, several):
    """From one source, or from one for each layer, which draw at the same time."""
    source, drop = make_source(layers, passes, mtj, several)
    counts = [passes] * 8 + [1, passes, 1]
    passed = transfer(source, {"images": counts}, masks_of(layers, len(counts)))
    if mtj is None:
        seeds = (5,) * (layers if several else 1)
        bits  = choices(Generator(seeds, drop), sum(counts), 1)[:, 0]
    else:
        bits  = [[1] * layers] * sum(counts) # junctions that never switch
    for name, words in masks_by(bits, counts).items():
        assert passed[name].words == words
    # An MTJ is first reset, which the first image waits for.
    cycles = passed["images"].cycles[1:8]
    assert {after - before for before, after in zip(cycles, cycles[1:], strict=False)} == {
        source.bank.interval(passes, source.rng)}


@pytest.mark.some(3)
@pytest.mark.parametrize("late", [None, 0, 1, 2])
@pytest.mark.parametrize("duty", [1.0, 0.3])
def test_several_sources(duty, late):
    """One for each of many layers; the mask of a layer may be taken much later than that of another."""
    source, drop = make_source(14, 2, several=True)
    counts = [2, 1, 2, 2, 1, 2, 1, 1, 2, 2, 1, 2]
    passed = transfer(source, {"images": counts}, masks_of(14, len(counts)), duty=duty,
                      starts={} if late is None else {
                          f"mask_{layer}": 150 * ((layer + late) % 3) for layer in range(14)})
    bits = choices(Generator((5,) * 14, drop), sum(counts), 1)[:, 0]
    for name, words in masks_by(bits, counts).items():
        assert passed[name].words == words


@pytest.mark.parametrize("starts", [{}, {"mask_0": 300}, {"mask_2": 300}])
def test_choices_share_a_draw(starts):
    """Each gets the same masks, when it takes them."""
    passes, widths, outputs = 4, (1, 2), (1, 0, 1)
    images, drawn = images_of(widths, passes)
    flat   = [outcome >> bit & 1 for image in drawn for number in image
              for outcome, width in zip(number, widths, strict=True) for bit in reversed(range(width))]
    passed = transfer(Asked(MaskBank(widths, outputs, passes)), {"images": images, "bits": flat},
                      {"draw": len(flat), **masks_of(3, len(images))}, starts=starts)
    for output, draw in enumerate(outputs):
        assert passed[f"mask_{output}"].words == [
            sum((number[draw] >> bit & 1) << bit * passes + at
                for at, number in enumerate(image) for bit in range(widths[draw])) for image in drawn]


def test_draws_ahead():
    """While no mask is used, bits of the next images are drawn; one more set waits for room."""
    source, _ = make_source(2, 3)
    passed = transfer(source, {"images": [3] * 8}, masks_of(2, 8),
                      starts={f"mask_{layer}": 200 for layer in range(2)})
    early = [cycle for cycle in passed["images"].cycles if cycle < 200]
    assert len(early) == MaskBank.AHEAD + 1


def test_one_layer_may_be_far_behind():
    source, drop = make_source(2, 3)
    passed = transfer(source, {"images": [3] * 6}, masks_of(2, 6), starts={"mask_1": 300})
    keep = choices(Generator((5,), drop), 6, 3)
    for layer in range(2):
        assert passed[f"mask_{layer}"].words == [pack(bits, 1) for bits in keep[:, :, layer]]
    assert sum(cycle < 300 for cycle in passed["mask_0"].cycles) == MaskBank.AHEAD
