# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.pass_sets.pass_split import pass_layout
from hdl.random.mask_bank import MaskBank
from hdl.random.mask_store import MaskStore
from hdl.stream import moves
from sim.component import transfer


class BankWithStores(wiring.Component):
    """A mask bank with a store for each of ``stores``, which is sent each bit after it has asked for it."""

    def __init__(self, draws, outputs, passes, stores):
        self.bank   = MaskBank(draws, outputs, passes, stores=stores)
        self.stores = [MaskStore(draws[draw], passes=passes) for draw in stores]
        super().__init__({
            "images": In(self.bank.images.signature.flip()),
            "bits":   In(stream.Signature(1)),
            **{f"mask_{index}": Out(mask.signature) for index, mask in enumerate(self.bank.masks)},
            **{f"passes_{index}": In(store.passes.signature.flip())
               for index, store in enumerate(self.stores)},
            **{f"o_{index}": Out(store.o.signature) for index, store in enumerate(self.stores)},
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank = bank = self.bank
        connect(m, flipped(self.images), bank.images)
        owed = Signal(16)
        m.d.sync += owed.eq(owed + moves(bank.draw) - moves(bank.bits))
        m.d.comb += [
            bank.draw.ready.eq(1),
            bank.bits.payload.eq(self.bits.payload),
            bank.bits.valid.eq(self.bits.valid & (owed != 0)),
            self.bits.ready.eq(bank.bits.ready & (owed != 0)),
        ]
        for index, mask in enumerate(bank.masks):
            connect(m, mask, flipped(getattr(self, f"mask_{index}")))
        for index, (drawn, store) in enumerate(zip(bank.drawn, self.stores, strict=True)):
            m.submodules[f"store_{index}"] = store
            connect(m, drawn, store.drawn)
            connect(m, flipped(getattr(self, f"passes_{index}")), store.passes)
            connect(m, store.o, flipped(getattr(self, f"o_{index}")))
        return m


def question(passes, number, last):
    return pass_layout(passes).const({"number": number, "last": last}).as_bits()


#: Bits of each draw, draws that masks are of, draws that are stored, and T_max.
SHAPES = [((3,), (), (0,), 5), ((1, 4, 2), (0, 2), (1,), 4), ((2, 5), (0,), (1, 0), 3), ((1,), (), (0,), 1)]


@pytest.mark.some(10)
@pytest.mark.parametrize("late", [None, "o_0", "passes_0", "bits"])
@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("draws, outputs, stores, passes", SHAPES)
def test_words_of_passes(draws, outputs, stores, passes, duty, late):
    """Each pass is answered with what it has drawn, in any order and as often as it is asked for."""
    rng    = random.Random(0)
    images = [passes, 1, *(rng.randint(1, passes) for _ in range(9))]
    bits   = [[[[rng.getrandbits(1) for _ in range(width)] for width in draws] for _ in range(count)]
              for count in images]
    ports  = {"images": images,
              "bits": [bit for image in bits for number in image for draw in number for bit in draw]}
    wanted = {}
    for index, draw in enumerate(stores):
        ports[f"passes_{index}"], wanted[f"o_{index}"] = [], []
        for image in bits:
            asked = [*range(len(image)), *rng.choices(range(len(image)), k=2)]
            rng.shuffle(asked)
            ports[f"passes_{index}"] += [question(passes, number, place + 1 == len(asked))
                                         for place, number in enumerate(asked)]
            wanted[f"o_{index}"] += [sum(bit << place for place, bit in enumerate(image[number][draw]))
                                     for number in asked]
    for index, draw in enumerate(outputs):
        width = draws[draw]
        wanted[f"mask_{index}"] = [
            sum(number[draw][place] << (width - 1 - place) * passes + at
                for at, number in enumerate(image) for place in range(width)) for image in bits]
    passed = transfer(BankWithStores(draws, outputs, passes, stores), ports,
                      {name: len(words) for name, words in wanted.items()}, duty=duty,
                      starts={late: 400} if late else {})
    assert {name: passed[name].words for name in wanted} == wanted
    if late == "o_0":
        # Answers go on until one waits at the output.
        assert sum(cycle < 400 for cycle in passed["passes_0"].cycles) == MaskStore.latency
    if late == "passes_0":
        early = sum(cycle < 400 for cycle in passed["images"].cycles)
        assert early <= MaskStore.IMAGES
        assert early == MaskStore.IMAGES or duty < 1 or outputs


def test_timing():
    """A pass is answered two cycles later, one in every cycle."""
    ports  = {"images": [4], "bits": [1, 0, 0, 1, 1, 1, 0, 0],
              "passes_0": [question(4, number, number == 3) for number in range(4)]}
    passed = transfer(BankWithStores((2,), (), 4, (0,)), ports, {"o_0": 4})
    assert passed["o_0"].words == [0b01, 0b10, 0b11, 0b00]
    begin = passed["passes_0"].cycles[0]
    assert begin == passed["bits"].cycles[-1] + 2
    assert passed["passes_0"].cycles == [*range(begin, begin + 4)]
    assert passed["o_0"].cycles == [*range(begin + MaskStore.latency, begin + MaskStore.latency + 4)]
