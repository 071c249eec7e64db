"""Boards: what an accelerator needs to be a design for one, by the platforms of amaranth-boards."""

import importlib
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gen.command import UserError
from gen.emit import clean
from gen.ir import Target
from gen.tools import ToolMissing, failure, find, install_hint, yosys
from hdl.board_top import BoardTop


__all__ = ["BOARDS", "TOP", "Board", "BoardError", "platform_of", "write_board"]


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


#: By the name that a target has for it.
BOARDS = {
    "ulx3s_85f": Board("ulx3s", "ULX3S_85F_Platform", 100.0),
    "ecpix5_85f": Board("ecpix5", "ECPIX585Platform", 100.0),
}


def write_board(target: Target, bus: dict | None, directory: Path) -> dict | None:
    """Write to ``directory / "board"`` the top module ``top.v`` around the module of ``bus``, the entry
    of the manifest; the phase-locked loop ``pll.v``; and ``top.lpf``, the pins. Return what the manifest
    says of them: None where the target has no board, for which nothing is written.

    Raises
    ------
    BoardError
        If the board cannot make the clock.
    ToolMissing
        If the package of boards is not installed, or the program that knows the phase-locked loop.
    """
    if target.board == "none":
        return None
    platform = platform_of(target.board)
    widths   = {port["name"]: port["width"] for port in bus["ports"]}
    with yosys():
        plan = platform.prepare(BoardTop(bus["top"], widths["prediction"]), TOP, emit_src=False,
                                add_preferences="")
    folder = directory / "board"
    folder.mkdir()
    (folder / f"{TOP}.v").write_text(clean(plan.files[f"{TOP}.v"]))
    (folder / f"{TOP}.lpf").write_text(plan.files[f"{TOP}.lpf"] + "\n")
    _phase_locked_loop(target, platform.default_clk_frequency / 1e6, directory)
    # The commands are those of another installation; of their options some are those of the board.
    _, router, packer = json.loads(plan.files[f"build_{TOP}.json"])["commands"]
    return {
        "name": target.board,
        "top": TOP,
        "sources": [f"board/{TOP}.v", "board/pll.v"], # beside those of the accelerator and its bus
        "constraints": f"board/{TOP}.lpf",
        "device": platform.device,
        "package": platform.package,
        "speed_grade": int(platform.speed),
        "router_options": router[router.index("--log") + 2:router.index("--json")],
        "packer_options": packer[1:packer.index("--input")],
    }


def platform_of(name: str):
    """Return the platform of the board ``name``, which makes of a design a module and its pins, and no
    other file.

    Raises
    ------
    ToolMissing
        If the package of boards is not installed.
    """
    board = BOARDS[name]
    try:
        module = importlib.import_module(f"amaranth_boards.{board.module}")
    except ModuleNotFoundError as error:
        raise ToolMissing(f"Package {error.name!r} is not installed; install it with: "
                          f"{install_hint('board')}") from None
    platform  = getattr(module, board.platform)()
    templates = platform.file_templates
    kept      = ("build_{{name}}.json", "{{name}}.lpf")

    class Platform(type(platform)):
        file_templates = {name: templates[name] for name in kept} | {"{{name}}.v": "{{emit_verilog()}}"}

    return Platform()


def _phase_locked_loop(target, given_mhz, directory):
    """Write ``pll.v`` by the program that knows what it can be."""
    name    = "yowasp-ecppll"
    command = [find(name, extra="board"), "-i", f"{given_mhz:g}", "-o", f"{target.clock_mhz:g}", "-f",
               "board/pll.v"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    made = re.search(r"clkout0 frequency: ([\d.e+]+) MHz", done.stdout + done.stderr)
    if done.returncode or made is None:
        raise BoardError(failure(name, done.returncode, done.stdout + done.stderr))
    if abs(float(made[1]) / target.clock_mhz - 1) > 1e-4:
        raise BoardError(f"Board {target.board} makes {float(made[1]):g} MHz of its {given_mhz:g} MHz, and "
                         f"not {target.clock_mhz:g}; build with --clock-mhz {float(made[1]):g}")
