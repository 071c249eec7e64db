"""Distribution of the sums of a layer as bits of its weights are flipped (Inverted Normalization,
Fig. 1)."""

import numpy as np

from gen.ir import Network
from golden.device.cell import Chip, Devices
from golden.figures.figure import Figure, Panel, Series
from golden.network import input_levels, layer_sums


__all__ = ["RATES", "sums_figure"]


RATES = (0.0, 0.1, 0.2) #: Shares of flipped bits.

#: Bins of a histogram.
BINS = 30


def sums_figure(network: Network, images: np.ndarray, seed: int = 0) -> Figure:
    """Return the histogram of the sums of the first layer of a compiled ``network`` over uint8 ``images``
    (N, H, W), for each of :data:`RATES`, with the chip ``seed``; and the mean of the sums of each channel,
    of which a normalization with stored statistics knows only those without flips."""
    layer  = network.layers[0]
    levels = input_levels(network, images)
    sums   = {rate: layer_sums(layer, levels, 0, Chip(network, Devices(flips=rate), seed))
              for rate in RATES}
    ends   = min(each.min() for each in sums.values()), max(each.max() for each in sums.values())
    edges  = np.linspace(*ends, BINS + 1)
    channels = np.arange(layer.outputs)
    return Figure(f"{network.name}, sums of {layer.name} with flipped weights", [
        Panel("sum", "share", [
            Series(f"{rate:.0%} flipped", (edges[1:] + edges[:-1]) / 2,
                   np.histogram(each, edges)[0] / each.size, kind="steps") for rate, each in sums.items()]),
        Panel("channel", "mean of the sums", [
            Series(f"{rate:.0%} flipped", channels, each.mean((0, 1, 2))) for rate, each in sums.items()]),
    ])
