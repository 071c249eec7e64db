"""Sub-set parameter inference: of all parameters only the scale vectors are random (NeuSpin, III-B1).

The survey describes the method without equations: binary weights by maximum likelihood, and a posterior of
the scale by variational inference. The rest is our reading: independent Gaussian scales with the prior
``N(1, PRIOR ** 2)``, drawn per sample and channel while training; at last, as in SpinBayes, 3.2, a number
of samples, each quantized and stored, of which a layer draws one in a pass.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.ir import Layer
from golden.float.bayes import divergence, free_energy
from golden.float.layers import BinaryConvolution, normalize
from golden.methods.tuning import Tuning


__all__ = ["BITS", "LAYER", "TUNING", "GaussianScaleConvolution", "quantize_scale"]


BITS    = 4     #: Of a stored scale, in steps of an eighth.
PRIOR   = 0.3   #: Standard deviation of the prior of a scale.
SPREAD  = 0.2   #: Initial standard deviation of the posterior of a scale.
WEIGHT  = 10.0  #: Weight of the divergence to the prior, per image; 1 would be Bayes' rule, by which the
                #: posterior becomes so narrow that its samples hardly differ.


def quantize_scale(scale: Tensor) -> Tensor:
    """Return ``scale`` in steps of an eighth, from 1 to ``2 ** BITS - 1`` of them."""
    steps = 2 ** (BITS - 1)
    return (scale * steps).round().clamp(1, 2**BITS - 1) / steps


class GaussianScaleConvolution(BinaryConvolution):
    """A layer whose scale is drawn from its posterior, and after :meth:`settle` from stored samples.

    While training, every sample draws a scale of its own for each channel. A choice is the number of a
    stored sample.

    Attributes
    ----------
    scale : Parameter ``(outputs,)``
        Means of the posterior.
    rho : Parameter ``(outputs,)``
        The standard deviation is ``log(1 + exp(rho))``.
    samples : Tensor ``(banks, outputs)`` or None
        Quantized, one for each bank; None until :meth:`settle`.
    """

    method = "sub-set"

    def __init__(self, layer: Layer):
        super().__init__(layer)
        self.bias.requires_grad_(True)
        self.scale.requires_grad_(True)
        self.rho = nn.Parameter(torch.full((layer.outputs,), math.log(math.expm1(SPREAD))))
        self.register_buffer("samples", None)

    def _load_from_state_dict(self, state, prefix, *rest):
        # torch loads a buffer only into one that is there already.
        samples = state.get(f"{prefix}samples")
        self.samples = None if samples is None else torch.empty_like(samples).to(self.scale)
        super()._load_from_state_dict(state, prefix, *rest)

    def deviation(self) -> Tensor:
        """Return the standard deviation of each scale."""
        return functional.softplus(self.rho)

    def divergence(self) -> Tensor:
        """Return the divergence of the scales to their prior, in nats."""
        return divergence(self.scale, self.deviation(), 1, PRIOR)

    def shares(self) -> list[float]:
        return [1 / len(self.samples)] * len(self.samples)

    @torch.no_grad()
    def settle(self):
        """Take the samples of the posterior, and quantize them."""
        drawn = self.scale + self.deviation() * torch.randn(self.layer.bank_count, *self.scale.shape).to(
            self.scale)
        self.samples = quantize_scale(drawn)

    def stored(self) -> dict[str, Tensor | float]:
        return super().stored() | {"scale": self.samples}

    @torch.no_grad()
    def take(self, stored: dict[str, Tensor | float]):
        super().take(stored | {"scale": stored["scale"].mean(0)})
        self.samples = stored["scale"].to(self.scale)

    def normalize(self, s: Tensor, choice: Tensor | None = None) -> Tensor:
        if self.samples is None:
            noise = torch.randn(len(s), len(self.scale), device=s.device)
            scale = self.scale + self.deviation() * noise
        else:
            if choice is None:
                choice = torch.randint(len(self.samples), (len(s),), device=s.device)
            scale = self.samples[choice]
        return normalize(self.normalization, (s + self.bias.view(1, -1, 1, 1)) * scale[:, :, None, None])


LAYER  = GaussianScaleConvolution
TUNING = Tuning(GaussianScaleConvolution,
                objective=lambda loss, model, count, done: free_energy(loss, model, WEIGHT, count, done))
