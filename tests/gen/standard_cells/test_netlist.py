import pytest

from gen.standard_cells.netlist import CONSTANTS, read_netlist
from gen.tools import ToolFailed
from tests.gen.standard_cells.circuits import module, ring


def test_blocks(tiny):
    """Two blocks: what goes through one is one net on both sides, constants too."""
    below = module({"a": ("input", [2]), "clk": ("input", [3]), "through": ("output", [2]),
                    "one": ("output", ["1"]), "y": ("output", [4]), "again": ("output", [4])},
                   {"gate": ("INV", {"A": [2], "Y": [4]})})
    top = module({"i": ("input", [2]), "clk": ("input", [9]), "o": ("output", [5, 6, 7, 8, 4])}, {
        "block":  ("top.block", {"a": [2], "clk": [9], "through": [3], "one": [5], "y": [6], "again": [7]}),
        "second": ("top.second", {"a": [3], "clk": [9], "through": [8], "one": [], "y": [4],
                                  "again": []})})
    second = below | {"ports": {**below["ports"], "one": {"direction": "output", "bits": []},
                                "again": {"direction": "output", "bits": []}}}
    netlist = read_netlist({"top": top, "top.block": below, "top.second": second}, "top",
                           {"top": "all", "top.block": "one_of", "top.second": "other"}, tiny, {}, [])
    [i] = netlist.inputs["i"]
    one, y, again, through, last = netlist.outputs["o"]
    assert (one, through, y) == (CONSTANTS[1], i, again)
    assert [(each.block, each.cell.name, each.nets) for each in netlist.instances] == [
        ("block", "INV", {"A": i, "Y": y}), ("second", "INV", {"A": i, "Y": last})]
    assert netlist.signals["second.a"] == [i]
    assert netlist.blocks == {"": "all", "block": "one_of", "second": "other"}


def test_memories_and_arrays(tiny):
    outside = module({"d": ("input", [2, 3]), "q": ("output", [4])}, {})
    top = module({"i": ("input", [2, 3]), "o": ("output", [4, 5])}, {
        "ram": ("top_ram", {"d": [2, 3], "q": [4]}), "array_0": ("top.array", {"d": [3, 2], "q": [5]})})
    netlist = read_netlist({"top": top, "top_ram": outside, "top.array": outside}, "top", {"top": "all"},
                           tiny, {"top_ram": ("words", 64)}, ["top.array"])
    i, o = netlist.inputs["i"], netlist.outputs["o"]
    assert netlist.memories == {"words": ("", 64, i, o[:1])}
    assert netlist.arrays == {"array_0": (i[::-1], o[1:])}
    assert netlist.used() == {*i, *o}


def test_order(tiny):
    netlist = ring(tiny)
    assert [netlist.instances[number].cell.name for number in netlist.in_order()] == ["BUF", "NAND2"]
    assert [netlist.instances[number].cell.name for number in netlist.flip_flops()] == ["DFF"]
    # Pins of 2 fF and a wire of 1.25 fF, as there is a port too; the clock has 1 fF, and a wire of 0.5 fF.
    o, clk = netlist.outputs["o"][0], netlist.inputs["clk"][0]
    assert {net: netlist.loads()[net] for net in (o, clk)} == {
        o: pytest.approx(3.25e-15), clk: pytest.approx(1.5e-15)}


def test_a_circle(tiny):
    netlist = read_netlist({"top": module({}, {
        "a": ("INV", {"A": [2], "Y": [3]}), "b": ("INV", {"A": [3], "Y": [2]})})}, "top", {"top": "all"},
        tiny, {}, [])
    with pytest.raises(ToolFailed, match="drive each other in a circle"):
        netlist.in_order()


def test_an_unknown_cell(tiny):
    latch = module({}, {"a": ("$_DLATCH_P_", {})})
    with pytest.raises(ToolFailed, match=r"^Yosys has found no cell of tiny for \$_DLATCH_P_; name a Lib"):
        read_netlist({"top": latch}, "top", {"top": "all"}, tiny, {}, [])


def test_verilog(tiny):
    netlist = ring(tiny)
    (clk,), (i,), (o,) = netlist.inputs["clk"], netlist.inputs["i"], netlist.outputs["o"]
    text = netlist.verilog()
    assert f"  assign n{i} = i;\n  assign o = n{o};\n" in text
    assert f"  DFF u0 (.CK(n{clk}), .D(" in text and text.endswith("endmodule\n")
