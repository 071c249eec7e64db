import numpy as np
import pytest

from gen.build import build_network
from gen.ir import Target
from sim.bit_flips import CLASSES, OUTCOMES, InjectionError, _outcome, _published, inject


IMAGES = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def protected(random_network, tmp_path_factory):
    """A small network that checks itself, and images for it."""
    network = random_network(3, hidden=0)
    folder  = tmp_path_factory.mktemp("faults") / "network"
    build_network(network, Target(array_rows=32, passes=6, passes_max=8, protect=True), folder)
    return folder, IMAGES[:, :network.input.height, :network.input.width]


@pytest.mark.long
def test_faults_in_inverted_normalization_are_seen(centred_network, tmp_path):
    """The sums that wait for their mean, and gains and offsets, are never wrong in silence."""
    network = centred_network(3, hidden=2)
    build_network(network, Target(array_rows=32, passes=6, passes_max=8, protect=True), tmp_path / "out")
    result = inject(tmp_path / "out", IMAGES[:, :network.input.height, :network.input.width], flips=200)
    for name in ("thresholds", "line buffers", "counters and flags"):
        row = result["classes"][name]
        assert row["flips"] > 0 and row["silent"] == row["hang"] == 0, name
    assert result["blocks"]["instance_norm"]["detected"] > 0
    assert result["blocks"]["scale_mux"]["detected"] > 0


@pytest.mark.long
def test_faults_in_what_is_protected_are_seen(protected):
    """What memories hold and what sequences is never wrong in silence; what nothing protects is."""
    folder, images = protected
    result = inject(folder, images, flips=60)
    assert (result["protect"], result["images"], result["passes"]) == (True, 4, 6)
    for rows in (result["classes"], result["blocks"]):
        assert sum(row["flips"] for row in rows.values()) == result["flips"]
        assert all(sum(row[outcome] for outcome in OUTCOMES) == row["flips"] for row in rows.values())
        assert all(row["silent_other_class"] <= row["silent"] for row in rows.values())
    classes = result["classes"]
    assert set(classes) <= set(CLASSES)
    for name in ("logit words", "maps", "memories of the head", "state machines",
                 "counters and flags"):
        assert classes[name]["silent"] == classes[name]["hang"] == 0, name
    assert classes["state machines"]["masked"] == classes["counters and flags"]["masked"] == 0
    assert classes["logit words"]["detected"] > 0
    assert classes["state machines"]["hang_flagged"] > 0
    # Another state of the generator draws other bits, which are as good.
    assert classes["random source"]["silent"] > 0

    again = inject(folder, images, flips=60)
    assert again == result


def test_pins_are_refused(protected, rewrite, copied):
    folder, images = protected
    folder = rewrite(copied(folder), rng="mtj")
    with pytest.raises(InjectionError, match=f"^Design in {folder} has pins of arrays or junctions; "
                       "take one that is built with --view emulated --rng emulated$"):
        inject(folder, images)


VERILOG = """\
module top(clk, i, o);
  input clk;
  reg \\$1 ;
  reg [3:0] count = 4'h0;
  reg \\count$2  = 1'h0;
  reg [7:0] \\wide$word ;
  reg [7:0] rows [5:0];
  reg [7:0] table_ [2:0];
  always @(posedge clk)
    count <= \\$1 ;
  always @(posedge clk) begin
    if (i)
      rows[count] <= 8'h00;
    \\count$2  <= i;
  end
  always @* begin
    \\wide$word  = 8'h01;
  end
endmodule
module other(clk);
  reg [3:0] count;
  always @* count = 4'h1;
endmodule
"""


def test_what_keeps_a_state_is_marked():
    """Registers and memories, those that are never written too, but not what is only called reg."""
    marked = [line.split("/*")[0].split("reg ")[1].strip() for line in _published(VERILOG).splitlines()
              if "public_flat_rw" in line]
    assert marked == ["[3:0] count", r"\count$2", "[7:0] rows [5:0]", "[7:0] table_ [2:0]"]
    assert _published(VERILOG).replace(" /*verilator public_flat_rw*/", "") == VERILOG


@pytest.mark.parametrize("wrong, flagged, other, in_time, hung, error, expected", [
    (-1, -1, 0, 0, 0, 0, ("masked", False)),
    (-1, 2, 0, 0, 0, 1, ("flagged", False)),
    (1, 1, 1, 1, 0, 1, ("detected", True)),
    (1, -1, 1, 0, 0, 0, ("silent", True)),
    (1, 2, 0, 0, 0, 1, ("silent", False)),     # the flag comes after the wrong result
    (-1, -1, 0, 0, 1, 0, ("hang", False)),
    (-1, -1, 0, 0, 1, 1, ("hang_flagged", False)),
])
def test_outcome(wrong, flagged, other, in_time, hung, error, expected):
    assert _outcome(wrong, flagged, other, in_time, hung, error) == expected
