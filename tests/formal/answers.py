"""Proofs about answers to the requests of a line."""

from amaranth.hdl import Assert, Cover, Mux, Signal

from hdl.uart.answers import ANSWER, REFUSED, RESET_CYCLES, Answers
from hdl.uart.requests import HEADER_BYTES, Kind, request_layout
from tests.formal.proof import Proof
from tests.formal.streams import check_stream_rules, free, moved


def environment(m, dut):
    """Anything may be at the inputs. Bytes of results are withdrawn where others are asked for."""
    free(m, dut, loose=("results",))


def keeps_stream_rules(m, dut):
    """Once valid is up on an output, it and the payload stay until the word is taken."""
    environment(m, dut)
    check_stream_rules(m, dut)


def present(m, dut):
    """Return the request that is answered, or was last."""
    request = Signal(request_layout())
    with m.If(moved(dut.i)):
        m.d.sync += request.eq(dut.i.payload)
    return request


def answers_each_with_a_frame(m, dut):
    """Each request has one frame, which begins with its kind and its tag, and is of eight bytes and those
    of results that were taken for it. No request is taken before the frame of the one before, but for its
    last byte.
    """
    environment(m, dut)
    # The request whose frame leaves, and one that has come while the last byte of that frame had not left.
    frames = Signal(2)
    requests = [Signal(request_layout(), name=f"request_{number}") for number in range(2)]
    results  = [Signal(16, name=f"results_{number}") for number in range(2)]
    byte, ends = Signal(17), Signal()
    m.d.comb += [ends.eq(moved(dut.o) & dut.o.payload.last), Assert(frames <= 2),
                 Assert(~(dut.o.valid & (frames == 0)))]
    m.d.sync += frames.eq(frames + moved(dut.i) - ends)
    with m.If(ends):
        m.d.sync += [requests[0].eq(requests[1]), results[0].eq(results[1])]
    for place in range(2):
        with m.If(moved(dut.i) & (frames - ends == place)):
            m.d.sync += [requests[place].eq(dut.i.payload), results[place].eq(0)]
    # Results are taken for the newest one.
    with m.If(moved(dut.results)):
        with m.If((frames == 2) & ~ends):
            m.d.sync += results[1].eq(results[1] + 1)
        with m.Else():
            m.d.sync += results[0].eq(Mux(ends, results[1], results[0]) + 1)
    with m.If(moved(dut.o)):
        m.d.sync += byte.eq(Mux(dut.o.payload.last, 0, byte + 1))
    of = requests[0]
    with m.If(dut.o.valid):
        with m.If(byte == 0):
            m.d.comb += [Assert((dut.o.payload.data | REFUSED) == (of.kind | ANSWER | REFUSED)),
                         Cover(of.kind == Kind.WRITE)]
        with m.If(byte == 1):
            m.d.comb += Assert(dut.o.payload.data == of.tag)
        with m.If(dut.o.payload.last):
            m.d.comb += [Assert(byte == HEADER_BYTES - 1 + results[0]), Cover(results[0] == 1)]


def uses_registers_once(m, dut):
    """A register is read for a request to read, and written for a request to write, with the address and
    the value of the request, once each and for no other one; an answer of a register is only taken after it
    was asked.
    """
    environment(m, dut)
    request = present(m, dut)
    asked, told = Signal(3), Signal() # of aw, w and ar; and b or r
    with m.If(moved(dut.i)):
        m.d.sync += [asked.eq(0), told.eq(0)]
    for number, (port, kind) in enumerate(((dut.aw, Kind.WRITE), (dut.w, Kind.WRITE),
                                           (dut.ar, Kind.READ))):
        with m.If(port.valid):
            m.d.comb += [Assert(request.kind == kind), Assert(~asked[number])]
        with m.If(moved(port)):
            m.d.sync += asked[number].eq(1)
    for port in (dut.b, dut.r):
        with m.If(moved(port)):
            m.d.comb += [Assert(~told), Cover(~told)]
            m.d.sync += told.eq(1)
    with m.If(moved(dut.b)):
        m.d.comb += Assert(asked == 0b011)
    with m.If(moved(dut.r)):
        m.d.comb += Assert(asked == 0b100)
    with m.If(dut.ar.valid):
        m.d.comb += Assert(dut.ar.payload == request.place[:len(dut.ar.payload)])
    with m.If(dut.aw.valid):
        m.d.comb += Assert(dut.aw.payload == request.place[:len(dut.aw.payload)])
    with m.If(dut.w.valid):
        m.d.comb += [Assert(dut.w.payload.data == request.value), Assert(dut.w.payload.strobe == 0xF)]


def resets_for_a_request(m, dut):
    """The accelerator is reset for a request of a reset and no other one, for sixteen cycles, and results
    are released for an exchange and no other one, once."""
    environment(m, dut)
    request = present(m, dut)
    cycles, released = Signal(range(RESET_CYCLES + 2)), Signal()
    m.d.sync += cycles.eq(Mux(dut.reset, cycles + 1, 0))
    with m.If(dut.reset):
        m.d.comb += [Assert(request.kind == Kind.RESET), Assert(cycles < RESET_CYCLES),
                     Cover(cycles == RESET_CYCLES - 1)]
    with m.Else():
        m.d.comb += Assert((cycles == 0) | (cycles == RESET_CYCLES))
    with m.If(moved(dut.i)):
        m.d.sync += released.eq(0)
    with m.If(dut.release):
        m.d.comb += [
            Assert((request.kind == Kind.EXCHANGE) | (request.kind == Kind.AGAIN)), Assert(~released),
            Assert(dut.again == (request.kind == Kind.AGAIN)),
            Assert(dut.place == request.value[:16]), Cover(dut.again),
        ]
        m.d.sync += released.eq(1)


PROOFS = [
    Proof(Answers, keeps_stream_rules, reach=40),
    Proof(Answers, answers_each_with_a_frame, "bmc", depth=42, reach=42),
    Proof(Answers, uses_registers_once, reach=30),
    Proof(Answers, resets_for_a_request, reach=30),
]
