"""Packages import only against the direction in which data flows."""

import ast
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent

#: All that each package may import beside itself and the standard library. Progress says how far a
#: command is and carries no arithmetic, so both sides may show it.
MAY_IMPORT = {
    "hdl":    {"amaranth"},
    "golden": {"numpy", "scipy", "torch", "gen.ir", "gen.networks", "gen.progress"},
    "gen":    {"amaranth", "numpy", "hdl"},
    "sim":    {"amaranth", "cocotb", "cocotb_tools", "numpy", "golden", "gen.ir", "gen.progress"},
    "bench":  {"gen", "sim", "golden"},
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} has a relative import"
            yield node.module


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports(package):
    allowed = MAY_IMPORT[package] | {package} | sys.stdlib_module_names
    paths = list((ROOT / package).rglob("*.py"))
    assert paths
    for path in paths:
        for name in imported(path):
            assert {name, name.split(".")[0]} & allowed, f"{path} imports {name}"


def test_all_packages_have_rules():
    packages = {path.parent.name for path in ROOT.glob("*/*.py")} - {"tests", ".ci"}
    assert packages == set(MAY_IMPORT)


def test_only_float_golden_needs_torch():
    """Building and simulating need no torch."""
    users = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/**/*.py")
             if path.parts[len(ROOT.parts)] in MAY_IMPORT
             and any(name.split(".")[0] == "torch" for name in imported(path))}
    assert users == {f"golden/{name}.py" for name in (
        "bayes", "fit", "layers", "levels", "model", "spinbayes", "teacher", "train",
        "train_spinbayes")}
