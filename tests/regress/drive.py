"""Use an accelerator in Amaranth's simulator as a case says: offer pixels, accept results, emulate the
junctions, and record what passes at the pins."""

import sys
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import ClockDomain, Module, Value
from amaranth.sim import Simulator
from case import make_images

from golden.device.junction import Mtj
from sim.component import PERIOD


__all__ = ["Failure", "Record", "simulate"]


#: Cycles after the last word of the results in which no further word may come.
QUIET = 20

#: Levels of the text that Amaranth's simulator makes of a design and Python reads: as many as a choice has
#: outcomes, such as 70 sets of 4 of 8 arrays.
RECURSION_LIMIT = 20_000


class Failure(Exception):
    """What is wrong with a case."""


@dataclass
class Record:
    """What has passed at the pins since the last reset."""

    words: list = field(default_factory=list)         #: Words of the results.
    result_cycles: list = field(default_factory=list) #: Cycle in which each word passed.
    pixel_cycles: list = field(default_factory=list)  #: Cycle in which each pixel passed.
    cycles: int = 0                                   #: All cycles, to the last word.
    bits: np.ndarray | None = None                    #: What the junctions drew, in the order of use.


def simulate(case, accelerator, images, wanted, idle_limit) -> Record:
    """Send ``images`` uint8 (N, H, W) to ``accelerator`` and accept ``wanted`` words of results.

    If the case has a reset, it comes amid other images, which are sent before and must leave no trace.

    Raises
    ------
    Failure
        If a word of the results is withdrawn or changes before it is accepted, if there is none for
        ``idle_limit`` cycles or more of them than ``wanted``, or if the alarm is raised.
    """
    domain, top = ClockDomain("sync"), Module()
    top.domains.sync = domain
    top.submodules.dut = accelerator
    record, drawn = Record(), []

    async def bench(ctx):
        if case.reset is not None:
            await _play(ctx, case, accelerator, make_images(case, 1), 1, Record(), wanted, case.reset)
            ctx.set(domain.rst, 1)
            await ctx.tick()
            ctx.set(domain.rst, 0)
            for bits in drawn:
                bits.clear()
        await _play(ctx, case, accelerator, images, 0, record, wanted, None, idle_limit)
        await _check_end(ctx, accelerator, wanted)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(RECURSION_LIMIT)
    try:
        sim = Simulator(top)
    finally:
        sys.setrecursionlimit(limit)
    sim.add_clock(PERIOD)
    sim.add_testbench(bench)
    for number, pins in enumerate(getattr(accelerator, "mtj", ())):
        drawn.append([])
        sim.add_testbench(_emulate(pins, drawn[-1], number, case.target), background=True)
    sim.run()
    # Junctions are read in turn: each has drawn as many bits as the others, or one more.
    record.bits = np.array(list(zip(*drawn, strict=False)), int).ravel()
    return record


async def _play(ctx, case, accelerator, images, seed, record, wanted, cycles, idle_limit=None):
    """Send ``images`` until ``wanted`` words have come, or for so many ``cycles`` if that is not None."""
    pixels  = _Pixels(case, accelerator, images, seed, record)
    results = _Results(case, accelerator, seed, record)
    last    = 0 # cycle of the last word
    while len(record.words) < wanted and record.cycles != cycles:
        pixels.offer(ctx)
        results.accept(ctx)
        _, _, ready, valid, word = await ctx.tick().sample(
            accelerator.pixels.ready, accelerator.results.valid, results.word)
        pixels.see(ctx, ready)
        if results.see(valid, word):
            last = record.cycles
        record.cycles += 1
        if cycles is None and record.cycles - last > idle_limit:
            raise Failure(f"No result for {idle_limit} cycles, at cycle {record.cycles}: "
                          f"{len(record.words)} of {wanted} words, {pixels.sent} of {images.size} pixels")
    ctx.set(accelerator.pixels.valid, 0)
    ctx.set(accelerator.results.ready, 0)


class _Pixels:
    """The sender of pixels, with the gaps of the case; ``passes`` is junk but beside a first pixel."""

    def __init__(self, case, accelerator, images, seed, record):
        self.stream, self.passes = accelerator.pixels, accelerator.passes
        self.data, self.size, self.counts = images.ravel(), images[0].size, case.counts
        self.active, self.junk = case.pixels.draw((seed, 0)), np.random.default_rng(seed)
        self.sent, self.offered, self.record = 0, False, record

    def offer(self, ctx):
        """Offer a pixel, or go on offering it, if there is one and this is no gap."""
        left = self.sent < len(self.data)
        if not self.offered and left and next(self.active):
            self.offered = True
            ctx.set(self.stream.payload, int(self.data[self.sent]))
            ctx.set(self.stream.valid, 1)
        first = left and self.sent % self.size == 0
        ctx.set(self.passes, self.counts[self.sent // self.size] if first else
                int(self.junk.integers(2**len(self.passes))))

    def see(self, ctx, ready):
        """Record that the pixel on offer was taken, if it was."""
        if self.offered and ready:
            self.record.pixel_cycles.append(self.record.cycles)
            self.sent, self.offered = self.sent + 1, False
            ctx.set(self.stream.valid, 0)


class _Results:
    """The receiver of results, with the back-pressure of the case."""

    def __init__(self, case, accelerator, seed, record):
        self.stream, self.word = accelerator.results, Value.cast(accelerator.results.payload)
        self.active, self.record = case.results.draw((seed, 1)), record
        self.held = None # word on offer that was not accepted

    def accept(self, ctx):
        self.ready = next(self.active)
        ctx.set(self.stream.ready, self.ready)

    def see(self, valid, word):
        """Record the word on offer if it was accepted; return whether it was."""
        if self.held is not None and (not valid or word != self.held):
            raise Failure(f"Word {len(self.record.words)} of the results was withdrawn or changed untaken")
        self.held = word if valid and not self.ready else None
        accepted  = valid and self.ready
        if accepted:
            self.record.words.append(word)
            self.record.result_cycles.append(self.record.cycles)
        return accepted


async def _check_end(ctx, accelerator, wanted):
    """After the last word no further one comes, and no alarm is up."""
    ctx.set(accelerator.results.ready, 1)
    for _ in range(QUIET):
        _, _, more = await ctx.tick().sample(accelerator.results.valid)
        if more:
            raise Failure(f"More than {wanted} words of results came")
    if ctx.get(accelerator.alarm):
        raise Failure("The health tests have raised the alarm, though the bits are good")


def _emulate(pins, bits, seed, target):
    """Return a testbench that takes the place of the junction at ``pins`` and records its ``bits``."""
    set_ns, reset_ns = map(target.lasts_ns, (target.set_ns, target.reset_ns))

    async def junction(ctx):
        mtj, setting, reading, resetting = Mtj(seed), 0, 0, 0
        while True:
            _, restart, set_, read, reset, code = await ctx.tick().sample(
                pins.set, pins.read, pins.reset, pins.current)
            if set_ and not setting:
                ctx.set(pins.sense, mtj.set(code, set_ns))
            if reading and reset and not restart:
                bits.append(int(not mtj.switched))
            if reset and not resetting:
                mtj.reset(code, reset_ns)
            setting, reading, resetting = set_, read, reset

    return junction
