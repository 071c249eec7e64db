"""The netlist of standard cells, evaluated for all cycles of a simulation at once.

What ports, flip-flops, memories and arrays hold in each cycle comes from waves of the Verilog; the value of
every other net follows from it by the functions of the cells. The next value of each flip-flop follows
too, so the netlist is held to the Verilog in every cycle.

Values are vectors of bits, one for each cycle, in words of 64.
"""

from collections.abc import Mapping

import numpy as np

from gen.standard_cells.functions import evaluator
from gen.standard_cells.netlist import CONSTANTS, Instance, Netlist
from sim.verilator.simulator import SimulatorFailed


__all__ = ["Values", "count", "earlier", "edges", "evaluate", "later", "pack", "pins_of"]


#: Ones in a byte.
_ONES = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


class Values:
    """The value of each net in each cycle."""

    def __init__(self, cycles: int):
        self.cycles = cycles
        #: The cycles that there are, and all but the last.
        self.all, self.before = pack(np.ones(cycles, bool)), pack(np.arange(cycles) < cycles - 1)
        zero = np.zeros_like(self.all)
        #: Vectors by net.
        self.nets = dict(zip(CONSTANTS, (zero, ~zero), strict=True))
        #: Bits of flip-flops that were compared, and those that differ from what the gates say.
        self.compared, self.mismatches = 0, 0


def pack(bits: np.ndarray) -> np.ndarray:
    """Return bits, bool (..., cycles), as words of 64 cycles, uint64 (..., words)."""
    packed = np.packbits(bits, axis=-1, bitorder="little")
    padded = np.zeros((*bits.shape[:-1], -(-packed.shape[-1] // 8) * 8), np.uint8)
    padded[..., :packed.shape[-1]] = packed
    return padded.view(np.uint64)


def later(words: np.ndarray) -> np.ndarray:
    """Return the values of the cycle that follows each."""
    shifted = words >> np.uint64(1)
    shifted[:-1] |= words[1:] << np.uint64(63)
    return shifted


def earlier(words: np.ndarray) -> np.ndarray:
    """Return the values of the cycle before each."""
    shifted = words << np.uint64(1)
    shifted[1:] |= words[:-1] >> np.uint64(63)
    return shifted


def count(words: np.ndarray) -> int:
    """Return in how many cycles a value is 1."""
    if hasattr(np, "bitwise_count"): # from NumPy 2.0 on
        return int(np.bitwise_count(words).sum(dtype=np.int64))
    return int(_ONES[words.view(np.uint8)].sum(dtype=np.int64))


def pins_of(instance: Instance, values: Values) -> dict[str, np.ndarray]:
    """Return the vectors of the pins of a cell, without its clock: also of outputs that drive nothing."""
    cell = instance.cell
    pins = {pin.name: values.nets[instance.nets[pin.name]] for pin in cell.inputs
            if pin.name != cell.clock and instance.nets.get(pin.name) in values.nets}
    if cell.gating:
        return pins # the output is a clock
    if cell.clocked_on:
        state, inverse = cell.states
        pins[state] = _state(instance, values.nets)
        pins[inverse] = ~pins[state]
    for pin in cell.outputs:
        pins[pin.name] = evaluator(pin.function)(pins)
    return pins


def evaluate(netlist: Netlist, waves: Mapping[str, np.ndarray]) -> Values:
    """Return the value of each net in each cycle.

    Parameters
    ----------
    netlist
        The netlist.
    waves
        By the path of a signal in it, its bits in each cycle, bool (width, cycles).

    Raises
    ------
    SimulatorFailed
        If the waves lack a signal.
    """
    values = Values(next(bits.shape[1] for bits in waves.values()))
    named  = {}
    for name, nets in netlist.signals.items():
        if name in waves:
            named |= {net: (name, bit) for bit, net in enumerate(nets)}
    packed = {name: pack(waves[name]) for name in {name for name, _ in named.values()}}
    begins = [net for nets in netlist.inputs.values() for net in nets]
    for *_, out in (*netlist.memories.values(), *netlist.arrays.values()):
        begins += out
    for number in netlist.flip_flops():
        instance = netlist.instances[number]
        begins  += [instance.nets[pin.name] for pin in instance.cell.outputs if pin.name in instance.nets]
    # A clock is no signal of a cycle.
    clocks = {instance.nets.get(instance.cell.clock) for instance in netlist.instances}
    needed = netlist.used() - clocks
    for net in begins:
        if net in named:
            name, bit = named[net]
            values.nets[net] = packed[name][bit]
    for number in netlist.flip_flops():
        instance = netlist.instances[number]
        if (state := _state(instance, values.nets)) is None:
            raise SimulatorFailed(f"Waves have no signal of a flip-flop of block {instance.block!r}")
        for pin in instance.cell.outputs:
            if pin.name in instance.nets:
                inverse = pin.function == instance.cell.states[1]
                values.nets[instance.nets[pin.name]] = ~state if inverse else state
    for net in begins:
        if net not in values.nets and net in needed:
            raise SimulatorFailed(f"Waves have no signal for net n{net} of the netlist")
    for number in netlist.in_order():
        instance = netlist.instances[number]
        pins = {pin: values.nets[net] for pin, net in instance.nets.items() if net in values.nets}
        for pin in instance.cell.outputs:
            if pin.name in instance.nets:
                values.nets[instance.nets[pin.name]] = evaluator(pin.function)(pins)
    gated = netlist.gates_of_clocks()
    for number in netlist.flip_flops():
        instance = netlist.instances[number]
        pins = pins_of(instance, values)
        state   = pins[instance.cell.states[0]]
        clocked = edges(instance, values, gated)
        follows = evaluator(instance.cell.next_state)(pins) & clocked | state & ~clocked
        values.compared   += values.cycles - 1
        values.mismatches += count((follows ^ later(state)) & values.before)
    return values


def edges(instance: Instance, values: Values, gated: Mapping[int, Instance]) -> np.ndarray:
    """Return in which cycles the clock of a cell rises at the end: in all of them, unless its clock is one
    of those that are ``gated``."""
    gate = gated.get(instance.nets.get(instance.cell.clock))
    return values.all if gate is None else values.nets[gate.nets[gate.cell.gating[1]]]


def _state(instance, nets):
    """The state of a flip-flop, from an output of it whose net is known; or None."""
    state, inverse = instance.cell.states
    for pin in instance.cell.outputs:
        vector = nets.get(instance.nets.get(pin.name))
        if vector is not None and pin.function in (state, inverse):
            return ~vector if pin.function == inverse else vector
    return None
