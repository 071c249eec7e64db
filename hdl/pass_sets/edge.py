# amaranth: UnusedElaboratable=no
"""Edge between two blocks: divides pass sets, stores maps, and sends each once for each part of its set."""

import math

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.map_buffer import MapBuffer
from hdl.pass_sets.mixer import Mixer
from hdl.pass_sets.pass_split import PassSplit, pass_set_layout


__all__ = ["Edge"]


class Edge(wiring.Component):
    """Divide the pass set of each map by the random choices of its passes, store the map, and send it once
    for each part.

    A map carries a *pass set* of T bits: bit t is 1 if pass t has produced exactly this map. Two choices
    divide it. The *late* one was made behind the crossbar of the block in front: of a bank
    (Scale-Dropout, eq. 7 to 9: a keep bit). That block has made a map for each of its outcomes, a lane;
    they are stored side by side. The *early* one is made before the crossbar of the block behind: of an
    array (SpinBayes, 3.3), whose number goes with the map, or that each pass goes apart; with ``merged``
    passes with equal masks go together, and with them the number of the highest. Maps with an
    empty pass set are not sent. So the pass sets that leave for a map are disjoint, their union is the
    one that entered, and every pass gets the result that it would get alone.

    Beside a way on which several choices divide the sets one after another, an edge has them all as its
    ``parts``: so it sends its map as often as the other way does, in the same order and with the same sets.

    A late choice of each channel by itself (element-wise Scale-Dropout) is a ``mix``: the maps of both
    lanes are read together, once for each pass, and behind the buffer
    :class:`hdl.pass_sets.mixer.Mixer` takes each channel from one of them.

    A branch set, the maps of all lanes, is sent when its last word and its pass set are there. Latency,
    throughput and flow control of the words are those of :class:`hdl.pass_sets.map_buffer.MapBuffer`.

    Parameters
    ----------
    shape, words, lanes, depth, resize, by_credit, protect
        See :class:`hdl.pass_sets.map_buffer.MapBuffer`.
    passes : int
        T_max.
    late, early : hdl.pass_sets.pass_split.Choice or None
        How each pass comes to one of the lanes, and to one of the outcomes of the block behind; None if
        there is one. A :exc:`ValueError` is raised unless there is a lane for each outcome of ``late``.
    parts : sequence of hdl.pass_sets.pass_split.Choice
        What divides the sets, the first one first, instead of ``late``, ``early`` and ``mix``; if any, a
        :exc:`ValueError` is raised for more than one lane. By one that sends each pass apart, it must be
        the last.
    mix : hdl.pass_sets.mixer.Mix or None
        How each pass mixes two lanes, instead of ``late``. A :exc:`ValueError` is raised for an ``early``
        choice by which passes do not go apart.
    merged : bool
        Whether passes that go apart by the ``early`` choice share a map where their masks are equal. A
        :exc:`ValueError` is raised for another choice, or with ``mix``.

    Members
    -------
    i : In(stream.Signature(lanes * width))
        Words of all lanes, that of the first one lowest. Plain bits, as are those of
        :class:`hdl.engine.Engine`.
    o, credit
        See :class:`hdl.pass_sets.map_buffer.MapBuffer`.
    i_sets : In(stream.Signature(pass_set_layout(passes)))
        Pass set of the map that each branch set is made of.
    late, early, part_0, ... : In(stream.Signature(passes * bits))
        Masks of the choices, for each image (:class:`hdl.random.mask_bank.MaskBank`). Only of those that
        draw.
    passes, mix
        See :class:`hdl.pass_sets.mixer.Mixer`. Only with ``mix``.
    rows : Out(rows_signature(passes))
        Which passes have equal masks (:class:`hdl.random.equal_passes.EqualPasses`). Only if ``merged``.
    o_sets : Out(stream.Signature(pass_set_layout(passes, outcomes)))
        Pass set of each map that is sent, and the outcome of ``early``; with ``parts`` without one.
    error : Out(1)
        1 for a cycle after a word or a pass set has lost its parity. Only with ``protect``.
    """

    latency = MapBuffer.latency

    def __init__(self, shape, *, words, lanes, passes, late=None, early=None, mix=None, parts=(),
                 merged=False, resize=None, depth=4, by_credit=True, protect=False):
        if parts and (lanes, late, early, mix) != (1, None, None, None):
            raise ValueError(f"Edge with parts must have 1 lane and no other choice, not {lanes!r}")
        if mix is not None and (late, lanes) != (None, 2):
            raise ValueError(f"Number of lanes to mix must be 2, without a choice of one, not {lanes!r} "
                             f"with {late!r}")
        if mix is None and lanes != (1 if late is None else late.outcomes):
            raise ValueError(f"Number of lanes must be that of the outcomes of {late!r}, not {lanes!r}")
        #: Whether the outcome by which a map is sent goes with it.
        self.told = not parts
        if parts and parts[-1].separates(passes):
            *parts, early = parts
        apart = early is not None and early.separates(passes)
        if mix is not None and early is not None and not apart:
            raise ValueError(f"Early choice behind a mix must send each pass apart, not be {early!r}")
        if merged and (not apart or mix is not None):
            raise ValueError(f"Early choice that is merged must send each pass apart, without a mix, not "
                             f"be {early!r} with {mix!r}")
        self.protect = protect
        # Passes that go apart are divided by the map buffer, which need not store T x T bits for it.
        choices = {"late": late, **{f"part_{number}": part for number, part in enumerate(parts)},
                   "early": None if apart else early}
        choices = {name: choice for name, choice in choices.items() if choice is not None}
        outcomes = 1 if early is None else early.outcomes
        self.split  = PassSplit(passes, choices.values())
        self.mixer  = mix and Mixer(shape, words=resize.words if resize else words, mix=mix, passes=passes,
                                    outcomes=outcomes, protect=protect)
        stored = {"lanes": lanes, "next_arrays": outcomes, "apart": apart, "merged": merged,
                  "parts": math.prod(part.outcomes for part in parts)}
        if mix is not None:
            # The buffer takes the words of both lanes for one.
            shape, stored = 2 * Shape.cast(shape).width, {
                "lanes": 1, "next_arrays": passes, "apart": True, "parts": 1}
        self.buffer = MapBuffer(shape, words=words, passes=passes, depth=depth, resize=resize,
                                by_credit=by_credit, protect=protect, **stored)
        #: Draws whose masks the edge takes, by the names of the ports.
        self.drawn = {name: choice.draw for name, choice in choices.items() if choice.bits}
        super().__init__({
            "i":      In(stream.Signature(stored["lanes"] * Shape.cast(shape).width,
                                          always_ready=by_credit)),
            "i_sets": In(stream.Signature(pass_set_layout(passes))),
            **{name: In(mask.signature.flip())
               for name, mask in zip(self.drawn, self.split.masks, strict=True)},
            **({"passes": Out(self.mixer.passes.signature),
                "mix":    In(self.mixer.mix.signature.flip())} if self.mixer else {}),
            **({"rows": Out(self.buffer.rows.signature)} if merged else {}),
            "o":      Out((self.mixer or self.buffer).o.signature),
            "o_sets": Out((self.mixer or self.buffer).o_sets.signature if self.told else
                          stream.Signature(pass_set_layout(passes))),
            **({"credit": Out(self.buffer.credit.signature)} if by_credit else {}),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.pass_split = self.split
        m.submodules.map_buffer = self.buffer
        m.d.comb += [
            Value.cast(self.buffer.i.payload).eq(self.i.payload),
            self.buffer.i.valid.eq(self.i.valid),
        ]
        if self.buffer.merged:
            connect(m, self.buffer.rows, flipped(self.rows))
        if not self.buffer.by_credit:
            m.d.comb += self.i.ready.eq(self.buffer.i.ready)
        connect(m, flipped(self.i_sets), self.split.i)
        for name, mask in zip(self.drawn, self.split.masks, strict=True):
            connect(m, flipped(getattr(self, name)), mask)
        connect(m, self.split.o, self.buffer.i_sets)
        sender = self.buffer
        if self.mixer:
            m.submodules.mixer = sender = self.mixer
            connect(m, self.buffer.o, sender.i)
            connect(m, self.buffer.o_sets, sender.i_sets)
            connect(m, sender.passes, flipped(self.passes))
            connect(m, flipped(self.mix), sender.mix)
        connect(m, sender.o, flipped(self.o))
        if self.told:
            connect(m, sender.o_sets, flipped(self.o_sets))
        else:
            m.d.comb += [
                self.o_sets.payload.set.eq(sender.o_sets.payload.set),
                self.o_sets.payload.last.eq(sender.o_sets.payload.last),
                self.o_sets.valid.eq(sender.o_sets.valid),
                sender.o_sets.ready.eq(self.o_sets.ready),
            ]
        if self.buffer.by_credit:
            connect(m, self.buffer.credit, flipped(self.credit))
        parity = Parity(m, self)
        parity.watch(self.buffer, *([self.mixer] if self.mixer else []))
        parity.report()

        return m
