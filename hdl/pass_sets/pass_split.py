"""Pass sets: which passes a map belongs to, and how a layer divides them."""

import functools
import itertools
import math
import operator

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["PassSplit", "pass_set_layout", "branches_layout"]


def pass_set_layout(passes, choices=1):
    """Pass set of one map: bit ``t`` says whether the map belongs to pass ``t``.

    ``last`` marks the last map of an image. ``choice`` is that of the layer which the map enters, where
    it acts on the array.
    """
    return data.StructLayout({"set": passes, "last": 1, "choice": range(choices)})


def branches_layout(passes, branches):
    """Pass sets of the maps that one map becomes, and ``last`` as above."""
    return data.StructLayout({"sets": data.ArrayLayout(passes, branches), "last": 1})


class PassSplit(wiring.Component):
    """Divide the pass set of each map by the random choices of its passes.

    A map with the pass set ``S`` becomes one map for each outcome ``c`` of a choice, with those passes
    of ``S`` that drew ``c``: the sets are disjoint and together they are ``S``. For a keep bit they are
    ``S & ~mask`` and ``S & mask``. With several choices there is one map for each combination of their
    outcomes, that of the last choice varying fastest. Masks serve all maps of an image.

    Latency is one cycle, throughput one map per cycle.

    Parameters
    ----------
    passes : int
        T_max: bits of a pass set.
    choices : sequence of int
        Number of outcomes of each choice, a power of two above 1. A :exc:`ValueError` is raised
        otherwise.

    Members
    -------
    i : In(stream.Signature(pass_set_layout(passes)))
        Pass sets of the maps that are divided.
    mask_0, ... : In(stream.Signature(passes * bits))
        Per choice the masks of its bits for each image (:class:`hdl.pass_sets.mask_bank.MaskBank`).
    o : Out(stream.Signature(branches_layout(passes, combinations)))
        Pass sets of the maps that they become.
    """

    latency = 1

    def __init__(self, passes, choices):
        self.passes  = passes
        self.choices = tuple(choices)
        for count in self.choices:
            if count < 2 or count & count - 1:
                raise ValueError(f"Choice must have a power of two of outcomes, not {count!r}")
        super().__init__({
            "i": In(stream.Signature(pass_set_layout(passes))),
            **{f"mask_{index}": In(stream.Signature(passes * (count - 1).bit_length()))
               for index, count in enumerate(self.choices)},
            "o": Out(stream.Signature(branches_layout(passes, math.prod(self.choices)))),
        })

    @property
    def masks(self):
        return tuple(getattr(self, f"mask_{index}") for index in range(len(self.choices)))

    def elaborate(self, platform):
        m = Module()

        known = Signal()
        free  = Signal()
        m.d.comb += [
            known.eq(functools.reduce(operator.and_, (mask.valid for mask in self.masks), Const(1))),
            free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(free & known),
        ]
        m.d.comb += [mask.ready.eq(self.i.valid & self.i.ready & self.i.payload.last)
                     for mask in self.masks]

        drew = [[self._drew(mask, count, outcome) for outcome in range(count)]
                for mask, count in zip(self.masks, self.choices, strict=True)]
        with m.If(free):
            m.d.sync += [self.o.valid.eq(self.i.valid & known), self.o.payload.last.eq(self.i.payload.last)]
            for branch, outcomes in zip(self.o.payload.sets, itertools.product(*drew), strict=True):
                m.d.sync += branch.eq(functools.reduce(operator.and_, outcomes, self.i.payload.set))

        return m

    def _drew(self, mask, count, outcome):
        """Passes that drew ``outcome``."""
        bits = [mask.payload.word_select(bit, self.passes) for bit in range((count - 1).bit_length())]
        return functools.reduce(operator.and_, (
            word if outcome >> bit & 1 else ~word for bit, word in enumerate(bits)))
