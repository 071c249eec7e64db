# amaranth: UnusedElaboratable=no
"""The whole accelerator: pixels in, statistics of the class probabilities out."""

import itertools
from dataclasses import dataclass

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import ParityCheck, error_port
from hdl.checks.register_parity import RegisterParity
from hdl.head.averaging import Averaging
from hdl.head.offset_binary import OffsetBinary
from hdl.head.result import result_layout
from hdl.head.softmax import Normalizer, Softmax
from hdl.input.binarizer import Binarizer
from hdl.input.pixel_input import PixelInput
from hdl.layer.array import EmulatedArray
from hdl.pass_sets.edge import Edge
from hdl.pass_sets.fork import Fork
from hdl.pass_sets.join import Join
from hdl.pass_sets.pass_split import Choice
from hdl.pass_sets.resize import Resize
from hdl.random.equal_passes import EqualPasses
from hdl.random.mask_bank import MaskBank
from hdl.random.mask_store import MaskStore
from hdl.stream import moves


__all__ = ["Accelerator", "Branch", "place_blocks", "random_signature", "tell_tests"]


@dataclass(frozen=True)
class Branch:
    """A way beside some layers: maps that enter the first of them go this way too, and are joined with
    those that leave the last."""

    name: str
    layers: tuple[int, ...] #: Numbers of the layers on the way; they choose nothing.
    first: int              #: Number of the first layer beside it.
    last: int               #: Number of the last one.
    bits: int               #: See :class:`hdl.pass_sets.join.Join`, and below.
    added: bool
    thresholds: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    resize: tuple[int, int] = (1, 1) #: How many rows and columns each of the maps becomes, where there are
                            #: no layers on the way.


