"""Proofs about several random sources that are asked in turn."""

from functools import partial

from amaranth.hdl import Array, Assert, Cover, Mux, Signal

from hdl.random.mtj_rng import MtjRng
from hdl.random.rng_bank import RngBank
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def gives_bits_in_turn(m, dut):
    """The k-th bit answers the k-th request: both belong to junction k modulo the number of junctions,
    which is written with the current of the requested layer and whose read gives the bit.
    """
    free(m, dut)
    requests, answers = Signal(range(dut.count)), Signal(range(dut.count))
    for port, turn in ((dut.i, requests), (dut.o, answers)):
        with m.If(moved(port)):
            m.d.sync += turn.eq(Mux(turn == dut.count - 1, 0, turn + 1))
    for number, (pins, source) in enumerate(zip(dut.mtj, dut.sources, strict=True)):
        layer, bit  = Signal.like(dut.i.payload, name=f"layer_{number}"), Signal(name=f"bit_{number}")
        read, sense = Signal(name=f"read_{number}"), Signal(name=f"sense_{number}")
        m.d.sync += [read.eq(pins.read), sense.eq(pins.sense)]
        now = Mux(read & ~pins.read, ~sense, bit)
        m.d.sync += bit.eq(now)
        with m.If(moved(dut.i) & (requests == number)):
            m.d.sync += layer.eq(dut.i.payload)
        with m.If(pins.set):
            m.d.comb += Assert(pins.current == Array(source.currents)[layer])
        with m.If(dut.o.valid & (answers == number)):
            m.d.comb += [Assert(dut.o.payload == now), Cover(now), Cover(~now)]


def make(*, count, cycles):
    return RngBank([MtjRng((1, 2), 3, code=2, set_cycles=cycles, read_cycles=cycles, reset_cycles=cycles)
                    for _ in range(count)])


SMALL = partial(make, count=2, cycles=1)

PROOFS = [
    Proof(SMALL, keeps_stream_rules),
    Proof(SMALL, gives_bits_in_turn),
    Proof(partial(make, count=1, cycles=2), gives_bits_in_turn),
    Proof(partial(make, count=3, cycles=2), gives_bits_in_turn, reach=30),
    Readiness(SMALL),
]
