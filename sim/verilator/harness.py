"""Verilog around an emitted accelerator, so that no Python runs in a cycle of its own."""

from pathlib import Path

from sim.design import Design, DesignError


__all__ = ["BITS", "IMAGES", "MODEL", "RESULTS", "TOP", "TRACE", "half_period_ps", "options", "write"]


#: What stands in for arrays that are outside.
MODEL = Path(__file__).with_name("crossbar_model.sv")

TOP = "harness"

#: The folder of a design from the one where its simulator runs: a simulator knows no path but those below
#: the design, since any other may have characters that Verilog cannot say.
DESIGN = Path("..", "..", "..")

#: Files in the folder where the simulator runs: pixels; what the harness writes, if asked for also of
#: every map; and the bits that each junction drew, which the bench writes.
IMAGES, RESULTS, TRACE, BITS = "images.bin", "results.txt", "trace.txt", "bits_{}.txt"

_HARNESS = """\
// Sends images from a file to {top} and writes its results to a file, cycle by cycle. Each line of that
// file is a kind, a cycle and a value: "p" first pixel of an image, "r" word of a result, "a" alarm at the
// end, "h" the design hangs.
module {name};
  timeunit 1ps;
  timeprecision 1ps;

  localparam PIXELS = {pixels};
  localparam RESULT = {result};
  localparam WORDS  = {words};

  logic clk = 0, rst = 1;
  logic done /* verilator public_flat_rd */ = 0;
  logic [{passes_top}:0] passes = 0;
  wire alarm;
{pin_wires}
  logic       pixels_valid = 0;
  wire        pixels_ready;
  logic [7:0] pixels_payload = 0;
  wire              results_valid;
  logic             results_ready = 0;
  wire [RESULT-1:0] results_payload;

  {top} dut (
    .clk(clk), .rst(rst), .passes(passes), .alarm(alarm),{pin_ports}
    .pixels__valid(pixels_valid), .pixels__ready(pixels_ready), .pixels__payload(pixels_payload),
    .results__valid(results_valid), .results__ready(results_ready),
    .results__payload(results_payload)
  );
{arrays}
  longint half_ps, skip = 0, images, cycle = 0, idle = 0, idle_limit, sent = 0, taken = 0;
  int unsigned duty, lfsr_i = 32'h1234567, lfsr_o = 32'h89abcde;
  int image_file, result_file, trace_file, got;
  logic tracing = 0;

  // Ports are active with a probability of duty / 256.
  function automatic int unsigned step(int unsigned s);
    s = s ^ (s << 13);
    s = s ^ (s >> 17);
    return s ^ (s << 5);
  endfunction

  initial begin
    void'($value$plusargs("images=%d", images));
    void'($value$plusargs("passes=%d", passes));
    void'($value$plusargs("duty=%d", duty));
    void'($value$plusargs("idle_limit=%d", idle_limit));
    void'($value$plusargs("half_ps=%d", half_ps));
    void'($value$plusargs("skip=%d", skip));
    image_file = $fopen("{images}", "rb");
    result_file = $fopen("{results}", "w");
    if ($test$plusargs("trace")) begin
      trace_file = $fopen("{trace}", "w");
      tracing = 1;
    end
    repeat (8) #(half_ps) clk = ~clk;
    rst = 0;
{skip}
    forever #(half_ps) clk = ~clk;
  end

  always @(posedge clk) begin
    cycle <= cycle + 1;
    idle  <= idle + 1;
    // The first pixel may be offered in the first cycle after reset.
    if (!done) begin
      lfsr_i <= step(lfsr_i);
      if (!rst && pixels_valid && pixels_ready && (sent - 1) % PIXELS == 0)
        $fwrite(result_file, "p %0d 0\\n", cycle);
      if (!pixels_valid || (!rst && pixels_ready)) begin
        pixels_valid <= 0;
        if (sent < images * PIXELS && lfsr_i[15:8] < duty) begin
          got = $fgetc(image_file);
          pixels_payload <= got[7:0];
          pixels_valid   <= 1;
          sent <= sent + 1;
        end
      end
    end
    if (!rst && !done) begin
      lfsr_o <= step(lfsr_o);
      results_ready <= lfsr_o[15:8] < duty;
      if (results_valid && results_ready) begin
        $fwrite(result_file, "r %0d %h\\n", cycle, results_payload);
        idle  <= 0;
        taken <= taken + 1;
        if (taken + 1 == images * WORDS) begin
          $fwrite(result_file, "a %0d %0d\\n", cycle, alarm);
          $fflush(result_file);
          done <= 1;
        end
      end
      if (idle > idle_limit) begin
        $fwrite(result_file, "h %0d 0\\n", cycle);
        $fflush(result_file);
        done <= 1;
      end
    end
    if (tracing && !rst) begin
{taps}
    end
    if (tracing && done) $fflush(trace_file);
  end
endmodule
"""

