"""Spatial-SpinDrop: a pass drops whole channels of the maps that enter a layer (NeuSpin, III-A2).

The survey states no probability. Of 0.05 and 0.1, that with the smaller loss on training images that were
held back is taken; so are the learning rate and the length of the training.
"""

from dataclasses import replace

from golden.methods.masks import MaskedConvolution, tuning


__all__ = ["LAYER", "P", "TUNING", "SpatialConvolution"]


P = 0.05 #: Probability that a channel is dropped.


class SpatialConvolution(MaskedConvolution):
    """A layer that drops channels of its input, if that is a map of more than one position."""

    method = "spatial-spindrop"


LAYER = SpatialConvolution

#: Channels are few, so each pass lacks much that the deterministic network relies on: there is more to
#: learn anew than when single inputs are dropped.
TUNING = replace(tuning(SpatialConvolution, P), peak=3e-3, longer=6)
