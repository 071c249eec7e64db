"""Cycles of a simulation: latency, and the interval between images."""

from collections.abc import Sequence

import numpy as np

from sim.compare.results import Results


__all__ = ["report_cycles"]


#: Share by which the cycles between first pixels and those between results may differ in a steady state.
STEADY = 0.1


def report_cycles(shards: Sequence[Results]) -> dict:
    """Return the cycles of ``shards``, each a run of the simulator.

    ``latency_cycles`` is that of the first image, from its first pixel to the last word of its result.
    ``interval_cycles`` is the mean from image to image, between first pixels over the later half of each
    shard in which the first result has left by then. While buffers still fill, images enter faster than
    results leave; then ``interval_reason`` says that there is no interval yet.
    """
    report  = {"latency_cycles": int(shards[0].ends[0] - shards[0].begins[0])}
    filled  = [shard for shard in shards if shard.begins[_later(shard.begins)] >= shard.ends[0]]
    entered = _mean_step([shard.begins for shard in filled])
    left    = _mean_step([shard.ends for shard in filled])
    if entered and abs(left - entered) <= STEADY * entered:
        report["interval_cycles"] = entered
    elif any(len(shard.begins) > 1 for shard in shards):
        report["interval_reason"] = "none yet, as buffers were still filling; simulate more images"
    return report


def _later(cycles: np.ndarray) -> int:
    """Number of the image from which the later half is measured."""
    return max(0, len(cycles) // 2 - 1)


def _mean_step(shards: list[np.ndarray]) -> float:
    """Mean difference of successive cycles in the later half of each shard, 0 if there are none."""
    later = [cycles[_later(cycles):] for cycles in shards]
    steps = sum(len(cycles) - 1 for cycles in later)
    return float(sum(cycles[-1] - cycles[0] for cycles in later) / steps) if steps else 0.0
