# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.pass_sets.join import Join
from hdl.pass_sets.pass_split import pass_set_layout
from sim.compare.packing import unpack
from sim.component import transfer


def set_of(members, last, choice=0, choices=1):
    return pass_set_layout(4, choices).const({"set": members, "last": last, "choice": choice}).as_bits()


def sets_of(count):
    rng = random.Random(1)
    drawn = [(rng.getrandbits(4), rng.getrandbits(1), rng.randrange(3)) for _ in range(count)]
    return ([set_of(*each, 3) for each in drawn], [set_of(*each[:2]) for each in drawn])


def watch(dut, wrong):
    """Append the cycles in which ``dut`` reports an error to ``wrong``."""
    async def process(ctx):
        cycle = 0
        while True:
            if ctx.get(dut.error):
                wrong.append(cycle)
            await ctx.tick()
            cycle += 1
    return process


@pytest.mark.parametrize("starts", [{}, {"branch": 60}, {"branch_sets": 60}, {"o": 60}])
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("added", [True, False])
def test_joins(added, duty, starts):
    """All sums of values of three bits, in one of two channels; or channels side by side."""
    rng   = random.Random(0)
    pairs = [(one | rng.getrandbits(3) << 3, other | rng.getrandbits(3) << 3)
             for one in range(8) for other in range(8)]
    width = 6 if added else 9
    sets, others = sets_of(20)
    wrong = []
    dut = Join(6, width, bits=3, added=added, passes=4, outcomes=3, protect=True)
    passed = transfer(dut, {"i": [one for one, _ in pairs], "branch": [other for _, other in pairs],
                            "i_sets": sets, "branch_sets": others},
                      {"o": len(pairs), "o_sets": len(sets)}, duty=duty, starts=starts,
                      processes=[watch(dut, wrong)])
    assert passed["o_sets"].words == sets and not wrong
    if not added:
        assert passed["o"].words == [one | other << 6 for one, other in pairs]
        return
    expected = [[min(max(a - 4 + b - 4, -4), 3) + 4 for a, b in zip(
        unpack(one, 3, 2), unpack(other, 3, 2), strict=True)] for one, other in pairs]
    assert [unpack(word, 3, 2) for word in passed["o"].words] == expected


@pytest.mark.parametrize("added", [True, False])
def test_thresholds(added):
    """Values of the trunk become others, or those of the branch; maps and sets wait for each other."""
    sets, others = sets_of(20)
    pairs = [(one | other << 3, other | one << 3) for one in range(8) for other in range(8)]
    steps = [(-4, -4, -1, 0, 2, 4, 4), (-3, -3, -3, 0, 1, 1, 4)]
    for thresholds in (steps[0], ()), ((), steps[1]), steps:
        dut = Join(6, 6, bits=3, added=added, passes=4, outcomes=3, thresholds=thresholds)
        passed = transfer(dut, {"i": [one for one, _ in pairs], "branch": [other for _, other in pairs],
                                "i_sets": sets, "branch_sets": others},
                          {"o": len(pairs), "o_sets": len(sets)}, duty=0.5)
        assert passed["o_sets"].words == sets
        for word, both in zip(passed["o"].words, pairs, strict=True):
            ways = [[sum(value - 4 >= each for each in found) if found else value
                     for value in unpack(way, 3, 2)] for way, found in zip(both, thresholds, strict=True)]
            expected = ([min(max(a + b - 8, -4), 3) + 4 for a, b in zip(*ways, strict=True)] if added else
                        ways[0] + ways[1])
            assert unpack(word, 3, len(expected)) == expected


def test_words_of_other_widths():
    with pytest.raises(ValueError, match="^Words that are added must be equally wide, not of 6 and 9 bi"):
        Join(6, 9, bits=3, added=True, passes=4)


@pytest.mark.parametrize("duty", [1.0, 0.5])
def test_sets_that_differ(duty):
    """In the cycle after they have passed, where one has another pass, or another is the last."""
    rng, wrong = random.Random(2), []
    dut    = Join(6, 6, bits=3, added=True, passes=4, outcomes=3, protect=True)
    pairs  = [((5, 0), (5, 0)), ((5, 0), (5, 1)), *(((members, 0), (members ^ 1 << bit, 0))
              for members in (5, 10) for bit in range(4))] + [((5, 1), (5, 1))]
    chosen = [pairs[0], *rng.choices(pairs, k=60), pairs[-1]]
    passed = transfer(dut, {"i_sets": [set_of(*one, rng.randrange(3), 3) for one, _ in chosen],
                            "branch_sets": [set_of(*other) for _, other in chosen]},
                      {"o_sets": len(chosen)}, duty=duty, processes=[watch(dut, wrong)])
    assert wrong == [cycle + 1 for cycle, (one, other) in zip(passed["o_sets"].cycles, chosen, strict=True)
                     if one != other]
