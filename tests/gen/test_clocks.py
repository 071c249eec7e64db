"""Clocks of boards: that what is written makes what is said, within what a device can."""

import re

import pytest

from gen.clocks import ice40_clock, phase_locked_loop, xilinx_clock


@pytest.mark.parametrize("given, wanted", [(100, 100), (100, 62.5), (100, 101.37), (25, 125), (50, 48)])
def test_xilinx(given, wanted):
    text, made = xilinx_clock(given, wanted)
    before, times, after = (int(re.search(rf"{name}\((\d+)\)", text)[1]) for name in (
        "DIVCLK_DIVIDE", "CLKFBOUT_MULT", "CLKOUT0_DIVIDE"))
    assert made == given * times / before / after and abs(made / wanted - 1) < 0.005
    assert 800 <= given * times / before <= 1600 and given / before >= 19
    assert f".CLKIN1_PERIOD({1000 / given:.3f})" in text


def test_exact_where_it_can_be():
    assert [xilinx_clock(100, wanted)[1] for wanted in (50, 75, 100, 125, 120)] == [
        50, 75, 100, 125, 120]


def test_ecp5():
    text, made = phase_locked_loop(48, 96)
    assert made == 96 and "module pll" in text


def test_ice40_has_the_clock_of_the_board():
    text, made = ice40_clock(12, 24)
    assert made == 12 and "assign clkout0 = clkin;" in text and "reg [7:0] waited" in text
