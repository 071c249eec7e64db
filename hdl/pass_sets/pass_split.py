"""Pass sets: which passes a map belongs to, and how a layer divides them."""

import itertools
import math

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import moves, vacant


__all__ = ["PassSplit", "pass_set_layout", "branches_layout"]


def pass_set_layout(passes, arrays=1):
    """Pass set of one feature map: bit ``t`` is 1 if pass ``t`` has produced exactly this map.

    ``last`` marks the last map of an image. ``choice`` is the array, of the ``arrays`` of the layer that
    the map enters, which the passes of the set have chosen.
    """
    return data.StructLayout({"set": passes, "last": 1, "choice": range(arrays)})


def branches_layout(passes, branches):
    """Pass sets of the ``branches`` maps that a layer makes of one map, and ``last`` of that map."""
    return data.StructLayout({"sets": data.ArrayLayout(passes, branches), "last": 1})


class PassSplit(wiring.Component):
    """Divide the pass set of each map by the random choices of its passes.

    A map with the pass set ``S`` becomes one map for each outcome ``c`` of a choice, with the passes of
    ``S`` that drew ``c``: the sets are disjoint, and their union is ``S``. For a keep bit they are
    ``S & ~mask`` and ``S & mask``. With several choices there is one map for each combination of
    outcomes, that of the last choice varying fastest. The masks of an image apply to all of its maps.

    Latency is one cycle, throughput one map per cycle.

    Parameters
    ----------
    passes : int
        T_max: bits of a pass set.
    outcomes : sequence of int
        Number of outcomes of each choice, a power of two above 1. A :exc:`ValueError` is raised
        otherwise.

    Members
    -------
    i : In(stream.Signature(pass_set_layout(passes)))
        Pass sets of the maps that are divided.
    mask_0, ... : In(stream.Signature(passes * bits))
        Per choice and image, the masks of its bits (:class:`hdl.random.mask_bank.MaskBank`).
    o : Out(stream.Signature(branches_layout(passes, combinations)))
        Pass sets of the maps that each map becomes.
    """

    latency = 1

    def __init__(self, passes, outcomes):
        self.passes   = passes
        self.outcomes = tuple(outcomes)
        for count in self.outcomes:
            if count < 2 or count & count - 1:
                raise ValueError(f"Choice must have a power of two of outcomes, not {count!r}")
        super().__init__({
            "i": In(stream.Signature(pass_set_layout(passes))),
            **{f"mask_{index}": In(stream.Signature(passes * (count - 1).bit_length()))
               for index, count in enumerate(self.outcomes)},
            "o": Out(stream.Signature(branches_layout(passes, math.prod(self.outcomes)))),
        })

    @property
    def masks(self):
        return tuple(getattr(self, f"mask_{index}") for index in range(len(self.outcomes)))

    def elaborate(self, platform):
        m = Module()

        known = Signal() # the masks of the image
        free  = Signal()
        m.d.comb += [
            known.eq(Cat(mask.valid for mask in self.masks).all()),
            free.eq(vacant(self.o)),
            self.i.ready.eq(free & known),
        ]
        m.d.comb += [mask.ready.eq(moves(self.i) & self.i.payload.last) for mask in self.masks]

        drew = [self._drew(mask, count) for mask, count in zip(self.masks, self.outcomes, strict=True)]
        with m.If(free):
            m.d.sync += [self.o.valid.eq(self.i.valid & known), self.o.payload.last.eq(self.i.payload.last)]
            for branch, sets in zip(self.o.payload.sets, itertools.product(*drew), strict=True):
                m.d.sync += branch.eq(_intersection(self.i.payload.set, *sets))

        return m

    def _drew(self, mask, outcomes):
        """For each outcome the set of passes that drew it."""
        bits = [mask.payload.word_select(bit, self.passes) for bit in range((outcomes - 1).bit_length())]
        return [_intersection(*(word if outcome >> bit & 1 else ~word for bit, word in enumerate(bits)))
                for outcome in range(outcomes)]


def _intersection(passes, *others):
    """Passes that are in all of these sets."""
    for other in others:
        passes = passes & other
    return passes
