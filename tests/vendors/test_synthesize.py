import importlib.util
from pathlib import Path

import pytest

from gen.build import build_network
from gen.ir import Target


@pytest.fixture
def vendors():
    """The command beside this file."""
    spec = importlib.util.spec_from_file_location("synthesize", Path(__file__).parent / "synthesize.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_chip_without_memories_of_logic(vendors, random_network, tmp_path):
    """An iCE40 has block memories only; all that a design stores is put there, or in registers."""
    build_network(random_network(3, hidden=2), Target(array_rows=16, array_columns=4), tmp_path / "design")
    cells = vendors.synthesize(tmp_path / "design", "ice40")
    assert cells["SB_RAM40_4K"] >= 1 and cells["SB_LUT4"] > 100
    assert {kind for kind in cells if not kind.startswith("SB_")} <= {"$scopeinfo"}


def test_failure_is_one_line(vendors, random_network, tmp_path):
    build_network(random_network(3, hidden=1), Target(array_rows=16, array_columns=4), tmp_path / "design")
    source = tmp_path / "design" / "rtl" / "accelerator.v"
    source.write_text(source.read_text() + "module broken(")
    with pytest.raises(RuntimeError, match="^rtl/accelerator.v:.*: ERROR: syntax error"):
        vendors.synthesize(tmp_path / "design", "ice40")
