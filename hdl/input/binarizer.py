"""Comparison of multi-bit pixels with thresholds."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.comparator import level_of
from hdl.stream import moves, stage


__all__ = ["Binarizer"]


class Binarizer(wiring.Component):
    """Turn each pixel into one level per channel: the number of thresholds with ``pixel >= threshold``.

    Latency is one cycle, throughput one pixel per cycle.

    Parameters
    ----------
    thresholds : sequence of int
        ``2 ** bits - 1`` thresholds of each channel, channel by channel, at least one. A
        :exc:`ValueError` is raised for a threshold outside of 1 to ``2 ** width - 1``, and for a channel
        that is not complete.
    width : int
        Bits of a pixel.
    bits : int
        Bits of a level.

    Members
    -------
    i : In(stream.Signature(width))
        Pixels.
    o : Out(stream.Signature(channels * bits))
        Words of a map, the first channel in the least significant bits.
    """

    latency = 1

    def __init__(self, thresholds, *, width=8, bits=1):
        self.thresholds = tuple(operator.index(threshold) for threshold in thresholds)
        self.bits       = operator.index(bits)
        levels = (1 << bits) - 1 # above level 0
        if not self.thresholds:
            raise ValueError("Binarizer must have at least one threshold")
        for threshold in self.thresholds:
            if not 1 <= threshold < 1 << width:
                raise ValueError(f"Threshold must be from 1 to {(1 << width) - 1}, not {threshold!r}")
        if len(self.thresholds) % levels:
            raise ValueError(f"Number of thresholds must be a multiple of {levels}, not "
                             f"{len(self.thresholds)}")
        #: Thresholds of each channel.
        self.channels = [sorted(self.thresholds[first:first + levels])
                         for first in range(0, len(self.thresholds), levels)]
        super().__init__({
            "i": In(stream.Signature(width)),
            "o": Out(stream.Signature(len(self.channels) * bits)),
        })

    def elaborate(self, platform):
        m = Module()

        stage(m, self.i, self.o)
        with m.If(moves(self.i)):
            m.d.sync += self.o.payload.eq(Cat(
                level_of(self.i.payload >= threshold for threshold in channel)
                for channel in self.channels))

        return m
