# amaranth: UnusedElaboratable=no
"""The whole accelerator: pixels in, results out."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.guard import Guard
from hdl.checks.parity import ParityCheck, error_port
from hdl.head.averaging import Averaging, result_layout
from hdl.head.softmax import Softmax
from hdl.input.binarizer import Binarizer
from hdl.input.image_source import ImageSource
from hdl.layer.array import EmulatedArray
from hdl.pass_sets.mask_bank import MaskBank
from hdl.pass_sets.replay import ArrayPasses, SequentialPasses, SharedPasses


__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """A Bayesian neural network: T stochastic passes for each image.

    Parameters
    ----------
    pixels : int
        Pixels of an image.
    thresholds, bits
        See :class:`hdl.input.binarizer.Binarizer`.
    engines : sequence of hdl.engine.Engine
        The layers in order; the last one has ``logit``.
    names : sequence of str
        Names of the layers, each an identifier. Their submodules and pins bear them behind ``layer_``, so
        that none is the name of another block or port.
    rng : component
        :class:`hdl.random.pseudo_rng.PseudoRng`, :class:`hdl.random.mtj_rng.MtjRng`, or several in a
        :class:`hdl.random.rng_bank.RngBank`.
    health : sequence of (sequence of int, hdl.random.health.Health)
        Tests of the random bits, each with the bits of a pass that it watches, numbered in the order in
        which they are drawn.
    classes, passes : int
        Classes, and T_max.
    fraction, guard, confidence, agreement : int
        See :class:`gen.ir.Head`.
    sequential : bool
        Run the passes one after another instead of sharing what they have in common.
    protect : bool
        Check the parity of all that is stored and of all that sequences (:mod:`hdl.checks.parity`,
        :mod:`hdl.checks.guard`), and that pass sets divide the passes (:mod:`hdl.head.averaging`);
        ``engines`` must be protected too. A fault sets ``error`` in all results that follow, as an alarm
        does without.

    Members
    -------
    pixels : In(stream.Signature(8))
        Pixels in raster order, images back to back.
    passes : In(range(passes + 1))
        Passes T of the image whose first pixel is taken.
    results : Out(stream.Signature(result_layout(classes, passes)))
        ``classes`` words per image.
    alarm : Out(1)
        Sticky: a health test of the random bits has failed.
    error : Out(1)
        Sticky: a fault has been seen, or an alarm raised. Only with ``protect``.
    mtj : Out(mtj_signature(code))
        Only with :class:`hdl.random.mtj_rng.MtjRng`; an array with several.
    layer_<name> : Out(array_signature(geometry)).array(row tiles)
        Only of engines with ``macro``.
    """

    def __init__(self, pixels, *, thresholds, bits=1, engines, names, rng, health, classes, passes,
                 fraction, guard=0, confidence, agreement=90, sequential, protect=False):
        self.names   = tuple(names)
        self.engines = tuple(engines)
        self.protect = protect
        self.source  = ImageSource(pixels, passes, protect=protect)
        self.binarizer = Binarizer(thresholds, bits=bits)
        width  = len(self.binarizer.o.payload)
        arrays = self.engines[0].crossbars
        self.replay  = (SequentialPasses(width, words=pixels, passes=passes, protect=protect) if sequential
                        else SharedPasses(passes))
        #: In front of a first layer that chooses an array.
        self.array_passes = (ArrayPasses(width, words=pixels, arrays=arrays, passes=passes,
                                         protect=protect)
                             if arrays > 1 else None)
        self.sequential = sequential
        self.mask_bank  = MaskBank([(engine.choices - 1).bit_length() for engine in self.engines],
                                   passes, protect=protect)
        self.rng        = rng
        self.health     = tuple(health)
        self.softmax    = Softmax(self.engines[-1].logit, classes=classes, fraction=fraction,
                                  guard=guard, protect=protect)
        self.averaging  = Averaging(classes, passes, confidence=confidence, agreement=agreement,
                                    protect=protect)
        members = {
            "pixels":  In(stream.Signature(8)),
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
        """Submodules by their names, along the way of an image.

        Raises
        ------
        ValueError
            If two have the same name.
        """
        named = [
            ("image_source", self.source),
            ("binarizer",    self.binarizer),
            ("replay",       self.replay),
            ("mask_bank",    self.mask_bank),
            ("rng",          self.rng),
            *((f"health_{number}", test) for number, (_, test) in enumerate(self.health)),
            *([("array_passes", self.array_passes)] if self.array_passes else []),
            *zip(self.engine_names, self.engines, strict=True),
            ("softmax",      self.softmax),
            ("averaging",    self.averaging),
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
                # An emulated array stands for a macro, whose registers are none of ours.
                block = Guard(block, apart=(EmulatedArray, ParityCheck))
                faults.append(block.error)
            m.submodules[name] = block
        m.d.sync += self.averaging.fault.eq(self.averaging.fault | Cat(faults).any())
        if self.protect:
            m.d.comb += self.error.eq(self.averaging.fault)

        connect(m, flipped(self.pixels), self.source.i)
        m.d.comb += self.source.passes.eq(self.passes)
        connect(m, self.source.o, self.binarizer.i)
        connect(m, self.source.maps, self.replay.images)
        connect(m, self.source.masks, self.mask_bank.images)
        connect(m, self.mask_bank.draw, self.rng.i)
        connect(m, self.rng.o, self.mask_bank.bits)
        # Tests are many, and have time: what they watch comes from registers.
        taken = Signal.like(self.mask_bank.taken)
        bit   = Signal()
        m.d.sync += [taken.eq(self.mask_bank.taken), bit.eq(self.rng.o.payload)]
        for places, test in self.health:
            m.d.comb += [
                test.strobe.eq(Cat(taken[place] for place in places).any()),
                test.bit.eq(bit),
            ]
        m.d.comb += self.alarm.eq(Cat(test.alarm for _, test in self.health).any())
        if self.rng.count > 1 and hasattr(self.rng, "mtj"):
            for inside, outside in zip(self.rng.mtj, self.mtj, strict=True):
                connect(m, inside, flipped(outside))
        elif hasattr(self.rng, "mtj"):
            connect(m, self.rng.mtj, flipped(self.mtj))

        words, sets = self.binarizer.o, self.replay.o_sets
        if self.sequential:
            connect(m, words, self.replay.i)
            words = self.replay.o
        # The choice of an array is known to what sends it maps.
        before = self.array_passes
        if before is not None:
            connect(m, words, before.i)
            connect(m, sets, before.i_sets)
            words, sets = before.o, before.o_sets
        for name, engine, mask in zip(self.engine_names, self.engines, self.mask_bank.masks, strict=True):
            connect(m, words, engine.i)
            connect(m, sets, engine.i_sets)
            if engine.crossbars == 1:
                connect(m, mask, engine.mask)
            else:
                connect(m, mask, before.mask if before is self.array_passes else before.mask_after)
            before = engine
            words, sets = engine.o, engine.o_sets
            for port, sent in (("o", words), ("o_sets", sets)):
                # What a layer sends, under names that a test bench can find in the Verilog.
                seen = sent.signature.create(path=(name, port))
                m.d.comb += [getattr(seen, part).eq(getattr(sent, part))
                             for part in ("payload", "valid", "ready")]
            if "arrays" in engine.signature.members:
                for inside, outside in zip(engine.arrays, getattr(self, name), strict=True):
                    connect(m, inside, flipped(outside))
        connect(m, words, self.softmax.i)
        connect(m, self.softmax.o, self.averaging.i)
        connect(m, sets, self.averaging.sets)
        connect(m, self.averaging.o, flipped(self.results))

        return m
