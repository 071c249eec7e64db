"""Parity of the control registers of a component."""

from amaranth import *
from amaranth.hdl import Fragment

# Assignments to registers are found in Amaranth's fragments, which have no public interface; so
# pyproject.toml holds Amaranth to one minor version.
from amaranth.hdl._ast import Assign, Part, SignalDict, SignalSet, Switch, SwitchValue
from amaranth.hdl._xfrm import ValueTransformer


__all__ = ["RegisterParity"]


class RegisterParity(Elaboratable):
    """Elaborate a component with a parity bit beside each of its control registers.

    Registers of up to ``BITS`` bits are taken for control: states of machines, counters, flags, levels
    of queues. Wider ones hold data and get none. Register and parity bit are loaded together and always
    have odd parity; any single flipped bit makes it even and raises ``error``. The parity is odd so that
    no tool merges the parity bit of a flag with the flag.

    The component does the same in the same cycles as without parity bits.

    Parameters
    ----------
    component : Elaboratable
        The component, with all of its submodules.
    exclude : tuple of type
        Submodules of these types, and what is inside of them, get no parity bits.

    Attributes
    ----------
    error : Signal
        1 for a cycle, two cycles after the one in which a register and its parity do not match.
    """

    #: Bits of the widest register that is taken for control.
    BITS = 12

    def __init__(self, component, *, exclude=()):
        self.component = component
        self.exclude   = exclude
        self.error     = Signal()

    def elaborate(self, platform):
        fragment = Fragment.get(self.component, platform)
        errors   = list(self._protect(fragment))
        fragment.add_statements("sync", self.error.eq(Cat(errors).any()))
        return fragment

    def _protect(self, fragment):
        """Add parity bits to ``fragment`` and all below; yield a registered error of each fragment."""
        if any(isinstance(origin, self.exclude) for origin in fragment.origins or ()):
            return
        for inner, _, _ in fragment.subfragments:
            yield from self._protect(inner)
        statements = fragment.statements.pop("sync", [])
        # Registers are assigned where the parity is known, so what assigned to a register now assigns
        # to the signal with its next value.
        values_next = SignalDict((register, Signal.like(register, name=f"{register.name}_next"))
                                 for register in _registers(statements, self.BITS))
        odd = []
        for register, value in values_next.items():
            parity = Signal(init=~_ones(register) & 1, name=f"{register.name}_parity")
            fragment.add_statements("comb", value.eq(register))
            fragment.add_statements("sync", register.eq(value), parity.eq(~value.xor()))
            odd.append(Cat(register, parity).xor())

        def data(statement):
            return statement if not _assigns(statement, values_next) else None

        def control(statement):
            return Assign(_Renamed(values_next)(statement.lhs), statement.rhs) if _assigns(
                statement, values_next) else None

        fragment.add_statements("comb", _chosen(statements, control))
        fragment.add_statements("sync", _chosen(statements, data))
        if odd:
            error = Signal(name="control_error")
            fragment.add_statements("sync", error.eq(~Cat(odd).all()))
            yield error


class _Renamed(ValueTransformer):
    """Left-hand sides with other signals in place of those in ``names``; offsets and tests stay."""

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
    """Yield what ``choose`` makes of each assignment, unless None, under the same conditions."""
    for statement in statements:
        if isinstance(statement, Switch):
            yield Switch(statement.test, [(patterns, list(_chosen(inner, choose)), place)
                                          for patterns, inner, place in statement.cases])
        elif (chosen := choose(statement)) is not None:
            yield chosen


def _registers(statements, bits):
    """Signals of at most ``bits`` bits that ``statements`` assign to, except those assigned in one
    assignment with a wider one."""
    together = [assignment.lhs._lhs_signals() for assignment in _assignments(statements)]
    wide     = SignalSet(signal for signals in together for signal in signals if len(signal) > bits)
    while grown := [signal for signals in together if any(other in wide for other in signals)
                    for signal in signals if signal not in wide]:
        wide.update(grown)
    return SignalSet(signal for signals in together for signal in signals
                     if signal not in wide and len(signal))


def _assignments(statements):
    """Yield all assignments, under whatever conditions."""
    for statement in statements:
        if isinstance(statement, Switch):
            for _, inner, _ in statement.cases:
                yield from _assignments(inner)
        elif isinstance(statement, Assign):
            yield statement


def _ones(register):
    return (register.init & (1 << len(register)) - 1).bit_count()
