# amaranth: UnusedElaboratable=no
"""The shortest interval that a number of LUTs allows, by the estimate of cells before any synthesis."""

import bisect
from collections.abc import Callable
from dataclasses import replace

from gen.check_target import ImpossibleTarget
from gen.ir import Network, Target
from gen.lower import lower
from gen.resources import block_resources
from gen.transforms.folding import intervals


__all__ = ["within_luts"]


def within_luts(network: Network, target: Target,
                compile_network: Callable[[Network, Target], Network]) -> Network:
    """Return ``network`` as ``compile_network`` compiles it for the shortest interval at which
    :func:`gen.resources.estimate_resources` finds at most ``target.luts``.

    Raises
    ------
    ImpossibleTarget
        If an interval or ADCs are asked for too, or no interval takes so few.
    """
    if target.interval is not None or target.adcs is not None:
        raise ImpossibleTarget("A number of LUTs excludes an interval and a number of ADCs; leave one out, "
                               "or take it back with --luts none, --interval none or --adcs none")
    counted = {} # LUTs of blocks; only those of layers depend on their foldings

    def folded(interval):
        return compile_network(network, replace(target, luts=None, interval=interval))

    def luts(interval):
        compiled    = folded(interval)
        accelerator = lower(compiled, target)
        layers, total = dict(zip(accelerator.engine_names, compiled.layers, strict=True)), 0
        for name, block in accelerator.blocks.items():
            key = name, layers[name].folding if name in layers else None
            if key not in counted:
                counted[key] = block_resources(
                    block, accelerator.guarded(block) if target.protect else None)["LUT"]
            total += counted[key]
        return total

    possible = intervals(folded(1), target)
    place    = bisect.bisect_left(possible, True, key=lambda interval: luts(interval) <= target.luts)
    if place == len(possible):
        raise ImpossibleTarget(f"Network {network.name!r} takes about {luts(possible[-1]):,} LUT4 however "
                               f"long the interval, not {target.luts:,}; ask for so many with --luts, or "
                               "take a smaller network or fewer --passes-max")
    return folded(possible[place])
