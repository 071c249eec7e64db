"""Parity of the registers that sequence a component."""

from amaranth import *
from amaranth.hdl import Fragment

# What a register is loaded with is known to its fragment only, and that has no public interface. So
# pyproject.toml holds Amaranth to one minor version.
from amaranth.hdl._ast import Assign, Part, SignalDict, SignalSet, Switch, SwitchValue
from amaranth.hdl._xfrm import ValueTransformer


__all__ = ["Guard"]


class Guard(Elaboratable):
    """Elaborate a component so that a flipped bit in its sequencing is seen.

    Registers of up to ``BITS`` bits sequence: states of machines, counters, flags, levels of queues.
    Beside each stands the parity of what it was last loaded with, inverted so that no tool takes one
    for a copy of the other. In a legal state the two differ; a single flip makes any state illegal,
    whatever states the machine can have. Wider registers hold data, and are left alone.

    What the component does, and when, is the same as without.

    Parameters
    ----------
    component : Elaboratable
        What is guarded, with all of its submodules.
    apart : tuple of type
        Submodules of these types are left alone.

    Attributes
    ----------
    error : Signal
        1 for a cycle, two cycles after the one in which a register and its parity do not match.
    """

    #: The widest register that counts as sequencing.
    BITS = 12

    def __init__(self, component, *, apart=()):
        self.component = component
        self.apart     = apart
        self.error     = Signal()

    def elaborate(self, platform):
        fragment = Fragment.get(self.component, platform)
        errors   = list(self._guard(fragment))
        fragment.add_statements("sync", self.error.eq(Cat(errors).any()))
        return fragment

    def _guard(self, fragment):
        """Guard ``fragment`` and all below; yield a registered error of each."""
        if any(isinstance(origin, self.apart) for origin in fragment.origins or ()):
            return
        for inner, _, _ in fragment.subfragments:
            yield from self._guard(inner)
        statements = fragment.statements.pop("sync", [])
        after = SignalDict((register, Signal.like(register, name=f"{register.name}_after"))
                           for register in _registers(statements, self.BITS))
        legal = []
        for register, value in after.items():
            parity = Signal(init=~_ones(register) & 1, name=f"{register.name}_parity")
            fragment.add_statements("comb", value.eq(register))
            fragment.add_statements("sync", register.eq(value), parity.eq(~value.xor()))
            legal.append(Cat(register, parity).xor())

        def data(statement):
            return statement if not _assigns(statement, after) else None

        def sequencing(statement):
            return Assign(_Renamed(after)(statement.lhs), statement.rhs) if _assigns(
                statement, after) else None

        fragment.add_statements("comb", _chosen(statements, sequencing))
        fragment.add_statements("sync", _chosen(statements, data))
        if legal:
            error = Signal(name="control_error")
            fragment.add_statements("sync", error.eq(~Cat(legal).all()))
            yield error


class _Renamed(ValueTransformer):
    """What is assigned to, with other signals; what says where in it stays."""

    def __init__(self, names):
        self.names = names

    def on_Signal(self, value):
        return self.names[value]

    def on_Part(self, value):
        return Part(self(value.value), value.offset, value.width, value.stride)

    def on_SwitchValue(self, value):
        return SwitchValue(value.test, [(patterns, self(inner)) for patterns, inner in value.cases])


def _assigns(statement, signals):
    return isinstance(statement, Assign) and any(
        signal in signals for signal in statement.lhs._lhs_signals())


def _chosen(statements, choose):
    """Yield what ``choose`` makes of each statement, if anything, under the conditions of that."""
    for statement in statements:
        if isinstance(statement, Switch):
            yield Switch(statement.test, [(patterns, list(_chosen(inner, choose)), place)
                                          for patterns, inner, place in statement.cases])
        elif (chosen := choose(statement)) is not None:
            yield chosen


def _registers(statements, bits):
    """Signals of at most ``bits`` bits that ``statements`` assign to, less those that are assigned
    together with a wider one."""
    together = [assignment.lhs._lhs_signals() for assignment in _assignments(statements)]
    wide     = SignalSet(signal for signals in together for signal in signals if len(signal) > bits)
    while grown := [signal for signals in together if any(other in wide for other in signals)
                    for signal in signals if signal not in wide]:
        wide.update(grown)
    return SignalSet(signal for signals in together for signal in signals
                     if signal not in wide and len(signal))


def _assignments(statements):
    """All assignments, whatever their conditions."""
    for statement in statements:
        if isinstance(statement, Switch):
            for _, inner, _ in statement.cases:
                yield from _assignments(inner)
        elif isinstance(statement, Assign):
            yield statement


def _ones(register):
    return (register.init & (1 << len(register)) - 1).bit_count()