#: The first images of a run may be any of the random stream: draws of each source before them are skipped.
#: Between two edges, when reset has ended.
_SKIP = """\
    repeat (skip / {sources}) begin
      {state} = {state} ^ ({state} << 13);
      {state} = {state} ^ ({state} >> 7);
      {state} = {state} ^ ({state} << 17);
    end"""

_TAP = """\
      if (dut.{layer}__{port}__valid && dut.{layer}__{port}__ready)
        $fwrite(trace_file, "{layer} {port} %h\\n", dut.{layer}__{port}__payload);"""


#: One row tile, and an array of it. Arrays that do not hold a column answer with zeros.
_TILE = """
  wire [{width}-1:0] {name}__sensed = {sensed};
  crossbar_tile_model #(.ARRAYS({arrays}), .WIDTH({width}), .LATENCY({latency})) {name}_model (
    .clk(clk), .rst(rst), .read({name}__read), .sensed({name}__sensed), .codes({name}__codes));
"""

_ARRAY = """
  wire [{width}-1:0] {name}__codes;
  crossbar_array_model #(
    .FILE("{file}"), .ROWS({rows}), .HELD({held}), .FIRST({first}), .OUTPUTS({outputs}), .CELLS({cells}),
    .ROWS_PER_READ({rows_per_read}), .COLUMNS_PER_READ({columns_per_read}),
    .CODE({width} / {columns_per_read})
  ) {name} (.clk(clk), .read({tile}__read[{crossbar}]), .inputs({tile}__inputs),
            .row_group({row_group}), .column_group({column_group}), .codes({name}__codes));
"""


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


def write(design: Design, path: Path):
    """Write the harness of ``design``, which can trace every map and pass set between layers, and has
    models of arrays that are outside (:data:`MODEL`)."""
    wires, ports = [], []
    for name, width, driven in design.pins():
        span = f"[{width - 1}:0] " if width > 1 else ""
        # Inputs of the accelerator are driven by the bench, or by the models of arrays.
        public = "/* verilator public_flat_rw */"
        if name.split("__")[0] in design.arrays:
            wires.append(f"  wire [{width - 1}:0] {name};")
        else:
            wires.append(f"  logic {span}{name} {public} = 0;" if driven else
                         f"  wire {span}{name} {public};")
        ports.append(f" .{name}({name}),")
    path.write_text(_HARNESS.format(
        name=TOP, top=design.top, pixels=design.pixels, words=design.classes,
        result=design.payload("results")["width"], passes_top=design.port("passes")["width"] - 1,
        pin_wires="\n".join(wires), pin_ports="".join(ports),
        images=IMAGES, results=RESULTS, trace=TRACE,
        arrays="".join(_arrays(design)), skip="\n".join(_skips(design)),
        taps="\n".join(_TAP.format(layer=layer, port=port)
                       for layer in design.layers for port in ("o", "o_sets"))))


def _arrays(design):
    """Yield the model of each array, and of each row tile."""
    pins = {name: width for name, width, _ in design.pins()}
    for layer, shape in design.arrays.items():
        tiles = {}
        for number, image in enumerate(shape["images"]):
            tile = f"{layer}__{image['tile']}"
            name = f"{layer}_array_{number}"
            tiles.setdefault(tile, []).append(f"{name}__codes")
            (first_input, last_input), (first, last) = image["inputs"], image["outputs"]
            yield _ARRAY.format(
                file=(DESIGN / image["file"]).as_posix(), name=name, tile=tile,
                width=pins[f"{tile}__codes"], rows=shape["rows"], held=last_input - first_input + 1,
                first=first, outputs=last - first + 1, crossbar=image["crossbar"],
                cells=shape["cells_per_side"] if shape["weight_bits"] > 1 else 0,
                rows_per_read=shape["rows_per_read"], columns_per_read=shape["columns_per_read"],
                # What has one value has no pin.
                **{group: f"32'({tile}__{group})" if f"{tile}__{group}" in pins else "0"
                   for group in ("row_group", "column_group")})
        for tile, sensed in tiles.items():
            yield _TILE.format(
                name=tile, width=pins[f"{tile}__codes"], arrays=pins[f"{tile}__read"],
                latency=shape["latency_cycles"], sensed=" | ".join(sensed))


def _skips(design):
    sources = design.manifest["random_sources"]
    if design.manifest["rng"] == "emulated":
        for source in range(sources):
            bank = f".source_{source}" if sources > 1 else ""
            yield _SKIP.format(sources=sources, state=f"dut.rng{bank}.state")
