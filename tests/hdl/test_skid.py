# amaranth: UnusedElaboratable=no

import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from hdl.skid import Skid
from sim.component import transfer
from sim.packing import pack


@pytest.mark.parametrize("starts", [{}, {"o": 20}])
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
def test_passes_every_word(duty, starts):
    words = [number * 37 % 256 for number in range(60)]
    passed = transfer(Skid(unsigned(8)), {"i": words}, {"o": 60}, duty=duty, starts=starts)
    assert passed["o"].words == words


def test_shapes():
    words = [pack((number, -number), 6) for number in range(20)]
    passed = transfer(Skid(data.ArrayLayout(signed(6), 2)), {"i": words}, {"o": 20}, duty=0.5)
    assert passed["o"].words == words


def test_timing():
    passed = transfer(Skid(unsigned(8)), {"i": range(20)}, {"o": 20})
    assert passed["i"].cycles == list(range(20))
    assert passed["o"].cycles == [cycle + Skid.latency for cycle in range(20)]


def test_takes_one_aside():
    """While nothing is taken one word is, and no more."""
    passed = transfer(Skid(unsigned(8)), {"i": range(5)}, {"o": 5}, starts={"o": 20})
    assert passed["i"].cycles[0] == 0
    assert passed["i"].cycles[1] > 20
