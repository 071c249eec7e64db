"""What the harness, ``harness.sv``, includes of a design: its ports, and models of what is behind them."""

import itertools
from pathlib import Path

from sim.design import Design, DesignError


__all__ = [
    "BITS", "HARNESS", "IMAGES", "MODEL", "PINS", "RESULTS", "TOP", "TRACE", "groups", "half_period_ps",
    "options", "pins",
]


TOP = "harness"

#: The harness, and what stands in for arrays that are at the pins.
HARNESS, MODEL = (Path(__file__).with_name(name) for name in ("harness.sv", "crossbar_model.sv"))

#: The file that :func:`pins` is for.
PINS = "pins.svh"

#: The folder of a design from the one where its simulator runs: a simulator knows no path but those below
#: the design, since any other may have characters that Verilog cannot say.
DESIGN = Path("..", "..", "..")

#: Files in the folder where the simulator runs: pixels; what the harness writes, if asked for also of
#: every map; and the bits that each junction drew, which the bench writes.
IMAGES, RESULTS, TRACE, BITS = "images.bin", "results.txt", "trace.txt", "bits_{}.txt"


def half_period_ps(design: Design) -> int:
    """Return half a clock period of ``design`` in ps, as the harness takes it.

    Raises
    ------
    DesignError
        If it is less than a picosecond.
    """
    half_ps = round(5e5 / design.clock_mhz)
    if half_ps < 1:
        raise DesignError(f"Half a period of a clock of {design.clock_mhz:g} MHz is 0 ps when it is "
                          f"rounded; build {design.directory} again with --clock-mhz 500000 or less")
    return half_ps


def options(design: Design, path: Path = DESIGN) -> list[str]:
    """Return what Verilator is told of the files that ``design`` reads, if it does: that it is at ``path``
    from where its simulator runs."""
    return [f'-D{design.weights_macro}="{path.as_posix()}/rtl/"'] if design.weights else []


def pins(design: Design) -> str:
    """Return what the harness of ``design`` includes."""
    return "\n".join([
        f"localparam PIXELS = {design.pixels};",
        f"localparam COLOURS = {design.colours};",
        f"localparam PER_WORD = {design.pixels_per_word};",
        f"localparam WORDS = {design.words};",
        "", *_wires(design),
        "", f"{design.top} dut (.*);",
        "", *_arrays(design),
        "", *_skip_draws(design),
        "", *_trace_maps(design), ""])


def _wires(design):
    """Declare a signal for each port of ``design`` but clock and reset."""
    for port in design.ports:
        name, width, block = port["name"], port["width"], port["name"].split("__")[0]
        # Pins of arrays are indexed.
        span = f" [{width - 1}:0]" if width > 1 or block in design.arrays else ""
        # The bench reads and drives the pins of junctions.
        public = " /* verilator public_flat_rw */" if block == "mtj" else ""
        if port["direction"] == "in" and block not in design.arrays:
            yield f"logic{span} {name}{public} = {port.get('init', 0)};"
        else:
            yield f"wire{span} {name}{public};"


def _arrays(design):
    """Yield the model of each array at the pins, and of each row tile of arrays."""
    widths = design.pins
    for layer, shape in design.arrays.items():
        tiles = {}
        for number, image in enumerate(shape["images"]):
            tile  = f"{layer}__{image['tile']}"
            array = f"{layer}_array_{number}"
            codes = widths[f"{tile}__codes"]
            (first_input, last_input), (first, last) = image["inputs"], image["outputs"]
            tiles.setdefault(tile, []).append(f"{array}__codes")
            row_group, column_group = groups(design, tile)
            parameters = {
                "FILE": f'"{(DESIGN / image["file"]).as_posix()}"',
                "ROWS": shape["rows"], "HELD": last_input - first_input + 1,
                "FIRST": first, "OUTPUTS": last - first + 1,
                "CELLS": shape["cells_per_side"] if shape["weight_bits"] > 1 else 0,
                "ROWS_PER_READ": shape["rows_per_read"], "COLUMNS_PER_READ": shape["columns_per_read"],
                "CODE": codes // shape["columns_per_read"]}
            yield f"wire [{codes - 1}:0] {array}__codes;"
            yield _instance("crossbar_array_model", array, parameters, {
                "clk": "clk", "read": f"{tile}__read[{image['crossbar']}]", "inputs": f"{tile}__inputs",
                "active": f"{tile}__active", "row_group": row_group, "column_group": column_group,
                "codes": f"{array}__codes"})
        for tile, codes in tiles.items():
            # Arrays that do not hold a column answer with zeros.
            yield f"wire [{widths[f'{tile}__codes'] - 1}:0] {tile}__sensed = {' | '.join(codes)};"
            yield _instance("crossbar_tile_model", f"{tile}_model", {
                "ARRAYS": widths[f"{tile}__read"], "WIDTH": widths[f"{tile}__codes"],
                "LATENCY": shape["latency_cycles"]}, {
                "clk": "clk", "rst": "rst", "read": f"{tile}__read", "sensed": f"{tile}__sensed",
                "codes": f"{tile}__codes"})


def groups(design: Design, tile: str) -> list[str]:
    """Return the row group and the column group that are at the pins of a tile, in Verilog; what has one
    value has no pin."""
    names = f"{tile}__row_group", f"{tile}__column_group"
    return [f"32'({name})" if name in design.pins else "0" for name in names]


def _instance(module, name, parameters, ports):
    """An instance of ``module``."""
    first, second = (",\n  ".join(f".{key}({value})" for key, value in values.items())
                     for values in (parameters, ports))
    return f"{module} #(\n  {first}\n) {name} (\n  {second}\n);"


def _skip_draws(design):
    """A task that draws from each source of random bits once and forgets the bits."""
    yield "task automatic skip_draws();"
    if design.manifest["rng"] == "emulated":
        for source in range(design.manifest["random_sources"]):
            state = f"dut.rng.source_{source}.state"
            for shift in ("<< 13", ">> 7", "<< 17"):
                yield f"  {state} = {state} ^ ({state} {shift});"
    yield "endtask"


def _trace_maps(design):
    """A task that writes every word and pass set that leaves a layer in this cycle."""
    yield "task automatic trace_maps(int file);"
    for layer in itertools.chain.from_iterable(design.traced):
        for port in ("o", "o_sets"):
            stream = f"dut.{layer}__{port}"
            yield f"  if ({stream}__valid && {stream}__ready)"
            yield f'    $fwrite(file, "{layer} {port} %h\\n", {stream}__payload);'
    yield "endtask"
