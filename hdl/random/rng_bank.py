"""Random sources, one or several, behind the ports of one."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.stream import moves


__all__ = ["RngBank", "reseed_signature"]


def reseed_signature(sources):
    """New states of :class:`hdl.random.pseudo_rng.PseudoRng`, each for one of several ``sources``."""
    return stream.Signature(data.StructLayout({"state": 64, "source": range(sources)}), always_ready=True)


class RngBank(wiring.Component):
    """Send requests to the sources in turn, and return their bits in the order of the requests.

    With as many sources as the choices of a pass have bits, each source serves one bit of one layer: the
    log2 N junctions of a spintronic arbiter (SpinBayes, 3.5.1). All sources work at the same time.

    Latency is that of a source. While no bit waits to be taken, ``count`` bits, one of each source, take
    ``max(count, interval)`` cycles, with the ``interval`` of a source.

    Parameters
    ----------
    sources : sequence of component
        At least one source, and all with the same ports, :class:`hdl.random.pseudo_rng.PseudoRng` or
        :class:`hdl.random.mtj_rng.MtjRng`. A :exc:`ValueError` is raised otherwise.

    Members
    -------
    i : In(stream.Signature(range(layers)))
        Layer of each bit to draw.
    o : Out(stream.Signature(1))
        Bits.
    mtj : Out(mtj_signature(code, reset_current)).array(count)
        Only with :class:`hdl.random.mtj_rng.MtjRng`: pins of the junctions.
    reseed : In(reseed_signature(count))
        Only with sources that have it.

    Attributes
    ----------
    count : int
        Sources.
    latency, interval : int
        Those of a source.
    """

    def __init__(self, sources):
        self.sources  = tuple(sources)
        self.count    = len(self.sources)
        if self.count < 1:
            raise ValueError(f"A bank must have at least one source, not {self.count}")
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
        if hasattr(first, "reseed"):
            members["reseed"] = In(reseed_signature(self.count))
        super().__init__(members)

    def timing(self, bits):
        """Return cycles from the first request of ``bits`` of them: until the last bit is there, and until
        the first request that can follow. As many as there are sources, or fewer than these, must follow
        one another at once."""
        return self._turns(bits - 1) + self.latency, self._turns(bits)

    def _turns(self, bits):
        """Cycles in which ``bits`` bits are asked for."""
        turns, rest = divmod(bits, self.count)
        return turns * max(self.count, self.interval) + rest

    def elaborate(self, platform):
        m = Module()

        def turn(stream):
            """One-hot: the source that the next word of ``stream`` belongs to."""
            if self.count == 1:
                return Const(1) # a register, though it never changes, could be upset
            turn = Signal(self.count, init=1)
            with m.If(moves(stream)):
                m.d.sync += turn.eq(turn.rotate_left(1))
            return turn

        request_turn, bit_turn = turn(self.i), turn(self.o)
        for number, source in enumerate(self.sources):
            m.submodules[f"source_{number}"] = source
            m.d.comb += [
                source.i.payload.eq(self.i.payload),
                source.i.valid.eq(self.i.valid & request_turn[number]),
                source.o.ready.eq(self.o.ready & bit_turn[number]),
            ]
            if "mtj" in self.signature.members:
                connect(m, source.mtj, flipped(self.mtj[number]))
            if "reseed" in self.signature.members:
                given = self.reseed.payload
                m.d.comb += [source.reseed.payload.eq(given.state),
                             source.reseed.valid.eq(self.reseed.valid & (given.source == number))]

        def of(turn, bits):
            return (turn & Cat(bits)).any()

        m.d.comb += [
            self.i.ready.eq(of(request_turn, (source.i.ready for source in self.sources))),
            self.o.valid.eq(of(bit_turn, (source.o.valid for source in self.sources))),
            self.o.payload.eq(of(bit_turn, (source.o.payload for source in self.sources))),
        ]

        return m
