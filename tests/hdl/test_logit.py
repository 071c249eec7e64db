# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import signed, unsigned

from hdl.logit import LogitScaler
from hdl.scale_mux import gain_layout, scaled_layout
from sim.component import transfer
from sim.packing import unpack


WORD = gain_layout(signed(6), signed(9))
SUM  = unsigned(4)
LOGIT = signed(11)      # -32 * 15 - 256 = -736


def make_sums(banks):
    """Extreme and random sums and words, and their logits."""
    rng = random.Random(0)
    cases = [(n, gain, offset) for n in (0, 15) for gain in (-32, 31) for offset in (-256, 255)]
    cases += [(rng.randint(0, 15), rng.randint(-32, 31), rng.randint(-256, 255)) for _ in range(40)]
    sums, logits = [], []
    for n, gain, offset in cases:
        words = [{"gain": gain, "offset": offset}]
        words += [{"gain": rng.randint(-32, 31), "offset": rng.randint(-256, 255)}
                  for _ in range(banks - 1)]
        sums.append(scaled_layout(WORD, SUM, banks=banks, columns=1).const(
            {"sums": [n], "words": [[word] for word in words]}).as_bits())
        logits.append([word["gain"] * n + word["offset"] for word in words])
    return sums, logits


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("banks", [1, 2])
def test_scales(banks, duty):
    sums, logits = make_sums(banks)
    passed = transfer(LogitScaler(WORD, SUM, LOGIT, banks=banks), {"i": sums}, {"o": len(sums)},
                      duty=duty)
    assert [unpack(word, 11, banks, signed=True) for word in passed["o"].words] == logits


def test_timing():
    sums, _ = make_sums(2)
    passed = transfer(LogitScaler(WORD, SUM, LOGIT, banks=2), {"i": sums}, {"o": len(sums)})
    assert passed["i"].cycles == list(range(len(sums)))
    assert passed["o"].cycles == [cycle + LogitScaler.latency for cycle in passed["i"].cycles]
