"""Proofs about frames of a line that are requests."""

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.uart.frames import CHECK_BYTES
from hdl.uart.requests import HEADER_BYTES, QUEUE, Kind, Requests, request_layout
from tests.formal.proof import Proof
from tests.formal.streams import check_stream_rules, free, moved


class Frame:
    """What the bytes of the present frame say, as they come.

    Attributes
    ----------
    inside : 1
        The header is over.
    head : :func:`hdl.uart.requests.request_layout`
    exchange, expected : 1
        The frame brings pixels, and they are the next ones.
    request : 1
        Where the frame ends, it is a request.
    waiting : range(QUEUE + 1)
        Requests that have not left.
    queued : 1
        The frame ends, and there is room for what it asks.
    """

    def __init__(self, m, dut):
        free(m, dut)
        taken = Signal(16)
        with m.If(dut.commit):
            m.d.sync += taken.eq(dut.after)
        m.d.comb += [Assume(~(dut.i.valid & dut.end)), Assume(~dut.good | dut.end),
                     Assume(dut.taken == taken)]
        count, self.head = Signal(range(HEADER_BYTES + CHECK_BYTES + 1)), Signal(request_layout())
        with m.If(dut.i.valid & (count != HEADER_BYTES + CHECK_BYTES)):
            m.d.sync += count.eq(count + 1)
        for byte in range(HEADER_BYTES):
            with m.If(dut.i.valid & (count == byte)):
                m.d.sync += self.head.as_value()[8 * byte:8 * byte + 8].eq(dut.i.payload)
        with m.If(dut.end):
            m.d.sync += count.eq(0)
        self.waiting = Signal(range(QUEUE + 1))
        kind = self.head.kind
        self.inside   = count >= HEADER_BYTES
        self.exchange = (kind == Kind.EXCHANGE) | (kind == Kind.AGAIN)
        self.expected = self.exchange & (self.head.place == dut.taken)
        self.request  = (dut.good & (count == HEADER_BYTES + CHECK_BYTES) & (kind >= 1) & (kind <= 5))
        self.queued   = dut.end & (self.waiting != QUEUE)
        m.d.sync += self.waiting.eq(self.waiting + self.queued - moved(dut.o))


def keeps_stream_rules(m, dut):
    """Once valid is up on an output, it and the payload stay until the word is taken."""
    Frame(m, dut)
    check_stream_rules(m, dut)


def commits_what_is_expected(m, dut):
    """Each frame is committed or abandoned where it ends, and never elsewhere. It is committed if it is
    good, an exchange, and waits for its answer, and its pixels are the next ones and fit. Pixels are the
    bytes behind the header of such a frame, and its check sequence.
    """
    frame = Frame(m, dut)
    meant = dut.end & frame.request & frame.queued & frame.expected & dut.fits
    m.d.comb += [
        Assert(dut.commit == meant),
        Assert(dut.abandon == (dut.end & ~meant)),
        Assert(dut.pixels.valid == (dut.i.valid & frame.inside & frame.expected)),
        Assert(dut.pixels.payload == dut.i.payload),
        Cover(dut.commit), Cover(dut.abandon & frame.request),
    ]


def counts_bad_frames(m, dut):
    """The number of bad frames is that of the frames that are no request, or for which there is no room."""
    frame = Frame(m, dut)
    count = Signal(16)
    with m.If(dut.end & ~(frame.request & frame.queued)):
        m.d.sync += count.eq(count + 1)
    m.d.comb += [Assert(dut.bad == count), Cover(frame.request & ~frame.queued), Cover(count == 2)]


def asks_each_once(m, dut):
    """Of each frame that ends while there is room, what it asks leaves once and in order: its header, with
    the place behind the pixels that count; or that it was wrong. Numbers of frames are modulo 8, more than
    wait.
    """
    frame = Frame(m, dut)
    followed, entering, leaving = AnyConst(3), Signal(3), Signal(3)
    asked, known = Signal(request_layout()), Signal()
    expected = Signal(request_layout())
    m.d.comb += expected.eq(frame.head)
    with m.If(frame.exchange):
        m.d.comb += expected.place.eq(Mux(dut.commit, dut.after, dut.taken))
    with m.If(~frame.request):
        m.d.comb += [expected.eq(0), expected.kind.eq(Kind.NACK)]
    with m.If(frame.queued):
        m.d.sync += entering.eq(entering + 1)
        with m.If(entering == followed):
            m.d.sync += [asked.eq(expected), known.eq(1)]
    m.d.comb += Assert(~dut.o.valid | (frame.waiting != 0))
    with m.If(dut.o.valid & (leaving == followed)):
        m.d.comb += [Assert(known), Assert(dut.o.payload == asked),
                     Cover((followed == 2) & (asked.kind == Kind.WRITE))]
    with m.If(moved(dut.o)):
        m.d.sync += leaving.eq(leaving + 1)
        with m.If(leaving == followed):
            m.d.sync += known.eq(0)


PROOFS = [
    Proof(Requests, keeps_stream_rules, reach=30),
    Proof(Requests, commits_what_is_expected, "bmc", depth=32),
    Proof(Requests, counts_bad_frames, "bmc", depth=32, reach=32),
    Proof(Requests, asks_each_once, "bmc", depth=20),
]
