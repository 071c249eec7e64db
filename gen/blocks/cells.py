"""Synthesis of a block for FPGAs of three vendors: its cells, and the clock that it reaches."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from gen.fpga import FPGAS
from gen.multipliers import fill_multipliers
from gen.pins import TOP, frame
from gen.tools import ToolFailed, ToolMissing, failure, find, prepare
from gen.yosys import run_yosys


__all__ = ["KEYS", "synthesize"]


#: What is counted, in keys of FINN, with what they are called.
KEYS = {"LUT": "LUT4", "FF": "flip-flops", "BRAM": "block memories", "DSP": "multipliers"}

#: Clock that place and route is asked for; it reports what it reaches.
CLOCK_MHZ = 100

#: Seconds after which place and route is given up.
LIMIT_S = 600

#: The folder of the work, which is removed.
WORK = "synth"


def synthesize(directory: Path, manifest: dict, family: str, steps) -> dict:
    """Synthesize the block of ``manifest`` in ``directory`` for ``family``; return ``LUT`` (LUT4), ``FF``,
    ``BRAM`` and ``DSP``, before anything is placed; and under ``timing`` the ``fmax_mhz`` after place and
    route in a frame of few pins (:mod:`gen.pins`), with registers at all ports; or ``fmax_bound_mhz``,
    where the program does not time all paths.

    Either has a ``status``: ``run``, or ``not_run`` with the ``reason``, such as a program that is not
    installed.
    """
    of, top = FPGAS[family], manifest["top"]
    steps.step(f"synthesize for {of.name}")
    # All paths are seen from `directory`: programs in WebAssembly have a /tmp of their own.
    work = directory / WORK
    work.mkdir()
    try:
        (work / f"{TOP}.v").write_text(frame(manifest))
        (work / "pins.cst").write_text(of.pins_of(manifest))
        source = manifest["sources"][0]
        try:
            run_yosys([
                f"read_verilog {source}", f"{of.synthesis} -top {top}",
                f"tee -q -o {WORK}/cells.json stat -json -top {top}", "design -reset",
                f"read_verilog {source} {WORK}/{TOP}.v", f"{of.synthesis} -top {TOP}",
                *(command.format(top=TOP) for command in of.pads),
                f"write_json {WORK}/netlist.json"], directory, Path(WORK), LIMIT_S)
        except (ToolFailed, ToolMissing) as error:
            return _not_run(error) | {"timing": _not_run("it was not synthesized")}
        cells = json.loads((work / "cells.json").read_text())["design"]["num_cells_by_type"]
        if of.multiplier_registers:
            fill_multipliers(work / "netlist.json", TOP)
        return _count(cells, of) | {"timing": _timing(directory, of, steps)}
    finally:
        shutil.rmtree(work)


def _count(cells, of):
    left = [kind for kind in cells if kind.startswith("$") and kind != "$scopeinfo"]
    if left:
        return _not_run(f"Yosys has no cells for {', '.join(sorted(left))}")
    return {
        "source": "synthesized", "status": "run", "family": of.name,
        "LUT": sum(of.luts.get(kind, 0) * count for kind, count in cells.items()),
        **{key: sum(count for kind, count in cells.items() if re.fullmatch(pattern, kind))
           for key, pattern in of.cells.items()},
    }


def _timing(directory, of, steps):
    try:
        found = find(of.router, extra=of.extra)
        prepare(found, steps.say)
        _run([found, *of.options_of(f"{WORK}/pins.cst"), "--json", f"{WORK}/netlist.json",
              "--report", f"{WORK}/report.json", "--freq", str(CLOCK_MHZ), "--seed", "1",
              "--timing-allow-fail", "-q"], directory)
    except (ToolFailed, ToolMissing) as error:
        return _not_run(error)
    clocks = json.loads((directory / WORK / "report.json").read_text())["fmax"]
    if not clocks:
        return _not_run("it has no path from register to register that is timed")
    clock = min(clock["achieved"] for clock in clocks.values())
    return {"source": "placed and routed", "status": "run", "device": of.device,
            "speed_grade": of.speed_grade, "seed": 1, "clock_mhz": CLOCK_MHZ,
            "fmax_bound_mhz" if of.bound else "fmax_mhz": clock}


def _run(command, directory):
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, errors="replace",
                              timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ToolFailed(f"Program {name} was stopped after {LIMIT_S} s") from None
    if done.returncode:
        raise ToolFailed(failure(name, done.returncode, done.stdout + done.stderr))


def _not_run(reason):
    return {"status": "not_run", "reason": str(reason)}
