# amaranth: UnusedElaboratable=no
"""Edge between two blocks: divides pass sets, stores maps, and sends each once for each part of its set."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.map_buffer import MapBuffer
from hdl.pass_sets.pass_split import PassSplit, pass_set_layout


__all__ = ["Edge"]


class Edge(wiring.Component):
    """Divide the pass set of each map by the random choices of its passes, store the map, and send it once
    for each part.

    A map carries a *pass set* of T bits: bit t is 1 if pass t has produced exactly this map. Two choices
    divide it. The *late* one was made behind the crossbar of the block in front: of a bank
    (Scale-Dropout, eq. 7 to 9: a keep bit). That block has made a map for each of its outcomes, a lane;
    they are stored side by side. The *early* one is made before the crossbar of the block behind: of an
    array (SpinBayes, 3.3), whose number goes with the map, or that each pass goes apart. Maps with an
    empty pass set are not sent. So the pass sets that leave for a map are disjoint, their union is the
    one that entered, and every pass gets the result that it would get alone.

    A branch set, the maps of all lanes, is sent when its last word and its pass set are there. Latency,
    throughput and flow control of the words are those of :class:`hdl.pass_sets.map_buffer.MapBuffer`.

    Parameters
    ----------
    shape, words, lanes, depth, by_credit, protect
        See :class:`hdl.pass_sets.map_buffer.MapBuffer`.
    passes : int
        T_max.
    late, early : hdl.pass_sets.pass_split.Choice or None
        How each pass comes to one of the lanes, and to one of the outcomes of the block behind; None if
        there is one. A :exc:`ValueError` is raised unless there is a lane for each outcome of ``late``.

    Members
    -------
    i : In(stream.Signature(lanes * width))
        Words of all lanes, that of the first one lowest. Plain bits, as are those of
        :class:`hdl.engine.Engine`.
    o, credit
        See :class:`hdl.pass_sets.map_buffer.MapBuffer`.
    i_sets : In(stream.Signature(pass_set_layout(passes)))
        Pass set of the map that each branch set is made of.
    late, early : In(stream.Signature(passes * bits))
        Masks of the choices, for each image (:class:`hdl.random.mask_bank.MaskBank`). Only of those that
        draw.
    o_sets : Out(stream.Signature(pass_set_layout(passes, outcomes)))
        Pass set of each map that is sent, and the outcome of ``early``.
    error : Out(1)
        1 for a cycle after a word or a pass set has lost its parity. Only with ``protect``.
    """

    latency = MapBuffer.latency

    def __init__(self, shape, *, words, lanes, passes, late=None, early=None, depth=4, by_credit=True,
                 protect=False):
        if lanes != (1 if late is None else late.outcomes):
            raise ValueError(f"Number of lanes must be that of the outcomes of {late!r}, not {lanes!r}")
        self.protect = protect
        apart = early is not None and early.separates(passes)
        # Passes that go apart are divided by the map buffer, which need not store T x T bits for it.
        choices = {"late": late, "early": None if apart else early}
        choices = {name: choice for name, choice in choices.items() if choice is not None}
        self.split  = PassSplit(passes, choices.values())
        self.buffer = MapBuffer(shape, words=words, lanes=lanes, passes=passes, depth=depth,
                                next_arrays=1 if early is None else early.outcomes, apart=apart,
                                by_credit=by_credit, protect=protect)
        #: Draws whose masks the edge takes, by the names of the ports.
        self.drawn = {name: choice.draw for name, choice in choices.items() if choice.bits}
        super().__init__({
            "i":      In(stream.Signature(lanes * Shape.cast(shape).width, always_ready=by_credit)),
            "i_sets": In(stream.Signature(pass_set_layout(passes))),
            **{name: In(mask.signature.flip())
               for name, mask in zip(self.drawn, self.split.masks, strict=True)},
            "o":      Out(self.buffer.o.signature),
            "o_sets": Out(self.buffer.o_sets.signature),
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
        if not self.buffer.by_credit:
            m.d.comb += self.i.ready.eq(self.buffer.i.ready)
        connect(m, flipped(self.i_sets), self.split.i)
        for name, mask in zip(self.drawn, self.split.masks, strict=True):
            connect(m, flipped(getattr(self, name)), mask)
        connect(m, self.split.o, self.buffer.i_sets)
        connect(m, self.buffer.o, flipped(self.o))
        connect(m, self.buffer.o_sets, flipped(self.o_sets))
        if self.buffer.by_credit:
            connect(m, self.buffer.credit, flipped(self.credit))
        parity = Parity(m, self)
        parity.watch(self.buffer)
        parity.report()

        return m
