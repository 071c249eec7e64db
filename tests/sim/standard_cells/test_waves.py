import numpy as np
import pytest

from sim.standard_cells.waves import read_waves
from sim.verilator.simulator import SimulatorFailed


WAVES = """\
$timescale 1ps $end
 $scope module top $end
  $var wire 1 ! clk $end
  $scope module below $end
   $var wire 10 " word [9:0] $end
   $var reg 1 # bit $end
   $var wire 1 ! again $end
   $var wire 4 % \\$1 [3:0] $end
  $upscope $end
 $upscope $end
$enddefinitions $end
#0
0!
b0 "
1#
b1001 %
#5
1!
b1000000001 "
#7
0#
#10
0!
#15
1!
1#
b11 "
b101 "
#20
0!
#25
1!
"""


def test_values(tmp_path):
    """A cycle is from a rising edge to the next; in each the last value counts."""
    path = tmp_path / "waves.vcd"
    path.write_text(WAVES)
    found = read_waves(path, "top.clk", {"top.below.word": 10, "top.below.bit": 1, "top.below.$1": 3,
                                         "top.below.none": 1, "top.below.bit2": 2})
    assert set(found) == {"top.below.word", "top.below.bit", "top.below.$1"}
    word = found["top.below.word"]
    assert word.dtype == bool and word.shape == (10, 2)
    assert [sum(int(bit) << at for at, bit in enumerate(cycle)) for cycle in word.T] == [0x201, 5]
    np.testing.assert_array_equal(found["top.below.bit"], [[False, True]])
    np.testing.assert_array_equal(found["top.below.$1"], np.array([[1, 1], [0, 0], [0, 0]], bool))


@pytest.mark.parametrize("text, clock, why", [
    (WAVES, "top.clock", "have no clock top.clock"),
    (WAVES[:60], "top.clk", "end in the declarations"), ("", "top.clk", "end in the declarations")])
def test_what_is_wrong(tmp_path, text, clock, why):
    path = tmp_path / "waves.vcd"
    path.write_text(text)
    with pytest.raises(SimulatorFailed, match=why):
        read_waves(path, clock, {"top.below.word": 10})
