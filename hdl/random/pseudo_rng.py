"""Pseudo-random generator of keep bits, for emulation."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import moves, stage


__all__ = ["PseudoRng"]


class PseudoRng(wiring.Component):
    """Draw keep bits from a 64-bit xorshift generator, in place of :class:`hdl.random.mtj_rng.MtjRng`.

    Each bit steps the state (``s ^= s << 13``, ``s ^= s >> 7``, ``s ^= s << 17``; Marsaglia,
    "Xorshift RNGs", Journal of Statistical Software 8, 2003). The bit of a layer is 1 where the
    upper 16 bits of the new state are at least ``drop`` of this layer, so with a probability of
    ``1 - drop / 65536``.

    Latency is one cycle, throughput one bit per cycle.

    Parameters
    ----------
    drop : sequence of int
        Per layer the dropout probability in units of 2 ** -16, from 0 to 65536.
    seed : int
        State after reset, from 1 to ``2 ** 64 - 1``. A :exc:`ValueError` is raised otherwise.
    seedable : bool
        Whether there is ``reseed``.

    Members
    -------
    i : In(stream.Signature(range(layers)))
        Layer of each bit to draw.
    o : Out(stream.Signature(1))
        Keep bits.
    reseed : In(stream.Signature(64, always_ready=True))
        States that replace the present one, while no bit is asked for; never 0. Only with ``seedable``.
    """

    latency  = 1
    interval = 1

    def __init__(self, drop, *, seed, seedable=False):
        self.drop = tuple(operator.index(probability) for probability in drop)
        self.seed = operator.index(seed)
        if not 1 <= self.seed < 1 << 64:
            raise ValueError(f"Seed must be from 1 to 2 ** 64 - 1, not {seed!r}")
        for probability in self.drop:
            if not 0 <= probability <= 1 << 16:
                raise ValueError(f"Dropout must be from 0 to 65536, not {probability!r}")
        super().__init__({
            "i": In(stream.Signature(range(len(self.drop)))),
            "o": Out(stream.Signature(1)),
            **({"reseed": In(stream.Signature(64, always_ready=True))} if seedable else {}),
        })

    def elaborate(self, platform):
        m = Module()

        state  = Signal(64, init=self.seed)
        first  = (state ^ (state << 13))[:64]
        second = first ^ (first >> 7)
        third  = (second ^ (second << 17))[:64]
        state_next = Signal(64)
        drop       = Signal(range((1 << 16) + 1))
        m.d.comb += [
            state_next.eq(third),
            drop.eq(Array(self.drop)[self.i.payload]),
        ]
        stage(m, self.i, self.o)
        with m.If(moves(self.i)):
            m.d.sync += [state.eq(state_next), self.o.payload.eq(state_next[48:] >= drop)]
        if "reseed" in self.signature.members:
            with m.If(self.reseed.valid):
                m.d.sync += state.eq(self.reseed.payload)

        return m
