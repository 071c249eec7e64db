"""Check of the types and ranges of the fields of a target."""

from dataclasses import fields
from numbers import Integral, Real

from gen.command import UserError
from gen.ir import Network, Target
from hdl.uart.bit_clock import LEAST_CYCLES


__all__ = ["ImpossibleTarget", "check_target", "refuse_words"]


class ImpossibleTarget(UserError):
    """A field of a target has a value that cannot be built."""


#: Most instances.
INSTANCES_MAX = next(field for field in fields(Target) if field.name == "instances").metadata["limits"][-1]

#: Most cycles that a time in ns may take: the counters of the hardware go so far.
TIME_CYCLES = 1024

#: For each type of a field, its name in messages and the check that a value is of the type.
_TYPES = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: isinstance(value, Integral) and not isinstance(value, bool)),
    float: ("a number", lambda value: isinstance(value, Real) and not isinstance(value, bool)),
    str: ("a text", lambda value: isinstance(value, str)),
    int | None: ("a whole number or none", lambda value: value is None or _TYPES[int][1](value)),
    tuple[int, ...]: ("whole numbers", lambda value: isinstance(value, tuple) and all(
        map(_TYPES[int][1], value))),
}


def check_target(target: Target):
    """Raise :exc:`ImpossibleTarget` unless each field of ``target`` has its type and is in its range."""
    def need(holds, what, value):
        if not holds:
            raise ImpossibleTarget(f"{what}, not {value!r}")

    for field in fields(target):
        value, (name, fits) = getattr(target, field.name), _TYPES[field.type]
        need(fits(value), f"Target {field.name} must be {name}", value)
        choices, limits, called = (field.metadata[key] for key in ("choices", "limits", "called"))
        need(not choices or value in choices,
             f"Target {field.name} must be {' or '.join(map(repr, choices))}", value)
        if limits and value is not None:
            least, most = limits[0], limits[-1]
            need(value in limits if isinstance(limits, range) else least <= value <= most,
                 called.format(f"from {least} to {most}"), value)
    need(1 <= target.passes <= target.passes_max,
         f"The number of passes must be from 1 to the largest, {target.passes_max}", target.passes)
    longest_ns = TIME_CYCLES * 1000 / target.clock_mhz
    for name in ("set", "read", "reset", "array"):
        value = getattr(target, f"{name}_ns")
        need(0 < value <= longest_ns, f"The {name} time must be above 0 and at most {longest_ns:g} ns, "
                                      f"{TIME_CYCLES} cycles of {target.clock_mhz:g} MHz", value)
    reset = () if target.mtj_reset_current is None else (target.mtj_reset_current,)
    for name, codes in (("SET", target.mtj_currents), ("RESET", reset)):
        for code in codes:
            need(0 <= code < 1 << target.mtj_bits,
                 f"A {name} current code must be from 0 to {(1 << target.mtj_bits) - 1}", code)
    if target.bus == "uart":
        most = int(1e6 * target.clock_mhz / LEAST_CYCLES)
        need(target.baud <= most, f"The baud rate must be at most {most}, a bit in {LEAST_CYCLES} cycles "
                                  f"of {target.clock_mhz:g} MHz", target.baud)
    for name, wanted in (("bus", "streams"), ("view", "emulated")) if target.instances > 1 else ():
        value = getattr(target, name)
        if value != wanted:
            raise ImpossibleTarget("Several instances have neither a bus, also that of a board, nor pins "
                                   f"of arrays; leave --instances out, or --{name} {value}")
    if target.board != "none":
        for name, wanted in (("bus", "uart"), ("view", "emulated"), ("rng", "emulated")):
            need(getattr(target, name) == wanted, f"Target {name} must be {wanted!r} on a board",
                 getattr(target, name))


def refuse_words(network: Network, why: str, way_out: str):
    """Refuse a way of drawing that is for single bits of a layer alone.

    Raises
    ------
    ImpossibleTarget
        If ``network`` draws nothing, or a word of bits for a layer, as a mask is: ``why`` says what is
        wrong with such bits, and ``way_out`` what to do.
    """
    if not network.drops:
        raise ImpossibleTarget(f"Network {network.name!r} draws nothing at random; {way_out}")
    for layer in network.layers:
        if layer.mask_choice is not None or layer.mix_choice is not None:
            raise ImpossibleTarget(f"Layer {layer.name!r} draws a bit for each of its channels or inputs, "
                                   f"{why}; {way_out}")
