# amaranth: UnusedElaboratable=no

import itertools
import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.pass_sets.part_sequencer import PartSequencer
from hdl.pass_sets.pass_split import pass_layout
from hdl.random.equal_passes import EqualPasses
from hdl.random.mask_bank import MaskBank
from hdl.stream import delayed, moves
from sim.component import transfer


class BankWithRows(wiring.Component):
    """A mask bank, and who compares the bits of one of its draws, a cycle after they are taken. One
    question is answered after the other; no more images are begun than can be stored."""

    def __init__(self, draws, draw, passes, protect):
        self.bank  = MaskBank(draws, (), passes, stores=(draw,))
        self.equal = EqualPasses(draws[draw], passes=passes, protect=protect)
        self.first = sum(draws[:draw])
        super().__init__({
            "images":    In(self.bank.images.signature.flip()),
            "bits":      In(stream.Signature(1)),
            "questions": In(stream.Signature(pass_layout(passes))),
            "o":         Out(stream.Signature(passes)),
        })
        #: Whether a word has lost its parity.
        self.error = Signal()

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank  = bank  = self.bank
        m.submodules.equal = equal = self.equal
        connect(m, flipped(self.images), bank.images)
        flying, owed = Signal(range(EqualPasses.IMAGES + 1)), Signal(16)
        m.d.sync += [
            flying.eq(flying + moves(bank.images) - equal.rows.done),
            owed.eq(owed + moves(bank.draw) - moves(bank.bits)),
            equal.strobe.eq(bank.taken[self.first:self.first + equal.bits].any()),
            equal.bit.eq(bank.bits.payload),
        ]
        m.d.comb += [
            bank.draw.ready.eq(1),
            bank.bits.payload.eq(self.bits.payload),
            bank.bits.valid.eq(self.bits.valid & (owed != 0)),
            self.bits.ready.eq(bank.bits.ready & (owed != 0)),
            bank.drawn_0.room.eq(flying != EqualPasses.IMAGES),
            equal.handed.eq(bank.drawn_0.handed),
        ]
        if self.equal.protect:
            with m.If(equal.error):
                m.d.sync += self.error.eq(1)

        asked, rows = Signal(), equal.rows
        m.d.comb += [
            rows.numbers.valid.eq(self.questions.valid & ~asked),
            rows.numbers.payload.eq(self.questions.payload.number),
            self.o.valid.eq(asked & delayed(m, asked, PartSequencer.ROW - 1, name="known")),
            self.o.payload.eq(rows.row),
            self.questions.ready.eq(moves(self.o)),
            rows.done.eq(moves(self.questions) & self.questions.payload.last),
        ]
        with m.If(moves(rows.numbers)):
            m.d.sync += asked.eq(1)
        with m.If(moves(self.o)):
            m.d.sync += asked.eq(0)
        return m


#: Bits of each draw, the one that is compared, T_max, and whether words are protected.
SHAPES = [((1,), 0, 1, False), ((1,), 0, 5, True), ((2, 1), 1, 4, False), ((2,), 0, 9, False),
          ((1, 3, 2), 1, 6, True)]


@pytest.mark.some(10)
@pytest.mark.parametrize("late", [None, "o", "questions"])
@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("draws, draw, passes, protect", SHAPES)
def test_rows(draws, draw, passes, protect, duty, late):
    """Each pass is answered with those up to it that have drawn the same, in any order and as often as it
    is asked for."""
    rng    = random.Random(0)
    images = [passes, 1, *(rng.randint(1, passes) for _ in range(6)), *[passes] * 8]
    words  = [[[[int(rng.random() < rate) for _ in range(width)] for width in draws] for _ in range(count)]
              for count, rate in zip(images, itertools.cycle((0.7, 0.3)), strict=False)]
    questions, rows = [], []
    for image in words:
        asked = [*range(len(image)), *rng.choices(range(len(image)), k=2)]
        rng.shuffle(asked)
        for place, number in enumerate(asked):
            questions.append(pass_layout(passes).const(
                {"number": number, "last": place + 1 == len(asked)}).as_bits())
            rows.append(sum(1 << other for other in range(number + 1)
                            if image[other][draw] == image[number][draw]))
    dut    = BankWithRows(draws, draw, passes, protect)
    errors = []

    async def watch(ctx):
        async for _, _, error in ctx.tick().sample(dut.error):
            errors.append(error)

    passed = transfer(dut, {
        "images": images, "questions": questions,
        "bits": [bit for image in words for each in image for drawn in each for bit in drawn],
    }, {"o": len(rows)}, duty=duty, starts={late: 250} if late else {}, processes=(watch,))
    assert passed["o"].words == rows
    assert errors and not any(errors)
    if late == "questions":
        early = sum(cycle < 250 for cycle in passed["images"].cycles)
        assert early <= EqualPasses.IMAGES
        assert early == EqualPasses.IMAGES or duty < 1


def test_timing():
    """A row is there two cycles after the question, which can be asked two cycles after the last bit."""
    question = pass_layout(4).const({"number": 3, "last": 1}).as_bits()
    passed = transfer(BankWithRows((2,), 0, 4, False), {
        "images": [4], "bits": [1, 0, 0, 1, 1, 0, 1, 0], "questions": [question]}, {"o": 1})
    assert passed["o"].words == [0b1101]
    assert passed["o"].cycles == [passed["bits"].cycles[-1] + 2 + PartSequencer.ROW]
