"""Mixing of two maps, channel by channel, as each pass has drawn (element-wise Scale-Dropout)."""

from dataclasses import dataclass

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.pass_split import pass_layout, pass_set_layout
from hdl.stream import counter, moves


__all__ = ["Mix", "Mixer"]


@dataclass(frozen=True)
class Mix:
    """Each pass takes each channel from one of two banks (Scale-Dropout, III-B)."""

    bits: int     #: Of the draw: one for each channel.
    channels: int #: Of a word: all of them, or 1 where the words of a map are the channels one by one.
    draw: int = 0 #: Which draw of the mask bank has the bits.


class Mixer(wiring.Component):
    """Make the map of each pass of those of two banks, channel by channel.

    The maps of both banks come side by side, once for each pass: bit c of what the pass has drawn says from
    which bank channel c is taken.

    A word is sent in the cycle in which it comes, if the bits of its map are there, which they are
    ``latency`` cycles after they have come. Throughput is one word per cycle. Pass sets go past the words.

    Parameters
    ----------
    shape : shape-like
        A word of a map.
    words : int
        Words of a map.
    mix : Mix
        Bits of a pass and channels of a word. A :exc:`ValueError` is raised unless all words have the same
        channels, or each word those behind the last one, from the first again behind the last of all.
    passes : int
        T_max.
    outcomes : int
        What the pass set of a map that leaves names: with ``passes`` the number of its pass, with 1
        nothing. A :exc:`ValueError` is raised for another number.
    protect : bool
        Check the parity of bits that wait.

    Members
    -------
    i : In(stream.Signature(2 * width))
        Words of both banks, that of the first one lowest.
    i_sets : In(stream.Signature(pass_set_layout(passes, passes)))
        Set of the pass of each map, and its number.
    passes : Out(stream.Signature(pass_layout(passes)))
        The pass of each map.
    mix : In(stream.Signature(bits))
        What this pass has drawn, the bit of channel 0 lowest (:class:`hdl.random.mask_store.MaskStore`).
    o : Out(stream.Signature(shape))
        Words of maps.
    o_sets : Out(stream.Signature(pass_set_layout(passes, outcomes)))
        Set of the pass of each map.
    error : Out(1)
        1 for a cycle after bits have lost their parity. Only with ``protect``.
    """

    #: Maps whose bits can wait.
    AHEAD = 4

    latency = 1

    def __init__(self, shape, *, words, mix, passes, outcomes=1, protect=False):
        #: Words that have all channels together.
        self.round = mix.bits // mix.channels
        if mix.bits % mix.channels or not self.round or words % self.round:
            raise ValueError(f"Bits of a pass must be those of {mix.channels} channels in each of some "
                             f"words, of which {words} are a multiple, not {mix.bits!r}")
        if outcomes not in (1, passes):
            raise ValueError(f"Outcomes must be 1 or {passes}, not {outcomes!r}")
        self.words    = words
        self.channels = mix.channels
        self.outcomes = outcomes
        self.protect  = protect
        super().__init__({
            "i":      In(stream.Signature(2 * Shape.cast(shape).width)),
            "i_sets": In(stream.Signature(pass_set_layout(passes, passes))),
            "passes": Out(stream.Signature(pass_layout(passes))),
            "mix":    In(stream.Signature(mix.bits)),
            "o":      Out(stream.Signature(shape)),
            "o_sets": Out(stream.Signature(pass_set_layout(passes, outcomes))),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.drawn = drawn = parity.fifo(width=len(self.mix.payload), depth=self.AHEAD)
        _, last = counter(m, self.words, moves(self.o), name="word")
        m.d.comb += [
            drawn.w_data.eq(self.mix.payload),
            drawn.w_en.eq(self.mix.valid),
            self.mix.ready.eq(drawn.w_rdy),
            drawn.r_en.eq(moves(self.o) & last),
            self.o.valid.eq(self.i.valid & drawn.r_rdy),
            self.i.ready.eq(self.o.ready & drawn.r_rdy),
        ]
        chosen = drawn.r_data
        if self.round > 1:
            place, _ = counter(m, self.round, moves(self.o), name="place")
            chosen   = Signal(self.channels)
            m.d.comb += chosen.eq(drawn.r_data.word_select(place, self.channels))
        both  = self.i.payload
        width = len(both) // 2 // self.channels
        dropped, kept = ([bank.word_select(channel, width) for channel in range(self.channels)]
                         for bank in (both[:len(both) // 2], both[len(both) // 2:]))
        m.d.comb += Value.cast(self.o.payload).eq(Cat(map(Mux, chosen, kept, dropped)))

        # A pass set goes to both sides, which may take it in different cycles.
        sent = []
        for port in (self.passes, self.o_sets):
            gone = Signal(name=f"gone_{len(sent)}")
            m.d.comb += port.valid.eq(self.i_sets.valid & ~gone)
            with m.If(moves(self.i_sets)):
                m.d.sync += gone.eq(0)
            with m.Elif(moves(port)):
                m.d.sync += gone.eq(1)
            sent.append(gone | port.ready)
        entering, leaving = self.i_sets.payload, self.o_sets.payload
        m.d.comb += [
            self.i_sets.ready.eq(Cat(sent).all()),
            self.passes.payload.number.eq(entering.choice),
            self.passes.payload.last.eq(entering.last),
            leaving.set.eq(entering.set),
            leaving.last.eq(entering.last),
        ]
        if self.outcomes > 1:
            m.d.comb += leaving.choice.eq(entering.choice)
        parity.report()

        return m
