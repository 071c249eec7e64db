# amaranth: UnusedElaboratable=no
"""A layer with the edge behind it, as one block."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.engine import Engine
from hdl.pass_sets.edge import Edge


class LayerWithEdge(wiring.Component):
    """Maps in, and the maps that a layer makes of them out, each with its pass set.

    ``early`` is the choice of the layer behind. The masks of the choices come at ``late`` and ``early``,
    those of the inputs of maps at ``kept``, and what mixes two banks at ``mix``, where ``mix_passes`` asks
    for it.
    """

    def __init__(self, engine: Engine, early=None, *, depth=4):
        self.engine = engine
        passes = len(engine.i_sets.payload.set)
        self.edge = Edge(engine.word, words=engine.words, lanes=engine.lanes, passes=passes, depth=depth,
                         late=engine.bank_choice, mix=engine.mix, early=early,
                         protect=engine.protect)
        members = engine.signature.members
        self._own = [name for name in ("i", "i_sets", "kept", "passes", "arrays") if name in members]
        super().__init__({
            **{name: members[name] for name in self._own},
            **{name: In(getattr(self.edge, name).signature.flip()) for name in self.edge.drawn},
            **({"mix": In(self.edge.mix.signature.flip()),
                "mix_passes": Out(self.edge.passes.signature)} if engine.mix else {}),
            **{name: Out(getattr(self.edge, name).signature) for name in ("o", "o_sets")},
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.engine = self.engine
        m.submodules.edge   = self.edge
        for name in self._own:
            if name != "arrays":
                inside, outside = getattr(self.engine, name), flipped(getattr(self, name))
                connect(m, *((inside, outside) if name == "passes" else (outside, inside)))
        for name in self.edge.drawn:
            connect(m, flipped(getattr(self, name)), getattr(self.edge, name))
        if self.engine.mix:
            connect(m, flipped(self.mix), self.edge.mix)
            connect(m, self.edge.passes, flipped(self.mix_passes))
        connect(m, self.engine.o, self.edge.i)
        connect(m, self.engine.o_sets, self.edge.i_sets)
        connect(m, self.edge.credit, self.engine.credit)
        connect(m, self.edge.o, flipped(self.o))
        connect(m, self.edge.o_sets, flipped(self.o_sets))
        if "arrays" in self.signature.members:
            for pins, tile in zip(self.engine.arrays, self.arrays, strict=True):
                connect(m, pins, flipped(tile))

        return m
