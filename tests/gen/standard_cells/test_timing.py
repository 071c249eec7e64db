import shutil
import subprocess

import pytest

from gen.standard_cells.netlist import read_netlist
from gen.standard_cells.timing import timing
from tests.gen.standard_cells.circuits import module, ring


def test_path(tiny):
    """From the flip-flop by the buffer and the gate, each behind the slope and the load before it."""
    found = timing(ring(tiny))
    # Pins of 2 fF, and wires of 0.5 fF; of the flip-flop 1.25 fF, as there is a port, too.
    first, load, rise, fall = 0.01 * 3.25, 0.01 * 2.5, 0.11, 0.10
    slope = 0.02 + 0.02 * 3.25
    later = 0.02 + 0.02 * 2.5 + 0.1 * slope   # each gate adds a tenth of the slope before it
    # The gate rises last if its input falls last; the buffer falls as its input does.
    falls = (fall + first) + (fall + load + 0.5 * slope) + (rise + load + 0.5 * later)
    rises = (rise + first) + (rise + load + 0.5 * slope) + (fall + load + 0.5 * later)
    last  = 0.02 + 0.02 * 2.5 + 0.1 * later
    ends  = {"rise": falls + 0.05 + 0.1 * last, "fall": rises + 0.04 + 0.1 * last}
    assert found.path_s == pytest.approx(max(ends.values()) * 1e-9)
    assert [(block, cell, pin) for block, cell, pin, _ in found.path] == [
        ("", "DFF", "Q"), ("", "BUF", "Y"), ("", "NAND2", "Y")]
    assert found.path[0][3] == pytest.approx((fall + first) * 1e-9)


def test_no_path(tiny):
    netlist = read_netlist({"top": module({"i": ("input", [2]), "o": ("output", [3])}, {
        "gate": ("INV", {"A": [2], "Y": [3]})})}, "top", {"top": "all"}, tiny, {}, [])
    assert timing(netlist).path_s is None and timing(netlist).path == []


@pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA (Debian: opensta) is not installed")
def test_as_opensta(tiny, tiny_library, tmp_path):
    """The slack is that which OpenSTA finds, with the wires of the library and no resistance."""
    (tmp_path / "ring.v").write_text(ring(tiny).verilog())
    (tmp_path / "run.tcl").write_text(
        f"read_liberty {tiny_library}\nread_verilog ring.v\nlink_design top\n"
        "create_clock -name clk -period 10 [get_ports clk]\nreport_worst_slack -digits 5\n")
    said = subprocess.run(["sta", "-exit", "run.tcl"], cwd=tmp_path, capture_output=True, text=True,
                          check=True)
    slack = float(said.stdout.split("worst slack")[1].split()[-1])
    assert 10 - timing(ring(tiny)).path_s * 1e9 == pytest.approx(slack, abs=1e-4)
