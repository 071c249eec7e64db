import importlib.util
from pathlib import Path

import pytest

from gen.build import build_network
from gen.ir import Target


@pytest.fixture(scope="module")
def vendors():
    """The command beside this file."""
    spec = importlib.util.spec_from_file_location("synthesize", Path(__file__).parent / "synthesize.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def design(random_network, tmp_path_factory):
    """Folder of a build of a small network, whose layers take several pixels at once."""
    folder = tmp_path_factory.mktemp("vendors") / "design"
    build_network(random_network(3, hidden=1), Target(array_rows=16, array_columns=4), folder)
    return folder


@pytest.mark.parametrize(("family", "kinds"), [
    ("ice40",  {"SB_RAM40_4K", "SB_CARRY", "SB_LUT4"}),
    ("gowin",  {"RAM16SDP4", "ALU", "LUT4"}),
    ("xilinx", {"RAM32M", "CARRY4", "LUT6", "FDRE"}),
])
def test_all_is_mapped(vendors, design, family, kinds):
    """Memories too: an iCE40 has block memories only; all that a design stores is put there, or in
    registers."""
    cells = vendors.synthesize(design, family)
    assert kinds <= set(cells)
    like = vendors.FAMILIES[family].like
    vendors.compare(cells, family, vendors.flip_flops(vendors.synthesize(design, like), like))


def test_lost_logic_is_an_error(vendors):
    """One flip-flop less than there must be; a multiplier of Xilinx may hold some."""
    vendors.compare({"SB_DFF": 400, "SB_DFFE": 580, "SB_LUT4": 9}, "ice40", 1000)
    vendors.compare({"FDRE": 900, "FDSE": 8, "DSP48E1": 1, "LUT6": 9}, "xilinx", 1000)
    for cells, family, least in (({"SB_DFF": 400, "SB_DFFE": 579}, "ice40", 980),
                                 ({"FDRE": 900, "FDSE": 7, "DSP48E1": 1}, "xilinx", 908)):
        with pytest.raises(RuntimeError, match=f"^Flip-flops must be {least} to 1100, as there are 1000 "
                                               f"for the ECP5, not {least - 1}$"):
            vendors.compare(cells, family, 1000)


def test_unmapped_logic_is_an_error(vendors, design, monkeypatch):
    part = vendors.Family("synth_xilinx -run begin:coarse -top {top}", "FD", "ecp5")
    monkeypatch.setitem(vendors.FAMILIES, "xilinx", part)
    with pytest.raises(RuntimeError, match=r"^Cells left unmapped: .*\$dff"):
        vendors.synthesize(design, "xilinx")


def test_failure_is_one_line(vendors, random_network, tmp_path):
    build_network(random_network(3, hidden=1), Target(array_rows=16, array_columns=4), tmp_path / "design")
    source = tmp_path / "design" / "rtl" / "accelerator.v"
    source.write_text(source.read_text() + "module broken(")
    with pytest.raises(RuntimeError, match="^rtl/accelerator.v:.*: ERROR: syntax error"):
        vendors.synthesize(tmp_path / "design", "ice40")
