"""The energy of small circuits, by hand."""

import numpy as np
import pytest

from gen.standard_cells.liberty import read_library
from gen.standard_cells.netlist import read_netlist
from gen.standard_cells.timing import timing
from sim.standard_cells.energy import energies
from sim.standard_cells.gates import evaluate, pack
from tests.gen.standard_cells import library
from tests.gen.standard_cells.circuits import module


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.lib"
    path.write_text(library.text())
    return read_library(path)


def found(netlist, waves, cycles, period=1e-8):
    values = evaluate(netlist, {name: np.array(bits, bool) for name, bits in waves.items()})
    assert values.mismatches == 0
    window = pack(np.isin(np.arange(values.cycles), cycles))
    return energies(netlist, timing(netlist), values, window, period)


def test_gate(tiny):
    """A NAND that rises once, by the fall of B; and nothing counts but the cycle before that."""
    netlist = read_netlist({"top": module(
        {"a": ("input", [2]), "b": ("input", [3]), "o": ("output", [4])},
        {"gate": ("NAND2", {"A": [2], "B": [3], "Y": [4]})})}, "top", {"top": "x"}, tiny, {}, [])
    waves  = {"a": [[0, 1, 1, 1]], "b": [[1, 1, 0, 1]]}
    energy = found(netlist, waves, [1])[""]
    wire   = 0.5e-15
    # B has a pin of 2 fF and a wire, the output a wire; half of C V^2 each.
    assert energy.switching == pytest.approx((2e-15 + wire) / 2 + wire / 2)
    # 2 fJ as B makes it rise without a load, and 12 fJ with 10 fF.
    assert energy.internal == pytest.approx((2 + 0.5) * 1e-15)
    assert energy.leakage == pytest.approx(2e-9 * 1e-8) and energy.clock == 0
    assert found(netlist, waves, [3])[""].switching == 0
    # In cycle 0 A rises and the output falls: 1 fJ more.
    assert found(netlist, waves, [0])[""].internal == pytest.approx((2 + 0.5) * 1e-15)


def test_both_inputs_change(tiny):
    """Each has an equal part: rising by A takes 1 fJ, by B 2 fJ."""
    netlist = read_netlist({"top": module(
        {"a": ("input", [2]), "b": ("input", [3]), "o": ("output", [4])},
        {"gate": ("NAND2", {"A": [2], "B": [3], "Y": [4]})})}, "top", {"top": "x"}, tiny, {}, [])
    energy = found(netlist, {"a": [[1, 0]], "b": [[1, 0]]}, [0])[""]
    assert energy.internal == pytest.approx((1.5 + 0.5) * 1e-15)


def test_flip_flop(tiny):
    """It takes 4 fJ each cycle in the state D and Q, 6 fJ in others; 4 fJ as it rises and 6 fJ as it falls;
    and its inverter leaks by state."""
    netlist = read_netlist({"top": module(
        {"clk": ("input", [2]), "d": ("input", [3]), "o": ("output", [5])},
        {"state": ("DFF", {"CK": [2], "D": [3], "Q": [4], "QN": [6]}),
         "gate": ("INV", {"A": [4], "Y": [5]})}, {"q": [4]})}, "top", {"top": "x"}, tiny, {}, [])
    waves  = {"d": [[0, 1, 1, 1, 0, 0]], "q": [[0, 0, 1, 1, 1, 0]]}
    energy = found(netlist, waves, range(5))[""]
    clock  = (1e-15 + 0.5e-15) * 5                      # C V^2 in each of five cycles
    assert energy.clock == pytest.approx(clock + (2 * 4 + 3 * 6) * 1e-15)
    gate = 0.5 / 10 * 10                                # by its load of 0.5 fF
    assert energy.internal == pytest.approx((4 + 6 + (1 + gate) + (2 + gate)) * 1e-15)
    assert energy.leakage == pytest.approx((5 * 7 + 3 * 3 + 2 * 1) * 1e-9 * 1e-8)


def test_blocks(tiny):
    """A net belongs to what drives it; a memory has none of its own."""
    outside = module({"i": ("input", [2]), "o": ("output", [3])}, {})
    block   = module({"a": ("input", [2]), "y": ("output", [3])}, {"gate": ("INV", {"A": [2], "Y": [3]}),
                                                                  "ram": ("ram", {"i": [3], "o": [4]}),
                                                                  "last": ("INV", {"A": [4], "Y": [5]})},
                     {"read": [4]})
    top = module({"a": ("input", [2]), "o": ("output", [3])}, {"block": ("block", {"a": [2], "y": [3]})})
    netlist = read_netlist({"top": top, "block": block, "ram": outside}, "top",
                           {"top": "x", "block": "y"}, tiny, {"ram": ("words", 8)}, [])
    energy = found(netlist, {"a": [[0, 1]], "block.read": [[0, 1]]}, [0])
    assert energy[""].switching == pytest.approx(1.25e-15)
    # The output has a memory and a port, and wires of both; what the memory drives has a gate.
    assert energy["block"].switching == pytest.approx((1.25e-15 + 2.5e-15) / 2)
