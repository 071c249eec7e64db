"""LeNet-5 on chips of other vendors, with the marker ``vendors``; otherwise a small design, and what is an
error."""

import functools
import shutil

import pytest

from gen.build import build, build_network
from gen.ir import Target
from tests.results import ROOT
from tests.vendors import synthesize as vendors


@pytest.fixture(scope="module")
def built():
    """Folder of LeNet-5, and the flip-flops that it has on each ECP5 that others are compared with."""
    folder = ROOT / "build" / "vendors" / "lenet5"
    build("lenet5", Target(), folder)
    return folder, {}


@pytest.mark.vendors
@pytest.mark.parametrize("family", vendors.OTHERS)
def test_lenet5_is_mapped(built, family):
    folder, known = built
    cells, like = vendors.synthesize(folder, family), vendors.FAMILIES[family].like
    if like not in known:
        known[like] = vendors.flip_flops(vendors.synthesize(folder, like), like)
    largest = sorted(cells, key=cells.get, reverse=True)
    print(f"\n{family}: {', '.join(f'{cells[kind]} {kind}' for kind in largest)}; "
          f"{vendors.flip_flops(cells, family)} flip-flops, {known[like]} on the ECP5")
    vendors.compare(cells, family, known[like])


@pytest.fixture(scope="module")
def design(random_network, tmp_path_factory):
    """Folder of a build of a network of one layer, which has every kind of memory, adders and
    multipliers."""
    folder = tmp_path_factory.mktemp("vendors") / "design"
    build_network(random_network(3, hidden=0), Target(
        array_rows=16, array_columns=4, passes=2, passes_max=2), folder)
    return folder


@pytest.fixture(scope="module")
def wanted(design):
    """A function that returns the flip-flops of the design on an ECP5 that others are compared with."""
    return functools.cache(lambda like: vendors.flip_flops(vendors.synthesize(design, like), like))


@pytest.mark.long
@pytest.mark.parametrize(("family", "kinds"), [
    pytest.param("ice40",  {"SB_RAM40_4K", "SB_CARRY", "SB_LUT4"}, marks=pytest.mark.long),
    ("gowin",  {"RAM16SDP4", "ALU", "LUT4"}),
    pytest.param("xilinx", {"RAM32M", "CARRY4", "LUT6", "FDRE"}, marks=pytest.mark.long),
])
def test_all_is_mapped(design, wanted, family, kinds):
    """Memories too: an iCE40 has block memories only; all that a design stores is put there, or in
    registers."""
    cells = vendors.synthesize(design, family)
    assert kinds <= set(cells)
    vendors.compare(cells, family, wanted(vendors.FAMILIES[family].like))


def test_lost_logic_is_an_error():
    """One flip-flop less than there must be; a multiplier of Xilinx may hold some."""
    vendors.compare({"SB_DFF": 400, "SB_DFFE": 580, "SB_LUT4": 9}, "ice40", 1000)
    vendors.compare({"FDRE": 900, "FDSE": 8, "DSP48E1": 1, "LUT6": 9}, "xilinx", 1000)
    for cells, family, least in (({"SB_DFF": 400, "SB_DFFE": 579}, "ice40", 980),
                                 ({"FDRE": 900, "FDSE": 7, "DSP48E1": 1}, "xilinx", 908)):
        with pytest.raises(RuntimeError, match=f"^Flip-flops must be {least} to 1100, as there are 1000 "
                                               f"for the ECP5, not {least - 1}$"):
            vendors.compare(cells, family, 1000)


def test_unmapped_logic_is_an_error(design, monkeypatch):
    part = vendors.Family("synth_xilinx -run begin:coarse -top {top}", "FD", "ecp5")
    monkeypatch.setitem(vendors.FAMILIES, "xilinx", part)
    with pytest.raises(RuntimeError, match=r"^Cells left unmapped: .*\$dff"):
        vendors.synthesize(design, "xilinx")


def test_failure_is_one_line(design, tmp_path):
    broken = shutil.copytree(design, tmp_path / "design")
    source = broken / "rtl" / "accelerator.v"
    source.write_text(source.read_text() + "module broken(")
    with pytest.raises(RuntimeError, match="^rtl/accelerator.v:.*: ERROR: syntax error"):
        vendors.synthesize(broken, "ice40")
