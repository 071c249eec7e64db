"""Tiny deep ensemble: members that share the binary weights, each with a normalization of its own.

The weights of a member are those of all; bank ``m`` of every layer, its batch normalization, makes member
``m``. Nothing is random at inference: pass ``t`` is member ``t`` modulo their number in all layers.
"""

import torch
from torch import Tensor, nn

from gen.ir import Layer
from golden.float.layers import BinaryConvolution, normalize, vectors_of
from golden.methods.tuning import Tuning


__all__ = ["LAYER", "TUNING", "MemberConvolution", "of_members", "scatter"]


SPREAD = 0.3  #: Standard deviation of the logarithm of the factors that members begin with on gamma.
SHIFT  = 0.5  #: Standard deviation of the shifts that they begin with on beta.


def of_members(count: int, members: int, device: torch.device) -> Tensor:
    """Return the member, int64 ``(count,)``, of each sample: ``members`` blocks of equal size."""
    return torch.arange(count, device=device) * members // count


class MemberConvolution(BinaryConvolution):
    """A layer with a batch normalization for each member; a choice is the number of a member.

    Samples without choices are divided into as many blocks as there are members.

    Attributes
    ----------
    normalizations : list of BatchNorm2d
        The first is that of the base class.
    """

    method = "tiny-ensemble"
    tied = True

    def __init__(self, layer: Layer):
        super().__init__(layer)
        self.others = nn.ModuleList(nn.BatchNorm2d(layer.outputs) for _ in range(layer.bank_count - 1))

    @property
    def normalizations(self) -> list[nn.BatchNorm2d]:
        return [self.normalization, *self.others]

    def set_extra_state(self, state):
        for normalization in self.normalizations:
            normalization.eps = state["epsilon"]

    def shares(self) -> list[float]:
        return [1 / self.layer.bank_count] * self.layer.bank_count

    def stored(self) -> dict[str, Tensor | float]:
        every = [vectors_of(normalization) for normalization in self.normalizations]
        return super().stored() | {name: torch.stack([own[name] for own in every]) for name in every[0]}

    @torch.no_grad()
    def take(self, stored: dict[str, Tensor | float]):
        names = vectors_of(self.normalization)
        super().take(stored | {name: stored[name][0] for name in names})
        for number, normalization in enumerate(self.normalizations):
            normalization.eps = stored["epsilon"]
            for name, vector in vectors_of(normalization).items():
                vector.copy_(stored[name][number])

    def normalize(self, s: Tensor, choice: Tensor | None = None) -> Tensor:
        if choice is None:
            choice = of_members(len(s), self.layer.bank_count, s.device)
        z = (s + self.bias.view(1, -1, 1, 1)) * self.scale.view(1, -1, 1, 1)
        y = torch.empty_like(z)
        for number, normalization in enumerate(self.normalizations):
            chosen = choice == number
            y[chosen] = normalize(normalization, z[chosen])
        return y


@torch.no_grad()
def scatter(model: nn.Module):
    """Make the normalization of each member from the first one, with random factors and shifts."""
    for layer in model.trunk:
        for normalization in reversed(layer.normalizations):
            normalization.load_state_dict(layer.normalization.state_dict())
            normalization.weight.mul_(torch.exp(SPREAD * torch.randn_like(normalization.weight)))
            normalization.bias.add_(SHIFT * torch.randn_like(normalization.bias))


LAYER = MemberConvolution

#: Every member sees the whole batch and learns by itself, which is slower than learning from the mean. More
#: passes than members would only repeat them.
TUNING = Tuning(MemberConvolution, scatter, passes=None, separate=True, longer=2)
