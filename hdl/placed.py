"""The Verilog module of an accelerator inside of another module, behind a bus."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect


__all__ = ["instance_of", "other_pins", "place_accelerator"]


#: Ports of an accelerator that the bus takes the place of.
_TAKEN = ("pixels", "passes", "results", "alarm", "error", "confidence", "agreement", "reseed")


def other_pins(accelerator):
    """Return the members of ``accelerator`` that no bus is for, by name: pins of junctions and arrays."""
    return {name: member for name, member in accelerator.signature.members.items() if name not in _TAKEN}


def place_accelerator(m, accelerator, module, bus, around, *, domain="sync"):
    """Place the Verilog module ``module``, which is that of ``accelerator``, into ``m``.

    It is connected to ``bus``, which has its ports of the names of :data:`_TAKEN` from the other side, to
    the clock and the reset of ``domain``, and with its other pins to those of ``around``.
    """
    m.submodules.core, core = instance_of(accelerator, module, "core", domain=domain)
    connect(m, bus.pixels, core.pixels)
    connect(m, core.results, bus.results)
    m.d.comb += [core.passes.eq(bus.passes), core.confidence.eq(bus.confidence),
                 core.agreement.eq(bus.agreement), bus.alarm.eq(core.alarm)]
    if "error" in accelerator.signature.members:
        m.d.comb += bus.error.eq(core.error)
    if "reseed" in accelerator.signature.members:
        connect(m, bus.reseed, core.reseed)
    for name, member in other_pins(accelerator).items():
        _through(m, member, getattr(core, name), getattr(around, name))


def instance_of(component, module, name, *, domain="sync"):
    """Return an instance of the Verilog module ``module``, which is that of ``component``, with the clock
    and the reset of ``domain``, and its ports, whose signals begin with ``name``."""
    ports = component.signature.create(path=(name,))
    pins  = {"i_clk": ClockSignal(domain), "i_rst": ResetSignal(domain)}
    for path, member, value in component.signature.flatten(ports):
        value = Value.cast(value)
        if len(value) and not isinstance(value, Const):
            pins[f"{'i' if member.flow is In else 'o'}_{'__'.join(map(str, path))}"] = value
    return Instance(module, **pins), ports


def _through(m, member, inner, outer):
    """Connect the pins ``inner`` of a module with those of its surroundings."""
    for (_, leaf, own), (_, _, port) in zip(
            wiring.Signature({"pins": member}).flatten(_Pins(inner)),
            wiring.Signature({"pins": member}).flatten(_Pins(outer)), strict=True):
        m.d.comb += Value.cast(own).eq(port) if leaf.flow is In else Value.cast(port).eq(own)


class _Pins:
    def __init__(self, pins):
        self.pins = pins
