# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.comparator import Comparator, compared_layout
from hdl.scale_mux import comparison_layout, scaled_layout
from sim.component import transfer


FAN_IN = 6
WORD = comparison_layout(FAN_IN)


def make_groups(banks, columns):
    """Groups in which each sum meets each threshold, and their outcomes."""
    rng = random.Random(0)
    cases = [(n, threshold) for n in range(FAN_IN + 1) for threshold in range(FAN_IN + 2)]
    groups, outcomes = [], []
    for n, threshold in cases:
        sums  = [n] + [rng.randint(0, FAN_IN) for _ in range(columns - 1)]
        words = [[{"threshold": rng.randint(0, FAN_IN + 1), "invert": rng.getrandbits(1)}
                  for _ in range(columns)] for _ in range(banks)]
        words[-1][0]["threshold"] = threshold
        groups.append(scaled_layout(WORD, 3, banks=banks, columns=columns).const(
            {"sums": sums, "words": words}).as_bits())
        outcomes.append(compared_layout(banks=banks, columns=columns).const({
            "reached": [sum((n >= word["threshold"]) << column for column, (n, word) in
                            enumerate(zip(sums, bank, strict=True))) for bank in words],
            "invert":  [sum(word["invert"] << column for column, word in enumerate(bank))
                        for bank in words]}).as_bits())
    return groups, outcomes


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("banks, columns", [(2, 3), (1, 1), (4, 2)])
def test_compares(banks, columns, duty):
    groups, outcomes = make_groups(banks, columns)
    passed = transfer(Comparator(WORD, 3, banks=banks, columns=columns), {"i": groups},
                      {"o": len(groups)}, duty=duty)
    assert passed["o"].words == outcomes


def test_timing():
    groups, _ = make_groups(2, 2)
    passed = transfer(Comparator(WORD, 3, banks=2, columns=2), {"i": groups}, {"o": len(groups)})
    assert passed["i"].cycles == list(range(len(groups)))
    assert passed["o"].cycles == [cycle + Comparator.latency for cycle in passed["i"].cycles]
