# amaranth: UnusedElaboratable=no
"""The whole accelerator: pixels in, statistics of the class probabilities out."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import ParityCheck, error_port
from hdl.checks.register_parity import RegisterParity
from hdl.head.averaging import Averaging, result_layout
from hdl.head.softmax import Softmax
from hdl.input.binarizer import Binarizer
from hdl.input.pixel_input import PixelInput
from hdl.layer.array import EmulatedArray
from hdl.pass_sets.first_pass_sets import ArrayPasses, SequentialPasses, SharedPasses
from hdl.random.mask_bank import MaskBank


__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """A Bayesian neural network: T stochastic forward passes for each image.

    Pixels become words of a feature map (binarizer), which the layers compute one after another. Beside
    the words of every map goes its pass set: the passes that have produced exactly this map, so that
    passes share the computation up to the first choice in which they differ. The mask bank draws the
    random bits of all passes and layers, if there are any. The softmax turns the logits of each last map
    into probabilities, and the averaging block weighs these by the number of passes.

    Parameters
    ----------
    pixels : int
        Pixels of an image.
    thresholds, bits, colours
        See :class:`hdl.input.binarizer.Binarizer`.
    engines : sequence of hdl.engine.Engine
        The layers in order; the last one has ``logit``.
    names : sequence of str
        Names of the layers, each an identifier. Submodules and pins of layers are named with the prefix
        ``layer_``, so that none has the name of another block or port.
    draws : sequence of int
        Random bits of each draw of a pass. Choices of the engines name one by its number.
    rng : component or None
        :class:`hdl.random.pseudo_rng.PseudoRng`, :class:`hdl.random.mtj_rng.MtjRng`, or several in a
        :class:`hdl.random.rng_bank.RngBank`; None if nothing is drawn.
    health : sequence of (sequence of int, hdl.random.health.Health)
        Tests of the random bits, each with the bits of a pass that it tests, numbered in the order in
        which they are drawn.
    classes, passes : int
        Classes, and T_max.
    fraction, guard, confidence, agreement : int
        See :class:`gen.ir.Head`.
    sequential : bool
        Run the passes one after another instead of sharing the maps that they have in common.
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
        ``classes`` words per image.
    alarm : Out(1)
        Sticky: a health test of the random bits has failed.
    error : Out(1)
        Sticky: a fault has been seen, or an alarm raised. Only with ``protect``.
    mtj : Out(mtj_signature(code))
        Pins of the junction, an array of them if there are several. Only with
        :class:`hdl.random.mtj_rng.MtjRng`.
    layer_<name> : Out(array_signature(geometry)).array(row tiles)
        Pins of the arrays of a layer. Only of engines with ``macro``.
    """

    def __init__(self, pixels, *, thresholds, bits=1, colours=1, engines, names, draws, rng, health,
                 classes, passes, fraction, guard=0, confidence, agreement=90, sequential, protect=False):
        self.names       = tuple(names)
        self.engines     = tuple(engines)
        self.sequential  = sequential
        self.protect     = protect
        self.binarizer   = Binarizer(thresholds, bits=bits, colours=colours)
        self.pixel_input = PixelInput(pixels, passes, width=len(self.binarizer.i.payload), protect=protect)
        width  = len(self.binarizer.o.payload)
        choice = self.engines[0].early_choice
        self.first_pass_sets = (
            SequentialPasses(width, words=pixels, passes=passes, protect=protect) if sequential
            else SharedPasses(passes))
        #: In front of a first layer with several arrays.
        self.array_passes = (ArrayPasses(width, words=pixels, choice=choice, passes=passes,
                                         protect=protect)
                             if choice is not None else None)
        # Who takes masks, of which draw: the blocks in the order in which a map passes them.
        self._takers = ([(self.array_passes, "mask", choice.draw)]
                        if choice is not None and choice.bits else [])
        self._takers += [(engine, name, draw) for engine in self.engines
                         for name, draw in engine.drawn.items()]
        self.mask_bank  = (MaskBank(draws, [draw for _, _, draw in self._takers], passes, protect=protect)
                           if self._takers else None)
        self.rng        = rng
        self.health     = tuple(health)
        self.softmax    = Softmax(self.engines[-1].logit, classes=classes, fraction=fraction,
                                  guard=guard, protect=protect)
        self.averaging  = Averaging(classes, passes, confidence=confidence, agreement=agreement,
                                    protect=protect)
        members = {
            "pixels":  In(stream.Signature(len(self.binarizer.i.payload))),
            "passes":  In(range(passes + 1)),
            "results": Out(stream.Signature(result_layout(classes, passes))),
            "alarm":   Out(1),
            **error_port(protect),
        }
        if hasattr(rng, "mtj"):
            members["mtj"] = rng.signature.members["mtj"]
        for name, engine in zip(self.engine_names, self.engines, strict=True):
            if "arrays" in engine.signature.members:
                members[name] = engine.signature.members["arrays"]
        super().__init__(members)

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
            ("first_pass_sets", self.first_pass_sets),
            *([("mask_bank", self.mask_bank), ("rng", self.rng)] if self.mask_bank else []),
            *((f"health_{number}", test) for number, (_, test) in enumerate(self.health)),
            *([("array_passes", self.array_passes)] if self.array_passes else []),
            *zip(self.engine_names, self.engines, strict=True),
            ("softmax",         self.softmax),
            ("averaging",       self.averaging),
        ]
        for index, (name, _) in enumerate(named):
            if name in dict(named[:index]):
                raise ValueError(f"Each block must have a name of its own, but two are named {name!r}")
        return dict(named)

    def elaborate(self, platform):
        m = Module()

        faults = [self.alarm]
        for name, block in self.blocks.items():
            if self.protect:
                faults += [block.error] if "error" in block.signature.members else []
                # An emulated array stands for a macro, whose registers are not part of this design.
                block = RegisterParity(block, exclude=(EmulatedArray, ParityCheck))
                faults.append(block.error)
            m.submodules[name] = block
        m.d.sync += self.averaging.fault.eq(self.averaging.fault | Cat(faults).any())
        if self.protect:
            m.d.comb += self.error.eq(self.averaging.fault)

        connect(m, flipped(self.pixels), self.pixel_input.i)
        m.d.comb += self.pixel_input.passes.eq(self.passes)
        connect(m, self.pixel_input.o, self.binarizer.i)
        connect(m, self.pixel_input.maps, self.first_pass_sets.images)
        if self.mask_bank is None:
            m.d.comb += self.pixel_input.masks.ready.eq(1)
        else:
            connect(m, self.pixel_input.masks, self.mask_bank.images)
            connect(m, self.mask_bank.draw, self.rng.i)
            connect(m, self.rng.o, self.mask_bank.bits)
            for mask, (block, name, _) in zip(self.mask_bank.masks, self._takers, strict=True):
                connect(m, mask, getattr(block, name))
            # The bits go to many tests, so they come from registers, a cycle late.
            taken = Signal.like(self.mask_bank.taken)
            bit   = Signal()
            m.d.sync += [taken.eq(self.mask_bank.taken), bit.eq(self.rng.o.payload)]
            for places, test in self.health:
                m.d.comb += [
                    test.strobe.eq(Cat(taken[place] for place in places).any()),
                    test.bit.eq(bit),
                ]
        m.d.comb += self.alarm.eq(Cat(test.alarm for _, test in self.health).any())
        if "mtj" in self.signature.members:
            junctions = [(self.rng.mtj, self.mtj)] if self.rng.count == 1 else zip(
                self.rng.mtj, self.mtj, strict=True)
            for source, pins in junctions:
                connect(m, source, flipped(pins))

        words, sets = self.binarizer.o, self.first_pass_sets.o_sets
        if self.sequential:
            connect(m, words, self.first_pass_sets.i)
            words = self.first_pass_sets.o
        # The choice among the arrays of a layer divides the pass sets before its maps are sent, so the
        # block in front of the layer takes its masks.
        if self.array_passes is not None:
            connect(m, words, self.array_passes.i)
            connect(m, sets, self.array_passes.i_sets)
            words, sets = self.array_passes.o, self.array_passes.o_sets
        for name, engine in zip(self.engine_names, self.engines, strict=True):
            connect(m, words, engine.i)
            connect(m, sets, engine.i_sets)
            words, sets = engine.o, engine.o_sets
            for port, sent in (("o", words), ("o_sets", sets)):
                # Copies of the outputs of a layer, with names by which the test bench observes them.
                observed = sent.signature.create(path=(name, port))
                m.d.comb += [getattr(observed, part).eq(getattr(sent, part))
                             for part in ("payload", "valid", "ready")]
            if "arrays" in engine.signature.members:
                for tile, pins in zip(engine.arrays, getattr(self, name), strict=True):
                    connect(m, tile, flipped(pins))
        connect(m, words, self.softmax.i)
        connect(m, self.softmax.o, self.averaging.i)
        connect(m, sets, self.averaging.sets)
        connect(m, self.averaging.o, flipped(self.results))

        return m
