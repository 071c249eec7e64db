from dataclasses import replace

import numpy as np
import pytest

from sim.standard_cells.gates import count, evaluate, later, pack
from sim.standard_cells.waves import read_waves
from sim.verilator.simulator import SimulatorFailed


@pytest.fixture(scope="module")
def waves(mapped):
    netlist, path = mapped
    found = read_waves(path, "bench.top.clk", {f"bench.top.{name}": len(nets)
                                               for name, nets in netlist.signals.items()})
    return {name.removeprefix("bench.top."): bits for name, bits in found.items()}


def test_words():
    bits  = np.random.default_rng(2).random((3, 130)) < 0.5
    words = pack(bits)
    assert words.shape == (3, 3) and [count(row) for row in words] == bits.sum(axis=1).tolist()
    np.testing.assert_array_equal(
        np.stack([later(row) for row in words]), pack(np.pad(bits[:, 1:], ((0, 0), (0, 1)))))


def test_netlist_is_the_design(mapped, waves):
    """What Yosys has made of the component does what Amaranth simulates, in each flip-flop and cycle."""
    netlist, _ = mapped
    values = evaluate(netlist, waves)
    assert values.cycles > 290
    assert values.compared == 27 * (values.cycles - 1)
    assert values.mismatches == 0
    for name in ("total", "last", "old"):
        for net, bits in zip(netlist.outputs[name], waves[name], strict=True):
            np.testing.assert_array_equal(values.nets[net] & values.all, pack(bits))


def test_another_netlist_is_not(mapped, waves):
    """Each gate that is another one is seen, but for those that only drive what is no flip-flop."""
    netlist, _ = mapped
    others = {"NAND2": "NOR2", "NOR2": "NAND2", "XOR2": "AND2", "AND2": "XOR2", "INV": "BUF", "BUF": "INV"}
    seen = []
    for number, instance in enumerate(netlist.instances):
        if instance.cell.clocked_on is None:
            other   = replace(instance, cell=netlist.library.cell(others[instance.cell.name]))
            changed = replace(netlist, instances=[*netlist.instances[:number], other,
                                                  *netlist.instances[number + 1:]])
            seen.append(evaluate(changed, waves).mismatches > 0)
    assert np.mean(seen) > 0.7


def test_missing_signals(mapped, waves):
    netlist, _ = mapped
    with pytest.raises(SimulatorFailed, match="no signal of a flip-flop of block ''"):
        evaluate(netlist, {name: bits for name, bits in waves.items() if not name.startswith("few")})
    with pytest.raises(SimulatorFailed, match=r"no signal for net n\d+ of the netlist"):
        evaluate(netlist, {name: bits for name, bits in waves.items()
                           if name not in ("enable", "write__en", "put__en", "$signature__en")})
