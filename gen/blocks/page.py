"""The page of a block: what it does, its ports, timing and cells, and how to simulate it."""

import re
import tomllib
from pathlib import Path

from amaranth.hdl import Shape
from amaranth.lib import data
from tabulate import tabulate

from gen.blocks.bench import vector_file
from gen.blocks.cells import KEYS
from gen.blocks.docstring import layouts, member, plain, text_of
from gen.blocks.vectors import ports_of
from gen.fpga import FPGAS


__all__ = ["cell_table", "page"]


#: Attributes of a component that say how long something takes, in cycles.
TIMES = {"latency": "latency", "interval": "interval", "reads": "cycles of a position"}

#: Letters of the places in arrays.
LETTERS = "ijkmn"


def page(name: str, component, chosen: dict, about: dict, vectors, clocked: bool, cells: dict,
         standard: str | None = None) -> str:
    """Return the page of the block ``name`` in Markdown.

    ``chosen`` has its parameters, ``about`` what is said of these, ``vectors`` is how many cycles the test
    bench has, ``cells`` what :mod:`gen.blocks.cells` has found for each family, and ``standard`` what it
    takes in standard cells.
    """
    text  = text_of(type(component))
    parts = [f"# {name}", plain(text.body), "## Parameters", _parameters(chosen, about), "## Ports",
             _ports(component, clocked)]
    if fields := _words(component):
        parts += ["## Fields", "Bits of words that have several parts, from the lowest bit.", fields]
    if said := layouts(type(component)):
        parts += ["## Layouts", *(f"`{made}`: {plain(body)}" for made, body in said.items())]
    parts += ["## Timing", _timing(component, clocked), "## Synthesis", cell_table(cells, "github"),
              *([f"In standard cells: {standard}."] if standard else []),
              "## Simulation", _simulation(name, vectors)]
    papers = tomllib.loads((Path(__file__).parent / "papers.toml").read_text())
    if sources := [paper for word, paper in papers.items()
                   if re.search(word, " ".join(f"{text.body} {said}".split()))]:
        parts += ["## Sources", "\n".join(f"- {paper}" for paper in sources)]
    return "\n\n".join(parts) + "\n"


def _table(rows, headers):
    return tabulate([[str(cell).replace("|", r"\|").replace("\n", " ") for cell in row] for row in rows],
                    headers, tablefmt="github", disable_numparse=True)


def _parameters(chosen, about):
    if not chosen:
        return "None."
    return _table([[f"`{name}`", f"`{_short(value)}`", plain(about.get(name, ""))]
                   for name, value in chosen.items()], ["parameter", "value", "meaning"])


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _ports(component, clocked):
    rows, told = [], set()
    if clocked:
        rows += [["`clk`", "in", 1, "Clock: all registers take its rising edge."],
                 ["`rst`", "in", 1, "Reset, active high and synchronous."]]
    ports = ports_of(component)
    for port in ports:
        path, _, last = port.name.rpartition("__")
        stream = f"{path}__valid" in (other.name for other in ports)
        said = {"valid": "A word is there.", "ready": "A word can be taken."}.get(last) if stream else None
        if said is None and port.member in told:
            said = f"As `{port.member}`."
        elif said is None:
            told.add(port.member)
            said = plain(member(type(component), port.member) or "")
        rows.append([f"`{port.name}`", "out" if port.output else "in", port.width, said])
    streams = ("A word passes a stream where `valid` and `ready` are both 1 at a rising edge, or without "
               "`ready` where `valid` is 1. What is valid stays so, and the same, until it is taken.\n\n"
               if any(port.name.endswith("__valid") for port in ports) else "")
    return streams + _table(rows, ["port", "direction", "bits", "meaning"])


def _words(component):
    rows = []
    for path, leaf, _ in component.signature.flatten(component):
        if isinstance(leaf.shape, data.Layout):
            rows += _fields("", leaf.shape, 0, [], "__".join(map(str, path)))
    return rows and _table(rows, ["port", "field", "first bit", "bits", "values"])


def _fields(name, shape, offset, strides, port):
    if isinstance(shape, data.StructLayout):
        for key, field in shape:
            yield from _fields(f"{name}.{key}".lstrip("."), field.shape, offset + field.offset, strides,
                               port)
    elif isinstance(shape, data.ArrayLayout):
        if shape.length == 1:
            yield from _fields(f"{name}[0]", shape.elem_shape, offset, strides, port)
        else:
            letter = LETTERS[len(strides)]
            width  = Shape.cast(shape.elem_shape).width
            yield from _fields(f"{name}[{letter}]", shape.elem_shape, offset,
                               [*strides, (letter, width, shape.length)], port)
    else:
        size = Shape.cast(shape)
        if size.width:
            first  = " + ".join([*([str(offset)] if offset or not strides else []),
                                 *(f"{width} {letter}" for letter, width, _ in strides)])
            ranges = "".join(f"; {letter} from 0 to {length - 1}" for letter, _, length in strides)
            yield [f"`{port}`", f"`{name}`", first, size.width, _values(shape, size) + ranges]


def _values(shape, size):
    if isinstance(shape, range) and shape:
        return f"{shape[0]} to {shape[-1]}" + (", two's complement" if size.signed else "")
    return "two's complement" if size.signed else "unsigned"


def _timing(component, clocked):
    if not clocked:
        return "All logic: outputs follow inputs in the same cycle, and there is no clock."
    rows = [[text, f"{value} cycles" if value != 1 else "1 cycle"] for name, text in TIMES.items()
            if isinstance(value := getattr(component, name, None), int)]
    return ("With these parameters, as the text above defines them:\n\n" + _table(rows, ["", ""]) if rows
            else "See the text above.")


def cell_table(cells: dict, style: str) -> str:
    """Return a table of what was found for each family."""
    def clock(timing):
        if timing["status"] != "run":
            return f"not run: {timing['reason']}"
        if "fmax_bound_mhz" in timing:
            return f"at most {timing['fmax_bound_mhz']:.2f} MHz"
        return f"{timing['fmax_mhz']:.2f} MHz"
    rows = [[FPGAS[family].name, *(found.get(key, "not run") for key in KEYS),
             clock(found if found["status"] != "run" else found["timing"])]
            for family, found in cells.items()]
    return tabulate(rows, ["", *KEYS.values(), "clock"], tablefmt=style, disable_numparse=True,
                    colalign=("left", *["right"] * len(KEYS), "left"))


def _simulation(name, vectors):
    return f"""\
`{name}_tb.sv` applies the inputs of `{vector_file(name)}` in {vectors:,} cycles, and compares the outputs
with those that Amaranth's simulator has recorded; what is not valid does not count. It prints `PASS`, or
stops with `FAIL`.

```sh
verilator --binary --top-module {name}_tb {name}.v {name}_tb.sv && obj_dir/V{name}_tb
iverilog -g2012 -o {name}_tb {name}.v {name}_tb.sv && vvp {name}_tb
```"""
