"""Deep ensemble: several networks, trained from different random starts.

Array ``m`` of every layer, with a normalization of its own, makes member ``m``. Nothing is random at
inference: pass ``t`` is member ``t`` modulo their number in all layers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gen.ir import Layer, Network
from golden.float.layers import BinaryConvolution
from golden.float.model import BayNN
from golden.methods.tiny_ensemble import of_members


__all__ = ["LAYER", "EnsembleConvolution", "join"]


class EnsembleConvolution(nn.Module):
    """A layer of all members, one for each array; a choice is the number of a member.

    Samples without choices are divided into as many blocks as there are members. The interface is that of
    :class:`.BinaryConvolution`.

    Attributes
    ----------
    members : ModuleList of BinaryConvolution
    """

    method = "ensemble"
    tied = True
    columns = 1

    def __init__(self, layer: Layer):
        super().__init__()
        self.layer = layer
        self.members = nn.ModuleList(BinaryConvolution(layer) for _ in range(layer.crossbars))

    @property
    def scale(self) -> Tensor:
        """Of the first member."""
        return self.members[0].scale

    def shares(self) -> list[float]:
        return [1 / len(self.members)] * len(self.members)

    def settle(self):
        for member in self.members:
            member.settle()

    def stored(self) -> dict[str, Tensor | float]:
        every = [member.stored() for member in self.members]
        return {name: torch.stack([own[name] for own in every]) if isinstance(value, Tensor) else value
                for name, value in every[0].items()}

    def take(self, stored: dict[str, Tensor | float]):
        for number, member in enumerate(self.members):
            member.take({name: value[number] if isinstance(value, Tensor) else value
                         for name, value in stored.items()})

    def sums(self, x: Tensor) -> Tensor:
        """Return ``x``: members have nothing else in common."""
        return x

    def normalize(self, x: Tensor, choice: Tensor | None = None) -> Tensor:
        """Return the value before the sign for the signs ``x`` and the member ``(N,)`` of each sample."""
        if choice is None:
            choice = of_members(len(x), len(self.members), x.device)
        y = x.new_empty(len(x), self.layer.outputs, *self.layer.pooled_shape[:2])
        for number, member in enumerate(self.members):
            chosen = choice == number
            y[chosen] = member(x[chosen])
        return y

    def forward(self, x: Tensor, choice: Tensor | None = None) -> Tensor:
        return self.normalize(self.sums(x), choice)


def join(network: Network, models: Sequence[BayNN]) -> BayNN:
    """Return ``network``, an ensemble, with as many networks of :class:`.BinaryConvolution`."""
    joined = BayNN(network, EnsembleConvolution)
    for layer, *members in zip(joined.layers, *(model.layers for model in models), strict=True):
        layer.members = nn.ModuleList(members)
    return joined


LAYER = EnsembleConvolution
