"""What is installed has all that a checkout has."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent

PACKAGES = "constraints", "gen", "golden", "hdl", "sim", "spincim"

#: What makes a distribution, beside the packages.
ABOUT = "pyproject.toml", "README.md", "LICENSE"


def tree():
    """Every file of the packages, as in a clean clone."""
    return {path.relative_to(ROOT).as_posix() for package in PACKAGES
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy, as making a distribution leaves traces."""
    folder = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ABOUT:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    """The wheel, unpacked."""
    out = tmp_path_factory.mktemp("wheel")
    run = subprocess.run(
        [sys.executable, "-c", "import sys; from setuptools import build_meta; "
                               "print(build_meta.build_wheel(sys.argv[1]))", str(out)],
        cwd=source, capture_output=True, text=True, check=True)
    zipfile.ZipFile(out / run.stdout.split()[-1]).extractall(out / "unpacked")
    return out / "unpacked"


def test_wheel_has_every_file(wheel):
    found = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    assert {name for name in found if ".dist-info/" not in name} == tree()


def test_every_kind_of_data_is_there():
    """So that the test above compares with something."""
    assert {"constraints/ecp5.lpf", "constraints/accelerator.sdc", "gen/checkpoints/lenet5.npz",
            "golden/checkpoints/lenet5_mc_dropout.npz", "golden/sample/mnist_test_1000.npz",
            "sim/verilator/crossbar_model.sv",
            "sim/verilator/injector.cpp",
            "sim/verilator/benches/accelerator.py", "gen/transforms/banks.py",
            *(f"{package}/py.typed" for package in PACKAGES[1:])} <= tree()


def test_what_is_installed_builds(wheel, tmp_path):
    """Outside of a checkout."""
    subprocess.run(
        [sys.executable, "-P", "-m", "gen.build", "--layers", "lenet5", "--out", "out"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(wheel)}, check=True, capture_output=True)
    assert (tmp_path / "out" / "constraints" / "ecp5.lpf").exists()
    run = subprocess.run(
        [sys.executable, "-P", "-c", "import gen.tools; print(gen.tools.__file__); "
                                     "print(gen.tools.install_hint('sim'))"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(wheel)}, check=True, capture_output=True,
        text=True)
    assert run.stdout.splitlines() == [str(wheel / "gen" / "tools.py"), "pip install 'spincim[sim]'"]
