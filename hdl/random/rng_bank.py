"""Several random sources behind the ports of one."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped


__all__ = ["RngBank"]


class RngBank(wiring.Component):
    """Ask sources in turn, and give their bits in the order in which they were asked for.

    With as many sources as the choices of a pass have bits, each serves one bit of one layer: the
    log2 N junctions of a spintronic arbiter (SpinBayes, 3.5.1). All work at the same time.

    Latency is that of a source. While bits are taken at once, those of as many requests as there are
    sources come in ``max(count, interval)`` cycles, with the ``interval`` of a source.

    Parameters
    ----------
    sources : sequence of component
        At least two alike, :class:`hdl.random.pseudo_rng.PseudoRng` or
        :class:`hdl.random.mtj_rng.MtjRng`. A :exc:`ValueError` is raised otherwise.

    Members
    -------
    i : In(stream.Signature(range(layers)))
        Layer of each bit to draw.
    o : Out(stream.Signature(1))
        Bits.
    mtj : Out(mtj_signature(code)).array(count)
        Only with :class:`hdl.random.mtj_rng.MtjRng`: pins of the junctions.
    """

    def __init__(self, sources):
        self.sources  = tuple(sources)
        self.count    = len(self.sources)
        if self.count < 2:
            raise ValueError(f"A bank must have at least two sources, not {self.count}")
        first = self.sources[0]
        if any(source.signature != first.signature for source in self.sources):
            raise ValueError("All sources of a bank must have the same ports")
        self.latency  = first.latency
        self.interval = first.interval
        members = {
            "i": In(first.i.signature.flip()),
            "o": Out(first.o.signature),
        }
        if hasattr(first, "mtj"):
            members["mtj"] = Out(first.mtj.signature).array(self.count)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()

        # One-hot: the source of the next request, and of the next bit.
        asked = Signal(self.count, init=1)
        heard = Signal(self.count, init=1)
        for number, source in enumerate(self.sources):
            m.submodules[f"source_{number}"] = source
            m.d.comb += [
                source.i.payload.eq(self.i.payload),
                source.i.valid.eq(self.i.valid & asked[number]),
                source.o.ready.eq(self.o.ready & heard[number]),
            ]
            if "mtj" in self.signature.members:
                connect(m, source.mtj, flipped(self.mtj[number]))

        def of(turn, bits):
            return (turn & Cat(bits)).any()

        m.d.comb += [
            self.i.ready.eq(of(asked, (source.i.ready for source in self.sources))),
            self.o.valid.eq(of(heard, (source.o.valid for source in self.sources))),
            self.o.payload.eq(of(heard, (source.o.payload for source in self.sources))),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += asked.eq(asked.rotate_left(1))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += heard.eq(heard.rotate_left(1))

        return m
