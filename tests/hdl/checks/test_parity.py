# amaranth: UnusedElaboratable=no
"""Parity of what blocks store: they do the same with it, and see every word that has lost it."""

import random

import pytest
from amaranth.hdl import Fragment, Module, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.sim import Simulator

from hdl.checks.parity import ParityCheck, with_parity
from hdl.head.averaging import Averaging
from hdl.head.softmax import Softmax
from hdl.input.pixel_input import PixelInput
from hdl.layer.crossbar import Crossbar
from hdl.layer.instance_norm import InstanceNorm
from hdl.layer.line_buffer import LineBuffer
from hdl.layer.pool import Pool
from hdl.layer.scale_mux import ScaleMux, comparison_layout
from hdl.pass_sets.edge import Edge
from hdl.pass_sets.map_buffer import MapBuffer
from hdl.pass_sets.pass_split import Choice, branches_layout, pass_set_layout
from hdl.random.mask_bank import MaskBank
from hdl.random.mask_store import MaskStore
from sim.component import PERIOD, transfer


def bits(width, count):
    rng = random.Random(width)
    return [rng.getrandbits(width) for _ in range(count)]


def make_scale_mux(protect):
    banks = [[[{"threshold": [number], "invert": 0} for number in range(6)]] * 2]
    dut = ScaleMux(comparison_layout(range(12)), banks, range(12), columns=2, protect=protect)
    return dut, {"i": bits(len(dut.i.payload.as_value()), 20)}, {"o": 20}


def make_crossbar(protect):
    dut = Crossbar([bits(8, 40)], 8, tile_rows=4, rows_per_read=4, columns_per_read=2, protect=protect)
    reads = [dut.i.payload.shape().const({"inputs": number, "column_group": number % 20}).as_bits()
             for number in range(30)]
    return dut, {"i": reads}, {"o": 30}


def make_map_buffer(protect, words=20):
    dut  = MapBuffer(unsigned(3), words=words, lanes=2, passes=4, depth=2, next_arrays=2, protect=protect)
    sets = [branches_layout(4, 4).const({"sets": [1, 0, 6, 8], "last": 1}).as_bits()] * 4
    return dut, {"i": bits(6, 4 * words), "i_sets": sets}, {"o": 12 * words, "o_sets": 12}


def make_small_map_buffer(protect):
    return make_map_buffer(protect, words=3)


def make_mask_bank(protect):
    dut = MaskBank([1, 2], [0, 1], 4, protect=protect)
    return dut, {"images": [4, 3, 4], "bits": bits(1, 33)}, {"draw": 33, "mask_0": 3, "mask_1": 3}


