"""Random Scale-Dropout: a dropped scale is one of several random vectors (Scale-Dropout, III-B).

The paper draws a fresh value each time a scale is dropped. Here vectors are drawn once, before training,
and stored, so that each becomes a bank of constants: a pass draws which.
"""

import torch
from torch import Tensor

from gen.ir import Layer
from golden.float.layers import normalize
from golden.methods.scale_dropout import ScaleConvolution, jitter, spread_objective
from golden.methods.tuning import Tuning


__all__ = ["LAYER", "RANGE", "TUNING", "RandomScaleConvolution"]


RANGE = (0.5, 1.5) #: Of the uniform distribution that their values are from. The paper states none.


class RandomScaleConvolution(ScaleConvolution):
    """A layer whose scale is kept in bank 0, or dropped to the random vector of another bank.

    Choice 0 keeps the scale; the others, of equal probability, are the vectors.

    Attributes
    ----------
    values : Tensor ``(banks - 1, outputs)``
    """

    method = "scale-dropout-random"

    def __init__(self, layer: Layer):
        super().__init__(layer)
        self.register_buffer("values", torch.empty(layer.bank_count - 1, layer.outputs).uniform_(*RANGE))

    def shares(self) -> list[float]:
        p, count = self.dropout.p, len(self.values)
        return [1 - p, *[p / count] * count]

    def stored(self) -> dict[str, Tensor | float]:
        return super().stored() | {"scale": torch.cat((self.scale[None], self.values))}

    @torch.no_grad()
    def take(self, stored: dict[str, Tensor | float]):
        super().take(stored | {"scale": stored["scale"][0]})
        self.values = stored["scale"][1:].to(self.scale)

    def normalize(self, s: Tensor, choice: Tensor | None = None) -> Tensor:
        if choice is None:
            keep, number = None, torch.randint(len(self.values), (len(s),), device=s.device)
        else:
            keep, number = choice == 0, (choice - 1).clamp(min=0)
        z = self.dropout(s + self.bias.view(1, -1, 1, 1), self.scale, keep, self.values[number])
        return normalize(self.normalization, z)


LAYER  = RandomScaleConvolution
TUNING = Tuning(RandomScaleConvolution, jitter, spread_objective)
