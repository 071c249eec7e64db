"""A flat netlist of standard cells."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from gen.standard_cells.liberty import Cell, Library
from gen.tools import ToolFailed


__all__ = ["CONSTANTS", "Instance", "Netlist", "read_netlist"]


#: Nets that are 0 and 1.
CONSTANTS = 0, 1


@dataclass(frozen=True, slots=True)
class Instance:
    """A cell of the netlist."""

    block: str                  #: Path of the block that it is of, empty for what is around the blocks.
    cell: Cell
    nets: dict[str, int]        #: Net of each pin that is connected.


@dataclass(frozen=True)
class Netlist:
    """Cells, and the nets between them; a net is a number, and :data:`CONSTANTS` come first.

    Memories and arrays are no cells; what they drive begins paths, and what drives them ends some.
    """

    top: str
    blocks: dict[str, str]              #: File of ``hdl/`` of each block, by its path.
    library: Library
    instances: list[Instance] = field(repr=False)
    inputs: dict[str, list[int]] = field(repr=False)    #: Nets of each port, lowest bit first.
    outputs: dict[str, list[int]] = field(repr=False)
    memories: dict[str, tuple[str, int, list[int], list[int]]]  #: Block, bits, and nets in and out.
    arrays: dict[str, tuple[list[int], list[int]]]      #: Nets in and out.
    signals: dict[str, list[int]] = field(repr=False)   #: Nets of each signal of the Verilog, by its path.

    def drivers(self) -> dict[int, tuple[int, str]]:
        """Return the instance and the pin that drive each net that a cell drives."""
        return {instance.nets[pin.name]: (number, pin.name)
                for number, instance in enumerate(self.instances) for pin in instance.cell.outputs
                if pin.name in instance.nets}

    def loads(self) -> dict[int, float]:
        """Return the capacitance in farad of the pins that each net drives, and of its wire by the model of
        the library. Ports, memories and arrays have pins without a capacitance."""
        driven = {}
        outside = [*self.outputs.values(), *(into for _, _, into, _ in self.memories.values()),
                   *(into for into, _ in self.arrays.values())]
        for net in itertools.chain(*outside):
            driven.setdefault(net, []).append(0.0)
        for instance in self.instances:
            for pin in instance.cell.inputs:
                if pin.name in instance.nets:
                    driven.setdefault(instance.nets[pin.name], []).append(pin.farad)
        return {net: sum(farads) + self.library.wire(len(farads)) for net, farads in driven.items()}

    def used(self) -> set[int]:
        """Return the nets that drive something; an output of a cell on any other is not connected."""
        used = {net for nets in self.outputs.values() for net in nets}
        used.update(net for _, _, into, _ in self.memories.values() for net in into)
        used.update(net for into, _ in self.arrays.values() for net in into)
        used.update(instance.nets[pin.name] for instance in self.instances for pin in instance.cell.inputs
                    if pin.name in instance.nets)
        return used

    def flip_flops(self) -> Iterator[int]:
        """Yield the number of each instance that is a flip-flop."""
        return (number for number, instance in enumerate(self.instances) if instance.cell.clocked_on)

    def in_order(self) -> list[int]:
        """Return the instances that are no flip-flops, each behind those that drive it.

        Raises
        ------
        ToolFailed
            If gates drive each other in a circle.
        """
        drivers = self.drivers()
        before  = {}
        for number, instance in enumerate(self.instances):
            if instance.cell.clocked_on is None:
                driving = (drivers.get(instance.nets.get(pin.name)) for pin in instance.cell.inputs)
                before[number] = {each[0] for each in driving
                                  if each and self.instances[each[0]].cell.clocked_on is None}
        try:
            return list(TopologicalSorter(before).static_order())
        except CycleError:
            raise ToolFailed("Gates of the netlist drive each other in a circle") from None

    def verilog(self) -> str:
        """Return the netlist as structural Verilog of plain names: cells ``u0``, ``u1``, ..., nets ``n2``,
        ``n3``, .... Its ports are bits, ``NAME_0``, ``NAME_1``, ..., and so are those of memories and
        arrays."""
        lines = [f"// {self.top} in cells of {self.library.name}, without wires and buffers of the clock."]
        ports = [(f"{name}_{bit}" if len(nets) > 1 else name, way, net)
                 for way, of in (("input", self.inputs), ("output", self.outputs))
                 for name, nets in of.items() for bit, net in enumerate(nets)]
        lines.append(f"module {_plain(self.top)} ({', '.join(_plain(name) for name, _, _ in ports)});")
        lines += [f"  {way} {_plain(name)};" for name, way, _ in ports]
        used = {net for _, _, net in ports} | {net for each in self.instances for net in each.nets.values()}
        for _, _, *ends in self.memories.values():
            used.update(*ends)
        for ends in self.arrays.values():
            used.update(*ends)
        lines += [f"  wire n{net};" for net in sorted(used - {*CONSTANTS})]
        lines += [f"  assign {_net(net)} = {_plain(name)};" if way == "input" else
                  f"  assign {_plain(name)} = {_net(net)};" for name, way, net in ports]
        for number, each in enumerate(self.instances):
            pins = ", ".join(f".{pin}({_net(net)})" for pin, net in each.nets.items())
            lines.append(f"  {each.cell.name} u{number} ({pins});")
        outside = {**{name: ends for name, (_, _, *ends) in self.memories.items()}, **self.arrays}
        for name, (into, out) in outside.items():
            pins = ", ".join(f".{way}_{bit}({_net(net)})" for way, nets in (("i", into), ("o", out))
                             for bit, net in enumerate(nets))
            lines.append(f"  {_plain(name)}_module {_plain(name)} ({pins});")
        return "\n".join([*lines, "endmodule", ""])


def read_netlist(modules: dict, top: str, files: dict[str, str], library: Library,
                 memories: dict[str, tuple[str, int]], arrays: list[str]) -> Netlist:
    """Return the netlist of modules as Yosys writes them.

    Parameters
    ----------
    modules
        The modules, by name; each block is one, of which there is one instance.
    top
        The module that has all others.
    files
        File of ``hdl/`` of each module.
    library
        Cells.
    memories
        Of each module that is a memory: its name, and its bits.
    arrays
        Modules that are arrays.

    Raises
    ------
    ToolFailed
        If there are cells that are none of the library's.
    """
    found = Netlist(top, {}, library, [], {}, {}, {}, {}, {})
    nets  = itertools.count(max(CONSTANTS) + 1)
    same: dict[int, int] = {} # nets that are one with another

    def one(net):
        while net in same:
            net = same[net]
        return net

    def walk(module, path, outside):
        """Take the cells of a module, whose ports are nets of what is around it."""
        contents, known = modules[module], {"0": CONSTANTS[0], "1": CONSTANTS[1]}

        def numbers(bits):
            for bit in bits:
                if bit not in known:
                    known[bit] = next(nets)
            return [known[bit] for bit in bits]

        for name, port in contents["ports"].items():
            if outside is None:
                ports = found.inputs if port["direction"] == "input" else found.outputs
                ports[name] = numbers(port["bits"])
                continue
            for bit, net in zip(port["bits"], outside[name], strict=True):
                # An output may be a constant, or one with another.
                pair = sorted((one(known.setdefault(bit, net)), one(net)))
                if pair[0] != pair[1]:
                    same[pair[1]] = pair[0] # a constant stays what it is
        found.blocks[path] = files[module]
        for name, cell in contents["cells"].items():
            kind, ends = cell["type"], {pin: numbers(bits) for pin, bits in cell["connections"].items()}
            if kind in memories or kind in arrays:
                ways = {pin: port["direction"] for pin, port in modules[kind]["ports"].items()}
                into, out = ([net for pin, pins in ends.items() if ways[pin] == way for net in pins]
                             for way in ("input", "output"))
                if kind in memories:
                    own, bits = memories[kind]
                    found.memories[_below(path, own)] = path, bits, into, out
                else:
                    found.arrays[_below(path, name)] = into, out
            elif kind in modules and kind not in library.groups:
                walk(kind, _below(path, name), ends)
            elif kind in library.groups:
                found.instances.append(Instance(path, library.cell(kind),
                                                {pin: bits[0] for pin, bits in ends.items() if bits}))
            elif kind != "$scopeinfo":
                raise ToolFailed(f"Yosys has found no cell of {library.name} for {kind}; name a Liberty "
                                 "file that has flip-flops and gates with --liberty")
        for name, signal in contents["netnames"].items():
            if not signal["hide_name"]:
                found.signals[_below(path, name.removeprefix("\\"))] = numbers(signal["bits"])

    walk(top, "", None)
    every = [*found.inputs.values(), *found.outputs.values(), *found.signals.values(),
             *(nets for _, _, *ends in found.memories.values() for nets in ends),
             *(nets for ends in found.arrays.values() for nets in ends)]
    for several in every:
        several[:] = map(one, several)
    for instance in found.instances:
        instance.nets.update({pin: one(net) for pin, net in instance.nets.items()})
    return found


def _below(path, name):
    return f"{path}.{name}" if path else name


def _plain(name):
    return re.sub(r"\W", "_", name)


def _net(net):
    return f"1'b{net}" if net in CONSTANTS else f"n{net}"