class StoredWords(wiring.Component):
    """A store of masks whose words come as a stream; the top bit marks the last of an image."""

    def __init__(self, protect):
        self.store = MaskStore(3, passes=4, protect=protect)
        super().__init__({
            "words":  In(stream.Signature(4)),
            "passes": In(self.store.passes.signature.flip()),
            "o":      Out(self.store.o.signature),
            **({"error": Out(1)} if protect else {}),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = self.store
        taken = self.words.valid & self.words.ready
        m.d.comb += [
            self.words.ready.eq(store.drawn.room),
            store.drawn.words.payload.eq(self.words.payload[:3]),
            store.drawn.words.valid.eq(taken),
            store.drawn.handed.eq(taken & self.words.payload[3]),
        ]
        connect(m, flipped(self.passes), store.passes)
        connect(m, store.o, flipped(self.o))
        if "error" in self.signature.members:
            m.d.comb += self.error.eq(store.error)
        return m


def make_mask_store(protect):
    words = [word | (place % 4 == 3) << 3 for place, word in enumerate(bits(3, 16))]
    return StoredWords(protect), {"words": words, "passes": [0, 1, 2, 4 | 3] * 4}, {"o": 16}


def make_pixel_input(protect):
    dut = PixelInput(3, 4, protect=protect)
    return dut, {"i": bits(8, 12)}, {"o": 12, "masks": 4, "sets": 4}


def make_line_buffer(protect):
    dut = LineBuffer(5, 6, 2, kernel=(3, 2), padding=(1, 1), protect=protect)
    return dut, {"i": bits(2, 60)}, {"o": 70}


def make_pool(protect):
    dut = Pool(4, 6, 2, size=(2, 2), lanes=2, columns=3, bits=2, protect=protect)
    return dut, {"i": bits(len(dut.i.payload.as_value()), 96)}, {"o": 24}


def make_instance_norm(protect):
    words = [{"gain": number - 2, "offset": number} for number in range(6)]
    dut   = InstanceNorm([[words, [{"gain": 2, "offset": 0}] * 6]], range(-7, 8), 4, 6, size=(2, 2),
                         columns=2, protect=protect)
    sums  = [dut.i.payload.shape().const({"sums": [number % 15 - 7, number % 13 - 6]}).as_bits()
             for number in range(216)]
    return dut, {"i": sums}, {"o": 54}


def make_softmax(protect):
    dut = Softmax(signed(14), classes=3, fraction=8, guard=2, protect=protect)
    rng = random.Random(0)
    return dut, {"i": [rng.randrange(-2000, 2000) for _ in range(18)]}, {"o": 18}


def make_averaging(protect):
    dut = Averaging(3, 6, confidence=40000, protect=protect)
    layout = pass_set_layout(6)
    sets = [layout.const({"set": members, "last": last}).as_bits()
            for members, last in ((5, 0), (26, 0), (32, 1), (63, 1), (8, 0), (7, 1))]
    return dut, {"i": bits(16, 18), "sets": sets}, {"o": 9}


def make_array_edge(protect):
    dut = Edge(3, words=20, lanes=1, early=Choice((0, 1, 2, 3)), passes=4, depth=2, by_credit=False,
               protect=protect)
    sets = [pass_set_layout(4).const({"set": 15, "last": 1}).as_bits()] * 3
    return dut, {"i": bits(3, 60), "i_sets": sets, "early": [0b0110_0011] * 3}, {"o": 180, "o_sets": 9}


def make_pass_edge(protect):
    dut = Edge(3, words=5, lanes=1, early=Choice((0, 1, 2, 3), draw=None), passes=4, depth=2,
               by_credit=False, protect=protect)
    sets = [pass_set_layout(4).const({"set": members, "last": 1}).as_bits() for members in (3, 15, 1)]
    return dut, {"i": bits(3, 15), "i_sets": sets}, {"o": 35, "o_sets": 7}


#: Each block, and how many memories it has.
BLOCKS = [(make_scale_mux, 1), (make_crossbar, 2), (make_map_buffer, 4), (make_small_map_buffer, 4),
          (make_mask_bank, 2), (make_mask_store, 1), (make_pixel_input, 2), (make_line_buffer, 1),
          (make_pool, 1), (make_instance_norm, 4),
          (make_softmax, 6), (make_averaging, 3), (make_array_edge, 4), (make_pass_edge, 4)]


def memories(fragment):
    """Contents of all memories of an elaborated component."""
    if hasattr(fragment, "_data"):
        yield fragment._data
    for inner, _, _ in fragment.subfragments:
        yield from memories(inner)


def run(make, memory=None):
    """Run the protected block; return what passed, whether it saw an error, and how many memories it
    has. The parity bits of all words of the memory with this number are wrong all the time."""
    dut, sends, receives = make(True)
    elaborate, found, errors = dut.elaborate, [], []

    def opened(platform):
        fragment = Fragment.get(elaborate(platform), platform)
        found.extend(memories(fragment))
        return fragment

    async def watch(ctx):
        while True:
            errors.append((await ctx.tick().sample(dut.error))[-1])

    async def flip(ctx):
        while memory is not None:
            await ctx.tick()
            for word in range(found[memory].depth):
                row   = found[memory][word]
                width = len(row) - 1
                ctx.set(row, with_parity(ctx.get(row) & (1 << width) - 1, width) ^ 1 << width)

    dut.elaborate = opened
    passed = transfer(dut, sends, receives, processes=(watch, flip))
    return passed, any(errors), len(found)


@pytest.mark.parametrize("make, count", BLOCKS, ids=[make.__name__ for make, _ in BLOCKS])
def test_the_same_words_in_the_same_cycles(make, count):
    passed, error, found = run(make)
    assert not error
    assert found == count
    dut, sends, receives = make(False)
    assert not hasattr(dut, "error")
    assert transfer(dut, sends, receives) == passed


@pytest.mark.some(12)
@pytest.mark.parametrize("make, memory", [(make, memory) for make, count in BLOCKS
                                          for memory in range(count)],
                         ids=[f"{make.__name__}-{memory}" for make, count in BLOCKS
                              for memory in range(count)])
def test_lost_parity_is_seen(make, memory):
    assert run(make, memory)[1]


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("width", [1, 31, 32, 33, 100])
def test_every_flipped_bit_is_seen_when_used(width, slow):
    word, used = Signal(width + 1), Signal()
    dut = ParityCheck(word, used, slow=slow)
    right = [with_parity(value, width) for value in bits(width, 3)]
    cases = [(value, 1, 0) for value in right] + [
        (value ^ 1 << bit, use, use) for value in right for bit in range(width + 1) for use in (0, 1)]

    async def bench(ctx):
        seen = []
        for value, use, _ in [*cases, *[(0, 0, 0)] * 3]:
            ctx.set(word, value)
            ctx.set(used, use)
            seen.append((await ctx.tick().sample(dut.error))[-1])
        assert seen[2 + slow:][:len(cases)] == [expected for *_, expected in cases]

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("sets, error", [
    ([0b0011, 0b1100], False), ([0b1111], False), ([0b0111], False), ([0b0001, 0b0110], False),
    ([0b0011, 0b1110], True), ([0b0011, 0b1000], True), ([0b1110], True), ([0b0111, 0b0000], True)])
def test_pass_sets_divide_the_passes(sets, error):
    """None is empty, no pass is in two of them, and none is left out below the last. The flag is in
    each word of the result, and stays."""
    dut = Averaging(2, 4, confidence=40000, protect=True)
    layout = pass_set_layout(4)
    images = [*sets, 0b1111]
    words  = [layout.const({"set": members, "last": number >= len(sets) - 1}).as_bits()
              for number, members in enumerate(images)]
    passed = transfer(dut, {"i": bits(16, 2 * len(images)), "sets": words}, {"o": 4})
    results = [dut.o.payload.shape().from_bits(word) for word in passed["o"].words]
    assert [result.error for result in results] == [error] * 4
