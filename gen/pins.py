"""A frame around a design that leaves it few pins, for place and route."""

__all__ = ["TOP", "frame", "names"]


TOP = "pins"


def names(design: dict) -> tuple[str, str, str, str]:
    """Return the names of the pins of the frame around ``design``: clock, reset, in and out."""
    return design["clock"] or "clk", design["reset"] or "rst", "shift_in", "shift_out"


def frame(design: dict) -> str:
    """Return Verilog of a module around ``design``, a manifest or its ``bus``, with a clock, a reset and
    two pins. A design that is all logic has neither a clock nor a reset of its own: both are None.

    An accelerator is a part of a design, and has more ports than a board has pins for it. Connected to
    pads all over the chip, these would decide the clock. So each input is a register of a chain that
    one pin shifts bits into, and all outputs are folded into another chain, which shifts them out to
    the other: no logic is lost, and paths from and to neighbours are timed.
    """
    own = [name for name in (design["clock"], design["reset"]) if name]
    clock, reset, *_ = names(design)
    # A name of a port may be a word of Verilog, such as begin; written so, it is a name all the same.
    inputs, outputs = ([(f"\\{port['name']} ", port["width"]) for port in design["ports"]
                        if port["direction"] == direction and port["name"] not in own]
                       for direction in ("in", "out"))
    taken   = sum(width for _, width in inputs)
    given   = sum(width for _, width in outputs)
    wires   = "\n".join(f"  wire [{width - 1}:0] {name};" for name, width in outputs)
    offsets = [sum(width for _, width in inputs[:index]) for index in range(len(inputs))]
    connections = ",\n".join([
        *(f"    .{name}({name})" for name in own),
        *(f"    .{name}(held[{offset + width - 1}:{offset}])"
          for (name, width), offset in zip(inputs, offsets, strict=True)),
        *(f"    .{name}({name})" for name, _ in outputs)])
    return f"""\
module {TOP}(input {clock}, input {reset}, input shift_in, output shift_out);
  reg [{taken - 1}:0] held;
  reg [{given - 1}:0] folded;
{wires}
  always @(posedge {clock}) begin
    held   <= {{held, shift_in}};
    folded <= {{folded, 1'b0}} ^ {{{", ".join(name for name, _ in outputs)}}};
  end
  assign shift_out = folded[{given - 1}];
  {design["top"]} dut (
{connections}
  );
endmodule
"""
