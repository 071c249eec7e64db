"""Synthesis, place and route for an FPGA, with Yosys and nextpnr."""

import json
import re
import subprocess
import time
from pathlib import Path

from gen.command import UserError
from gen.fpga import FPGAS
from gen.multipliers import fill_multipliers
from gen.pins import TOP, frame
from gen.tools import ToolFailed, failure, find, prepare
from gen.yosys import run_yosys


__all__ = ["SynthesisError", "count_blocks", "count_cells", "synthesize"]


#: What configures a board.
BITSTREAM = "board/top.bit"

#: Share of the clock frequency that a placement must reach by nextpnr's estimate; from there the router
#: repairs the timing.
REPAIRABLE = 0.85

#: Rounds of the router after which a placement counts as not routable, and placements that are tried.
ROUNDS, ATTEMPTS = 250, 3


class SynthesisError(UserError):
    """A tool failed; the message has the line of its log that says why."""


class _TooLarge(SynthesisError):
    """A design has more of something than the FPGA."""


def synthesize(directory: Path, clock_mhz: float, performance: dict, steps, *, synth="ecp5",
               seed=2) -> dict:
    """Synthesize, place and route the design in ``directory`` for ``synth``, one of
    :data:`gen.fpga.FPGAS`; return the report ``synth_ecp5.json``, ``synth_ice40.json`` or
    ``synth_gowin.json``.

    The design is placed in a frame of few pins (:mod:`gen.pins`), whose cells count as ``other``; or of a
    build for a board, with the pins of the board, and what configures the board is ``board/top.bit`` then.

    Keys follow FINN: ``LUT`` (LUT4: logic, carry chains and distributed memory; of an iCE40 its logic
    cells, of a LUT4 and a flip-flop each), ``FF``, ``BRAM`` (18 kbit; of an iCE40 4), ``DSP`` (18 x 18;
    16 x 16), ``fmax_mhz`` after routing; ``blocks`` has the cells of each block before routing.
    Registers that multipliers hold (:mod:`gen.multipliers`) are among those of the blocks, and not of the
    whole.
    ``performance`` is the estimated performance, which gives the throughput at ``fmax_mhz``.
    Where place and route leaves paths untimed, the clock is an upper bound, ``fmax_bound_mhz``, and
    ``fmax_mhz`` and what follows from it are None.
    """
    work   = Path("synth")
    placed = work / "nextpnr.json"
    config = work / "nextpnr.config"
    manifest = json.loads((directory / "manifest.json").read_text())
    board  = manifest.get("board") # if any, one with this FPGA (gen.boards.check_synthesis)
    fpga   = FPGAS[synth]
    steps.step(f"synthesize for {fpga.name}")
    netlist, blocks = _netlist(directory, work, board, fpga)
    if fpga.multiplier_registers:
        fill_multipliers(directory / netlist, board["top"] if board else TOP)
    steps.step("place and route")
    router = find(fpga.router, extra=fpga.extra)
    prepare(router, steps.say)
    if board:
        pins, written = fpga.placed
        options = [*board["router_options"], pins, board["constraints"], written, str(config)]
    else:
        if pins := fpga.pins_of(manifest.get("bus") or manifest):
            (directory / work / "pins.cst").write_text(pins)
        options = [*fpga.options_of(work / "pins.cst"), *(fpga.clock or ("--freq", f"{clock_mhz:g}"))]
    takes = {key: sum(block[key] for block in blocks.values()) for key in ("LUT", "FF", "BRAM", "DSP")}
    try:
        seed = _place_and_route([
            router, *options, "--json", str(netlist), "--report", str(placed),
            "--timing-allow-fail", "--router", "router2", "-q",
            "-l", str(work / "nextpnr.log")], directory, work, clock_mhz, seed)
    except _TooLarge as error:
        raise SynthesisError(f"{error}, with {takes['LUT']:,} LUT4, {takes['FF']:,} FF, {takes['BRAM']:,} "
                             f"BRAM and {takes['DSP']:,} DSP") from None
    report = json.loads((directory / placed).read_text())
    used = {name: entry["used"] for name, entry in report["utilization"].items()}
    # On a board there is also the clock that the phase-locked loop is given, which clocks nothing.
    clock = min(clock["achieved"] for clock in report["fmax"].values())
    (directory / netlist).unlink()
    if board:
        steps.step("make the bitstream")
        packer, *files = (word.format(placed=config, bitstream=BITSTREAM) for word in fpga.pack)
        _run([find(packer, extra=fpga.extra), *board["packer_options"], *files], directory,
             work / "pack.log")
        (directory / config).unlink()
    fmax = None if fpga.bound else clock
    return {
        "source": "synthesized",
        "status": "run",
        "device": board["device"] if board else fpga.device,
        "package": board["package"] if board else fpga.package,
        "speed_grade": board.get("speed_grade") if board else fpga.speed_grade,
        "seed": seed,
        # What place and route does not say is that of the netlist.
        **takes | {key: used[name] for key, name in fpga.used.items()},
        "clock_mhz": clock_mhz,
        "fmax_mhz": fmax,
        **({"fmax_bound_mhz": clock} if fpga.bound else {}),
        "timing_met": None if fpga.bound else fmax >= clock_mhz,
        "estimated_throughput_fps": None if fpga.bound else fmax * 1e6 / performance["interval_cycles"],
        "blocks": blocks,
    }


def count_blocks(directory: Path) -> dict:
    """Synthesize the design in ``directory``; return for each block, and for the frame of pins as
    ``other``, its ``LUT``, ``FF``, ``BRAM`` and ``DSP``, before anything is placed."""
    netlist, blocks = _netlist(directory, Path("synth"), None, FPGAS["ecp5"])
    (directory / netlist).unlink()
    return blocks


