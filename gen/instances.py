# amaranth: UnusedElaboratable=no
"""Several instances of an accelerator: their hardware, and what becomes of its interval and latency."""

import math

from gen.ir import Network, Target
from gen.lower import lower
from hdl.accelerator import Accelerator
from hdl.instances import Instances
from hdl.random.draw_order import DrawOrder


__all__ = ["lower_instances", "performance_of_instances"]


def lower_instances(network: Network, target: Target, per_word: int) -> Instances:
    """Return the ``target.instances`` accelerators of a compiled network, which take words of ``per_word``
    pixels."""
    return Instances(lower(network, target, instance=True), "instance", count=target.instances,
                     per_word=per_word)


def performance_of_instances(report: dict, accelerator: Accelerator, target: Target) -> dict:
    """Return the performance of several instances of ``accelerator``, of which ``report`` has that of one
    (:func:`gen.estimate.estimate_network`).

    All together they take as many images as there are instances in the interval of one, unless the pixels,
    the random bits or the results, which all pass one place, take longer; while a result leaves, no other
    does. ``pixels_per_word`` is the least
    number that does not slow down the mean of T passes. Results leave in the order of the images, and what
    one instance waits for another is not followed: the figures are not exact, and latency is that without
    waiting.
    """
    count, results = target.instances, _result_cycles(accelerator)
    drawing = report["random_cycles_per_image"]
    drawing += DrawOrder.overhead if drawing else 0
    pixels  = accelerator.pixel_input.pixels

    def shared(cycles):
        return max(cycles / count, drawing, results)

    per_word  = math.ceil(pixels / math.floor(shared(report["interval_cycles_mean"])))
    words     = math.ceil(pixels / per_word)
    intervals = {key: max(shared(report[key]), words) for key in (
        "interval_cycles", "interval_cycles_mean", "interval_cycles_one_pass")}
    latency   = Instances.latency
    latencies = {key: report[key] + latency for key in (
        "latency_cycles", "latency_cycles_mean", "latency_cycles_largest", "latency_cycles_one_pass")}
    clock = target.clock_mhz
    return report | intervals | latencies | {
        "instances": count,
        "pixels_per_word": per_word,
        "exact": False,
        "interval": "about",
        "latency_exact": False,
        "random_cycles_per_image": drawing,
        "estimated_throughput_fps": clock * 1e6 / intervals["interval_cycles_mean"],
        "estimated_latency_ns": latencies["latency_cycles"] * 1e3 / clock,
    }


def _result_cycles(accelerator):
    """Cycles from the first word of a result to behind the last."""
    averaging = accelerator.averaging
    words     = averaging.classes * averaging.interval
    position  = max(accelerator.to_average.interval, averaging.classes + averaging.between + words + 1)
    return (averaging.positions - 1) * position + words
