# amaranth: UnusedElaboratable=no
"""Masks of many bits: a word for each pass of the images in flight."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.pass_split import pass_layout
from hdl.stream import moves, vacant


__all__ = ["MaskStore", "drawn_signature"]


def drawn_signature(bits):
    """What a draw of ``bits`` bits gives: for each image a word for each pass, in order, the bit that is
    drawn first lowest. ``handed`` is 1 for a cycle when all words of an image have been sent. An image is
    begun only while there is ``room`` for its words."""
    return wiring.Signature({
        "words":  Out(stream.Signature(bits, always_ready=True)),
        "handed": Out(1),
        "room":   In(1),
    })


class MaskStore(wiring.Component):
    """Store what a draw gives in each pass, and answer for each map what its pass has drawn.

    It holds the words of ``IMAGES`` images, in a memory: a draw of many bits, as the mask of the inputs of
    a layer (SpinDrop), would need a flip-flop for each bit and pass in the mask bank. Latency is
    ``latency`` cycles, throughput one map per cycle.

    Parameters
    ----------
    bits : int
        Bits of the draw.
    passes : int
        T_max.
    protect : bool
        Check the parity of stored words.

    Members
    -------
    drawn : In(drawn_signature(bits))
        Words of images, one after another.
    passes : In(stream.Signature(pass_layout(passes)))
        Pass of each map. It waits until all words of its image are there.
    o : Out(stream.Signature(bits))
        The word of this pass.
    error : Out(1)
        1 for a cycle after a word has lost its parity. Only with ``protect``.
    """

    #: Images whose words are stored: a power of two.
    IMAGES = 4

    latency = 2

    def __init__(self, bits, *, passes, protect=False):
        self.most    = passes
        self.protect = protect
        super().__init__({
            "drawn":  In(drawn_signature(bits)),
            "passes": In(stream.Signature(pass_layout(passes))),
            "o":      Out(stream.Signature(bits)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        number = Signal(range(self.most)) # of the pass whose word comes
        writes = Signal(range(self.IMAGES))
        reads  = Signal(range(self.IMAGES))
        ready  = Signal(range(self.IMAGES + 1)) # images that are whole
        gone   = Signal()
        m.submodules.words = words = memory.Memory(
            shape=len(self.o.payload) + parity.bits, depth=self.IMAGES << len(number), init=[])
        store = words.write_port()
        fetch = words.read_port()
        m.d.comb += [
            store.addr.eq(Cat(number, writes)),
            store.data.eq(parity.stored(self.drawn.words.payload)),
            store.en.eq(self.drawn.words.valid),
            self.drawn.room.eq(ready != self.IMAGES),
            gone.eq(moves(self.passes) & self.passes.payload.last),
        ]
        with m.If(self.drawn.words.valid):
            m.d.sync += number.eq(number + 1)
        with m.If(self.drawn.handed):
            m.d.sync += [number.eq(0), writes.eq(writes + 1)]
        with m.If(gone):
            m.d.sync += reads.eq(reads + 1)
        m.d.sync += ready.eq(ready + self.drawn.handed - gone)

        # One register is that of the memory, the other follows it.
        free = Signal()
        held = Signal()
        m.d.comb += [
            free.eq(vacant(self.o)),
            self.passes.ready.eq(free & (ready != 0)),
            fetch.addr.eq(Cat(self.passes.payload.number, reads)),
            fetch.en.eq(free),
        ]
        with m.If(free):
            m.d.sync += [
                held.eq(moves(self.passes)),
                self.o.valid.eq(held),
                self.o.payload.eq(fetch.data[:len(self.o.payload)]),
            ]
        parity.check(fetch.data, held & free, slow=True)
        parity.report()

        return m
