"""Every command helps, and answers for itself, where the packages of the extra are not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gen.tools import install_hint


ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Run a command where there is neither torch nor scipy."""
    folder = tmp_path_factory.mktemp("stub")
    for name in ("torch", "scipy"):
        Path(folder, f"{name}.py").write_text(
            f"raise ModuleNotFoundError(\"No module named '{name}'\", name={name!r})\n")

    def run(*command):
        return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=folder,
                              env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])})

    return run


@pytest.mark.parametrize("command", [
    "golden.train", "golden.evaluate", "golden.currents", "golden.cell_study", "golden.data",
    "sim.randomness", "gen.build", "gen.compile",
])
def test_help(plain, command):
    result = plain(command, "--help")
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.startswith(f"usage: {command} ")


@pytest.mark.parametrize("command, message", [
    (["golden.train", "lenet5", "--out", "x.npz"], "golden.train: Training needs the package torch"),
    (["sim.randomness"], "sim.randomness: Package 'scipy' is not installed"),
])
def test_missing_package(plain, command, message):
    result = plain(*command)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == f"{message}; install it with: {install_hint('golden')}\n"


def test_wrong_argument_needs_no_torch(plain):
    result = plain("golden.train", "lenet6")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("golden.train: argument NETWORK: invalid choice: 'lenet6'")


@pytest.mark.parametrize("command", [
    ["golden.train", "lenet5"], ["golden.evaluate", "lenet5"], ["golden.data", "sample", "nowhere"],
    ["golden.cell_study", "lenet5_spinbayes", "--checkpoint", "nowhere"],
    ["golden.currents", "lenet5", "--checkpoint", "nowhere", "--json", "out.json"],
])
def test_status_of_a_failure(plain, command):
    """What the shell hears; main() alone returns it."""
    result = plain(*command)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(f"{command[0]}: ")


def test_currents_needs_neither(plain, tmp_path):
    result = plain("golden.currents", "lenet5", "--json", tmp_path / "currents.json")
    assert result.returncode == 0 and result.stderr == ""
