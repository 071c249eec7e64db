# amaranth: UnusedElaboratable=no

import pytest
from amaranth.hdl import signed

from hdl.head.offset_binary import OffsetBinary
from sim.component import transfer


@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("width", [5, 16, 17, 24])
def test_words(width, duty):
    """Every number is moved by half of the range of a word, and held at its ends."""
    most    = 2**(width - 1)
    numbers = sorted({number for middle in (-most, -2**15, 0, 2**15, most - 1)
                      for number in range(middle - 5, middle + 6) if -most <= number < most})
    passed  = transfer(OffsetBinary(signed(width)), {"i": [number % 2**width for number in numbers]},
                       {"o": len(numbers)}, duty=duty)
    assert passed["o"].words == [min(max(number + 2**15, 0), 65535) for number in numbers]


def test_timing():
    passed = transfer(OffsetBinary(signed(8)), {"i": range(20)}, {"o": 20})
    assert [left - taken for taken, left in zip(
        passed["i"].cycles, passed["o"].cycles, strict=True)] == [OffsetBinary.latency] * 20
