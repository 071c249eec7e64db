"""The energy that standard cells take, from what each of their pins does in each cycle."""

from collections import Counter
from dataclasses import astuple, dataclass, fields

from gen.standard_cells.functions import evaluator
from gen.standard_cells.netlist import Netlist
from gen.standard_cells.timing import Timing
from sim.standard_cells.gates import Values, count, earlier, edges, later, pins_of


__all__ = ["Energy", "energies"]


@dataclass
class Energy:
    """Energy in joule."""

    clock: float = 0.0          #: Of clock pins, inside of the cells and on the wire, and of their gates.
    internal: float = 0.0       #: Inside of cells, as their pins change.
    switching: float = 0.0      #: On nets: of the pins that they drive, and of wires.
    leakage: float = 0.0

    @property
    def total(self) -> float:
        return sum(astuple(self))

    def add(self, other: "Energy"):
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def energies(netlist: Netlist, slopes: Timing, values: Values, cycles, period: float) -> dict[str, Energy]:
    """Return the energy of each block in a window of time.

    - A net with the capacitance C takes C V^2 / 2 whenever its value changes.
    - A cell takes the internal energy of its tables whenever a pin changes, at the slope and the load that
      the pin has, in the state of the other pins. Where several inputs of a gate change in the cycle in
      which its output does, each has an equal part in that.
    - It leaks by the state of its pins, with the clock high for half of the time.

    Every signal changes once a cycle at most: glitches are not seen. Pins of memories and arrays have no
    capacitance, and both take no energy here.

    Parameters
    ----------
    netlist
        Cells.
    slopes
        Transition times of the nets.
    values
        The value of each net in each cycle.
    cycles : words of 64 cycles
        The cycles that count. A change counts for the cycle before it.
    period
        Of the clock, in seconds.
    """
    loads, found = netlist.loads(), {path: Energy() for path in netlist.blocks}
    volts, total = netlist.library.voltage**2, count(cycles)
    steps   = cycles & values.before # what follows the last cycle is not known
    gated   = netlist.gates_of_clocks()
    clocked = Counter(instance.nets.get(instance.cell.clock) for instance in netlist.instances)
    used, owner = netlist.used(), {}
    for path, _, _, out in netlist.memories.values():
        owner |= dict.fromkeys(out, path)
    for name, (_, out) in netlist.arrays.items():
        owner |= dict.fromkeys(out, name.rpartition(".")[0])
    for instance in netlist.instances:
        owner |= {instance.nets[pin.name]: instance.block for pin in instance.cell.outputs
                  if pin.name in instance.nets}
    for net, farad in loads.items():
        if net in values.nets:
            changes = count((values.nets[net] ^ later(values.nets[net])) & steps)
            found[owner.get(net, "")].switching += changes * farad * volts / 2
    for instance in netlist.instances:
        cell, pins = instance.cell, pins_of(instance, values)
        energy = found[instance.block]
        energy.leakage += _leakage(cell, pins, cycles, total) * period
        if cell.clock:
            pulses = edges(instance, values, gated) & cycles
            energy.clock += _clock(instance, pins, pulses, netlist.library.wire, clocked, volts)
            if cell.gating:
                energy.clock += _gated(instance, pins, pulses, loads)
        during = pins | _while_high(cell, pins, cycles)
        rises, falls = {}, {}
        for name, vector in pins.items():
            if name in cell.pins:
                after = later(vector)
                rises[name], falls[name] = ~vector & after & steps, vector & ~after & steps
        for pin in cell.inputs:
            if pin.name in rises:
                slope = slopes.transitions.get(instance.nets[pin.name], 0.0)
                for vectors, which in ((rises, "rise"), (falls, "fall")):
                    # The state is the one that the pins have then.
                    for power, often in _by_state(pin.internal, during, vectors[pin.name],
                                                  count(vectors[pin.name]), after=True):
                        if table := getattr(power, which):
                            energy.internal += often * table.at(slope, 0.0)
        for pin in cell.outputs:
            if instance.nets.get(pin.name) not in used or not pin.internal or cell.gating:
                continue
            load = loads.get(instance.nets[pin.name], 0.0)
            for vectors, which in ((rises, "rise"), (falls, "fall")):
                energy.internal += _caused(instance, pin, which, vectors[pin.name], rises, falls, during,
                                           load, slopes)
    return found


def _clock(instance, pins, pulses, wire, clocked, volts):
    """Energy of the clock pin of a cell: of its pulses, each up and down, on the wire and inside."""
    cell, often = instance.cell, count(pulses)
    others = clocked[instance.nets.get(cell.clock)]
    joule  = often * (cell.pins[cell.clock].farad + wire(others) / others) * volts
    before = pins | ({cell.gating[2]: pulses & ~pulses} if cell.gating else {}) # it is low before each
    for power, each in _by_state(cell.pins[cell.clock].internal, before, pulses, often):
        joule += each * _both(power, 0.0)
    return joule


def _gated(instance, pins, pulses, loads):
    """Internal energy of the pulses that a cell lets through."""
    _, enable, output = instance.cell.gating
    passed = pulses & pins[enable]
    load   = loads.get(instance.nets.get(output), 0.0)
    return sum(often * _both(power, load) for power, often in _by_state(
        instance.cell.pins[output].internal, pins, passed, count(passed)))


def _both(power, load):
    """Energy of an edge up and an edge down, at the slope of an ideal clock."""
    return sum(table.at(0.0, load) for table in (power.rise, power.fall) if table)


def _while_high(cell, pins, cycles):
    """What clocks are while the clock is high, which is when data change."""
    if not cell.clock:
        return {}
    high = {cell.clock: ~(cycles & ~cycles)}
    return high | {cell.gating[2]: earlier(pins[cell.gating[1]])} if cell.gating else high


def _leakage(cell, pins, cycles, total):
    """Power in watt, added up over the cycles."""
    if not cell.clock:
        return sum(each.watt * often for each, often in _by_state(cell.leakage, pins, cycles, total))
    zero = cycles & ~cycles
    low  = {cell.clock: zero} | ({cell.gating[2]: zero} if cell.gating else {})
    return sum(each.watt * often / 2 for clock in (low, _while_high(cell, pins, cycles))
               for each, often in _by_state(cell.leakage, pins | clock, cycles, total))


def _by_state(powers, pins, cycles, total, after=False):
    """Yield each of ``powers`` with the number of cycles in which its state holds. One without a state
    holds where no other does."""
    left = total
    for power in powers:
        if power.when is not None:
            state = evaluator(power.when)(pins)
            often = count((later(state) if after else state) & cycles)
            left -= often
            yield power, often
    for power in powers:
        if power.when is None:
            yield power, max(left, 0)


def _caused(instance, pin, which, changes, rises, falls, pins, load, slopes):
    """Internal energy of the changes of an output to one side."""
    often = count(changes)
    if not often:
        return 0.0
    counts = []
    for power in pin.internal:
        table = getattr(power, which)
        if table is None:
            continue
        caused = changes
        if power.related in rises: # not the clock
            caused = caused & (rises[power.related] | falls[power.related])
        if power.when is not None:
            caused = caused & later(evaluator(power.when)(pins))
        slope = slopes.transitions.get(instance.nets.get(power.related), 0.0)
        counts.append((count(caused), table.at(slope, load)))
    weight = sum(number for number, _ in counts)
    if weight:
        return often * sum(number * joule for number, joule in counts) / weight
    return often * sum(joule for _, joule in counts) / len(counts) if counts else 0.0
