// Behavioural model of the crossbar arrays at the pins of an accelerator: cells as they are programmed, and
// ideal converters. Pins and codes are those of hdl/layer/array.py, cells those of gen/images.py.

// One array. Codes come a cycle after a read, and are zero where there was none, or where another array holds
// the column.
module crossbar_array_model #(
  parameter string FILE = "",        // of $readmemh: a line is a row of cells
  parameter ROWS = 1,                // inputs of the row tile
  parameter HELD = 1,                // of these in this array, the first ones
  parameter FIRST = 0,               // output of the layer in its first column
  parameter OUTPUTS = 1,
  parameter CELLS = 0,               // of each side of a weight; 0: binary weights, in complementary rows
  parameter ROWS_PER_READ = 1,
  parameter COLUMNS_PER_READ = 1,
  parameter CODE = 1                 // bits of a code
) (
  input  logic clk,
  input  logic read,
  input  logic [ROWS-1:0] inputs,
  input  logic [ROWS-1:0] active,
  input  int   row_group,
  input  int   column_group,
  output logic [COLUMNS_PER_READ*CODE-1:0] codes
);
  timeunit 1ps;
  timeprecision 1ps;

  localparam LINES = CELLS == 0 ? 2 * HELD : HELD;
  localparam WIDTH = CELLS == 0 ? OUTPUTS : 8 * CELLS * OUTPUTS;

  logic [WIDTH-1:0] cells [LINES];
  initial $readmemh(FILE, cells);

  if (CELLS == 0) begin : cell_type
    // The current of a bit line, in units of one cell of low resistance: what the word lines select.
    function automatic int sense(int column, int first);
      int total = 0;
      for (int i = first; i < first + ROWS_PER_READ && i < HELD; i++)
        if (active[i])
          total += 32'(cells[inputs[i] ? 2 * i : 2 * i + 1][column]);
      return total;
    endfunction
  end else begin : cell_type
    // The difference of the currents of a pair of bit lines, in units of one junction.
    function automatic int sense(int column, int first);
      int total = 0;
      for (int i = first; i < first + ROWS_PER_READ && i < HELD; i++)
        if (inputs[i] && active[i])
          for (int j = 0; j < CELLS; j++)
            total += 32'(cells[i][4 * (2 * CELLS * column + j) +: 4])
                   - 32'(cells[i][4 * (2 * CELLS * column + CELLS + j) +: 4]);
      return total;
    endfunction
  end

  always @(posedge clk) begin
    codes <= 0;
    if (read && (active >> HELD) != 0) begin
      $display("Error: rows are active of which an array holds %0d only: %b", HELD, active);
      $fatal(1);
    end
    if (read)
      for (int k = 0; k < COLUMNS_PER_READ; k++) begin
        automatic int at = column_group * COLUMNS_PER_READ + k - FIRST;
        if (at >= 0 && at < OUTPUTS)
          codes[k * CODE +: CODE] <= CODE'(cell_type.sense(at, row_group * ROWS_PER_READ));
      end
  end
endmodule

// The pins of one row tile in front of its arrays, whose codes come together as `sensed`. Codes are there in
// one cycle only, LATENCY after the read; in all others they are not to be relied on.
module crossbar_tile_model #(
  parameter ARRAYS = 1,
  parameter WIDTH = 1,
  parameter LATENCY = 1
) (
  input  logic clk,
  input  logic rst,
  input  logic [ARRAYS-1:0] read,
  input  logic [WIDTH-1:0] sensed,
  output logic [WIDTH-1:0] codes
);
  timeunit 1ps;
  timeprecision 1ps;

  logic [LATENCY:1] reading;             // so many cycles ago
  logic [WIDTH-1:0] later [LATENCY + 1];
  logic [31:0] noise = 32'h2545f491;

  assign later[1] = sensed;
  assign codes = reading[LATENCY] ? later[LATENCY] : WIDTH'({(WIDTH + 31) / 32{noise}});

  always @(posedge clk) begin
    noise <= noise * 1664525 + 1013904223;
    reading <= LATENCY'({reading, |read});
    for (int i = 2; i <= LATENCY; i++) later[i] <= later[i - 1];
    if (!rst && !$onehot0(read)) begin
      $display("Error: more than one array of a row tile is read at once: %b", read);
      $fatal(1);
    end
  end
endmodule
