# amaranth: UnusedElaboratable=no

from fractions import Fraction

import pytest

from hdl.head.report import Report
from hdl.head.result import result_layout
from sim.component import transfer


@pytest.mark.parametrize("duty", [1.0, 0.3])
@pytest.mark.parametrize("surest, passes, reject", [
    (18, 20, 0), (17, 20, 1), (9, 10, 0), (8, 10, 1), (1, 1, 0)])
def test_report(surest, passes, reject, duty):
    """A word for each class: what comes of it, and the figures of the image."""
    dut  = Report(3, 20, agreement=Fraction(9, 10))
    rows = [{"totals": {"sum": 1000 + index, "square": 1 << 20 + index, "confident": index},
             "votes": 5 * index, "index": index} for index in range(3)]
    passed = transfer(dut, {"i": [dut.i.payload.shape().const(row).as_bits() for row in rows]}, {"o": 3},
                      duty=duty, starts={"i": 2},
                      pins={"passes": passes, "largest": 2, "surest": surest, "fault": 0})
    for word, row in zip(passed["o"].words, rows, strict=True):
        result = result_layout(3, 20).from_bits(word)
        assert (result.sum, result.square, result.confident, result.votes) == (
            *row["totals"].values(), row["votes"])
        assert (result.prediction, result.reject, result.passes, result.error) == (2, reject, passes, 0)
        assert result.last == (row["index"] == 2)
