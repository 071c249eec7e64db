"""Boards: what an accelerator needs to be a design for one, by the platforms of amaranth-boards."""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path

from gen.clocks import ice40_clock, phase_locked_loop, xilinx_clock
from gen.command import UserError
from gen.emit import clean
from gen.ir import Target
from gen.tools import ToolMissing, install_hint, yosys
from hdl.board_top import BoardTop


__all__ = ["BOARDS", "FAMILIES", "TOP", "Board", "BoardError", "Family", "check_synthesis", "clock_of",
           "platform_of", "write_board"]


#: Name of the top module of a board, and of its files.
TOP = "top"


class BoardError(UserError):
    """What a board does not have, with the way out."""


@dataclass(frozen=True)
class Board:
    """A board that there is a platform for."""

    module: str      #: Module of amaranth-boards.
    platform: str    #: Class in it.
    clock_mhz: float #: Clock of an accelerator that closes there.
    family: str      #: Of its FPGA, in :data:`FAMILIES`.
    #: Pins of its connector ``io`` for a serial adapter, from its side: receive and transmit. None: the
    #: board has a line of its own.
    line: tuple[str, str] | None = None


@dataclass(frozen=True)
class Family:
    """FPGAs for which tools take the same files."""

    constraints: str          #: Ending of the file of pins and of the clock of the board.
    clock: object             #: Makes the text of the module ``pll``, and says which clock it makes.
    script: str | None = None #: Ending of the script for the tool of the vendor, where no other is used.
    synth: str | None = None  #: Its name for ``--synth``; None if there is no place and route here.


#: By the name that a board has for it.
FAMILIES = {
    "ecp5":  Family("lpf", phase_locked_loop, synth="ecp5"),
    "ice40": Family("pcf", ice40_clock, synth="ice40"),
    "artix": Family("xdc", xilinx_clock, script="tcl"),
}

#: By the name that a target has for it.
BOARDS = {
    "ulx3s_85f":      Board("ulx3s", "ULX3S_85F_Platform", 80.0, "ecp5"),
    "ecpix5_85f":     Board("ecpix5", "ECPIX585Platform", 100.0, "ecp5"),
    "orangecrab_85f": Board("orangecrab_r0_2", "OrangeCrabR0_2_85FPlatform", 96.0, "ecp5", line=("0", "1")),
    "icebreaker":     Board("icebreaker", "ICEBreakerPlatform", 12.0, "ice40"),
    "arty_a7_100":    Board("arty_a7", "ArtyA7_100Platform", 100.0, "artix"),
}


def clock_of(target: Target) -> str:
    """Return Verilog of the module ``pll``, which makes the clock of ``target`` out of that of its board.

    Raises
    ------
    BoardError
        If the board cannot make it.
    ToolMissing
        If the package of boards is not installed, or the program that knows the phase-locked loop.
    """
    given = platform_of(target.board).default_clk_frequency / 1e6
    text, made = FAMILIES[BOARDS[target.board].family].clock(given, target.clock_mhz)
    if abs(made / target.clock_mhz - 1) > 1e-4:
        raise BoardError(f"Board {target.board} makes {made:g} MHz of its {given:g} MHz, and not "
                         f"{target.clock_mhz:g}; build with --clock-mhz {made:g}")
    return text


def write_board(target: Target, bus: dict, clock: str, directory: Path, sources=()) -> dict:
    """Write to ``directory / "board"`` the top module ``top.v`` around the module of ``bus``, the entry
    of the manifest; its ``clock`` ``pll.v``, as :func:`clock_of` returns it; the pins; and where the tool
    of a vendor is needed a script for it, which reads also ``sources``. Return what the manifest says of
    them.

    Raises
    ------
    ToolMissing
        If the package of boards is not installed.
    """
    platform = platform_of(target.board)
    family   = FAMILIES[BOARDS[target.board].family]
    widths   = {port["name"]: port["width"] for port in bus["ports"]}
    folder   = directory / "board"
    folder.mkdir()
    (folder / "pll.v").write_text(clock)
    own = [f"board/{TOP}.v", "board/pll.v"] # beside those of the accelerator and its bus
    if family.script: # which runs in its folder
        for source in (*(f"../{source}" for source in sources), "pll.v"):
            platform.add_file(source, "")
    with yosys():
        plan = platform.prepare(BoardTop(bus["top"], widths["prediction"]), TOP, emit_src=False)
    (folder / f"{TOP}.v").write_text(clean(plan.files[f"{TOP}.v"]))
    for ending in filter(None, (family.constraints, family.script)):
        # Where a design could add something, there is a comment.
        lines = [line for line in plan.files[f"{TOP}.{ending}"].splitlines() if "placeholder)" not in line]
        (folder / f"{TOP}.{ending}").write_text("\n".join(lines).strip() + "\n")
    manifest = {
        "name": target.board,
        "family": BOARDS[target.board].family,
        "top": TOP,
        "sources": own,
        "constraints": f"board/{TOP}.{family.constraints}",
        "device": platform.device,
        "package": platform.package,
    }
    if family.script:
        return manifest | {"script": f"board/{TOP}.{family.script}"}
    # The commands are those of another installation; of their options some are those of the board.
    _, router, packer, *_ = json.loads(plan.files[f"build_{TOP}.json"])["commands"]
    begin = router.index("--log") + 2
    ends  = packer.index("--input") if "--input" in packer else len(packer) - 2
    return manifest | {
        **({"speed_grade": int(platform.speed)} if hasattr(platform, "speed") else {}),
        "router_options": router[begin:router.index("--json")],
        "packer_options": packer[1:ends],
    }


def check_synthesis(name: str, synth: str):
    """Raise :exc:`BoardError` unless ``synth`` is that of the FPGA of the board ``name``, if there is
    one."""
    if name == "none":
        return
    family = FAMILIES[BOARDS[name].family]
    if family.synth is None:
        raise BoardError(f"There is no place and route for board {name} here; build without --synth, and "
                         f"run board/{TOP}.{family.script} in the tool of the vendor")
    if family.synth != synth:
        raise BoardError(f"Board {name} needs --synth {family.synth}, not {synth}")


def platform_of(name: str):
    """Return the platform of the board ``name``, which makes of a design a module, its pins and scripts,
    and no other file.

    Raises
    ------
    ToolMissing
        If the package of boards is not installed.
    """
    board = BOARDS[name]
    try:
        module    = importlib.import_module(f"amaranth_boards.{board.module}")
        resources = importlib.import_module("amaranth_boards.resources")
    except ModuleNotFoundError as error:
        raise ToolMissing(f"Package {error.name!r} is not installed; install it with: "
                          f"{install_hint('board')}") from None
    own      = getattr(module, board.platform)
    family   = FAMILIES[board.family]
    platform = own()
    kept     = ("build_{{name}}.json", f"{{{{name}}}}.{family.constraints}",
                *([f"{{{{name}}}}.{family.script}"] if family.script else []))

    class Platform(own):
        file_templates = {name: text for name, text in platform.file_templates.items()
                          if name in kept} | {"{{name}}.v": "{{emit_verilog()}}"}

    made = Platform()
    if board.line:
        receive, transmit = board.line
        [clock] = [each for each in own.resources if each.name == own.default_clk]
        made.add_resources([resources.UARTResource(0, rx=receive, tx=transmit, conn=("io", 0),
                                                   attrs=clock.attrs)])
    return made
