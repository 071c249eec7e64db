"""What a block does cycle by cycle, by Amaranth's simulator, with inputs as its neighbours drive them."""

import random
from dataclasses import dataclass

from amaranth.hdl import Cat, ClockDomain, Module, Value
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from gen.blocks import traffic
from gen.emit import listed


__all__ = ["Port", "Vectors", "ports_of", "record"]


PERIOD = 1e-6 # s

#: Parts of the time in which neighbours are busy to another degree: how likely it is in a cycle that a word
#: is offered, and that one is taken.
PACES = ((1.0, 1.0), (0.5, 0.5), (0.9, 0.3), (0.3, 0.9), (0.8, 0.8))


@dataclass(frozen=True)
class Port:
    """A port in Verilog."""

    name: str
    width: int
    output: bool
    member: str        #: The member of the component that it is of.
    valid: str | None  #: Of an output that means something in some cycles: the port that is 1 in these.


@dataclass(frozen=True)
class Vectors:
    """The values of ``ports`` in each cycle, and the outputs that mean something in it. ``clocked`` is
    whether the block has a clock and a reset."""

    ports: tuple[Port, ...]
    clocked: bool
    values: list[dict[str, int]]
    meant: list[set[str]]
    resets: list[int]  #: Cycles in which the reset is 1.


def ports_of(component) -> tuple[Port, ...]:
    """Return the ports of ``component`` in Verilog, without clock and reset."""
    names = {port["name"]: port for port in listed(component)}
    return tuple(
        Port(name, port["width"], port["direction"] == "out", name.split("__")[0],
             valid if port["direction"] == "out" and valid != name and valid in names else None)
        for name, port in names.items()
        for valid in [name.removesuffix("payload") + "valid" if name.endswith("__payload") else name])


def record(component, drive, *, clocked: bool, cycles: int, seed: int) -> Vectors:
    """Simulate ``component`` for ``cycles`` cycles.

    Words of streams stay until they are taken, and a neighbour that is ready stays so until it gets one.
    The block is reset in the first two cycles, and again in the middle.
    """
    ports   = ports_of(component)
    rng     = random.Random(seed)
    values  = {"__".join(map(str, path)): (member, Value.cast(value))
               for path, member, value in component.signature.flatten(component)}
    inputs  = [port.name for port in ports if not port.output]
    outputs = [port.name for port in ports if port.output]
    taken   = Cat(values[name][1] for name in inputs)
    given   = Cat(values[name][1] for name in outputs)
    domain  = ClockDomain("sync")
    top     = Module()
    top.domains.sync = domain # which a component that is all logic lacks
    top.submodules.dut = component
    found, meant = [], []
    middle  = cycles // 2
    resets  = [cycle for cycle in (0, 1, middle) if clocked]
    drives  = drive if isinstance(drive, tuple) else (drive, drive)

    async def bench(ctx):
        for cycle in range(cycles):
            if cycle == 0 or cycle in resets:
                driver = _driver(component, drives[cycle >= middle], inputs, values, rng)
                now    = next(driver)
            pace = PACES[cycle * len(PACES) // cycles]
            if clocked:
                ctx.set(domain.rst, cycle in resets)
            ctx.set(taken, _join(now, inputs, values))
            both = {name: now[name] for name in inputs} | _split(ctx.get(given), outputs, values)
            found.append(both)
            meant.append({port.name for port in ports if port.output
                          and now.get(port.name, both[port.valid] if port.valid else 1)})
            now  = driver.send((both, pace))
            await ctx.tick()

    simulator = Simulator(top)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    return Vectors(ports, clocked, found, meant, resets)


def _join(now, names, values):
    word = offset = 0
    for name in names:
        word   |= now[name] << offset
        offset += len(values[name][1])
    return word


def _split(word, names, values):
    parts = {}
    for name in names:
        width = len(values[name][1])
        parts[name] = word & (1 << width) - 1
        word >>= width
    return parts


def _driver(component, drive, inputs, values, rng):
    """Yield the inputs of each cycle, and of some outputs whether they mean something; it is sent the
    values of all ports in that cycle, and the pace."""
    sent    = drive(component, rng)
    words   = {}
    offered = [name for name in inputs if name.endswith("__valid")]
    asked   = [name for name in inputs if name.endswith("__ready")]
    others  = []
    for name in inputs:
        path, _, last = name.rpartition("__")
        if path and last == "payload" and values[f"{path}__valid"][0].flow is In:
            words[name] = sent.words.get(path) or traffic.words(values[name][0].shape, rng)
        elif name not in offered and name not in asked:
            others.append(name)
    pins = sent.pins and next(sent.pins)
    now  = dict.fromkeys(inputs, 0)
    pace = PACES[0]
    both = None
    while True:
        for name in offered:
            payload = f"{name.removesuffix('valid')}payload"
            taken   = both is None or not now[name] or both.get(f"{name.removesuffix('valid')}ready", 1)
            if taken:
                now[name] = int(rng.random() < pace[0])
                if now[name] and payload in words:
                    now[payload] = next(words[payload])
        for name in asked:
            if both is None or not now[name] or both[f"{name.removesuffix('ready')}valid"]:
                now[name] = int(rng.random() < pace[1])
        for name in others:
            now[name] = _pin(values[name], rng)
        now |= {name: int(value) for name, value in (pins or {}).items()}
        both, pace = yield dict(now)
        if pins is not None:
            pins = sent.pins.send(both)


def _pin(value, rng):
    member, port = value
    bits = next(traffic.words(member.shape, rng))
    return bits & (1 << len(port)) - 1
