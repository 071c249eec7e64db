# amaranth: UnusedElaboratable=no

import random
from fractions import Fraction

import pytest

from hdl.head.report import Report
from hdl.head.result import result_layout
from sim.component import transfer


@pytest.mark.parametrize("duty", [1.0, 0.3])
@pytest.mark.parametrize("surest, passes, reject", [
    (18, 20, 0), (17, 20, 1), (9, 10, 0), (8, 10, 1), (1, 1, 0), (0, 1, 1), (14, 16, 1), (15, 16, 0),
    (11, 13, 1), (12, 13, 0), (2, 3, 1), (5, 6, 1), (20, 20, 0)])
@pytest.mark.parametrize("port", [False, True])
def test_report(surest, passes, reject, duty, port):
    """A word for each class: what comes of it, and the figures of the image; the last one of a position is
    marked if that is the last one."""
    dut  = Report(3, 20, agreement=None if port else Fraction(9, 10))
    rng  = random.Random(f"{surest} {passes} {duty}")
    rows = [{"totals": {"sum": rng.randrange(20 * 65535 + 1), "square": rng.randrange(20 * 65535**2 + 1),
                        "confident": rng.randrange(21)},
             "votes": rng.randrange(21), "index": index} for index in range(3)]
    largest, fault, final = surest % 3, passes & 1, surest % 3 > 0
    passed = transfer(dut, {"i": [dut.i.payload.shape().const(row).as_bits() for row in rows]}, {"o": 3},
                      duty=duty, starts={"i": 2},
                      pins={"passes": passes, "largest": largest, "surest": surest, "fault": fault,
                            "final": final, **({"agreement": 90} if port else {})})
    for word, row in zip(passed["o"].words, rows, strict=True):
        result = result_layout(3, 20).from_bits(word)
        assert (result.sum, result.square, result.confident, result.votes) == (
            *row["totals"].values(), row["votes"])
        assert (result.prediction, result.reject, result.passes, result.error) == (
            largest, reject, passes, fault)
        assert result.last == (final and row["index"] == 2)


@pytest.mark.parametrize("agreement", [1, 50, 51, 99, 100])
@pytest.mark.parametrize("passes", [1, 2, 19, 20])
def test_agreement_of_the_port(agreement, passes):
    """Of all numbers of confident passes, those below this share of the passes reject."""
    dut = Report(3, 20, agreement=None)
    row = dut.i.payload.shape().const({"index": 1}).as_bits()
    for surest in {0, 1, passes * agreement // 100, -(-passes * agreement // 100), passes}:
        passed = transfer(dut, {"i": [row]}, {"o": 1}, starts={"i": 2},
                          pins={"passes": passes, "surest": surest, "agreement": agreement})
        assert result_layout(3, 20).from_bits(passed["o"].words[0]).reject == (
            100 * surest < agreement * passes)
