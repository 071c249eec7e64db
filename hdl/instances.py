# amaranth: UnusedElaboratable=no
"""Several instances of an accelerator that share their random bits and work on one image after another."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.accelerator import place_blocks, tell_tests
from hdl.checks.parity import error_port
from hdl.head.collector import Collector
from hdl.input.dispatcher import Dispatcher
from hdl.placed import instance_of
from hdl.random.draw_order import DrawOrder


__all__ = ["Instances"]


class Instances(wiring.Component):
    """Give images to several instances of an accelerator in turn, and send their results in order.

    To the outside they are one accelerator, with the same result for each image, bit for bit: each draws
    the random bits of its images when they are due (:mod:`hdl.random.draw_order`). Images enter in words of
    several pixels, and leave as many times as fast as there are instances.

    Parameters
    ----------
    accelerator : hdl.accelerator.Accelerator
        One of the instances (see its ``instance``), all of which are alike; of it the ports are of
        interest, and its random source and health tests, which become blocks here.
    module : str
        Name of its Verilog module.
    count : int
        Instances.
    per_word : int
        Pixels of a word.

    Members
    -------
    pixels : In(stream.Signature(per_word * bits of a pixel))
        Words of pixels in raster order, the first pixel lowest; the last word of an image is filled up.
    passes : In(range(passes + 1))
        Passes T of the image whose first word is taken.
    results, alarm, error, confidence, agreement, reseed, mtj
        See :class:`hdl.accelerator.Accelerator`.
    """

    #: Cycles that an image takes longer than in one accelerator, if it waits for no other.
    latency = Dispatcher.latency + Collector.latency

    def __init__(self, accelerator, module, *, count, per_word):
        if not accelerator.instance:
            raise ValueError("Accelerator must be made as an instance of several")
        self.accelerator = accelerator
        self.module      = module
        self.count       = count
        self.protect     = accelerator.protect
        pixel_input      = accelerator.pixel_input
        self.dispatcher  = Dispatcher(
            pixel_input.pixels, width=len(pixel_input.i.payload), per_word=per_word,
            passes=pixel_input.most, instances=count, protect=self.protect)
        self.collector = Collector(accelerator.results.payload.shape(), count)
        self.draws     = hasattr(accelerator, "random")
        self.rng       = accelerator.rng if self.draws else None
        self.health    = accelerator.health if self.draws else ()
        if self.draws:
            self.draw_order = DrawOrder(accelerator.random.draw.payload.shape(), count)
        members = accelerator.signature.members
        super().__init__({
            "pixels":  In(self.dispatcher.i.signature.flip()),
            "passes":  In(members["passes"].shape),
            "results": Out(self.collector.o.signature),
            "alarm":   Out(1),
            **error_port(self.protect),
            **{name: members[name] for name in ("confidence", "agreement") if name in members},
            **{name: self.rng.signature.members[name] for name in ("reseed", "mtj")
               if hasattr(self.rng, name)},
        })

    @property
    def blocks(self):
        """Submodules by their names, but for the instances."""
        return {
            "dispatcher": self.dispatcher,
            **({"draw_order": self.draw_order, "rng": self.rng} if self.draws else {}),
            **{f"health_{number}": test for number, (_, test) in enumerate(self.health)},
            "collector": self.collector,
        }

    def elaborate(self, platform):
        m = Module()

        fault  = Signal() # of any block, from then on
        faults = [self.alarm, *place_blocks(m, self)]
        instances = []
        for number in range(self.count):
            m.submodules[f"instance_{number}"], instance = instance_of(
                self.accelerator, self.module, f"instance_{number}")
            instances.append(instance)
            connect(m, self.dispatcher.o[number], instance.pixels)
            connect(m, instance.results, self.collector.i[number])
            m.d.comb += [instance.passes.eq(self.dispatcher.o_passes[number]), instance.fault.eq(fault)]
            for name in ("confidence", "agreement"):
                if name in self.signature.members:
                    m.d.comb += getattr(instance, name).eq(getattr(self, name))
        if self.protect:
            faults += [instance.error for instance in instances]
            m.d.comb += self.error.eq(fault)
        m.d.sync += fault.eq(fault | Cat(faults).any())

        connect(m, flipped(self.pixels), self.dispatcher.i)
        m.d.comb += self.dispatcher.passes.eq(self.passes)
        connect(m, self.collector.o, flipped(self.results))
        m.d.comb += self.alarm.eq(Cat(test.alarm for _, test in self.health).any())
        if self.draws:
            self._connect_random(m, [instance.random for instance in instances])
        return m

    def _connect_random(self, m, ports):
        order = self.draw_order
        for number, port in enumerate(ports):
            connect(m, port.draw, order.draw[number])
            connect(m, order.bits[number], port.bits)
        m.d.comb += order.drawn.eq(Cat(port.drawn for port in ports))
        connect(m, order.o, self.rng.i)
        connect(m, self.rng.o, order.i)
        # One instance takes a bit in a cycle. Instances are far from each other, so their bits are late.
        width   = len(self.health)
        strobes = Signal(width)
        bit     = Signal()
        m.d.sync += [
            bit.eq(Cat(port.bit & port.strobes.any() for port in ports).any()),
            strobes.eq(Cat(Cat(port.strobes[test] for port in ports).any() for test in range(width))),
        ]
        m.d.comb += tell_tests(self.health, strobes, bit)
        if "reseed" in self.signature.members:
            connect(m, flipped(self.reseed), self.rng.reseed)
        if "mtj" in self.signature.members:
            for source, pins in zip(self.rng.mtj, self.mtj, strict=True):
                connect(m, source, flipped(pins))
