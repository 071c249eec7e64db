"""Instances and folding for a number of images per second."""

import math
from dataclasses import replace

from gen.check_target import ImpossibleTarget, check_target
from gen.compile import compile_network
from gen.ir import Network, Target
from gen.transforms.folding import choose_interval


__all__ = ["check_rate", "for_rate"]


def for_rate(network: Network, target: Target) -> Target:
    """Return ``target`` with the fewest instances that give ``target.fps`` images per second at its clock,
    and the longest interval to fold each of them for, which takes the least logic; as it is without a rate.

    An instance is not folded for a shorter interval than by default
    (:func:`gen.transforms.folding.choose_interval`).

    Raises
    ------
    ImpossibleTarget
        If an interval, ADCs, LUTs or instances are asked for too.
    """
    if target.fps is None:
        return target
    for name in ("interval", "adcs", "luts"):
        if getattr(target, name) is not None:
            raise ImpossibleTarget(f"A rate chooses the folding; leave --fps or --{name} out, or take it "
                                   f"back with --fps none or --{name} none")
    if target.instances > 1:
        raise ImpossibleTarget("A rate chooses the instances; leave --fps or --instances out, or take it "
                               "back with --fps none or --instances 1")
    check_target(target)
    plain     = replace(target, fps=None)
    shortest  = choose_interval(compile_network(network, plain), plain)["interval_cycles"]
    available = target.clock_mhz * 1e6 / target.fps # cycles for an image
    count     = max(1, math.ceil(shortest / available))
    chosen    = replace(target, instances=count, interval=math.floor(count * available))
    check_target(chosen)
    return chosen


def check_rate(network: Network, target: Target, performance: dict):
    """Raise :exc:`ImpossibleTarget` if the estimated ``performance`` is below ``target.fps``."""
    found, drawing = performance["estimated_throughput_fps"], performance["random_cycles_per_image"]
    if target.fps is None or found >= target.fps:
        return
    most = target.clock_mhz * 1e6 / target.fps
    why  = (f"its random bits take {drawing} cycles an image; add --sources layer, or ask for fewer"
            if drawing > most else "ask for fewer, or for a faster clock with --clock-mhz")
    raise ImpossibleTarget(f"Network {network.name!r} gives about {found:,.0f} images/s at "
                           f"{target.clock_mhz:g} MHz, not {target.fps:,}: {why}")
