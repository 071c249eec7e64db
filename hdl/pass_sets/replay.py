# amaranth: UnusedElaboratable=no
"""Where the pass sets of an image begin: all passes at once, one after another, or array by array."""

import operator

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.map_buffer import MapBuffer
from hdl.pass_sets.pass_split import PassSplit, pass_set_layout


__all__ = ["SharedPasses", "SequentialPasses", "ArrayPasses"]


class SharedPasses(wiring.Component):
    """Give the map of an image the set of all its passes.

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
        Pass set of each image: its lowest bits.
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
    """Store each image and send it once per pass, with a set of this pass alone.

    One image is filled while the one before is sent. Latency is ``latency`` cycles from the last
    word of an image to the first word that is sent, throughput one word per cycle on both sides.

    Parameters
    ----------
    channels : int
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
    i, o : In, Out(stream.Signature(channels))
        Words of images.
    o_sets : Out(stream.Signature(pass_set_layout(passes)))
        Pass set of each map that is sent.
    error : Out(1)
        1 for a cycle after a word has lost its parity. Only with ``protect``.
    """

    latency = 2

    def __init__(self, channels, *, words, passes, protect=False):
        self.channels = operator.index(channels)
        self.words    = operator.index(words)
        self.passes   = operator.index(passes)
        self.protect  = protect
        super().__init__({
            **error_port(protect),
            "images": In(stream.Signature(range(passes + 1))),
            "i":      In(stream.Signature(channels)),
            "o":      Out(stream.Signature(channels)),
            "o_sets": Out(stream.Signature(pass_set_layout(passes))),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.maps = maps = memory.Memory(
            shape=self.channels + parity.bits, depth=2 * self.words, init=[])
        store      = maps.write_port()
        fetch      = maps.read_port()
        held       = Signal(range(3))
        filled     = Signal()
        release    = Signal()
        write_word = Signal(range(self.words))
        write_half = Signal()
        m.d.comb += [
            self.i.ready.eq(held != 2),
            store.addr.eq(Mux(write_half, self.words, 0) + write_word),
            store.data.eq(parity.stored(self.i.payload)),
            store.en.eq(self.i.valid & self.i.ready),
            filled.eq(store.en & (write_word == self.words - 1)),
        ]
        with m.If(store.en):
            m.d.sync += [write_word.eq(Mux(filled, 0, write_word + 1)), write_half.eq(write_half ^ filled)]
        m.d.sync += held.eq(held + filled - release)

        word  = Signal(range(self.words))
        half  = Signal()
        done  = Signal(range(self.passes + 1)) # passes sent
        at    = Signal(self.passes, init=1) # the one in progress, one-hot
        issue = Signal()
        free  = Signal()
        final = Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            issue.eq((held != 0) & self.images.valid & free
                     & ((word != 0) | ~self.o_sets.valid | self.o_sets.ready)),
            fetch.addr.eq(Mux(half, self.words, 0) + word),
            fetch.en.eq(free),
            self.o.payload.eq(fetch.data),
            final.eq(done + 1 == self.images.payload),
        ]
        parity.check(fetch.data, self.o.valid, slow=True)
        with m.If(free):
            m.d.sync += self.o.valid.eq(issue)
        with m.If(self.o_sets.ready):
            m.d.sync += self.o_sets.valid.eq(0)
        with m.If(issue):
            m.d.sync += word.eq(word + 1)
            with m.If(word == 0):
                m.d.sync += [
                    self.o_sets.valid.eq(1),
                    self.o_sets.payload.set.eq(at),
                    self.o_sets.payload.last.eq(final),
                ]
            with m.If(word == self.words - 1):
                m.d.sync += [word.eq(0), done.eq(done + 1), at.eq(at << 1)]
                with m.If(final):
                    m.d.comb += [release.eq(1), self.images.ready.eq(1)]
                    m.d.sync += [done.eq(0), at.eq(1), half.eq(~half)]
        parity.report()

        return m


class ArrayPasses(wiring.Component):
    """Store the maps that enter the first layer and send each for every array that was chosen for it.

    One map is filled while the one before is sent. Latency is ``latency`` cycles from the last word of
    a map to the first word that is sent, throughput one word per cycle on both sides.

    Parameters
    ----------
    channels : int
        Bits of a word.
    words : int
        Words of a map.
    arrays, passes : int
        Arrays to choose from, and T_max.
    protect : bool
        Check the parity of stored words and pass sets.

    Members
    -------
    i, o : In, Out(stream.Signature(channels))
        Words of maps.
    i_sets : In(stream.Signature(pass_set_layout(passes)))
        Pass set of each map.
    mask : In(stream.Signature(passes * bits))
        Choices of the first layer for each image (:class:`hdl.pass_sets.mask_bank.MaskBank`).
    o_sets : Out(stream.Signature(pass_set_layout(passes, arrays)))
        Pass set and array of each map that is sent.
    error : Out(1)
        1 for a cycle after a word or a pass set has lost its parity. Only with ``protect``.
    """

    latency = MapBuffer.latency

    def __init__(self, channels, *, words, arrays, passes, protect=False):
        self.split  = PassSplit(passes, (arrays,))
        self.buffer = MapBuffer(unsigned(channels), words=words, lanes=1, passes=passes, depth=2,
                                copies=arrays, protect=protect)
        self.protect = protect
        super().__init__({
            "i":      In(stream.Signature(channels)),
            "i_sets": In(self.split.i.signature.flip()),
            "mask":   In(self.split.mask_0.signature.flip()),
            "o":      Out(stream.Signature(channels)),
            "o_sets": Out(self.buffer.o_sets.signature),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.pass_split = self.split
        m.submodules.map_buffer = self.buffer
        connect(m, flipped(self.i_sets), self.split.i)
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
