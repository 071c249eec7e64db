"""What simulation has covered of each block.

Verilator counts, in the emitted Verilog,

- *lines*: how often each sequence of statements was run;
- *branches*: how often each condition was true, and how often it was false;
- *toggles*: how often each bit of each signal rose, and how often it fell. Ports count on both sides, and
  bits that are constant by design count too: upper bits of thresholds, padding of arrays, and passes
  beyond those asked for. So 100 % is not to be had, and what is left must be looked at. Signals of more
  than 256 bits, and thus all large memories, do not count: a weight that never changes says nothing.

What only Yosys has put into the Verilog (``$auto$...``, which no simulator ever makes true) does not count.
A block is a file of ``hdl/``; all modules made of it, in all designs, are counted together.
"""

import re
from pathlib import Path

from tabulate import tabulate

from sim.design import Design


__all__ = ["COVERAGE", "KINDS", "Coverage", "percent", "shares", "table"]


#: File that Verilator leaves where the simulator has run.
COVERAGE = "coverage.dat"

#: A point: file, line and column, kind, module, what it is, and the lines it stands for; and its count.
_POINT = re.compile(r"C '\x01f\x02(.*?)\x01l\x02(\d+)\x01n\x02(\d+)\x01.*?\x01page\x02v_(\w+)/(.*?)"
                    r"\x01o\x02(.*?)(?:\x01.*)?' (\d+)")

#: Kinds of points.
KINDS = ("line", "branch", "toggle")


class Coverage:
    """Points of designs and whether any run has covered them."""

    def __init__(self):
        self._points = {} #: Count by block, design, module, line, column, kind, what it is, and text.

    def add(self, path: Path, design: Design):
        """Add what a run of ``design`` has left in ``path``."""
        texts = {source.name: source.read_text().splitlines() for source in design.sources}
        folder = str(design.directory.resolve())
        with path.open(encoding="latin1") as file:
            for match in map(_POINT.match, file):
                if match is None:
                    continue
                name, line, column, kind, module, what, count = match.groups()
                # Verilator has a module of its own for each set of parameters.
                block = design.modules.get(module, design.modules.get(module.partition("__")[0]))
                if block is None:
                    continue # the harness
                text = texts[name.rpartition("/")[2]][int(line) - 1].strip()
                if "$auto$" in text:
                    continue
                key = block, folder, module, int(line), int(column), kind, what, text
                self._points[key] = self._points.get(key, 0) + int(count)

    def blocks(self) -> dict:
        """Return, per block and kind of point, how many there are and were covered, and the lines and
        branches that were not."""
        found = {}
        for (block, _, module, _, _, kind, what, text), count in sorted(self._points.items()):
            counted = found.setdefault(block, {
                **{kind: {"covered": 0, "total": 0} for kind in KINDS}, "not_covered": []})
            if kind not in KINDS:
                continue
            counted[kind]["total"] += 1
            counted[kind]["covered"] += count > 0
            if not count and kind != "toggle":
                counted["not_covered"].append(f"{module}: {what} of {text!r}")
        return found


def table(blocks: dict) -> str:
    """Return the blocks as lines of text."""
    return tabulate([[name, *(_share(block[kind]) for kind in KINDS)] for name, block in blocks.items()],
                    ["block", *KINDS], tablefmt="simple", disable_numparse=True)


def shares(blocks: dict) -> dict[str, dict[str, str | None]]:
    """Return the share of each kind of point that is covered, in per cent, by block."""
    return {name: {f"{kind} coverage": percent(block[kind]) for kind in KINDS}
            for name, block in blocks.items()}


def percent(points: dict) -> str | None:
    """Return the share of ``points`` that are covered, in per cent; None where there are no points."""
    return f"{100 * points['covered'] / points['total']:.1f} %" if points["total"] else None


def _share(points):
    if not points["total"]:
        return "-"
    return f"{points['covered']:,} of {points['total']:,} ({percent(points)})"
