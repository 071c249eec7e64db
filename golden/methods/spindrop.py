"""SpinDrop: a pass drops single inputs of the fully connected layers (NeuSpin, III-A1).

The survey states no probability. Of 0.1 and 0.2, that with the smaller loss on training images that were
held back is taken.
"""

from golden.methods.masks import MaskedConvolution, tuning


__all__ = ["LAYER", "P", "TUNING", "NeuronConvolution"]


P = 0.1 #: Probability that an input is dropped.


class NeuronConvolution(MaskedConvolution):
    """A layer that drops each of its inputs by itself, if it is fully connected."""

    method = "spindrop"


LAYER  = NeuronConvolution
TUNING = tuning(NeuronConvolution, P)
