# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.layer.comparator import Comparator, compared_layout
from hdl.layer.scale_mux import comparison_layout, scaled_layout
from sim.compare.packing import pack
from sim.component import transfer


#: Sums, and bits of a level.
KINDS = [(range(7), 1), (range(-3, 4), 1), (range(-3, 4), 2), (range(-20, 21), 4)]


def make_groups(sums, bits, lanes, columns):
    """Groups in which each sum meets each threshold, and their outcomes."""
    rng = random.Random(0)
    word, count = comparison_layout(sums, bits), 2**bits - 1
    cases = [(value, threshold) for value in sums for threshold in range(sums.start, sums.stop + 1)]
    groups, outcomes = [], []
    for value, threshold in rng.sample(cases, min(len(cases), 150)):
        values = [value] + [rng.choice(sums) for _ in range(columns - 1)]
        words  = [[{"threshold": sorted(rng.randint(sums.start, sums.stop) for _ in range(count)),
                    "invert": rng.getrandbits(1)} for _ in range(columns)] for _ in range(lanes)]
        words[-1][0]["threshold"][rng.randrange(count)] = threshold
        words[-1][0]["threshold"].sort()
        groups.append(scaled_layout(word, sums, lanes=lanes, columns=columns).const(
            {"sums": values, "words": words}).as_bits())
        outcomes.append(compared_layout(lanes=lanes, columns=columns, bits=bits).const({
            "reached": [pack([sum(value >= threshold for threshold in word["threshold"])
                              for value, word in zip(values, bank, strict=True)], bits)
                        for bank in words],
            "invert":  [pack([word["invert"] for word in bank], 1) for bank in words]}).as_bits())
    return groups, outcomes


@pytest.mark.some(12)
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("lanes, columns", [(2, 3), (1, 1), (4, 2)])
@pytest.mark.parametrize("sums, bits", KINDS)
def test_compares(sums, bits, lanes, columns, duty):
    groups, outcomes = make_groups(sums, bits, lanes, columns)
    dut = Comparator(comparison_layout(sums, bits), sums, lanes=lanes, columns=columns)
    passed = transfer(dut, {"i": groups}, {"o": len(groups)}, duty=duty)
    assert passed["o"].words == outcomes


@pytest.mark.parametrize("sums, bits", KINDS)
def test_timing(sums, bits):
    groups, _ = make_groups(sums, bits, 2, 2)
    dut = Comparator(comparison_layout(sums, bits), sums, lanes=2, columns=2)
    passed = transfer(dut, {"i": groups}, {"o": len(groups)})
    assert dut.latency == (1 if bits == 1 else 2)
    assert passed["i"].cycles == list(range(len(groups)))
    assert passed["o"].cycles == [cycle + dut.latency for cycle in passed["i"].cycles]


@pytest.mark.parametrize("lanes, columns", [(2, 3), (1, 1), (4, 2)])
@pytest.mark.parametrize("sums, bits", KINDS)
def test_fills_while_outcomes_wait(sums, bits, lanes, columns):
    """As many groups are taken as there are steps, although no outcome is; then all move together."""
    groups, _ = make_groups(sums, bits, lanes, columns)
    dut = Comparator(comparison_layout(sums, bits), sums, lanes=lanes, columns=columns)
    passed = transfer(dut, {"i": groups}, {"o": len(groups)}, starts={"o": 20})
    assert passed["i"].cycles == [*range(dut.latency), *range(20, 20 + len(groups) - dut.latency)]
    assert passed["o"].cycles == list(range(20, 20 + len(groups)))
