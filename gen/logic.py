"""The logic of a block, bit by bit: gates, carry chains, multipliers, registers and memories.

Amaranth's netlist of a component has operators of many bits. Here each of them becomes what an ECP5 has for
it (:func:`logic_of`): gates, which tables will hold (:mod:`gen.lut_mapping`), and cells of their own.
What is constant, equal to another bit, or used by nothing is left out, as a synthesis does. Nothing is
optimized beyond that: it is a count, made in a second, and no netlist that anyone could place.

A *literal* is an integer: twice the number of a node, and one more if it is inverted.
"""

import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

from amaranth.hdl import Fragment

# Amaranth 0.5 has no other way to the operators of a design than these, which are its back end's own.
from amaranth.hdl import _nir as nir
from amaranth.hdl._ir import build_netlist

from gen.emit import ports
from hdl.layer.weight_memory import WeightMemory


__all__ = ["AND", "LEAF", "MUX", "XOR", "Gates", "Logic", "logic_of"]


LEAF, AND, XOR, MUX = range(4)

#: Bits of a sum or a comparison up to which it is made of gates, as by Yosys (``arith_map_ccu2c.v``).
_NO_CHAIN = 4

#: Bits of a side of a multiplier.
_MULTIPLIER = 18

#: Costs by which Yosys chooses what a memory becomes: a block, 16 words of 4 bits, a bit as a register or
#: as constant logic (``brams_16kd.txt``, ``lutrams_trellis.txt``, ``memory_libmap``).
_BLOCK, _DISTRIBUTED, _REGISTER, _CONSTANT = 128, 4, 1, 1 / 16

#: Costs of a bit that is chosen from several rows of distributed memory, found by trial: where the memory
#: has registers of its own, and where registers follow it.
_MULTIPLEXED, _MULTIPLEXED_BEHIND = 3, 0.5

#: Words of a block memory by the bits that it has for each.
_BLOCK_WORDS = {36: 512, 18: 1024, 9: 2048, 4: 4096, 2: 8192, 1: 16384}


class Gates:
    """Nodes: leaves, and gates of two or three literals. The same gate is there once, and none has a
    constant at its inputs."""

    def __init__(self):
        self.kinds, self.inputs = [LEAF], [()] # node 0 is the constant 0
        self._known = {}

    def leaf(self) -> int:
        """Return the literal of a new leaf."""
        return self._node(LEAF, ())

    def _node(self, kind, inputs):
        self.kinds.append(kind)
        self.inputs.append(inputs)
        return 2 * (len(self.kinds) - 1)

    def _gate(self, kind, *inputs):
        if (kind, inputs) not in self._known:
            self._known[kind, inputs] = self._node(kind, inputs)
        return self._known[kind, inputs]

    def conjunction(self, a: int, b: int) -> int:
        """Return the literal of a AND b."""
        if a > b:
            a, b = b, a
        if a == 0 or a ^ b == 1:
            return 0
        if a == 1 or a == b:
            return b
        for one, other in ((a, b), (b, a)):
            if self.kinds[other >> 1] == AND:
                inside = self.inputs[other >> 1]
                if one in inside:
                    if not other & 1:
                        return other
                    [rest] = [each for each in inside if each != one]
                    return self.conjunction(one, rest ^ 1)
                if one ^ 1 in inside:
                    return one if other & 1 else 0
        return self._gate(AND, a, b)

    def disjunction(self, a: int, b: int) -> int:
        """Return the literal of a OR b."""
        return self.conjunction(a ^ 1, b ^ 1) ^ 1

    def parity(self, a: int, b: int) -> int:
        """Return the literal of a XOR b."""
        inverted = (a ^ b) & 1
        a, b = sorted((a & ~1, b & ~1))
        if a == b:
            return inverted
        return (b if a == 0 else self._gate(XOR, a, b)) ^ inverted

    def choice(self, condition: int, a: int, b: int) -> int:
        """Return the literal of a where the condition is 1, else b."""
        if condition & 1:
            condition, a, b = condition ^ 1, b, a
        if condition == 0 or a == b:
            return b
        if a in (1, condition):
            return self.disjunction(condition, b)
        if a in (0, condition ^ 1):
            return self.conjunction(condition ^ 1, b)
        if b in (0, condition):
            return self.conjunction(condition, a)
        if b in (1, condition ^ 1):
            return self.disjunction(condition ^ 1, a)
        if a ^ b == 1:
            return self.parity(condition, b)
        inverted = a & b & 1
        return self._gate(MUX, condition, a ^ inverted, b ^ inverted) ^ inverted

    def tree(self, combine, literals: list[int]) -> int:
        """Return what ``combine`` makes of all ``literals``, pair by pair."""
        literals = list(literals)
        while len(literals) > 1:
            literals = [*(combine(*pair) for pair in zip(literals[::2], literals[1::2], strict=False)),
                        *(literals[-1:] if len(literals) % 2 else [])]
        return literals[0]

    def behind(self, literals: list[int]) -> list[int]:
        """Return the gates that ``literals`` follow from, in an order in which each follows its inputs."""
        seen, todo = set(), [literal >> 1 for literal in literals]
        while todo:
            node = todo.pop()
            if node not in seen and self.kinds[node] != LEAF:
                seen.add(node)
                todo += [literal >> 1 for literal in self.inputs[node]]
        return sorted(seen)

    def all_of(self, literals) -> int:
        return self.tree(self.conjunction, list(literals) or [1])

    def any_of(self, literals) -> int:
        return self.tree(self.disjunction, list(literals) or [0])


