# amaranth: UnusedElaboratable=no
"""A junction at the pins of a design: its bits, how often it switches, and waves of it."""

import json

import numpy as np
import pytest

from gen.ir import load
from golden.device.junction import Dac
from tests.images import images_for


@pytest.fixture(scope="module")
def mtj(with_junctions):
    """A small network whose bits come from a junction."""
    return with_junctions(10, (0.5, 0.2, 0.9))


@pytest.mark.some(1)
@pytest.mark.parametrize("duty", [1.0, 0.5])
def test_junction(mtj, check_maps, duty):
    """The golden model, given the bits that the junction drew, agrees with what the design made of
    them. The bench checks the pulses."""
    check_maps(mtj, 40, duty=duty)


def test_junction_switches_as_often_as_asked(mtj, simulate, last_run):
    """A rate that is off by five deviations has a chance of 6e-7."""
    simulate(mtj, images_for(load((mtj / "ir.json").read_text()), 300), passes=8)
    bits = np.array(list((last_run(mtj) / "bits_0.txt").read_text()))[:300 * 8 * 3] == "1"
    codes = json.loads((mtj / "manifest.json").read_text())["mtj"]["currents"]
    for kept, code in zip(bits.reshape(-1, 3).T, codes, strict=True):
        p = 1 - float(Dac().probability(code, pulse_ns=16.0)) # two cycles
        assert abs(kept.mean() - p) < 5 * (p * (1 - p) / len(kept))**0.5


@pytest.mark.long
def test_waves(with_junctions, check_maps):
    """Waves take another simulator; the results are the same."""
    mtj = with_junctions(10, (0.5,))
    check_maps(mtj, 2, waves=True)
    text = (mtj / "sim_waves" / "dump.vcd").read_text()
    assert "$var" in text and " mtj__0__sense " in text
