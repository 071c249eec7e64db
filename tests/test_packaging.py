"""What is installed has all that a checkout has."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.gen.test_description import SMALL


ROOT = Path(__file__).parent.parent

PACKAGES = "constraints", "gen", "golden", "hdl", "host", "sim", "spincim"

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
            "sim/verilator/crossbar_model.sv", "gen/energy/tables/paper-spinbayes.toml",
            "gen/paper_claims.toml", "gen/energy/stated.toml", "gen/blocks/papers.toml",
            "sim/verilator/injector.cpp", "sim/verilator/board.cpp",
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


@pytest.fixture(scope="module")
def installed(source, tmp_path_factory):
    """A virtual environment with the project, which finds what else is installed."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    # Packages of the Python that runs the tests, but not this project, which stands behind all others.
    [packages] = (folder / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text("\n".join(
        path for path in sys.path if path.endswith("site-packages")) + "\n")
    subprocess.run([sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", "--no-deps",
                    "--no-index", "--no-build-isolation", "--disable-pip-version-check", source],
                   check=True)
    return folder / "bin"


@pytest.mark.long
def test_the_program_sees_no_files_of_the_working_folder(installed, tmp_path):
    """A user has files of the names of packages; the program builds and judges all the same."""
    for package in PACKAGES:
        (tmp_path / f"{package}.py").write_text("raise SystemExit('a file of the user')\n")
    (tmp_path / "mine.toml").write_text(SMALL)
    images = np.random.default_rng(1).integers(0, 256, (3, 6, 5), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images)

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))

    def run(*command):
        done = subprocess.run([installed / "spincim", *command], cwd=tmp_path, env=environment,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("--version").startswith("spincim ")
    run("build", "--layers", "mine.toml", "--random", "1", "--passes", "4", "--out", "out")
    code = ("import spincim; model = spincim.load('mine.toml', random=1); model.save('mine.npz'); "
            "print(spincim.__file__)")
    found = subprocess.run([installed / "python", "-P", "-c", code], cwd=tmp_path, env=environment,
                           capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(installed.parent)
    run("evaluate", "mine.npz", "--input", "images.npz", "--passes", "4", "--out", "golden.csv")
    run("sim", "out", "--input", "images.npz", "--out", "verilog.csv")
    golden, verilog = (
        [line.split(",")[:8] for line in (tmp_path / name).read_text().splitlines()]
        for name in ("golden.csv", "verilog.csv"))
    assert golden == verilog and len(golden) == 4
