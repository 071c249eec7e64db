# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.pass_sets.fork import Fork
from hdl.pass_sets.pass_split import pass_set_layout
from sim.component import transfer


def make(ways):
    return Fork(3, passes=4, outcomes=3, ways=ways)


def sent(count=40):
    rng = random.Random(0)
    width = pass_set_layout(4, 3).size
    return [rng.getrandbits(3) for _ in range(count)], [rng.getrandbits(width) for _ in range(count)]


@pytest.mark.parametrize("starts", [{}, {"o_1": 50}, {"o_sets_0": 50}, {"i_sets": 50}])
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("ways", [2, 3])
def test_every_way_gets_all(ways, duty, starts):
    """Ways that are ready for words stay so until they get one; for pass sets they need not."""
    words, sets = sent()
    outputs = {f"{name}_{way}": 40 for name in ("o", "o_sets") for way in range(ways)}
    duties  = {name: duty for name in ("i", *(f"{name}_sets{way}" for name, way in (
        ("i", ""), *(("o", f"_{way}") for way in range(ways)))))}
    passed  = transfer(make(ways), {"i": words, "i_sets": sets}, outputs, duty=duties, starts=starts)
    for way in range(ways):
        assert passed[f"o_{way}"].words == words
        assert passed[f"o_sets_{way}"].words == sets


def test_words_pass_together():
    """A word of all ways in the same cycle; a pass set as soon as a way takes it."""
    words, sets = sent(5)
    passed = transfer(make(2), {"i": words, "i_sets": sets},
                      {"o_0": 5, "o_1": 5, "o_sets_0": 5, "o_sets_1": 5}, starts={"o_1": 9, "o_sets_1": 9})
    assert passed["o_0"].cycles == passed["o_1"].cycles == passed["i"].cycles == list(range(9, 14))
    assert passed["o_sets_0"].cycles[0] == 0 and passed["o_sets_1"].cycles == list(range(9, 14))
