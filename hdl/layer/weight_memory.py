# amaranth: UnusedElaboratable=no
"""Memory of weights that a simulator or a synthesis reads from a file."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


__all__ = ["WeightMemory"]


class WeightMemory(wiring.Component):
    """Words that are in a file, and not in the Verilog.

    It is an instance of the module :data:`VERILOG`, so Amaranth's simulator cannot simulate it.

    Latency is one cycle, throughput one word per cycle.

    Parameters
    ----------
    file : str
        Name of the file, whose lines are words as ``$readmemh`` reads them. It is in the folder that the
        Verilog macro :data:`MACRO` names, as a text.
    width, depth : int
        Bits of a word, and words.

    Members
    -------
    address : In(range(depth))
        Which word to read.
    word : Out(width)
        The word.
    """

    latency = 1

    #: Name of the Verilog module.
    MODULE = "spincim_weight_memory"

    #: Name of the macro: the path of the folder, with a / at its end, as seen from where the simulator or
    #: the synthesis runs. It is ``"rtl/"``, for one that runs in the folder of the build, unless it is
    #: defined, as in ``iverilog -DSPINCIM_RTL='"build/network/rtl/"'``.
    MACRO = "SPINCIM_RTL"

    #: The module. There is one for all memories.
    VERILOG = f"""\
// Words of weights, in a file. The macro is the path of its folder, which is that of this file, as seen
// from where the simulator or the synthesis runs, with a / at its end.
`ifndef {MACRO}
`define {MACRO} "rtl/"
`endif
module {MODULE} #(
  parameter FILE = "",
  parameter WIDTH = 1,
  parameter DEPTH = 2
) (
  input clk,
  input [$clog2(DEPTH)-1:0] address,
  output [WIDTH-1:0] word
);
  reg [WIDTH-1:0] words [0:DEPTH-1];
  reg [WIDTH-1:0] read;
  assign word = read;
  // Yosys also reads the module for itself, without a file.
  generate if (FILE != "") begin : file
    initial $readmemh({{`{MACRO}, FILE}}, words);
  end endgenerate
  always @(posedge clk)
    read <= words[address];
endmodule
"""

    def __init__(self, file, *, width, depth):
        self.file  = file
        self.width = width
        self.depth = depth
        super().__init__({"address": In(range(depth)), "word": Out(width)})

    def elaborate(self, platform):
        return Instance(self.MODULE, p_FILE=self.file, p_WIDTH=self.width, p_DEPTH=self.depth,
                        i_clk=ClockSignal(), i_address=self.address, o_word=self.word)