class Accelerator(wiring.Component):
    """A Bayesian neural network: T stochastic forward passes for each image.

    Pixels become words of a feature map (binarizer), which the layers compute one after another. Beside
    the words of every map goes its pass set: the passes that have produced exactly this map, so that
    passes share the computation up to the first choice in which they differ. The mask bank draws the
    random bits of all passes and layers, if there are any. The softmax turns the logits of each last map
    into probabilities, and the averaging block weighs these by the number of passes. Of a regression the
    averaging block takes the numbers of the last map as they are.

    Parameters
    ----------
    pixels : int
        Pixels of an image.
    thresholds, bits, colours
        See :class:`hdl.input.binarizer.Binarizer`.
    engines : sequence of hdl.engine.Engine
        The layers in order; the last one sends logits.
    branches : sequence of Branch
        Ways beside the layers; those that end behind the same layer in the order in which they are joined.
        The engines that are on none of them follow one another, in order.
    resizes : sequence of tuple of int
        Of each layer how many rows and columns each of its map becomes, before it is joined with another;
        empty: each one.
    names : sequence of str
        Names of the layers, each an identifier. Submodules and pins of layers are named with the prefix
        ``layer_``, so that none has the name of another block or port.
    draws : sequence of int
        Random bits of each draw of a pass. Choices of the engines name one by its number.
    rng : hdl.random.rng_bank.RngBank or None
        None if nothing is drawn.
    points : hdl.random.shifted_points.ShiftedPoints or None
        What passes go through in place of drawing each bit, with shifts from ``rng``.
    health : sequence of (sequence of int, hdl.random.health.Health)
        Tests of the random bits, each with the bits of a pass, or of shifts, that it tests, numbered in the
        order in which they are drawn.
    instance : bool
        Whether this is one of several instances (:class:`hdl.instances.Instances`): ``rng`` and ``health``,
        which they have in common, are outside.
    classes, passes : int
        Classes, and T_max.
    positions : int
        Positions of the map of logits, each of which has an answer of its own.
    regression, fraction, guard, confidence, agreement : bool, int
        See :class:`gen.ir.Head`.
    sequential : bool
        Run the passes one after another instead of sharing the maps that they have in common.
    settable : bool
        Whether ``confidence`` and ``agreement`` are ports.
    protect : bool
        Check the parity of all stored words (:mod:`hdl.checks.parity`) and control registers
        (:mod:`hdl.checks.register_parity`), and that the pass sets of an image divide its passes
        (:mod:`hdl.head.averaging`); ``engines`` must be protected too. A fault sets ``error`` in all
        results that follow. An alarm of the health tests does so with and without ``protect``.

    Members
    -------
    pixels : In(stream.Signature(8 * colours))
        Pixels in raster order, images back to back; the first component in the lowest bits.
    passes : In(range(passes + 1))
        Passes T of the image whose first pixel is taken.
    results : Out(stream.Signature(result_layout(classes, passes)))
        ``classes`` words for each position, image by image.
    alarm : Out(1)
        Sticky: a health test of the random bits has failed.
    error : Out(1)
        Sticky: a fault has been seen, or an alarm raised. Only with ``protect``.
    confidence, agreement : In(16), In(7)
        See above; ``init`` of the ports is what is given. Only with ``settable``.
    reseed : In(reseed_signature(sources))
        States of the random sources (:class:`hdl.random.rng_bank.RngBank`). Only with sources that take
        them. It brings some, and the two above change, only when the result of each image that has begun
        has been sent.
    mtj : Out(mtj_signature(code, reset_current)).array(sources)
        Pins of the junctions. Only with :class:`hdl.random.mtj_rng.MtjRng`.
    layer_<name> : Out(array_signature(geometry)).array(row tiles)
        Pins of the arrays of a layer. Only of engines whose arrays are macros.
    random : Out(random_signature(bits of a pass or of shifts, len(health)))
        Requests for random bits, and these. Only of an instance that draws any; it has neither ``mtj`` nor
        ``reseed``.
    fault : In(1)
        A fault outside has been seen. Only of an instance, in place of ``alarm``.
    """

    def __init__(self, pixels, *, thresholds, bits=1, colours=1, engines, names, branches=(), resizes=(),
                 draws, rng, points=None, health, classes, positions=1, passes, regression=False,
                 fraction, guard=0, confidence, agreement=90, settable=False, sequential, instance=False,
                 protect=False):
        self.names       = tuple(names)
        self.engines     = tuple(engines)
        self.resizes     = tuple(resizes) or ((1, 1),) * len(self.engines)
        self.sequential  = sequential
        self.regression  = regression
        self.instance    = instance
        self.protect     = protect
        self.binarizer   = Binarizer(thresholds, bits=bits, colours=colours)
        self.pixel_input = PixelInput(pixels, passes, width=len(self.binarizer.i.payload), protect=protect)

        def image_edge(early, merged=False):
            return Edge(self.binarizer.o.payload.shape(), words=pixels, lanes=1, passes=passes, early=early,
                        merged=merged, depth=2, by_credit=False, protect=protect)

        #: Which of their passes have equal masks, by the names of the layers in front of which these go
        #: together.
        self.equal_passes = {name: EqualPasses(engine.masks.groups, passes=passes, protect=protect)
                             for name, engine in zip(self.names, self.engines, strict=True)
                             if engine.masks and engine.masks.merged and not sequential}

        #: In front of the first layer, if passes enter it one after another.
        self.sequential_edge = image_edge(Choice(tuple(range(passes)), draw=None)) if sequential else None
        self.branches    = tuple(branches)
        #: Numbers of the layers beside which branches are.
        self.trunk = tuple(number for number in range(len(self.engines))
                           if not any(number in branch.layers for branch in self.branches))
        first = self.engines[0].early_choice
        #: In front of the first layer, if it makes a choice before maps enter.
        self.first_edge = (None if first is None or sequential and first.separates(passes) else
                           image_edge(first, self.names[0] in self.equal_passes))
        self._image_edges = [edge for edge in (self.sequential_edge, self.first_edge) if edge]
        #: Behind each layer.
        self.edges = [None] * len(self.engines)
        #: Behind those of layers whose banks are mixed, if the next layer chooses an array: each pass has
        #: left apart before, with its number and not that of an array. By the names of the former layers.
        self.array_edges = {}
        for number, following in itertools.zip_longest(self.trunk, self.trunk[1:]):
            name, engine = self.names[number], self.engines[number]
            behind, early = ((None, None) if following is None else
                             (self.names[following], self.engines[following].early_choice))
            again = engine.mix and early and not early.separates(passes)
            self.edges[number] = Edge(
                engine.word, words=engine.words, lanes=engine.lanes, passes=passes, late=engine.bank_choice,
                mix=engine.mix, early=None if again else early, merged=behind in self.equal_passes,
                resize=self._resize(number), protect=protect)
            if again:
                self.array_edges[name] = Edge(
                    engine.word, words=self.edges[number].buffer.sent, lanes=1, passes=passes, early=early,
                    depth=2, by_credit=False, protect=protect)
        #: Of branches without layers, by their names.
        self.branch_edges = {}
        #: Where branches end, by their names.
        self.joins = {}
        for branch in self.branches:
            self._make_branch(branch, passes)
        #: Where they begin, by the number of the layer that they begin in front of.
        self.forks = {number: self._fork(number, passes) for number in self.trunk
                      if any(branch.first == number for branch in self.branches)}
        # Who takes masks, of which draw: the edges in the order in which a map passes them.
        self._takers = [(edge, port, draw) for edge in (*self._image_edges, *(
            edge for name, of_layer in zip(self.names, self.edges, strict=True)
            for edge in (of_layer, *self._array_edge(name))), *self.branch_edges.values())
            for port, draw in edge.drawn.items()]
        #: Masks of the inputs of layers, by the names of these.
        self.mask_stores = {name: MaskStore(engine.masks.groups, passes=passes, protect=protect)
                            for name, engine in zip(self.names, self.engines, strict=True) if engine.masks}
        #: From which bank each pass takes each output channel of layers, by the names of these.
        self.mix_stores = {name: MaskStore(engine.mix.bits, passes=passes, protect=protect)
                           for name, engine in zip(self.names, self.engines, strict=True) if engine.mix}
        stored = [words.draw for of_kind in ("masks", "mix") for engine in self.engines
                  if (words := getattr(engine, of_kind))]
        self.mask_bank = (MaskBank(draws, [draw for _, _, draw in self._takers], passes, protect=protect,
                                   stores=stored) if self._takers or stored else None)
        self.rng        = rng
        self.points     = points
        self.health     = tuple(health)
        # A leaf of one position is divided in the time of a few reads; those of many follow each other.
        self.to_average = OffsetBinary(self.engines[-1].word) if regression else Softmax(
            self.engines[-1].word, classes=classes, fraction=fraction, guard=guard,
            dividers=1 if positions == 1 else -(-Normalizer.DIVISION // classes), protect=protect)
        self.averaging  = Averaging(classes, passes, positions=positions, confidence=confidence,
                                    agreement=agreement, settable=settable, protect=protect)
        members = {
            "pixels":  In(stream.Signature(len(self.binarizer.i.payload))),
            "passes":  In(range(passes + 1)),
            "results": Out(stream.Signature(result_layout(classes, passes))),
            **({"fault": In(1)} if instance else {"alarm": Out(1)}),
            **error_port(protect),
        }
        if instance and self.mask_bank:
            members["random"] = Out(random_signature((points or self.mask_bank).draw.payload.shape(),
                                                     len(self.health)))
        for block, names in ((self.averaging, ("confidence", "agreement")),
                             (None if instance else rng, ("reseed", "mtj"))):
            members |= {name: block.signature.members[name] for name in names if hasattr(block, name)}
        for name, engine in zip(self.engine_names, self.engines, strict=True):
            if "arrays" in engine.signature.members:
                members[name] = engine.signature.members["arrays"]
        super().__init__(members)

    def _make_branch(self, branch, passes):
        """Make the edges of a way beside some layers, and the join at its end."""
        first   = self.engines[branch.first]
        between = self.trunk[self.trunk.index(branch.first):self.trunk.index(branch.last) + 1]
        parts   = self._parts(between, passes)
        stored  = {"passes": passes, "depth": len(between) + 2, "lanes": 1, "protect": self.protect}
        *inner, end = branch.layers or (None,)
        for number in inner:
            engine = self.engines[number]
            self.edges[number] = Edge(engine.word, words=engine.words, resize=self._resize(number),
                                      **stored)
        if end is None:
            width, buffer = len(first.i.payload), first.line_buffer
            size = [whole - 2 * border for whole, border in zip(buffer.padded, buffer.padding, strict=True)]
            self.branch_edges[branch.name] = Edge(width, words=len(first.word_cycles), by_credit=False,
                                                  parts=parts, resize=_order(size, branch.resize), **stored)
        else:
            engine = self.engines[end]
            width  = len(engine.o.payload)
            self.edges[end] = Edge(engine.word, words=engine.words, parts=parts, resize=self._resize(end),
                                   **stored)
        # What other branches have joined behind the same layer before.
        before = [join for other, join in zip(self.branches, self.joins.values(), strict=False)
                  if other.last == branch.last]
        trunk  = before[-1].o if before else self.edges[branch.last].o
        joined = Shape.cast(trunk.payload.shape()).width
        self.joins[branch.name] = Join(
            joined, width, bits=branch.bits, added=branch.added, passes=passes,
            outcomes=_entering(self._behind(branch.last)), thresholds=branch.thresholds,
            protect=self.protect)

    def _resize(self, number):
        """In which order the map of layer ``number`` is sent, if it becomes larger."""
        return _order(self.engines[number].pooled, self.resizes[number])

    def _parts(self, between, passes):
        """What divides pass sets behind the entrance of the first of the layers ``between`` and up to the
        entrance of the layer behind the last."""
        parts = []
        for number in between:
            engine = self.engines[number]
            parts += [engine.early_choice] if number != between[0] else []
            parts += [engine.bank_choice, engine.mix and Choice(tuple(range(passes)), draw=None)]
        parts = [part for part in (*parts, self._behind(between[-1]).early_choice) if part is not None]
        # Passes that are apart are not divided any further.
        apart = next((index for index, part in enumerate(parts) if part.separates(passes)), len(parts))
        return tuple(parts[:apart + 1])

    def _behind(self, number):
        """The layer of the trunk behind layer ``number`` of it, which is not the last."""
        return self.engines[self.trunk[self.trunk.index(number) + 1]]

    def _fork(self, number, passes):
        engine = self.engines[number]
        return Fork(len(engine.i.payload), passes=passes, outcomes=_entering(engine),
                    ways=1 + sum(branch.first == number for branch in self.branches))

    def _array_edge(self, name):
        """The edge behind that of the layer ``name``, if there is one."""
        return [self.array_edges[name]] if name in self.array_edges else []

    @property
    def engine_names(self):
        """Names of the submodules of the layers, and of the pins of their arrays."""
        return tuple(f"layer_{name}" for name in self.names)

    @property
    def blocks(self):
        """Submodules by their names, in the order in which an image passes them.

        Raises
        ------
        ValueError
            If two have the same name.
        """
        named = [
            ("pixel_input",     self.pixel_input),
            ("binarizer",       self.binarizer),
            *([("mask_bank", self.mask_bank)] if self.mask_bank else []),
            *([("rng", self.rng)] if self.mask_bank and not self.instance else []),
            *([("points", self.points)] if self.points else []),
            *((f"masks_{name}", store) for name, store in self.mask_stores.items()),
            *((f"mix_{name}", store) for name, store in self.mix_stores.items()),
            *((f"equal_{name}", equal) for name, equal in self.equal_passes.items()),
            *((f"health_{number}", test) for number, (_, test) in enumerate(self.health)
              if not self.instance),
            *([("sequential_edge", self.sequential_edge)] if self.sequential_edge else []),
            *([("first_edge", self.first_edge)] if self.first_edge else []),
            *((f"fork_{self.names[number]}", fork) for number, fork in self.forks.items()),
            *(block for name, engine, edge in zip(self.names, self.engines, self.edges, strict=True)
              for block in ((f"layer_{name}", engine), (f"edge_{name}", edge),
                            *((f"array_edge_{name}", edge) for edge in self._array_edge(name)))),
            *((f"branch_{name}", edge) for name, edge in self.branch_edges.items()),
            *((f"join_{name}", join) for name, join in self.joins.items()),
            ("offset_binary" if self.regression else "softmax", self.to_average),
            ("averaging",       self.averaging),
        ]
        for index, (name, _) in enumerate(named):
            if name in dict(named[:index]):
                raise ValueError(f"Each block must have a name of its own, but two are named {name!r}")
        return dict(named)

    @staticmethod
    def guarded(block):
        """Return ``block`` with the parity of its control registers, which ``protect`` adds."""
        # An emulated array stands for a macro, whose registers are not part of this design.
        return RegisterParity(block, exclude=(EmulatedArray, ParityCheck))

    def elaborate(self, platform):
        m = Module()

        faults = [self.fault if self.instance else self.alarm, *place_blocks(m, self)]
        m.d.sync += self.averaging.fault.eq(self.averaging.fault | Cat(faults).any())
        if self.protect:
            m.d.comb += self.error.eq(self.averaging.fault)

        connect(m, flipped(self.pixels), self.pixel_input.i)
        m.d.comb += self.pixel_input.passes.eq(self.passes)
        connect(m, self.pixel_input.o, self.binarizer.i)
        if self.mask_bank is None:
            m.d.comb += self.pixel_input.masks.ready.eq(1)
        else:
            connect(m, self.pixel_input.masks, self.mask_bank.images)
            drawing = self.mask_bank
            if self.points:
                drawing = self.points
                connect(m, self.mask_bank.draw, drawing.i)
                connect(m, drawing.o, self.mask_bank.bits)
                m.d.comb += drawing.begin.eq(moves(self.mask_bank.images))
            if self.instance:
                connect(m, drawing.draw, flipped(self.random.draw))
                connect(m, flipped(self.random.bits), drawing.bits)
                m.d.comb += self.random.drawn.eq(self.mask_bank.drawn_last)
            else:
                connect(m, drawing.draw, self.rng.i)
                connect(m, self.rng.o, drawing.bits)
            for mask, (block, name, _) in zip(self.mask_bank.masks, self._takers, strict=True):
                connect(m, mask, getattr(block, name))
            for drawn, store in zip(self.mask_bank.drawn, (
                    *self.mask_stores.values(), *self.mix_stores.values()), strict=True):
                connect(m, drawn, store.drawn)
            # The bits go to many blocks, so they come from registers, a cycle late.
            taken, bit = _late(m, drawing)
            strobes = Cat(Cat(taken[place] for place in places).any() for places, _ in self.health)
            if self.instance:
                m.d.comb += [self.random.strobes.eq(strobes), self.random.bit.eq(bit)]
            else:
                m.d.comb += tell_tests(self.health, strobes, bit)
            for name, equal in self.equal_passes.items():
                draw  = self.engines[self.names.index(name)].masks.draw
                first = sum(self.mask_bank.draws[:draw])
                m.d.comb += [
                    equal.strobe.eq(taken[first:first + equal.bits].any()),
                    equal.bit.eq(bit),
                    equal.handed.eq(self.mask_stores[name].drawn.handed),
                ]
        if not self.instance:
            m.d.comb += self.alarm.eq(Cat(test.alarm for _, test in self.health).any())
        if "confidence" in self.signature.members:
            m.d.comb += [self.averaging.confidence.eq(self.confidence),
                         self.averaging.agreement.eq(self.agreement)]
        if "reseed" in self.signature.members:
            connect(m, flipped(self.reseed), self.rng.reseed)
        if "mtj" in self.signature.members:
            for source, pins in zip(self.rng.mtj, self.mtj, strict=True):
                connect(m, source, flipped(pins))

        words, sets = self.binarizer.o, self.pixel_input.sets
        for edge in self._image_edges:
            words, sets = _through(m, edge, words, sets)
        in_front = [self.first_edge, *map(self.edges.__getitem__, self.trunk)]
        for number, edge in zip(self.trunk, in_front, strict=False):
            if self.names[number] in self.equal_passes:
                connect(m, edge.rows, self.equal_passes[self.names[number]].rows)
        joining = {} # words and pass sets of branches, by their names
        for number in self.trunk:
            leaving = [branch for branch in self.branches if branch.first == number]
            if leaving:
                fork = self.forks[number]
                _forward(m, words, fork.i)
                _hand_on(m, sets, fork.i_sets)
                words, sets = fork.o[0], fork.o_sets[0]
            for way, branch in enumerate(leaving, 1):
                joining[branch.name] = self._branch(m, branch, fork.o[way], fork.o_sets[way])
            words, sets = self._layer(m, number, words, sets)
            for branch in self.branches:
                if branch.last == number:
                    join = self.joins[branch.name]
                    words, sets = _joined(m, join, words, sets, *joining[branch.name])
        connect(m, words, self.to_average.i)
        connect(m, self.to_average.o, self.averaging.i)
        _hand_on(m, sets, self.averaging.sets)
        connect(m, self.averaging.o, flipped(self.results))

        return m

    def _branch(self, m, branch, words, sets):
        """Connect the layers of a branch, or its edge; return what leaves it."""
        if not branch.layers:
            return _through(m, self.branch_edges[branch.name], words, sets)
        for number in branch.layers:
            words, sets = self._layer(m, number, words, sets)
        return words, sets

    def _layer(self, m, number, words, sets):
        """Connect layer ``number`` and the edge behind it; return what leaves this."""
        name, engine, edge = self.names[number], self.engines[number], self.edges[number]
        pins = self.engine_names[number]
        _forward(m, words, engine.i)
        _hand_on(m, sets, engine.i_sets)
        connect(m, engine.o, edge.i)
        connect(m, engine.o_sets, edge.i_sets)
        connect(m, edge.credit, engine.credit)
        words, sets = edge.o, edge.o_sets
        for again in self._array_edge(name):
            words, sets = _through(m, again, words, sets)
        for port, sent in (("o", words), ("o_sets", sets)):
            # Copies of the maps that are sent, with names by which the test bench observes them.
            observed = sent.signature.create(path=(pins, port))
            m.d.comb += [getattr(observed, part).eq(getattr(sent, part))
                         for part in ("payload", "valid", "ready")]
        if engine.masks:
            connect(m, engine.passes, self.mask_stores[name].passes)
            connect(m, self.mask_stores[name].o, engine.kept)
        if engine.mix:
            connect(m, edge.passes, self.mix_stores[name].passes)
            connect(m, self.mix_stores[name].o, edge.mix)
        if "arrays" in engine.signature.members:
            for tile, pin in zip(engine.arrays, getattr(self, pins), strict=True):
                connect(m, tile, flipped(pin))
        return words, sets


def random_signature(request, tests):
    """What an instance of an accelerator has in place of a random source: ``draw`` and ``bits``, as
    :class:`hdl.random.mask_bank.MaskBank` has them; ``drawn``, 1 as the last bit of an image is taken; and
    a cycle after a bit was taken ``bit``, and which of so many health ``tests`` it is for."""
    return wiring.Signature({
        "draw":    Out(stream.Signature(request)),
        "bits":    In(stream.Signature(1)),
        "drawn":   Out(1),
        "bit":     Out(1),
        "strobes": Out(tests),
    })


def place_blocks(m, design):
    """Make the ``blocks`` of ``design`` submodules of ``m``; return what says that they have a fault, if it
    has to ``protect`` them."""
    faults = []
    for name, block in design.blocks.items():
        if design.protect:
            faults += [block.error] if "error" in block.signature.members else []
            block = Accelerator.guarded(block)
            faults.append(block.error)
        m.submodules[name] = block
    return faults


def tell_tests(health, strobes, bit):
    """Return statements that give ``bit`` to those tests of ``health`` whose bit of ``strobes`` is 1."""
    return [statement for (_, test), strobe in zip(health, strobes, strict=True)
            for statement in (test.strobe.eq(strobe), test.bit.eq(bit))]


def _order(size, factor):
    """In which order a map of ``size`` is sent that becomes larger by ``factor``; None if it does not."""
    return None if factor == (1, 1) else Resize(*size, factor)


def _late(m, block):
    """Which random bits ``block`` takes, and the bit, a cycle late."""
    taken = Signal.like(block.taken)
    bit   = Signal()
    m.d.sync += [taken.eq(block.taken), bit.eq(block.bits.payload)]
    return taken, bit


def _entering(engine):
    """Outcomes of the choice that goes with a map that enters a layer."""
    return 1 if engine.early_choice is None else engine.early_choice.outcomes


def _forward(m, words, port):
    """Connect a stream of words to ``port``, which has them as plain bits."""
    m.d.comb += [
        port.payload.eq(words.payload),
        port.valid.eq(words.valid),
        words.ready.eq(port.ready),
    ]


def _joined(m, join, words, sets, others, other_sets):
    """Connect what leaves a trunk and a branch to their join; return what leaves this."""
    _forward(m, words, join.i)
    _forward(m, others, join.branch)
    _hand_on(m, sets, join.i_sets)
    _hand_on(m, other_sets, join.branch_sets)
    return join.o, join.o_sets


def _through(m, edge, words, sets):
    """Send words and pass sets through ``edge``; return those that leave it."""
    m.d.comb += [
        edge.i.payload.eq(words.payload),
        edge.i.valid.eq(words.valid),
        words.ready.eq(edge.i.ready),
    ]
    _hand_on(m, sets, edge.i_sets)
    return edge.o, edge.o_sets


def _hand_on(m, sets, port):
    """Connect a stream of pass sets to ``port``, which takes the outcome that comes with them if it has a
    use for it."""
    m.d.comb += [port.valid.eq(sets.valid), sets.ready.eq(port.ready)]
    m.d.comb += [port.payload[field].eq(sets.payload[field]) for field in ("set", "last", "choice")]
