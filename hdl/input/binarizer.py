"""Comparison of multi-bit pixels with thresholds, or their levels as they are."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.levels import level_of
from hdl.stream import moves, stage


__all__ = ["Binarizer"]


class Binarizer(wiring.Component):
    """Turn each component of a pixel into one level per channel: the number of thresholds with
    ``component >= threshold``. Without thresholds it is a channel as it is.

    Latency is one cycle, throughput one pixel per cycle.

    Parameters
    ----------
    thresholds : sequence of int
        ``2 ** bits - 1`` thresholds of each channel, channel by channel; or none. A :exc:`ValueError` is
        raised for a threshold outside of 1 to ``2 ** width``, which no component reaches, and for a channel
        that is not complete.
    width : int
        Bits of a component.
    bits : int
        Bits of a level. A :exc:`ValueError` is raised unless they are ``width`` without thresholds.
    colours : int
        Components of a pixel, at least 1.

    Members
    -------
    i : In(stream.Signature(colours * width))
        Pixels, the first component in the least significant bits.
    o : Out(stream.Signature(colours * channels * bits))
        Words of a map, the first channel of the first component in the least significant bits.
    """

    latency = 1

    def __init__(self, thresholds, *, width=8, bits=1, colours=1):
        self.thresholds = tuple(operator.index(threshold) for threshold in thresholds)
        self.bits       = operator.index(bits)
        self.colours    = operator.index(colours)
        levels = (1 << bits) - 1 # above level 0
        if self.colours < 1:
            raise ValueError(f"Pixels must have at least 1 component, not {colours!r}")
        if not self.thresholds and self.bits != width:
            raise ValueError(f"Levels without thresholds must have the {width} bits of a pixel, "
                             f"not {bits!r}")
        for threshold in self.thresholds:
            if not 1 <= threshold <= 1 << width:
                raise ValueError(f"Threshold must be from 1 to {1 << width}, not {threshold!r}")
        if len(self.thresholds) % levels:
            raise ValueError(f"Number of thresholds must be a multiple of {levels}, not "
                             f"{len(self.thresholds)}")
        #: Thresholds of each channel of a component.
        self.channels = [sorted(self.thresholds[first:first + levels])
                         for first in range(0, len(self.thresholds), levels)]
        super().__init__({
            "i": In(stream.Signature(self.colours * width)),
            "o": Out(stream.Signature(self.colours * (len(self.channels) or 1) * bits)),
        })

    def elaborate(self, platform):
        m = Module()

        stage(m, self.i, self.o)
        with m.If(moves(self.i)):
            parts = [self.i.payload.word_select(number, len(self.i.payload) // self.colours)
                     for number in range(self.colours)]
            m.d.sync += self.o.payload.eq(Cat(
                level_of(part >= threshold for threshold in channel)
                for part in parts for channel in self.channels) if self.channels else self.i.payload)

        return m
