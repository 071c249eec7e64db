"""Comparison of multi-bit pixels with a few thresholds."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["Binarizer"]


class Binarizer(wiring.Component):
    """Turn each pixel into one bit per threshold: bit ``c`` is ``pixel >= thresholds[c]``.

    Latency is one cycle, throughput one pixel per cycle.

    Parameters
    ----------
    thresholds : sequence of int
        One per binary input channel, at least one. A :exc:`ValueError` is raised for a threshold
        outside of 1 to ``2 ** width - 1``.
    width : int
        Bits of a pixel.

    Members
    -------
    i : In(stream.Signature(width))
        Pixels.
    o : Out(stream.Signature(len(thresholds)))
        Words of a map, the first threshold in the least significant bit.
    """

    latency = 1

    def __init__(self, thresholds, *, width=8):
        self.thresholds = tuple(operator.index(threshold) for threshold in thresholds)
        if not self.thresholds:
            raise ValueError("Binarizer must have at least one threshold")
        for threshold in self.thresholds:
            if not 1 <= threshold < 1 << width:
                raise ValueError(f"Threshold must be from 1 to {(1 << width) - 1}, not {threshold!r}")
        super().__init__({
            "i": In(stream.Signature(width)),
            "o": Out(stream.Signature(len(self.thresholds))),
        })

    def elaborate(self, platform):
        m = Module()

        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            for bit, threshold in zip(self.o.payload, self.thresholds, strict=True):
                m.d.sync += bit.eq(self.i.payload >= threshold)

        return m
