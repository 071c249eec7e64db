# amaranth: UnusedElaboratable=no
"""First pass sets of each image: all passes at once, one pass after another, or one set per array."""

import operator

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.map_buffer import MapBuffer
from hdl.pass_sets.pass_split import PassSplit, pass_set_layout
from hdl.stream import counter, moves, vacant


__all__ = ["SharedPasses", "SequentialPasses", "ArrayPasses"]


class SharedPasses(wiring.Component):
    """Create the pass set of each image: all of its passes, {0, ..., T - 1}.

    Latency is zero cycles.

    Parameters
    ----------
    passes : int
        T_max.

    Members
    -------
    images : In(stream.Signature(range(passes + 1)))
        Number of passes of each image.
    o_sets : Out(stream.Signature(pass_set_layout(passes)))
        Pass set of each image: the lowest T bits are 1.
    """

    def __init__(self, passes):
        self.passes = operator.index(passes)
        super().__init__({
            "images": In(stream.Signature(range(passes + 1))),
            "o_sets": Out(stream.Signature(pass_set_layout(passes))),
        })

    def elaborate(self, platform):
        m = Module()

        m.d.comb += [
            self.o_sets.valid.eq(self.images.valid),
            self.images.ready.eq(self.o_sets.ready),
            self.o_sets.payload.last.eq(1),
            self.o_sets.payload.set.eq(
                Cat(self.images.payload > index for index in range(self.passes))),
        ]

        return m


