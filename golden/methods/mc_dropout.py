"""MC-Dropout: inputs of fully connected layers are dropped in each pass (Gal and Ghahramani, Dropout as a
Bayesian Approximation, 2016). A baseline in floating point."""

from torch import Tensor
from torch.nn import functional

from golden.methods.float_network import FloatConvolution


__all__ = ["P", "DropoutConvolution"]


P = 0.2 #: Dropout probability. The papers state none for classification.


class DropoutConvolution(FloatConvolution):
    """A layer that drops each input of each sample with probability :data:`P`, if it is fully connected."""

    def inputs(self, x: Tensor) -> Tensor:
        return functional.dropout(x, P) if self.full else x
