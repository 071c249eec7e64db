# amaranth: UnusedElaboratable=no
"""Counts of small designs, known beforehand."""

import itertools

import pytest
from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from gen.logic import AND, LEAF, MUX, XOR, Gates, logic_of
from gen.lut_mapping import count_tables
from hdl.layer.weight_memory import WeightMemory


class Block(wiring.Component):
    """Whatever ``make`` adds to a module, given input and output of so many bits."""

    def __init__(self, bits, results, make):
        self.make = make
        super().__init__({"i": In(bits), "o": Out(results)})

    def elaborate(self, platform):
        m = Module()
        self.make(m, self.i, self.o)
        return m


def counted(bits, results, make):
    """Tables, registers, bits of carry chains, distributed memories, block memories and multipliers."""
    logic = logic_of(Block(bits, results, make))
    return (count_tables(logic.gates, logic.roots), logic.registers, logic.carries, logic.distributed,
            logic.blocks, logic.multipliers)


def value(gates, literal, leaves):
    """What a literal is, by the values of the leaves."""
    node = literal >> 1
    inputs = [value(gates, each, leaves) for each in gates.inputs[node]]
    own = {LEAF: lambda: leaves[node], AND: lambda: all(inputs), XOR: lambda: inputs[0] ^ inputs[1],
           MUX: lambda: inputs[1] if inputs[0] else inputs[2]}[gates.kinds[node]]()
    return bool(own) ^ bool(literal & 1)


@pytest.mark.parametrize("name, function", [
    ("conjunction", lambda a, b: a and b), ("disjunction", lambda a, b: a or b),
    ("parity", lambda a, b: a != b), ("choice", lambda a, b, c: b if a else c)])
def test_gates_are_what_they_say(name, function):
    """With constants, equal and inverted inputs, and inputs of gates of these."""
    gates  = Gates()
    a, b   = gates.leaf(), gates.leaf()
    inside = [0, 1, a, a ^ 1, b, gates.conjunction(a, b), gates.disjunction(a, b ^ 1), gates.parity(a, b),
              gates.choice(a, b, b ^ 1)]
    for inputs in itertools.product(inside, repeat=function.__code__.co_argcount):
        found = getattr(gates, name)(*inputs)
        for bits in itertools.product((False, True), repeat=2):
            leaves = {0: False, a >> 1: bits[0], b >> 1: bits[1]}
            assert value(gates, found, leaves) == function(*(value(gates, each, leaves) for each in inputs))


def word(function):
    return lambda m, i, o: m.d.comb.__iadd__(o.eq(function(i)))


@pytest.mark.parametrize("bits, results, function, expected", [
    (4, 1, lambda i: i.all(), (1, 0, 0, 0, 0, 0)),
    (7, 1, lambda i: i.xor(), (2, 0, 0, 0, 0, 0)),
    (16, 1, lambda i: i == 5, (5, 0, 0, 0, 0, 0)),
    (8, 4, lambda i: i, (0, 0, 0, 0, 0, 0)),
    (6, 2, lambda i: Mux(i[0], i[1:3], i[3:5]), (2, 0, 0, 0, 0, 0)),
    # A chain for more than four bits, an even number of them; what is not used, and what nothing is added
    # to, takes none.
    (16, 9, lambda i: i[:8] + i[8:], (0, 0, 10, 0, 0, 0)),
    (16, 8, lambda i: i[:8] + i[8:], (0, 0, 8, 0, 0, 0)),
    (16, 16, lambda i: i + 16, (0, 0, 12, 0, 0, 0)),
    (16, 8, lambda i: i[:8] - i[8:], (0, 0, 8, 0, 0, 0)),
    (16, 1, lambda i: i[:8].as_signed() >= i[8:].as_signed(), (0, 0, 8, 0, 0, 0)),
    (6, 1, lambda i: i[:3] < i[3:], (2, 0, 0, 0, 0, 0)),
    (8, 1, lambda i: i >= 128, (0, 0, 0, 0, 0, 0)),
    # 18 by 18 bits.
    (36, 36, lambda i: i[:18] * i[18:], (0, 0, 0, 0, 0, 1)),
    (40, 40, lambda i: i[:20] * i[20:], (0, 0, 0, 0, 0, 4)),
    (8, 12, lambda i: i * 16, (0, 0, 0, 0, 0, 0)),
    # Products of the same factors are one.
    (16, 16, lambda i: (i[:8] * i[8:]) ^ (i[8:] * i[:8] + 0), (0, 0, 0, 0, 0, 1)),
    (16, 32, lambda i: Cat(i[:8] * i[8:], i[:8] * i[8:15]), (0, 0, 0, 0, 0, 2)),
    # A multiplexer of four takes three; one of constants is logic of the address.
    (6, 1, lambda i: Array(i[:4])[i[4:]], (3, 0, 0, 0, 0, 0)),
    (4, 3, lambda i: Array([(3 * place) % 8 for place in range(16)])[i], (2, 0, 0, 0, 0, 0)),
    (12, 8, lambda i: (i[:8] << i[8:10])[:8], (15, 0, 0, 0, 0, 0)),
])
def test_operators(bits, results, function, expected):
    assert counted(bits, results, word(function)) == expected


def test_registers_have_enable_and_reset():
    """What holds or clears them is part of them."""
    def make(m, i, o):
        kept = Signal(4)
        with m.If(i[4]):
            m.d.sync += kept.eq(i[:4])
        m.d.comb += o.eq(kept)

    assert counted(5, 4, make) == (0, 4, 0, 0, 0, 0)


def test_constant_and_equal_registers_are_left_out():
    """Also behind others."""
    def make(m, i, o):
        never, behind, one, same, unused = (Signal(name=name) for name in "abcde")
        m.d.sync += [never.eq(0), behind.eq(never), one.eq(i[0]), same.eq(i[0]), unused.eq(i[1])]
        m.d.comb += o.eq(Cat(one ^ same, behind | i[1]))

    assert counted(2, 2, make) == (0, 0, 0, 0, 0, 0)


def stored(depth, width, domain, init=(), write=True):
    def make(m, i, o):
        m.submodules.memory = cells = memory.Memory(shape=width, depth=depth, init=init)
        read = cells.read_port(domain=domain)
        m.d.comb += [read.addr.eq(i), o.eq(read.data)]
        if write:
            port = cells.write_port()
            m.d.comb += [port.addr.eq(i), port.data.eq(i), port.en.eq(1)]

    return make


@pytest.mark.parametrize("depth, width, domain, distributed, blocks", [
    (16, 8, "comb", 2, 0), (512, 36, "sync", 0, 1), (513, 36, "sync", 0, 2), (4096, 9, "sync", 0, 2)])
def test_memories(depth, width, domain, distributed, blocks):
    bits  = (depth - 1).bit_length()
    found = counted(bits, width, stored(depth, width, domain))
    assert found[3:5] == (distributed, blocks)


def test_constant_memories():
    """Few words are logic; of more, columns that are constant take no room."""
    assert counted(4, 2, stored(16, 2, "comb", [3, 1] * 8, write=False)) == (0, 0, 0, 0, 0, 0)
    words = [7 * place % 251 for place in range(1024)]
    assert counted(10, 32, stored(1024, 32, "sync", words, write=False))[4] == 1

    def make(m, i, o):
        m.submodules.weights = weights = WeightMemory("file", width=72, depth=1024)
        m.d.comb += [weights.address.eq(i), o.eq(weights.word)]

    assert counted(10, 72, make) == (0, 0, 0, 0, 4, 0)
