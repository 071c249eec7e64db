"""Pass sets: which passes a map belongs to, and how an edge divides them."""

import functools
import itertools
import math
import operator
from dataclasses import dataclass

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import moves, vacant


__all__ = ["Choice", "PassSplit", "branches_layout", "fetch_layout", "pass_layout", "pass_set_layout"]


@dataclass(frozen=True)
class Choice:
    """How each pass comes to one of several outcomes, which are numbered from 0 on.

    The outcome of the number n is ``table[n % len(table)]``.
    """

    table: tuple[int, ...]
    draw: int | None = 0 #: Which draw of the mask bank the number n is; None: it is that of the pass.

    @property
    def outcomes(self):
        return 1 + max(self.table)

    def separates(self, passes):
        """Whether each of ``passes`` passes has an outcome of its own, its number."""
        return self.draw is None and self.table == tuple(range(passes))

    @property
    def bits(self):
        """Random bits that are drawn."""
        return 0 if self.draw is None else (len(self.table) - 1).bit_length()


def pass_set_layout(passes, arrays=1):
    """Pass set of one feature map: bit ``t`` is 1 if pass ``t`` has produced exactly this map.

    ``last`` marks the last map of an image. ``choice`` is the array, of the ``arrays`` of the layer that
    the map enters, which the passes of the set have chosen; or where each pass enters apart, its number.
    """
    return data.StructLayout({"set": passes, "last": 1, "choice": range(arrays)})


def pass_layout(passes):
    """Number of the one pass of a map, and whether this is the last map of an image."""
    return data.StructLayout({"number": range(passes), "last": 1})


def branches_layout(passes, branches):
    """Pass sets of the ``branches`` maps that a layer makes of one map, and ``last`` of that map."""
    return data.StructLayout({"sets": data.ArrayLayout(passes, branches), "last": 1})


def fetch_layout(words, lanes):
    """Which word to send: its address in a memory of ``words`` words of all lanes, and its lane."""
    return data.StructLayout({"address": range(words), "lane": range(lanes)})


class PassSplit(wiring.Component):
    """Divide the pass set of each map by the random choices of its passes.

    A map with the pass set ``S`` becomes one map for each outcome ``c`` of a choice, with the passes of
    ``S`` that came to ``c``: the sets are disjoint, and their union is ``S``. For a keep bit they are
    ``S & ~mask`` and ``S & mask``. With several choices there is one map for each combination of
    outcomes, that of the last choice varying fastest, and without a choice one. The masks of an image apply
    to all of its maps.

    Latency is one cycle, throughput one map per cycle.

    Parameters
    ----------
    passes : int
        T_max: bits of a pass set.
    choices : sequence of Choice
        A :exc:`ValueError` is raised unless each has an outcome for every number that its random bits can
        be.

    Members
    -------
    i : In(stream.Signature(pass_set_layout(passes)))
        Pass sets of the maps that are divided.
    mask_0, ... : In(stream.Signature(passes * bits))
        Per choice that draws and image, the masks of its bits (:class:`hdl.random.mask_bank.MaskBank`).
    o : Out(stream.Signature(branches_layout(passes, combinations)))
        Pass sets of the maps that each map becomes.
    """

    latency = 1

    def __init__(self, passes, choices):
        self.passes  = passes
        self.choices = tuple(choices)
        for choice in self.choices:
            if choice.draw is not None and len(choice.table) != 2**choice.bits:
                raise ValueError(f"Choice must have an outcome for each of {2**choice.bits} numbers, not "
                                 f"{len(choice.table)}")
        super().__init__({
            "i": In(stream.Signature(pass_set_layout(passes))),
            **{f"mask_{index}": In(stream.Signature(passes * choice.bits))
               for index, choice in enumerate(self.choices) if choice.bits},
            "o": Out(stream.Signature(branches_layout(
                passes, math.prod(choice.outcomes for choice in self.choices)))),
        })

    @property
    def masks(self):
        """Ports of the choices that draw, in their order."""
        return tuple(getattr(self, f"mask_{index}") for index, choice in enumerate(self.choices)
                     if choice.bits)

    def elaborate(self, platform):
        m = Module()

        known = Signal() # the masks of the image
        free  = Signal()
        m.d.comb += [
            known.eq(Cat(Const(1), *(mask.valid for mask in self.masks)).all()),
            free.eq(vacant(self.o)),
            self.i.ready.eq(free & known),
        ]
        m.d.comb += [mask.ready.eq(moves(self.i) & self.i.payload.last) for mask in self.masks]

        came = [self._came_to(index, choice) for index, choice in enumerate(self.choices)]
        with m.If(free):
            m.d.sync += [self.o.valid.eq(self.i.valid & known), self.o.payload.last.eq(self.i.payload.last)]
            for branch, sets in zip(self.o.payload.sets, itertools.product(*came), strict=True):
                m.d.sync += branch.eq(_intersection(self.i.payload.set, *sets))

        return m

    def _came_to(self, index, choice):
        """For each outcome the set of passes that came to it."""
        came = [[] for _ in range(choice.outcomes)]
        if not choice.bits:
            for number in range(self.passes):
                came[choice.table[number % len(choice.table)]].append(1 << number)
            return [Const(sum(passes), self.passes) for passes in came]
        payload = getattr(self, f"mask_{index}").payload
        bits = [payload.word_select(bit, self.passes) for bit in range(choice.bits)]
        for number, outcome in enumerate(choice.table):
            came[outcome].append(_intersection(*(
                word if number >> bit & 1 else ~word for bit, word in enumerate(bits))))
        return [functools.reduce(operator.or_, passes) for passes in came]


def _intersection(passes, *others):
    """Passes that are in all of these sets."""
    for other in others:
        passes = passes & other
    return passes
