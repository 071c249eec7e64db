# amaranth: UnusedElaboratable=no
"""What is recorded of a block: words as neighbours hand them over."""

import pytest

from gen.blocks import traffic
from gen.blocks.table import BLOCKS
from gen.blocks.vectors import Port, ports_of, record


@pytest.fixture(scope="module")
def vectors():
    return record(BLOCKS["comparator"].make(), traffic.nothing, clocked=True, cycles=500, seed=1)


def test_ports():
    assert ports_of(BLOCKS["arbiter"].make()) == (
        Port("choice", 2, False, "choice", None), Port("read", 1, False, "read", None),
        Port("enables", 4, True, "enables", None))
    assert [port for port in ports_of(BLOCKS["binarizer"].make()) if port.name.startswith("o__")] == [
        Port("o__payload", 3, True, "o", "o__valid"), Port("o__valid", 1, True, "o", None),
        Port("o__ready", 1, False, "o", None)]


def test_neighbours_keep_what_they_offer(vectors):
    """A word until it is taken, and that they are ready until they get one; unless the block is reset."""
    kept = 0
    for cycle, (now, then) in enumerate(zip(vectors.values[:-1], vectors.values[1:], strict=True)):
        if cycle + 1 in vectors.resets:
            continue
        if now["i__valid"] and not now["i__ready"]:
            assert (then["i__valid"], then["i__payload"]) == (1, now["i__payload"])
            kept += 1
        if now["o__ready"] and not now["o__valid"]:
            assert then["o__ready"]
            kept += 1
    assert kept > 100


def test_what_means_something(vectors):
    assert vectors.resets == [0, 1, 250]
    for values, meant in zip(vectors.values, vectors.meant, strict=True):
        assert meant == {"i__ready", "o__valid"} | ({"o__payload"} if values["o__valid"] else set())
    assert sum("o__payload" in meant for meant in vectors.meant) > 200


def test_it_is_what_the_block_does(vectors):
    """The comparator, by its words: one cycle later, in order, and none across a reset."""
    layout = BLOCKS["comparator"].make().i.payload.shape()
    sent   = []
    checks = 0
    for cycle, values in enumerate(vectors.values):
        if cycle in vectors.resets:
            sent.clear()
            continue
        if values["o__valid"] and values["o__ready"]:
            word = layout.from_bits(sent.pop(0))
            levels = [int(sum_ >= each.threshold[0]) << column for lane in word.words
                      for column, (sum_, each) in enumerate(zip(word.sums, lane, strict=True))]
            reached = [sum(levels[:4]), sum(levels[4:])]
            assert values["o__payload"] & 0xFF == reached[0] | reached[1] << 4
            checks += 1
        if values["i__valid"] and values["i__ready"]:
            sent.append(values["i__payload"])
    assert checks > 200


def test_the_same_seed_gives_the_same():
    one, two, other = (
        record(BLOCKS["map_join"].make(), traffic.equal_sets, clocked=True, cycles=60, seed=seed)
        for seed in (1, 1, 2))
    assert one == two != other


def test_pass_sets_divide_the_passes_of_an_image():
    """Of a stream of pass sets: disjoint, from the first pass on, up to the last one."""
    edge   = BLOCKS["map_edge"].make()
    layout = edge.i_sets.payload.shape()
    found  = record(edge, traffic.nothing, clocked=True, cycles=800, seed=1)
    seen = images = 0
    for cycle, values in enumerate(found.values):
        if cycle in found.resets:
            seen = 0
        elif values["i_sets__valid"] and values["i_sets__ready"]:
            word = layout.from_bits(values["i_sets__payload"])
            assert word.set and not word.set & seen
            seen |= word.set
            if word.last:
                assert not seen & seen + 1
                seen, images = 0, images + 1
    assert images > 3