def count_cells(directory: Path) -> dict:
    """Synthesize the design in ``directory``; return its ``LUT``, ``FF``, ``BRAM`` and ``DSP``, in all
    blocks together and before anything is placed."""
    blocks = count_blocks(directory)
    blocks.pop("other")
    return {key: sum(block[key] for block in blocks.values()) for key in ("LUT", "FF", "BRAM", "DSP")}


def _netlist(directory, work, board, fpga):
    """Synthesize into the folder ``work``, for a board or in a frame of pins; return the path of the
    netlist and the cells of each block."""
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / work).mkdir()
    # With a bus it is what is around the accelerator that is placed.
    bus = manifest.get("bus")
    top, outer = (board["top"], board["sources"]) if board else (TOP, [str(work / f"{TOP}.v")])
    if not board:
        (directory / outer[0]).write_text(frame(bus or manifest))
    sources = " ".join((*manifest["sources"], *(bus["sources"] if bus else []), *outer))
    netlist = work / "netlist.json"
    # Each block is mapped on its own, and is then part of one flat netlist: mapped in one piece, a
    # design of this size exceeds what the technology mapper can hold as WebAssembly. No memory is read
    # where it is written in the same cycle, so none needs logic to say what that would give.
    parts   = [(manifest["top"], manifest["blocks"])]
    if several := manifest.get("instances"):
        parts.append((several["module"], several["blocks"]))
    names   = [block for _, of_part in parts for block in of_part]
    modules = [f"{module}.{block}" for module, of_part in parts for block in of_part]
    blocks  = " ".join([*modules, f"{bus['top']}.bus"] if bus else modules)
    try:
        run_yosys([
            f"read_verilog {sources}",
            f"setattr -mod -set keep_hierarchy 1 {blocks}",
            f"{fpga.synthesis} -top {top}",
            "setattr -mod -unset keep_hierarchy *",
            "flatten",
            "opt_clean -purge",
            *(command.format(top=top) for command in fpga.pads),
            f"write_json {netlist}"], directory, work)
    except ToolFailed as error:
        raise SynthesisError(str(error)) from None
    cells = json.loads((directory / netlist).read_text())["modules"][top]["cells"]
    return netlist, _blocks(cells, [*names, "bus"] if bus else names, fpga)


def _place_and_route(command, directory, work, clock_mhz, seed):
    """Place and route from ``seed``, or from a later seed where the placement is not routable; return the
    seed.

    The router repairs the timing, unless the placement is so slow that the repair would not end, or that of
    no placement does.
    """
    for attempt in range(seed, seed + ATTEMPTS):
        seeded = [*command, "--seed", str(attempt)]
        outcome = _route([*seeded, "--tmg-ripup"], directory, work, REPAIRABLE * clock_mhz)
        if outcome == "slow":
            outcome = _route(seeded, directory, work, 0)
        if outcome == "done":
            return attempt
    if _route([*command, "--seed", str(seed)], directory, work, 0) == "done":
        return seed
    raise SynthesisError(f"Router found no way from {ATTEMPTS} placements; see what takes the place with "
                         "the cells of each block, or fold for a longer --interval")


def _route(command, directory, work, least_mhz):
    """Run place and route; return ``"done"``, ``"slow"`` if it was stopped because the placement is slower
    than ``least_mhz`` by nextpnr's estimate, or ``"stuck"`` if the router was stopped after
    :data:`ROUNDS`."""
    log, out = directory / work / "nextpnr.log", directory / work / "nextpnr.out"
    log.unlink(missing_ok=True)
    with out.open("w") as messages, subprocess.Popen(
            command, cwd=directory, stdout=messages, stderr=subprocess.STDOUT) as process:
        try:
            while process.poll() is None:
                time.sleep(0.2)
                said = _text(log)
                placed = re.search(r"Max frequency for clock.*: ([\d.]+) MHz", said)
                if placed and float(placed[1]) < least_mhz:
                    return "slow"
                if said.count("iter=") > ROUNDS:
                    return "stuck"
        finally:
            process.kill()
    _check(process.returncode, command, out)
    return "done"


def _text(path):
    return path.read_text() if path.exists() else ""


def _blocks(cells, names, fpga):
    """Count the cells of each block: those whose name begins with the name of the block.

    The netlist is flat, but a cell is named after the signal that it drives. A cell that two blocks share
    counts for one of them, and a cell without the name of a block for ``other``. Those of a block of all
    instances count together.
    """
    blocks = {name: dict.fromkeys(("LUT", "FF", "BRAM", "DSP"), 0) for name in (*names, "other")}
    for cell, contents in cells.items():
        # Inside of a frame or a board, and of a bus or an instance.
        place = re.sub(r"^(dut\.|accelerator\.)?(core\.)?(instance_\d+\.)?", "", cell)
        block = max((name for name in names if place.startswith((name + ".", name + "_"))),
                    key=len, default="other")
        kind = contents["type"]
        blocks[block]["LUT"] += fpga.luts.get(kind, 0)
        for key, wanted in fpga.cells.items():
            blocks[block][key] += re.fullmatch(wanted, kind) is not None
    return blocks


def _run(command, directory, log):
    with (directory / log).open("w") as out:
        result = subprocess.run(command, cwd=directory, stdout=out, stderr=subprocess.STDOUT,
                                check=False)
    _check(result.returncode, command, directory / log)


def _check(status, command, log):
    if status:
        # The folder of the log is about to be removed, so the message has the reason from the log.
        said = log.read_text(errors="replace")
        full = re.search("no BELs remaining|Failed to expand region|find legal placement", said)
        failed = failure(Path(command[0]).name, status, said).rstrip(".")
        if full:
            raise _TooLarge(f"{failed}; the design is too large for the FPGA")
        raise SynthesisError(failed)
