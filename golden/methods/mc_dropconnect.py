"""MC-DropConnect: weights of fully connected layers are dropped in each pass (Mobiny et al., DropConnect Is
Effective in Modeling Uncertainty of Bayesian Deep Networks, 2021). A baseline in floating point."""

from torch import Tensor
from torch.nn import functional

from golden.methods.float_network import FloatConvolution


__all__ = ["P", "DropConnectConvolution"]


P = 0.2 #: Probability that a weight is dropped. The papers state none.


class DropConnectConvolution(FloatConvolution):
    """A layer that drops each weight with probability :data:`P`, if it is fully connected; the samples of a
    batch share what is dropped."""

    def weight(self) -> Tensor:
        weight = super().weight()
        return functional.dropout(weight, P) if self.full else weight
