from types import SimpleNamespace

import numpy as np

from sim.compare.cycles import report_cycles


def test_interval_of_a_steady_state_alone():
    """While buffers fill, images enter every 64 cycles, and results leave every 3,000."""
    def results(count):
        entered = np.cumsum([0] + [64] * min(count - 1, 12) + [3000] * max(0, count - 13))
        return SimpleNamespace(begins=entered, ends=4000 + 3000 * np.arange(count))

    assert "interval_cycles" not in report_cycles([results(1)])
    for count in (2, 4, 10):
        report = report_cycles([results(count)])
        assert "interval_cycles" not in report and report["interval_reason"].endswith("more images")
    assert report_cycles([results(60), results(60)])["interval_cycles"] == 3000


def test_no_interval_before_the_first_result_has_left():
    """Buffers take whole images: the first ones enter as fast as pixels come, whatever the slowest layer
    needs, and leave as fast as the last layer can."""
    def results(count):
        entered = np.cumsum([0] + [784] * min(count - 1, 3) + [897] * max(0, count - 4))
        return SimpleNamespace(begins=entered, ends=4000 + np.cumsum([0] + [840] * (count - 1)))

    for count in (2, 3, 6):
        assert "interval_cycles" not in report_cycles([results(count)])
    assert report_cycles([results(30)])["interval_cycles"] == 897
    # A shard that is too short says nothing.
    assert report_cycles([results(30), results(3)])["interval_cycles"] == 897


def test_latency_is_that_of_the_first_image():
    shards = [SimpleNamespace(begins=np.array([7, 900]), ends=np.array([end, 950])) for end in (57, 99)]
    assert report_cycles(shards)["latency_cycles"] == 50
