# amaranth: UnusedElaboratable=no

import numpy as np
import pytest

from gen.ir import Head
from golden.head import average
from hdl.head.averaging import Averaging
from hdl.head.result import result_layout
from hdl.pass_sets.pass_split import pass_set_layout
from sim.component import transfer


CONFIDENCE = 40000


def make_images(classes, passes, count, seed=0):
    """Images of 1 to T_max passes, divided at random among leaves: probabilities and pass sets of
    the leaves, the number of leaves of each image, and the result by the golden model."""
    rng = np.random.default_rng(seed)
    leaves, sets, counts, golden = [], [], [], []
    for number in range(count):
        t = (passes, 1)[number] if number < 2 else int(rng.integers(1, passes, endpoint=True))
        leaf_of = rng.integers(0, rng.integers(1, t, endpoint=True), t)
        used = rng.permutation(np.unique(leaf_of))
        probabilities = make_leaves(rng, classes, leaf_of.max() + 1)
        for leaf in used:
            leaves.append(probabilities[leaf])
            members = sum(1 << int(at) for at in np.flatnonzero(leaf_of == leaf))
            sets.append(pass_set_layout(passes).const(
                {"set": members, "last": int(leaf == used[-1])}).as_bits())
        counts.append(len(used))
        golden.append(average(probabilities[leaf_of][None], Head(confidence=CONFIDENCE)))
    return np.array(leaves), sets, counts, golden


def make_leaves(rng, classes, count):
    """Probabilities that nearly add up to one, with some that are alike, certain, or at the limit."""
    power = rng.random((count, classes)) ** 4
    leaves = (65535 * power / power.sum(1, keepdims=True)).astype(int)
    leaves[rng.random(count) < 0.2] = 65535 // classes
    for value in (65535, CONFIDENCE, CONFIDENCE - 1):
        chosen = rng.random(count) < 0.15
        leaves[chosen] = 0
        leaves[chosen, rng.integers(classes)] = value
    return leaves


def check(words, golden, classes, passes):
    layout = result_layout(classes, passes)
    words  = [layout.from_bits(word) for word in words]
    for number, image in enumerate(golden):
        result = words[number * classes:(number + 1) * classes]
        check_fields(result, image)
        assert [word.last for word in result] == [0] * (classes - 1) + [1]


def check_fields(words, image):
    """The words of an answer say what the golden model does of a single image."""
    for field, values in (("sum", image.sums), ("square", image.squares),
                          ("votes", image.votes), ("confident", image.confident)):
        assert [word[field] for word in words] == values[0].tolist(), field
    for word in words:
        assert (word.prediction, word.reject, word.passes, word.error) == (
            image.prediction[0], image.reject[0], image.passes, 0)


@pytest.mark.some(10)
@pytest.mark.parametrize("starts", [{}, {"o": 700}, {"sets": 300}],
                         ids=["together", "results held back", "sets later"])
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("classes, passes", [(10, 20), (2, 7), (3, 1), (5, 16), (4, 33)])
def test_matches_golden(classes, passes, duty, starts):
    """Nothing is lost of images that arrive while the host is away."""
    leaves, sets, counts, golden = make_images(classes, passes, 8)
    words = 8 * classes
    passed = transfer(Averaging(classes, passes, confidence=CONFIDENCE),
                      {"i": leaves.ravel().tolist(), "sets": sets}, {"o": words},
                      duty=duty, starts=starts)
    check(passed["o"].words, golden, classes, passes)


@pytest.mark.parametrize("duty, protect", [(1.0, False), (0.5, True)])
@pytest.mark.parametrize("classes, passes, positions", [(2, 7, 3), (3, 20, 5), (2, 5, 40)])
def test_positions(classes, passes, positions, duty, protect):
    """Each position of a map has an answer of its own; those of many are in block memories."""
    rng = np.random.default_rng(positions)
    leaves, sets, golden = [], [], []
    for t in (passes, 1, 3):
        leaf_of = rng.integers(0, 3, t)
        each    = make_leaves(rng, classes, 3 * positions).reshape(3, positions, classes)
        used    = rng.permutation(np.unique(leaf_of))
        leaves += each[used].ravel().tolist()
        sets   += [pass_set_layout(passes).const({
            "set": sum(1 << int(at) for at in np.flatnonzero(leaf_of == leaf)),
            "last": int(leaf == used[-1])}).as_bits() for leaf in used]
        golden.append([average(each[leaf_of][None, :, number], Head(confidence=CONFIDENCE))
                       for number in range(positions)])
    passed = transfer(
        Averaging(classes, passes, positions=positions, confidence=CONFIDENCE, protect=protect),
        {"i": leaves, "sets": sets}, {"o": 3 * positions * classes}, duty=duty)
    words  = np.array(passed["o"].words, dtype=object).reshape(3, positions, classes)
    layout = result_layout(classes, passes)
    for of_image, expected in zip(words, golden, strict=True):
        marks = [layout.from_bits(word).last for word in of_image.ravel()]
        assert marks == [0] * (positions * classes - 1) + [1]
        for number, position in enumerate(of_image):
            check_fields([layout.from_bits(word) for word in position], expected[number])


