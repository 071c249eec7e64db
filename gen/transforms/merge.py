"""Choose the masked layers whose passes with equal masks run as one."""

import math
from dataclasses import replace

from gen.ir import Network, Target
from gen.maps import expected


__all__ = ["GROUPS_MAX", "SAVED", "merge"]


#: Share of the runs of a layer that merging must save.
SAVED = 1 / 8

#: Most groups of a mask: of more there are more different masks than a float has numbers for.
GROUPS_MAX = 1000


def merge(network: Network, target: Target) -> Network:
    """Let passes with equal masks run as one in each layer where this saves at least :data:`SAVED` of its
    runs, by the mean for ``target.passes`` passes.

    Of few groups, or of groups that are hardly ever dropped, many passes have the same mask: of 6 channels
    that are dropped with a probability of 0.05 each, 20 passes have 5 different masks. Of a hundred they
    have 20. Where passes go apart already, as they do one after another or behind a mix of banks, nothing
    is saved. Nothing is merged in a network with joins.

    Needs: nothing. Ensures: nothing that must hold; a layer without a mask is never merged.
    """
    # Beside a branch, whose maps must come as those of the trunk do, passes stay apart.
    if target.schedule == "sequential" or network.joins:
        return network
    for index, layer in enumerate(network.layers):
        if (layer.mask_choice is None or layer.mask_choice.groups > GROUPS_MAX
                or _equal_pairs(network, layer, target.passes) < SAVED * target.passes):
            continue
        merged = replace(network, layers=(*network.layers[:index], replace(layer, merged=True),
                                          *network.layers[index + 1:]))
        if expected(merged, target.passes).entering[index] <= (1 - SAVED) * target.passes:
            network = merged
    return network


def _equal_pairs(network, layer, passes):
    """The mean number of pairs of passes with the same mask in ``layer``: merging saves no more runs."""
    drops = next(draw.drops for draw in network.draws if draw.name == layer.mask_choice.draw)
    return math.comb(passes, 2) * math.prod(p * p + (1 - p) * (1 - p) for p in drops)
