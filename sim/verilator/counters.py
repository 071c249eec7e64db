"""Counters beside a design, for what its blocks do: the harness (``harness.sv``) includes them when it is
asked to count. Nothing of the design is changed."""

from pathlib import Path

from sim.design import Design
from sim.verilator import harness


__all__ = ["COUNTS", "counters", "read_counts"]


#: The file in the folder of a run: a name and a count in each line.
COUNTS = "counts.txt"


def counters(design: Design) -> str:
    """Return counters of ``design``, and what writes them to :data:`COUNTS` when the simulation ends.

    A name is the path of an instance and what is counted there, as ``layer_fc1.reader.reads``; see the
    source for what each is. ``columns`` are those of the channels that there are, also where the last group
    of them is short, and ``rows`` the rows of arrays at the pins that take part in a read.
    """
    events = dict(_events(design))
    lines  = [f"longint count_{number} = 0;" for number in range(len(events))]
    lines += [f"int group_{layer} = 0;" for layer in design.layers]
    lines.append("always @(posedge clk) if (!rst) begin")
    for number, (event, weight) in enumerate(events.values()):
        lines.append(f"  if ({event}) count_{number} <= count_{number} + {weight};")
    for layer in design.layers:
        groups, *_ = _groups(design, layer)
        lines.append(f"  if (dut.{layer}.adder_accumulator.o__valid)")
        lines.append(f"    group_{layer} <= group_{layer} == {groups - 1} ? 0 : group_{layer} + 1;")
    lines += ["end", "int counts_file;", "final begin", f'  counts_file = $fopen("{COUNTS}", "w");',
              *(f'  $fwrite(counts_file, "{name} %0d\\n", count_{number});'
                for number, name in enumerate(events)),
              "  $fclose(counts_file);", "end"]
    return "\n".join(lines) + "\n"


def read_counts(path: Path) -> dict[str, int]:
    """Return what :func:`counters` have written to ``path``."""
    return {name: int(count) for name, count in (line.split() for line in path.read_text().splitlines())}


def _groups(design, layer):
    """Groups of columns of a layer, columns of a group, and those of the last one."""
    network = design.network
    layer   = network.layers[design.layers.index(layer)]
    each    = layer.folding.columns_per_read
    return layer.folding.column_groups, each, layer.outputs - (layer.folding.column_groups - 1) * each


def _events(design):
    """Yield name, event and weight of each counter."""
    blocks = {module.partition(".")[2]: of for module, of in design.modules.items()}
    for layer in design.layers:
        groups, each, last = _groups(design, layer)
        # Sums come group by group; the blocks behind take a group as it comes.
        columns = f"(group_{layer} == {groups - 1} ? {last} : {each})"
        yield f"{layer}.line_buffer.words", (f"dut.{layer}.line_buffer.advance", 1)
        yield f"{layer}.reader.reads", (f"dut.{layer}.reader.o__valid", 1)
        yield f"{layer}.adder_accumulator.sums", (f"dut.{layer}.adder_accumulator.o__valid", columns)
        for block in ("scale_mux", "instance_norm.gains", "instance_norm.offsets", "comparator",
                      "logit_scaler"):
            if f"{layer}.{block}" in blocks:
                yield f"{layer}.{block}.groups", (f"dut.{layer}.{block}.i__valid", 1)
        yield f"{layer}.maps.words", (f"dut.{layer}__o__valid && dut.{layer}__o__ready", 1)
        if layer in design.arrays:
            yield from _at_pins(design, layer, each, last, groups)
    for block in sorted(blocks):
        if block.endswith(".map_buffer"):
            store, fetch = f"dut.{block}.word_store", f"dut.{block}.word_fetcher"
            yield f"{block}.stored", (f"{store}.enable", 1)
            yield f"{block}.fetched", (f"{fetch}.i__valid && {fetch}.i__ready", 1)
        if blocks[block] == "mask_store" and "." not in block:
            yield f"{block}.stored", (f"dut.{block}.drawn__words__valid", 1)
            yield f"{block}.fetched", (f"dut.{block}.passes__valid && dut.{block}.passes__ready", 1)
    if "mask_bank" in blocks:
        block = "points" if "points" in blocks else "mask_bank"
        yield "random_bits", (f"dut.{block}.bits__valid && dut.{block}.bits__ready", 1)


def _at_pins(design, layer, each, last, groups):
    """Reads of each row tile of arrays at the pins, columns that are converted, and rows that take part."""
    rows = design.arrays[layer]["rows_per_read"]
    for tile in sorted({image["tile"] for image in design.arrays[layer]["images"]}):
        pins  = f"{layer}__{tile}"
        event = f"{pins}__read != 0"
        row_group, column_group = harness.groups(design, pins)
        width = design.pins[f"{pins}__active"]
        mask  = f"((({width + rows}'d1 << {rows}) - {width + rows}'d1) << ({row_group} * {rows}))"
        yield f"{pins}.reads", (event, 1)
        yield f"{pins}.columns", (event, f"({column_group} == {groups - 1} ? {last} : {each})")
        yield f"{pins}.rows", (event, f"$countones({width + rows}'({pins}__active) & {mask})")
