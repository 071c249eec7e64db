"""A test bench in SystemVerilog: it compares a block with what Amaranth's simulator has recorded of it."""

from gen.blocks.vectors import Vectors


__all__ = ["bench", "vector_file"]


def vector_file(name: str) -> str:
    """Return the name of the file of vectors of a block."""
    return f"{name}_vectors.hex"


def bench(name: str, vectors: Vectors, escaped=frozenset()) -> tuple[str, str]:
    """Return the test bench of the block ``name``, and its file of vectors, a line for each cycle. Ports
    with names that are ``escaped`` have words of Verilog for names.

    A line holds, from its lowest bit on, the reset of a block that is clocked, the inputs, and the outputs
    with a bit in front of each that says whether it counts. An output that is not valid does not.
    """
    inputs  = [port for port in vectors.ports if not port.output]
    outputs = [port for port in vectors.ports if port.output]
    resets  = set(vectors.resets)
    lines   = []
    parts   = [*((("rst", 1),) if vectors.clocked else ()), *((port.name, port.width) for port in inputs),
               *(part for port in outputs
                 for part in ((_counts(port.name), 1), (_wanted(port.name), port.width)))]
    width   = sum(bits for _, bits in parts)
    checks  = 0
    for cycle, (values, meant) in enumerate(zip(vectors.values, vectors.meant, strict=True)):
        known = dict(values) | {"rst": int(cycle in resets)}
        for port in outputs:
            known[_counts(port.name)] = counts = int(port.name in meant)
            known[_wanted(port.name)] = values[port.name]
            checks += counts
        word = offset = 0
        for part, bits in parts:
            word   |= known[part] << offset
            offset += bits
        lines.append(f"{word:0{-(-width // 4)}x}\n")
    return _verilog(name, vectors, outputs, parts, width, checks, escaped), "".join(lines)


def _counts(name):
    return f"{name}__counts"


def _wanted(name):
    return f"{name}__wanted"


def _range(bits):
    return f"[{bits - 1}:0] " if bits > 1 else ""


def _verilog(name, vectors, outputs, parts, width, checks, escaped):
    def own(port):
        return f"\\{port} " if port in escaped else port
    connections = [*(["clk", "rst"] if vectors.clocked else []),
                   *(own(port.name) for port in vectors.ports)]
    registers   = "\n".join(f"  reg {_range(bits)}{own(part)};" for part, bits in parts)
    wires       = "\n".join(f"  wire {_range(port.width)}{own(port.name)};" for port in outputs)
    joined      = ",\n       ".join(own(part) for part, _ in reversed(parts))
    ports       = ",\n".join(f"    .{port}({port})" for port in connections)
    compared    = "\n".join(f"""\
      if ({_counts(port.name)} && {own(port.name)} !== {_wanted(port.name)}) begin
        errors = errors + 1;
        $display("cycle %0d: {port.name} is %h, not %h", cycle, {own(port.name)}, {_wanted(port.name)});
      end""" for port in outputs)
    declared, begun, ticked = ("  reg clk;\n", "    clk = 0;\n", "      clk = 1;\n      #5 clk = 0;\n"
                               ) if vectors.clocked else ("", "", "")
    return f"""\
// Test bench of {name}: in each cycle the inputs of a line of {vector_file(name)}, and its outputs, as
// Amaranth's simulator has recorded them. It ends with a line that begins with PASS, or stops with FAIL.

module {name}_tb;
  localparam CYCLES = {len(vectors.values)};
  reg [{width - 1}:0] vectors [0:CYCLES - 1];
  integer cycle, errors;
{declared}{registers}
{wires}

  {name} dut (
{ports}
  );

  initial begin
    $readmemh("{vector_file(name)}", vectors);
    errors = 0;
{begun}\
    for (cycle = 0; cycle < CYCLES; cycle = cycle + 1) begin
      {{{joined}}} = vectors[cycle];
      #5;
{compared}
{ticked}\
      if (errors > 20) $fatal(1, "FAIL: more than 20 differences");
    end
    if (errors != 0) $fatal(1, "FAIL: %0d differences", errors);
    $display("PASS: {checks} values in {len(vectors.values)} cycles");
    $finish;
  end
endmodule
"""