@dataclass(slots=True)
class Logic:
    """What a block is made of."""

    gates: Gates = field(default_factory=Gates)
    roots: list[int] = field(default_factory=list) #: Literals that something other than a gate uses.
    registers: int = 0
    carries: int = 0      #: Bits of carry chains, each an even number of them.
    distributed: int = 0  #: Memories of 16 words of 4 bits.
    blocks: int = 0       #: Memories of 18 kbit.
    multipliers: int = 0  #: Of 18 by 18 bits.


def logic_of(component, guarded=None) -> Logic:
    """Return the logic of ``component``, which is not part of another design; or, with its ports, that of
    ``guarded``, which is the component with the parity of its registers
    (:meth:`hdl.accelerator.Accelerator.guarded`)."""
    outside = ports(component)
    if guarded is not None:
        outside["control_error"] = guarded.error, None
    netlist = build_netlist(Fragment.get(guarded or component, None), ports=outside, name="top")
    known   = {}
    with _deep():
        while True:
            reader = _Reader(netlist.cells, known)
            if not reader.found:
                return reader.logic
            known |= reader.found


@contextmanager
def _deep():
    """Let functions call themselves some times for each operator between two registers. Amaranth does so
    once, and has no more than Python lets it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10 * before)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class _Reader:
    """Reads a netlist of Amaranth from its outputs on.

    Of registers ``known`` has what is the same: the constant that one always is, or another net, by nets.
    More of them, if any, are ``found``: then the logic has less than it seems.
    """

    def __init__(self, cells, known):
        self.cells = cells
        self.same  = known
        self.found = {}
        self.logic = Logic()
        self.gates = self.logic.gates
        self.known = {}     # literals by net
        self.waiting = []   # registers that are not read yet
        self.registers = {} # data, enable and reset by the literal of what they hold
        self.ports = {}     # of memories, by the numbers of these
        self.used  = set()
        for number, cell in enumerate(self.cells):
            self.used |= set(cell.input_nets())
            if isinstance(cell, nir.SyncWritePort | nir.AsyncReadPort | nir.SyncReadPort):
                self.ports.setdefault(cell.memory, []).append((number, cell))
        self.read = {}      # bits that are read by the numbers of ports
        self.seen = set()   # memories
        self.first = {}     # the first register of each kind
        self.products = {}  # of multipliers, by what enters them
        self.blocks = {}    # of constant memories
        outputs = [net for value in self.cells[0].ports_o.values() for net in value]
        self.used |= set(outputs)
        self.logic.roots = [self.literal(net) for net in outputs]
        while self.waiting or self._memories():
            self._registers()
        self._choose_memories()
        self._used_registers()

    def literals(self, nets):
        return [self.literal(net) for net in nets]

    def literal(self, net):
        """The literal of a net; reads what drives it."""
        if net in self.known:
            return self.known[net]
        if net.is_const:
            return net.const
        cell, bit = self.cells[net.cell], net.bit
        match cell:
            case nir.FlipFlop():
                found = self._register(net, cell, bit)
            case nir.Operator():
                found = self._operator(net, cell, bit)
            case nir.AssignmentList():
                found = self._assigned(cell, bit)
            case nir.PriorityMatch():
                found = self._first(cell, bit)
            case nir.Matches():
                found = self.gates.any_of([self._pattern(cell, pattern) for pattern in cell.patterns])
            case nir.Part():
                found = self._part(cell, bit)
            case nir.SyncReadPort() | nir.AsyncReadPort():
                found = self._memory_bit(net, cell, bit)
            case nir.Instance():
                found = self._instance(net, cell)
            case _:
                found = self.gates.leaf() # a port
        self.known[net] = found
        return found

    def _register(self, net, cell, bit):
        """A leaf, whose data is read later; or what it is known to be."""
        if net in self.same:
            same = self.same[net]
            return same if type(same) is int else self.literal(same)
        own = self.gates.leaf()
        self.waiting.append((net, own, cell.data[bit], cell.init >> bit & 1))
        return own

    def _registers(self):
        """Read the data of registers."""
        while self.waiting:
            net, own, data, init = self.waiting.pop()
            data, reset  = self._reset(self.literal(data), init)
            data, enable = self._enable(data, own)
            if data in (init, own):
                self.found[net] = init
                continue
            self.registers[own] = data, enable, reset
            first = self.first.setdefault((data, enable, reset, init), net)
            if first != net:
                self.found[net] = first

    def _used_registers(self):
        """Count the registers that something follows from."""
        todo, live = list(self.logic.roots), set()
        while todo:
            node = todo.pop() >> 1
            if node not in live:
                live.add(node)
                todo += self.gates.inputs[node]
                if used := self.registers.get(2 * node):
                    todo += used
                    self.logic.roots += used
                    self.logic.registers += 1

    def _operator(self, net, cell, bit):
        gates, name = self.gates, cell.operator
        if name in ("~", "&", "|", "^"):
            bits = [self.literal(value[bit]) for value in cell.inputs]
            return bits[0] ^ 1 if name == "~" else {
                "&": gates.conjunction, "|": gates.disjunction, "^": gates.parity}[name](*bits)
        if name == "m":
            condition, a, b = cell.inputs
            return gates.choice(self.literal(condition[0]), self.literal(a[bit]), self.literal(b[bit]))
        words = [self.literals(value) for value in cell.inputs]
        if name in ("b", "r|"):
            return gates.any_of(words[0])
        if name == "r&":
            return gates.all_of(words[0])
        if name == "r^":
            return gates.tree(gates.parity, words[0])
        if name in ("==", "!="):
            return gates.any_of(map(gates.parity, *words)) ^ (name == "==")
        if name in ("<<", "u>>", "s>>"):
            return self._word(net, self._shifted(name, *words))[bit]
        if name == "*":
            return self._word(net, self._product(*words))[bit]
        if name in ("+", "-"):
            return self._word(net, self._sum(name, words, self._top(net, len(words[0]))))[bit]
        return self._less(name, *words)

    def _word(self, net, literals):
        """Keep the literals of all bits of a cell."""
        for bit, literal in enumerate(literals):
            self.known[nir.Net.from_cell(net.cell, bit)] = literal
        return literals

    def _top(self, net, width):
        """Bits of a cell up to the highest that is used."""
        return max(bit + 1 for bit in range(width) if nir.Net.from_cell(net.cell, bit) in self.used)

    def _sum(self, name, words, width):
        a, b = words if len(words) == 2 else ([0] * len(words[0]), words[0])
        carry = int(name == "-")
        total = len(a)
        # Above the widest of both there is one more bit, and then copies of it, or zeros.
        signed = name == "-" or bool(a[-1] or b[-1])
        wide   = max(_extent(a, signed), _extent(b, signed)) + 1
        above  = min(total, wide)
        a, b   = a[:min(width, above)], [bit ^ carry for bit in b[:min(width, above)]]
        result = []
        # Where nothing is added to the lowest bits, no logic is needed.
        while a and b[0] == carry:
            result.append(a[0])
            a, b = a[1:], b[1:]
        if not carry:
            while a and a[0] == 0:
                result.append(b[0])
                a, b = a[1:], b[1:]
        if len(a) > _NO_CHAIN:
            self.logic.carries += len(a) + len(a) % 2
            self.logic.roots   += a + b
            result += [self.gates.leaf() for _ in a]
        else:
            for one, other in zip(a, b, strict=True):
                half = self.gates.parity(one, other)
                result.append(self.gates.parity(half, carry))
                carry = self.gates.choice(half, carry, one)
        return result + [result[-1] if signed else 0] * (total - len(result))

    def _less(self, name, a, b):
        """Comparison of numbers."""
        signed, order = name[0] == "s", name[1:]
        if order in (">", "<="):
            a, b = b, a
        # a < b, or its opposite
        if signed:
            a, b = [*a[:-1], a[-1] ^ 1], [*b[:-1], b[-1] ^ 1]
        while len(a) > 1 and a[-1] == b[-1]:
            a, b = a[:-1], b[:-1]
        constant = all(bit < 2 for bit in a) or all(bit < 2 for bit in b)
        if len(a) > _NO_CHAIN and not (constant and self._is_round(a, b)):
            self.logic.carries += len(a) + len(a) % 2
            self.logic.roots   += a + b
            less = self.gates.leaf()
        else:
            less = 0
            for one, other in zip(a, b, strict=True):
                less = self.gates.choice(self.gates.parity(one, other), other, less)
        return less ^ (order in (">=", "<="))

    @staticmethod
    def _is_round(a, b):
        """Whether the constant is a power of two, or one less: then upper bits are compared."""
        bits = sum(bit << place for place, bit in enumerate(a if all(bit < 2 for bit in a) else b))
        return bits & bits - 1 == 0 or bits & bits + 1 == 0

    def _shifted(self, name, value, amount):
        """A shift by each bit of the amount in turn."""
        fill = value[-1] if name == "s>>" else 0
        for place, bit in enumerate(amount):
            step  = min(1 << place, len(value))
            moved = ([0] * step + value[:len(value) - step] if name == "<<" else
                     value[step:] + [fill] * step)
            value = [self.gates.choice(bit, one, other) for one, other in zip(moved, value, strict=True)]
        return value

    def _product(self, a, b):
        for one, other in ((a, b), (b, a)):
            places = [place for place, bit in enumerate(one) if bit]
            if all(bit < 2 for bit in one) and len(places) <= 1:
                return ([0] * places[0] + other)[:len(other)] if places else [0] * len(other)
        if (same := tuple(sorted((tuple(a), tuple(b))))) in self.products:
            return self.products[same]
        sides = [_extent(side, bool(side[-1])) for side in (a, b)]
        self.logic.multipliers += -(-sides[0] // _MULTIPLIER) * -(-sides[1] // _MULTIPLIER)
        self.logic.roots += a + b
        self.products[same] = [self.gates.leaf() for _ in a]
        return self.products[same]

    def _assigned(self, cell, bit):
        """What is assigned last."""
        found, groups = self.literal(cell.default[bit]), []
        for assignment in cell.assignments:
            place = bit - assignment.start
            if 0 <= place < len(assignment.value):
                source = None if assignment.cond.is_const else assignment.cond.cell
                if not groups or groups[-1][0] != source or source is None:
                    groups.append((source, []))
                groups[-1][1].append((assignment.cond, assignment.value[place]))
        for source, group in groups:
            conditions = self.literals([condition for condition, _ in group])
            values     = self.literals([value for _, value in group])
            found = self._chosen(source, conditions, values, found)
        return found

    def _chosen(self, source, conditions, values, otherwise):
        """The value whose condition is 1, of conditions of which at most one is; or else another."""
        gates = self.gates
        match = None if source is None else self.cells[source]
        whole = isinstance(match, nir.PriorityMatch) and len(match.inputs) == len(conditions)
        if whole and len(values) > 2 and max(values) < 2 and self._one_value(match):
            return gates.choice(self.literal(match.en), self._listed(match, values, otherwise), otherwise)
        by_value = {}
        for condition, value in zip(conditions, values, strict=True):
            by_value[value] = gates.disjunction(by_value.get(value, 0), condition)
        if len(by_value) == 1:
            [(value, condition)] = by_value.items()
            return gates.choice(condition, value, otherwise)
        # Where one of all conditions is 1 whenever they are asked at all, that says it.
        none   = (self.literal(match.en) if whole and self._complete(match)
                  else gates.any_of(by_value.values())) ^ 1
        chosen = gates.any_of([gates.conjunction(condition, value)
                               for value, condition in by_value.items()])
        return gates.choice(none, otherwise, chosen)

    def _listed(self, match, values, otherwise):
        """The constant for the first pattern of a PriorityMatch that a value has, from a table."""
        first = self.cells[match.inputs[0].cell]
        table = [otherwise] * (1 << len(first.value))
        for net, value in reversed(list(zip(match.inputs, values, strict=True))):
            for pattern in self.cells[net.cell].patterns if not net.is_const else ["-" * len(first.value)]:
                if "-" in pattern:
                    table = [value] * len(table)
                else:
                    table[int(pattern, 2)] = value
        return self._selected(table, self.literals(first.value))

    def _one_value(self, cell):
        """Whether the inputs of a PriorityMatch are patterns of one value of a few bits, each a number or
        all that is left."""
        known = set()
        for net in cell.inputs:
            match = None if net.is_const else self.cells[net.cell]
            if match is None:
                if net.const != 1:
                    return False
                continue
            if not isinstance(match, nir.Matches) or any(
                    "-" in pattern and set(pattern) != {"-"} for pattern in match.patterns):
                return False
            known.add(tuple(match.value))
        return len(known) == 1 and not cell.inputs[0].is_const and len(next(iter(known))) <= 12

    def _complete(self, cell):
        """Whether the patterns of a PriorityMatch leave no case out."""
        total, numbers = 0, {self._number(net) for net in cell.inputs}
        for net in cell.inputs:
            if net.is_const:
                return net.const == 1
            match = self.cells[net.cell]
            if not isinstance(match, nir.Matches):
                return False
            for pattern in match.patterns:
                if set(pattern) <= {"-"}:
                    return True
                total += 2.0**-sum(each != "-" for each in pattern)
        return total >= 1 and None not in numbers and len(numbers) == 1

    def _first(self, cell, bit):
        """Whether an input of a PriorityMatch is the first that is 1."""
        gates, own = self.gates, self.literal(cell.inputs[bit])
        # Of different numbers that one value may have, at most one is it.
        if bit and not (self._number(cell.inputs[bit]) and all(
                self._number(net) == self._number(cell.inputs[bit]) for net in cell.inputs[:bit])):
            own = gates.conjunction(own, gates.any_of(self.literals(cell.inputs[:bit])) ^ 1)
        return gates.conjunction(self.literal(cell.en), own)

    def _number(self, net):
        """The value of which a net says that it is a number; None if it does not."""
        match = None if net.is_const else self.cells[net.cell]
        if isinstance(match, nir.Matches) and all("-" not in pattern for pattern in match.patterns):
            return tuple(match.value)
        return None

    def _pattern(self, cell, pattern):
        # Its first character is the highest bit.
        return self.gates.all_of([self.literal(net) ^ (wanted == "0") for net, wanted in zip(
            cell.value, reversed(pattern), strict=True) if wanted != "-"])

    def _part(self, cell, bit):
        fill   = self.literal(cell.value[-1]) if cell.value_signed else 0
        offset = self.literals(cell.offset)
        table  = []
        for place in range(min(1 << len(offset), -(-len(cell.value) // cell.stride) + 1)):
            index = place * cell.stride + bit
            table.append(self.literal(cell.value[index]) if index < len(cell.value) else fill)
        return self._selected(table, offset, fill)

    def _selected(self, table, index, fill=0):
        """The entry of a table with the number ``index``."""
        for bit in index:
            table = [*table, fill] if len(table) % 2 else table
            table = [self.gates.choice(bit, high, low)
                     for low, high in zip(table[::2], table[1::2], strict=True)] or [fill]
        return table[0]

    def _memory_bit(self, net, cell, bit):
        """A bit that is read: logic, if the memory is constant and small; else a leaf."""
        writes, _ = self._ports(cell.memory)
        if writes or self._constant_blocks(cell.memory):
            own = self.gates.leaf()
            self.read.setdefault(net.cell, []).append(own)
            return own
        memory = self.cells[cell.memory]
        words  = [*memory.init, *[0] * (memory.depth - len(memory.init))]
        if not isinstance(cell, nir.SyncReadPort):
            return self._selected([word >> bit & 1 for word in words], self.literals(cell.addr))
        # Read with the next edge: a register.
        if net in self.same:
            same = self.same[net]
            return same if type(same) is int else self.literal(same)
        own  = self.gates.leaf()
        data = self._selected([word >> bit & 1 for word in words], self.literals(cell.addr))
        kind = data, self.literal(cell.en), 0
        if data < 2 and not data:
            self.found[net] = 0
        first = self.first.setdefault((*kind, 0), net)
        if first != net:
            self.found[net] = first
        self.registers[own] = kind
        return own

    def _ports(self, number):
        """Ports of a memory: those that write, and those that read with their numbers."""
        ports = self.ports[number]
        return ([port for _, port in ports if isinstance(port, nir.SyncWritePort)],
                [(own, port) for own, port in ports if not isinstance(port, nir.SyncWritePort)])

    def _constant_blocks(self, number):
        """Block memories of a constant memory; 0 if it is logic."""
        if number not in self.blocks:
            memory, (_, reads) = self.cells[number], self._ports(number)
            columns = {tuple(word >> bit & 1 for word in memory.init) for bit in range(memory.width)}
            width   = sum(len(set(column)) > 1 for column in columns)
            blocks  = _blocks(memory.depth, width)
            logic   = (not all(isinstance(port, nir.SyncReadPort) for _, port in reads)
                       or memory.depth * width * _CONSTANT <= blocks * _BLOCK)
            self.blocks[number] = 0 if logic else blocks
        return self.blocks[number]

    def _instance(self, net, cell):
        if cell.type == WeightMemory.MODULE and net.cell not in self.read:
            self.read[net.cell] = []
            self.logic.blocks += _blocks(cell.parameters["DEPTH"], cell.parameters["WIDTH"])
            self.logic.roots  += self.literals(cell.ports_i["address"])
        return self.gates.leaf()

    def _memories(self):
        """Read what goes to memories of which something is read; return whether there are any new ones."""
        new = {self.cells[number].memory for number in self.read
               if not isinstance(self.cells[number], nir.Instance)} - self.seen
        for number in new:
            writes, reads = self._ports(number)
            for port in (*writes, *(port for _, port in reads)):
                self.logic.roots += self.literals(port.addr)
                if isinstance(port, nir.SyncReadPort):
                    self.logic.roots.append(self.literal(port.en))
            for port in writes:
                self.logic.roots += self.literals(port.data) + self.literals(set(port.en))
        self.seen |= new
        return bool(new)

    def _choose_memories(self):
        """Count the memories, and what is around them."""
        used   = [*self.logic.roots, *(literal for kept in self.registers.values() for literal in kept)]
        users  = Counter(literal >> 1 for literal in used)
        users.update(literal >> 1 for node in self.gates.behind(used)
                     for literal in self.gates.inputs[node])
        for number in self.seen:
            writes, reads = self._ports(number)
            reads  = [(own, port) for own, port in reads if own in self.read]
            memory = self.cells[number]
            if not writes:
                self.logic.blocks += self._constant_blocks(number) * len(reads)
                continue
            # Registers that nothing but a read goes to are part of it.
            behind = {own: [register for register, (data, *_) in self.registers.items()
                            if data in self.read[own] and users[data >> 1] == 1]
                      for own, port in reads if isinstance(port, nir.AsyncReadPort)}
            timed  = all(own not in behind or len(behind[own]) == len(self.read[own]) and len(
                {self.registers[register][1:] for register in behind[own]}) == 1 for own, _ in reads)
            self._memory(memory, len(reads), sum(map(len, behind.values())) if timed else 0, timed)

    def _memory(self, memory, reads, behind, timed):
        """Count a memory with so many ports that read; ``timed``: each is followed by registers, of which
        so many are ``behind`` them and not part of them."""
        rows   = -(-memory.depth // 16)
        small  = rows * -(-memory.width // 4) * reads
        blocks = _blocks(memory.depth, memory.width) * reads
        each   = _MULTIPLEXED_BEHIND if behind else _MULTIPLEXED
        costs  = {"distributed": small * _DISTRIBUTED + each * (rows - 1) * memory.width * reads,
                  "registers": memory.depth * memory.width * _REGISTER}
        if timed and blocks * _BLOCK <= min(costs.values()):
            self.logic.blocks    += blocks
            self.logic.registers -= behind
            return
        if costs["distributed"] <= costs["registers"]:
            self.logic.distributed += small
        else:
            rows = memory.depth
            self.logic.registers += memory.depth * memory.width
        self.logic.registers += memory.width * reads if timed and not behind else 0
        index = [self.gates.leaf() for _ in range((rows - 1).bit_length())]
        for _ in range(reads):
            self.logic.roots += [self._selected([self.gates.leaf() for _ in range(rows)], index)
                                 for _ in range(memory.width)]
        self.logic.roots += [self.gates.all_of([bit ^ (row >> place & 1 ^ 1)
                                                for place, bit in enumerate(index)]) for row in range(rows)]

    def _reset(self, data, init):
        """Data without the gate that sets it to its first value, and when that is."""
        node = data >> 1
        if self.gates.kinds[node] == AND and data & 1 == init:
            # AND with a literal, and OR with one, set to 0 and 1.
            a, b = self.gates.inputs[node]
            for one, other in ((a, b), (b, a)):
                if self.gates.kinds[one >> 1] == LEAF and one & 1:
                    return other ^ (data & 1), one ^ 1
        return data, 0

    def _enable(self, data, own):
        """Data without the choices of what the register holds, and when it does not."""
        enable = 1
        while self.gates.kinds[data >> 1] == MUX:
            condition, a, b = self.gates.inputs[data >> 1]
            a, b = a ^ (data & 1), b ^ (data & 1)
            if a == own:
                enable, data = self.gates.conjunction(enable, condition ^ 1), b
            elif b == own:
                enable, data = self.gates.conjunction(enable, condition), a
            else:
                break
        return data, enable


def _extent(bits, signed):
    """Bits of a number without those that repeat its sign; or without leading zeros, if none has one."""
    width = len(bits)
    if not signed:
        while width > 1 and bits[width - 1] == 0:
            width -= 1
        return width
    while width > 1 and bits[width - 1] == bits[width - 2]:
        width -= 1
    return width


def _blocks(depth, width):
    """Block memories of so many words, in the shape that takes the fewest."""
    return min(-(-depth // words) * -(-width // bits) for bits, words in _BLOCK_WORDS.items())
