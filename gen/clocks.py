"""The module ``pll`` of a board, by the family of its FPGA: the clock of the accelerator out of that of the
board.

Each function takes both in MHz, and returns Verilog and the clock that is made, which is another one where
that is not possible.
"""

import re
import subprocess
import tempfile
from itertools import product
from pathlib import Path

from gen.tools import ToolFailed, failure, find


__all__ = ["ice40_clock", "phase_locked_loop", "xilinx_clock"]


def phase_locked_loop(given_mhz: float, wanted_mhz: float) -> tuple[str, float]:
    """That of an ECP5, by the program that knows what it can be.

    Raises
    ------
    ToolMissing
        If it is not installed.
    ToolFailed
        If it knows none.
    """
    name    = "yowasp-ecppll"
    command = [find(name, extra="board"), "-i", f"{given_mhz:g}", "-o", f"{wanted_mhz:g}", "-f", "pll.v"]
    with tempfile.TemporaryDirectory() as work:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        made = re.search(r"clkout0 frequency: ([\d.e+]+) MHz", done.stdout + done.stderr)
        if done.returncode or made is None:
            raise ToolFailed(failure(name, done.returncode, done.stdout + done.stderr))
        return (Path(work) / "pll.v").read_text(), float(made[1])


#: Block memories of an iCE40 read as zero for some microseconds after it is configured: so long is the
#: reset, five times as long as known.
_RESET_US = 15


def ice40_clock(given_mhz: float, wanted_mhz: float) -> tuple[str, float]:
    """That of an iCE40 is the one of the board: accelerators are slow there."""
    cycles = round(_RESET_US * given_mhz)
    width  = cycles.bit_length()
    return f"""\
// The clock of the board, and a reset of {_RESET_US} us, until block memories can be read.
module pll(input clkin, output clkout0, output locked);
  reg [{width - 1}:0] waited = {width}'d0;
  assign clkout0 = clkin;
  assign locked = waited == {width}'d{cycles};
  always @(posedge clkin)
    if (!locked) waited <= waited + {width}'d1;
endmodule
""", given_mhz


#: Of a PLLE2 of an Artix-7 of speed grade 1 (DS181): the oscillator in MHz, and the phase detector.
_OSCILLATOR_MHZ, _DETECTOR_MHZ = (800, 1600), (19, 450)


def xilinx_clock(given_mhz: float, wanted_mhz: float) -> tuple[str, float]:
    """That of a Xilinx 7 series FPGA: the closest of what its oscillator and divisors allow."""
    ways = [(given_mhz * times / before / after, times, before, after)
            for before, times, after in product(range(1, 57), range(2, 65), range(1, 129))
            if _DETECTOR_MHZ[0] <= given_mhz / before <= _DETECTOR_MHZ[1]
            and _OSCILLATOR_MHZ[0] <= given_mhz * times / before <= _OSCILLATOR_MHZ[1]]
    made, times, before, after = min(ways, key=lambda way: (abs(way[0] - wanted_mhz), *way[1:]))
    return f"""\
// {given_mhz:g} MHz times {times}, divided by {before * after}.
module pll(input clkin, output clkout0, output locked);
  wire feedback, clock;
  PLLE2_BASE #(
    .CLKIN1_PERIOD({1000 / given_mhz:.3f}),
    .DIVCLK_DIVIDE({before}),
    .CLKFBOUT_MULT({times}),
    .CLKOUT0_DIVIDE({after})
  ) loop (
    .CLKIN1(clkin),
    .CLKFBIN(feedback),
    .CLKFBOUT(feedback),
    .CLKOUT0(clock),
    .CLKOUT1(),
    .CLKOUT2(),
    .CLKOUT3(),
    .CLKOUT4(),
    .CLKOUT5(),
    .LOCKED(locked),
    .PWRDWN(1'b0),
    .RST(1'b0)
  );
  BUFG buffer (.I(clock), .O(clkout0));
endmodule
""", made