class SequentialPasses(wiring.Component):
    """Store each image and send it once per pass, with the pass sets {0}, {1}, ..., {T - 1}.

    Double buffer: an image is stored while the one before is sent. Latency is ``latency`` cycles from
    the last word of an image to the first word that is sent, throughput one word per cycle on both sides.

    Parameters
    ----------
    word_bits : int
        Bits of a word.
    words : int
        Words of an image.
    passes : int
        T_max.
    protect : bool
        Check the parity of stored words.

    Members
    -------
    images : In(stream.Signature(range(passes + 1)))
        Number of passes of each image.
    i, o : In, Out(stream.Signature(word_bits))
        Words of images.
    o_sets : Out(stream.Signature(pass_set_layout(passes)))
        Pass set of each map that is sent.
    error : Out(1)
        1 for a cycle after a word has lost its parity. Only with ``protect``.
    """

    latency = 2

    def __init__(self, word_bits, *, words, passes, protect=False):
        self.word_bits = operator.index(word_bits)
        self.words     = operator.index(words)
        self.passes    = operator.index(passes)
        self.protect   = protect
        super().__init__({
            **error_port(protect),
            "images": In(stream.Signature(range(passes + 1))),
            "i":      In(stream.Signature(word_bits)),
            "o":      Out(stream.Signature(word_bits)),
            "o_sets": Out(stream.Signature(pass_set_layout(passes))),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.maps = maps = memory.Memory(
            shape=self.word_bits + parity.bits, depth=2 * self.words, init=[])
        store   = maps.write_port()
        fetch   = maps.read_port()
        full    = Signal(range(3)) # halves of the memory
        release = Signal()
        filled  = Signal()
        write_word, last_written = counter(m, self.words, store.en, name="write_word")
        write_half = Signal()
        m.d.comb += [
            self.i.ready.eq(full != 2),
            store.addr.eq(Mux(write_half, self.words, 0) + write_word),
            store.data.eq(parity.stored(self.i.payload)),
            store.en.eq(moves(self.i)),
            filled.eq(store.en & last_written),
        ]
        m.d.sync += [write_half.eq(write_half ^ filled), full.eq(full + filled - release)]

        issue = Signal()
        word, last_word = counter(m, self.words, issue, name="word")
        half  = Signal()
        index = Signal(range(self.passes + 1)) # of the pass that is sent, and the pass set of it
        alone = Signal(self.passes, init=1)
        free  = Signal()
        final = Signal()
        m.d.comb += [
            free.eq(vacant(self.o)),
            issue.eq((full != 0) & self.images.valid & free & ((word != 0) | vacant(self.o_sets))),
            fetch.addr.eq(Mux(half, self.words, 0) + word),
            fetch.en.eq(free),
            self.o.payload.eq(fetch.data),
            final.eq(index + 1 == self.images.payload),
        ]
        parity.check(fetch.data, self.o.valid, slow=True)
        with m.If(free):
            m.d.sync += self.o.valid.eq(issue)
        with m.If(self.o_sets.ready):
            m.d.sync += self.o_sets.valid.eq(0)
        with m.If(issue & (word == 0)):
            m.d.sync += [
                self.o_sets.valid.eq(1),
                self.o_sets.payload.set.eq(alone),
                self.o_sets.payload.last.eq(final),
            ]
        with m.If(issue & last_word):
            m.d.sync += [index.eq(index + 1), alone.eq(alone << 1)]
            with m.If(final):
                m.d.comb += [release.eq(1), self.images.ready.eq(1)]
                m.d.sync += [index.eq(0), alone.eq(1), half.eq(~half)]
        parity.report()

        return m


class ArrayPasses(wiring.Component):
    """Store the maps that enter the first layer and send each of them once per array that a pass of it
    has chosen, with the set of these passes.

    One map is stored while the one before is sent. Latency is ``latency`` cycles from the last word of
    a map to the first word that is sent, throughput one word per cycle on both sides.

    Parameters
    ----------
    word_bits : int
        Bits of a word.
    words : int
        Words of a map.
    choice : hdl.pass_sets.pass_split.Choice
        How a pass chooses one of the arrays of the first layer.
    passes : int
        T_max.
    protect : bool
        Check the parity of stored words and pass sets.

    Members
    -------
    i, o : In, Out(stream.Signature(word_bits))
        Words of maps.
    i_sets : In(stream.Signature(pass_set_layout(passes)))
        Pass set of each map.
    mask : In(stream.Signature(passes * bits))
        Masks of the choice for each image (:class:`hdl.random.mask_bank.MaskBank`), if it draws.
    o_sets : Out(stream.Signature(pass_set_layout(passes, arrays)))
        Pass set and array of each map that is sent.
    error : Out(1)
        1 for a cycle after a word or a pass set has lost its parity. Only with ``protect``.
    """

    latency = MapBuffer.latency

    def __init__(self, word_bits, *, words, choice, passes, protect=False):
        self.choice = choice
        apart = choice.separates(passes)
        self.split  = PassSplit(passes, [] if apart else [choice])
        self.buffer = MapBuffer(unsigned(word_bits), words=words, lanes=1, passes=passes, depth=2,
                                next_arrays=choice.outcomes, apart=apart, protect=protect)
        self.protect = protect
        super().__init__({
            "i":      In(stream.Signature(word_bits)),
            "i_sets": In(self.split.i.signature.flip()),
            **({"mask": In(self.split.mask_0.signature.flip())} if choice.bits else {}),
            "o":      Out(stream.Signature(word_bits)),
            "o_sets": Out(self.buffer.o_sets.signature),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.pass_split = self.split
        m.submodules.map_buffer = self.buffer
        connect(m, flipped(self.i_sets), self.split.i)
        if self.choice.bits:
            connect(m, flipped(self.mask), self.split.mask_0)
        connect(m, self.split.o, self.buffer.i_sets)
        m.d.comb += [
            self.buffer.i.valid.eq(self.i.valid),
            self.buffer.i.payload[0].eq(self.i.payload),
            self.i.ready.eq(self.buffer.i.ready),
        ]
        connect(m, self.buffer.o, flipped(self.o))
        connect(m, self.buffer.o_sets, flipped(self.o_sets))
        parity = Parity(m, self)
        parity.watch(self.buffer)
        parity.report()

        return m
