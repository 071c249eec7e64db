# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import signed, unsigned

from hdl.layer.logit_scaler import LogitScaler
from hdl.layer.scale_mux import gain_layout, scaled_layout
from sim.compare.packing import unpack
from sim.component import transfer


WORD = gain_layout(signed(6), signed(9))

#: Shape of a sum, and of a logit that is just wide enough: -32 * 15 - 256 = -736, 32 * 60 + 255 = 2175.
SHAPES = [(unsigned(4), signed(11)), (range(-60, 61), signed(13))]


def make_sums(shape, lanes, dropped=0):
    """Extreme and random sums and words, and their logits."""
    rng = random.Random(0)
    sums  = shape if isinstance(shape, range) else range(16)
    cases = [(value, gain, offset) for value in (sums[0], sums[-1])
             for gain in (-32, 31) for offset in (-256, 255)]
    cases += [(rng.choice(sums), rng.randint(-32, 31), rng.randint(-256, 255)) for _ in range(40)]
    scaled, logits = [], []
    for value, gain, offset in cases:
        words = [{"gain": gain, "offset": offset}]
        words += [{"gain": rng.randint(-32, 31), "offset": rng.randint(-256, 255)}
                  for _ in range(lanes - 1)]
        scaled.append(scaled_layout(WORD, shape, lanes=lanes, columns=1).const(
            {"sums": [value], "words": [[word] for word in words]}).as_bits())
        logits.append([word["gain"] * value + word["offset"] >> dropped for word in words])
    return scaled, logits


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("lanes, dropped", [(1, 0), (2, 0), (2, 1), (1, 5)])
@pytest.mark.parametrize("shape, logit", SHAPES, ids=["counts", "signed"])
def test_scales(shape, logit, lanes, dropped, duty):
    """Rounded down to the bits that are left, negative ones too."""
    logit = signed(logit.width - dropped)
    sums, logits = make_sums(shape, lanes, dropped)
    passed = transfer(LogitScaler(WORD, shape, logit, dropped=dropped, lanes=lanes), {"i": sums},
                      {"o": len(sums)}, duty=duty)
    assert [unpack(word, logit.width, lanes, signed=True) for word in passed["o"].words] == logits


def test_timing():
    shape, logit = SHAPES[0]
    sums, _ = make_sums(shape, 2)
    passed = transfer(LogitScaler(WORD, shape, logit, lanes=2), {"i": sums}, {"o": len(sums)})
    assert passed["i"].cycles == list(range(len(sums)))
    assert passed["o"].cycles == [cycle + LogitScaler.latency for cycle in passed["i"].cycles]


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("shape, logit", SHAPES, ids=["counts", "signed"])
def test_fills_while_logits_wait(shape, logit, lanes):
    """As many sums are taken as there are steps, although no logit is; then all move together."""
    sums, _ = make_sums(shape, lanes)
    dut = LogitScaler(WORD, shape, logit, lanes=lanes)
    passed = transfer(dut, {"i": sums}, {"o": len(sums)}, starts={"o": 20})
    assert passed["i"].cycles == [*range(dut.latency), *range(20, 20 + len(sums) - dut.latency)]
    assert passed["o"].cycles == list(range(20, 20 + len(sums)))
