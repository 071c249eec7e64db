// Sends images from a file to an accelerator and writes its results to a file, cycle by cycle, so that no
// Python callback runs per clock cycle. Each line of that file is a kind, a cycle and a value: "p" first pixel
// of an image, "r" word of a result, "a" alarm at the end, "h" the design hangs.
//
// What differs from design to design is in pins.svh (sim/verilator/harness.py): its ports as wires of their
// names, the accelerator `dut`, models of arrays at the pins, `skip_draws` and `trace_maps`.
module harness;
  timeunit 1ps;
  timeprecision 1ps;

  logic clk = 0, rst = 1;
  `include "pins.svh"

  localparam WORDS_IN = (PIXELS + PER_WORD - 1) / PER_WORD; // of an image

  logic done /* verilator public_flat_rd */ = 0;
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
    image_file = $fopen("images.bin", "rb");
    result_file = $fopen("results.txt", "w");
    if ($test$plusargs("trace")) begin
      trace_file = $fopen("trace.txt", "w");
      tracing = 1;
    end
    repeat (8) #(half_ps) clk = ~clk;
    rst = 0;
    // The first images of a run may be any of the random stream: draws of each source before them are
    // skipped. Between two edges, when reset has ended.
    for (longint draw = 0; draw < skip; draw++) skip_draws();
    forever #(half_ps) clk = ~clk;
  end

  always @(posedge clk) begin
    cycle <= cycle + 1;
    idle  <= idle + 1;
    // The first pixel may be offered in the first cycle after reset.
    if (!done) begin
      lfsr_i <= step(lfsr_i);
      if (!rst && pixels__valid && pixels__ready && (sent - 1) % WORDS_IN == 0)
        $fwrite(result_file, "p %0d 0\n", cycle);
      if (!pixels__valid || (!rst && pixels__ready)) begin
        pixels__valid <= 0;
        if (sent < images * WORDS_IN && 32'(lfsr_i[15:8]) < duty) begin
          // The last word of an image is filled up with the pixel before.
          for (int place = 0; place < PER_WORD; place++)
            for (int colour = 0; colour < COLOURS; colour++) begin
              if (PER_WORD * (sent % WORDS_IN) + longint'(place) < PIXELS)
                got = $fgetc(image_file);
              pixels__payload[8 * (COLOURS * place + colour) +: 8] <= got[7:0];
            end
          pixels__valid   <= 1;
          sent <= sent + 1;
        end
      end
    end
    if (!rst && !done) begin
      lfsr_o <= step(lfsr_o);
      results__ready <= 32'(lfsr_o[15:8]) < duty;
      if (results__valid && results__ready) begin
        $fwrite(result_file, "r %0d %h\n", cycle, results__payload);
        idle  <= 0;
        taken <= taken + 1;
        if (taken + 1 == images * WORDS) begin
          $fwrite(result_file, "a %0d %0d\n", cycle, alarm);
          $fflush(result_file);
          done <= 1;
        end
      end
      if (idle > idle_limit) begin
        $fwrite(result_file, "h %0d 0\n", cycle);
        $fflush(result_file);
        done <= 1;
      end
    end
    if (tracing && !rst) trace_maps(trace_file);
    if (tracing && done) $fflush(trace_file);
  end
endmodule
