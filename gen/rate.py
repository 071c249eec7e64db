# amaranth: UnusedElaboratable=no
"""Instances and folding for a number of images per second."""

import math
from dataclasses import replace

from gen.check_target import INSTANCES_MAX, ImpossibleTarget, check_target
from gen.compile import compile_network
from gen.estimate import estimate_network
from gen.instances import performance_of_instances
from gen.ir import Network, Target
from gen.lower import lower
from gen.transforms.folding import choose_interval


__all__ = ["for_rate"]


def for_rate(network: Network, target: Target) -> Target:
    """Return ``target`` with the fewest instances whose estimate is ``target.fps`` images per second at its
    clock, and where that keeps the rate with a longer interval to fold each of them for, which takes less
    logic; as it is without a rate.

    Raises
    ------
    ImpossibleTarget
        If an interval, ADCs, LUTs or instances are asked for too; or if no number of instances gives so
        many, or a bus or pins of arrays allow one instance alone.
    """
    if target.fps is None:
        return target
    _alone(target)
    plain = replace(target, fps=None)
    check_target(target)
    _check_line(network, target)
    accelerator, one, folded = _estimated(network, plain)

    def rate(instances, performance=one):
        if instances > 1:
            performance = performance_of_instances(performance, accelerator,
                                                   replace(plain, instances=instances))
        return performance["estimated_throughput_fps"]

    most  = INSTANCES_MAX if (plain.bus, plain.view) == ("streams", "emulated") else 1
    count = next((count for count in range(1, most + 1) if rate(count) >= target.fps), None)
    if count is None:
        raise ImpossibleTarget(f"Network {network.name!r} gives about {rate(most):,.0f} images/s at "
                               f"{plain.clock_mhz:g} MHz with {most} instance{'s' * (most > 1)}, not "
                               f"{target.fps:,}{_why(plain, one, target.fps)}")
    chosen = replace(plain, instances=count)
    longer = replace(chosen, interval=math.floor(count * plain.clock_mhz * 1e6 / target.fps))
    if longer.interval > folded:
        _, other, _ = _estimated(network, replace(longer, instances=1))
        if rate(count, other) >= target.fps:
            return longer
    return chosen


def _alone(target):
    """Refuse what a rate chooses."""
    for name in ("interval", "adcs", "luts"):
        if getattr(target, name) is not None:
            raise ImpossibleTarget(f"A rate chooses the folding; leave --fps or --{name} out, or take it "
                                   f"back with --fps none or --{name} none")
    if target.instances > 1:
        raise ImpossibleTarget("A rate chooses the instances; leave --fps or --instances out, or take it "
                               "back with --fps none or --instances 1")


def _check_line(network, target):
    """Refuse a rate whose pixels a serial line cannot send: a byte in ten bits."""
    most = target.baud / 10 / (math.prod(network.input.shape))
    if target.bus == "uart" and target.fps > most:
        raise ImpossibleTarget(f"A serial line of {target.baud:,} baud brings at most {most:,.0f} "
                               f"images/s, not {target.fps:,}; ask for fewer, or raise --baud")


def _estimated(network, target):
    """The accelerator, its estimated performance, and the interval that it is folded for."""
    compiled    = compile_network(network, target)
    accelerator = lower(compiled, target)
    return (accelerator, estimate_network(accelerator, compiled, target.passes, target.clock_mhz),
            choose_interval(compiled, target)["interval_cycles"])


def _why(target, one, fps):
    """What stands in the way, and the way out."""
    drawing = one["random_cycles_per_image"]
    if (target.bus, target.view) != ("streams", "emulated"):
        return "; several have neither a bus nor pins of arrays: leave --bus, --board and --view out, or " \
               "ask for fewer"
    if drawing * fps > target.clock_mhz * 1e6:
        more = ", or add --sources layer" if (target.rng, target.sources) == ("mtj", "model") else ""
        return f": its random bits, of one source, take {drawing} cycles an image; ask for fewer{more}"
    return "; ask for fewer, or for a faster clock with --clock-mhz"