@pytest.mark.parametrize("held", [400, 401, 402, 403, 404, 405])
def test_result_taken_late(held):
    """A word is taken in each of the steps that the next image makes meanwhile; the others follow as
    soon as ever."""
    leaves, sets, _, golden = make_images(3, 5, 3, seed=1)
    passed = transfer(Averaging(3, 5, confidence=CONFIDENCE),
                      {"i": leaves.ravel().tolist(), "sets": sets}, {"o": 9}, starts={"o": held})
    check(passed["o"].words, golden, 3, 5)
    assert passed["o"].cycles[0] == held
    assert (np.diff(np.array(passed["o"].cycles).reshape(-1, 3)) == Averaging.interval).all()


@pytest.mark.parametrize("classes, passes", [(10, 20), (2, 7), (5, 1)])
def test_timing(classes, passes):
    leaves, sets, counts, _ = make_images(classes, passes, 5)
    passed = transfer(Averaging(classes, passes, confidence=CONFIDENCE),
                      {"i": leaves.ravel().tolist(), "sets": sets}, {"o": 5 * classes})
    taken = np.array(passed["i"].cycles).reshape(-1, classes)
    assert (np.diff(taken) == 1).all()
    ends = np.cumsum(counts) - 1    # last leaf of each image
    expected = np.full(len(leaves) - 1, classes + Averaging.overhead)
    expected[ends[:-1]] += Averaging.interval * classes + 1
    assert np.diff(taken[:, 0]).tolist() == expected.tolist()
    results = np.array(passed["o"].cycles).reshape(-1, classes)
    assert (results[:, 0] == taken[ends, -1] + Averaging.latency).all()
    assert (np.diff(results) == Averaging.interval).all()


@pytest.mark.parametrize("classes, passes", [(10, 20), (2, 7), (3, 1), (5, 16), (4, 33)])
def test_largest_sums(classes, passes):
    """Every probability as large as it can be, in every pass: no field is too narrow, nor what is read of
    it for the last of the leaves."""
    members = [part for part in ((1 << passes - 1) - 1, 1 << passes - 1) if part]
    sets = [pass_set_layout(passes).const({"set": part, "last": part == members[-1]}).as_bits()
            for part in members]
    passed = transfer(Averaging(classes, passes, confidence=CONFIDENCE),
                      {"i": [65535] * classes * len(sets), "sets": sets}, {"o": classes})
    check(passed["o"].words, [average(np.full((1, passes, classes), 65535), Head(confidence=CONFIDENCE))],
          classes, passes)


@pytest.mark.parametrize("sure, reject", [(17, True), (18, False), (20, False)])
def test_reject_at_nine_tenths(sure, reject):
    """Scale-Dropout, eq. 26: of 20 passes, 18 are enough."""
    layout = pass_set_layout(20)
    sets = [layout.const({"set": (1 << sure) - 1, "last": sure == 20}).as_bits()]
    leaves = [CONFIDENCE, 0]
    if sure < 20:
        sets.append(layout.const({"set": (1 << 20) - (1 << sure), "last": 1}).as_bits())
        leaves += [CONFIDENCE - 1, CONFIDENCE - 1]
    passed = transfer(Averaging(2, 20, confidence=CONFIDENCE), {"i": leaves, "sets": sets}, {"o": 2})
    assert [result_layout(2, 20).from_bits(word).reject for word in passed["o"].words] == [reject] * 2


@pytest.mark.parametrize("fault", [0, 1])
def test_faults(fault):
    """A pass set that is wrong marks the words from its image on, a fault elsewhere all while it lasts."""
    layout, results = pass_set_layout(20), result_layout(3, 20)
    images = [[(1 << 19) - 1, 1 << 19], [0b11, 0b10], [0b01, 0b10]]
    sets   = [layout.const({"set": members, "last": number}).as_bits()
              for image in images for number, members in enumerate(image)]
    dut, found = Averaging(3, 20, positions=5, confidence=CONFIDENCE, protect=True), []

    async def watch(ctx):
        async for *_, error in ctx.tick().sample(dut.error):
            found.append(error)

    passed = transfer(dut, {"i": [20000] * 15 * len(sets), "sets": sets}, {"o": 45}, pins={"fault": fault},
                      processes=[watch])
    words  = [results.from_bits(word) for word in passed["o"].words]
    assert [(word.passes, word.error) for word in words] == (
        [(20, fault)] * 15 + [(3, 1)] * 15 + [(2, 1)] * 15)
    assert sum(found) == 1
