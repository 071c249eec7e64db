"""Run one stream component in the Amaranth simulator."""

import random
from dataclasses import dataclass, field

from amaranth.hdl import ClockDomain, Const, Module, Value
from amaranth.sim import Simulator


__all__ = ["Transfers", "transfer"]


PERIOD = 1e-6 # s


@dataclass
class Transfers:
    """Words that passed a port, as integers (structures and arrays as their bits), and when."""

    words: list = field(default_factory=list)
    cycles: list = field(default_factory=list) #: Cycle of each, counted from reset.


def transfer(dut, sends, receives, *, duty=1.0, starts=None, deadline=100_000, pins=None,
             processes=()):
    """Send words into ports of ``dut`` and receive words from others; return what passed.

    Each port is active in a cycle with probability ``duty``, so a value below 1 inserts random gaps
    and back-pressure; an output that is always ready is always active. The run stops when all words
    have passed.

    Parameters
    ----------
    dut : component
        Component under test.
    sends : dict
        Words for each input stream, by port name.
    receives : dict
        Number of words to take from each output stream, by port name.
    duty : float or dict
        Probability of a port to be active, or of some ports, by name; 1 for others.
    starts : dict
        First cycle in which a port may be active, by name; 0 unless given.
    deadline : int
        Cycles after which the run is given up.
    pins : dict
        Values of other inputs, by name.
    processes : sequence of async functions
        More processes of the simulator, such as a model of what is behind the pins.

    Returns
    -------
    dict
        :class:`Transfers` of each port, by name.

    Raises
    ------
    AssertionError
        If an output withdraws or changes a word before it is taken, or the deadline passes.
    """
    passed = {name: Transfers() for name in (*sends, *receives)}
    starts = starts or {}
    duties = {name: duty.get(name, 1.0) if isinstance(duty, dict) else duty for name in passed}

    def producer(name, words):
        port = _port(dut, name)

        async def process(ctx):
            rng   = random.Random(f"send {name}")
            cycle = starts.get(name, 0)
            for _ in range(cycle):
                await ctx.tick()
            for word in words:
                while rng.random() >= duties[name]:
                    await ctx.tick()
                    cycle += 1
                ctx.set(Value.cast(port.payload), word)
                ctx.set(port.valid, 1)
                taken = False
                while not taken:
                    *_, taken = await ctx.tick().sample(port.ready)
                    cycle += 1
                ctx.set(port.valid, 0)
                passed[name].words.append(word)
                passed[name].cycles.append(cycle - 1)
        return process

    def consumer(name, count):
        port   = _port(dut, name)
        always = isinstance(port.ready, Const)

        async def process(ctx):
            rng     = random.Random(f"receive {name}")
            waiting = None
            cycle   = 0
            while len(passed[name].words) < count:
                ready = always or (cycle >= starts.get(name, 0) and rng.random() < duties[name])
                if not always:
                    ctx.set(port.ready, ready)
                *_, valid, word = await ctx.tick().sample(port.valid, Value.cast(port.payload))
                assert waiting is None or (valid and word == waiting), \
                    f"{name}: word {len(passed[name].words)} changed from {waiting} untaken"
                if valid and ready:
                    passed[name].words.append(word)
                    passed[name].cycles.append(cycle)
                waiting = word if valid and not ready else None
                cycle += 1
            if not always:
                ctx.set(port.ready, 0)
        return process

    async def watchdog(ctx):
        for _ in range(deadline):
            await ctx.tick()
        raise AssertionError(f"after {deadline} cycles only " + ", ".join(
            f"{len(passed[name].words)} of {wanted} at {name}" for name, wanted in
            [*((name, len(words)) for name, words in sends.items()), *receives.items()]))

    async def setting(ctx):
        for name, value in (pins or {}).items():
            ctx.set(getattr(dut, name), value)

    top = Module()
    top.domains.sync = ClockDomain() # which a component that is all logic lacks
    top.submodules.dut = dut
    sim = Simulator(top)
    sim.add_clock(PERIOD)
    sim.add_testbench(setting)
    for name, words in sends.items():
        sim.add_testbench(producer(name, words))
    for name, count in receives.items():
        sim.add_testbench(consumer(name, count))
    for process in processes:
        sim.add_testbench(process, background=True)
    sim.add_testbench(watchdog, background=True)
    sim.run()
    return passed


def _port(dut, name):
    """Port of a dotted name, such as ``masks.2``."""
    for part in name.split("."):
        dut = dut[int(part)] if part.isdigit() else getattr(dut, part)
    return dut
