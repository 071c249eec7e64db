"""Layers with a distribution of weights, and crossbars that hold samples of it (SpinBayes, 2.2, 3.2)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.ir import Layer
from golden.float.layers import normalize, of_averages, small_kernel, vectors_of


__all__ = ["BayesianConvolution", "Gaussian", "PRIOR", "divergence", "free_energy", "quantize"]


PRIOR   = 0.3   #: Standard deviation of the prior of a weight.
_MEAN   = 0.25  #: Standard deviation of the initial means.
_SPREAD = 0.03  #: Initial standard deviation of the posterior of a weight.
_RAMP   = 0.25  #: Share of a training in which the weight of the divergence grows to its full value.


def divergence(mean: Tensor, deviation: Tensor, prior_mean: float, prior_deviation: float) -> Tensor:
    """Return the Kullback-Leibler divergence of independent Gaussians to those of the prior, in nats."""
    variance = (deviation / prior_deviation).square()
    return (variance + ((mean - prior_mean) / prior_deviation).square() - 1 - variance.log()).sum() / 2


def free_energy(loss: Tensor, model: nn.Module, weight: float, count: int, done: float) -> Tensor:
    """Return the loss to be minimized: ``loss`` and the divergence of all layers to their prior.

    Parameters
    ----------
    loss : Tensor ``()``
        Negative log likelihood of an image.
    model : nn.Module
        Each layer of its ``trunk`` has a ``divergence()``.
    weight : float
        Weight of the divergence; 1 is Bayes' rule.
    count : int
        Training images, over which the divergence is spread.
    done : float
        Share of the training that is done; the weight of the divergence grows at the beginning.
    """
    weight = weight * min(done / _RAMP, 1) / count
    return loss + weight * sum(layer.divergence() for layer in model.trunk)


class Gaussian(nn.Module):
    """Independent Gaussian weights: the posterior ``q(w)`` of Bayes by backprop (SpinBayes, 2.2).

    Attributes
    ----------
    mean : Parameter, of the given shape
    rho : Parameter, of the same shape
        The standard deviation is ``log(1 + exp(rho))``.
    """

    def __init__(self, *shape: int):
        super().__init__()
        self.mean = nn.Parameter(torch.randn(shape) * _MEAN)
        self.rho = nn.Parameter(torch.full(shape, math.log(math.expm1(_SPREAD))))

    def deviation(self) -> Tensor:
        """Return the standard deviation of each weight."""
        return functional.softplus(self.rho)

    def draw(self) -> Tensor:
        """Return one sample of all weights; the gradient reaches their means and deviations."""
        return self.mean + self.deviation() * torch.randn_like(self.mean)

    def divergence(self) -> Tensor:
        """Return the divergence to the prior ``N(0, PRIOR ** 2)``, in nats."""
        return divergence(self.mean, self.deviation(), 0, PRIOR)


def quantize(weight: Tensor, bits: int) -> Tensor:
    """Return ``weight`` in integers from ``-W`` to ``W = 2 ** (bits - 1) - 1`` (SpinBayes, eq. 3).

    They stand for ``-1`` to ``1``; weights outside this range are clipped.
    """
    return (weight.clamp(-1, 1) * (2**(bits - 1) - 1)).round()


class BayesianConvolution(nn.Module):
    """Convolution, max-pool and batch normalization of one layer with random weights.

    A map holds levels ``q`` from 0 to ``L`` (:func:`golden.float.levels.levels_of`), so with weights ``w``
    the sum of a fan-in is ``s = ((1 - low) / L * sum(q * w) + low * sum(w))``. After pooling, the output is
    ``gamma * (s + bias - mean) / deviation + beta``, which is not rounded to levels yet.

    While training, weights are drawn from the posterior, anew for each half of a batch, which halves the
    noise of the gradient. After :meth:`hold` the weights are those of N crossbar arrays, divided by ``W``
    (eq. 3), and each sample draws one of the arrays, or the mean of one of the sets of arrays (eq. 4).

    Parameters
    ----------
    layer : :class:`gen.ir.Layer`
        Geometry, bits and number of crossbars. A fully connected layer is a convolution whose kernel
        is the whole map.

    Attributes
    ----------
    posterior : Gaussian of shape ``(outputs, channels of a group, height, width)``
        Of the weights; where the layer averages windows of what enters, of those for each window.
    bias : Tensor ``(outputs,)``
        Not trained, since ``beta`` of the batch normalization does the same.
    arrays : Tensor ``(N, outputs, channels, height, width)`` or None
        Integers from ``-W`` to ``W``.

    The ``state_dict()`` of the module includes epsilon, and the arrays if the module holds arrays. Loading
    a state with arrays makes the module hold them; loading one without returns it to the posterior.
    """

    def __init__(self, layer: Layer):
        super().__init__()
        self.layer  = layer
        self._shape = layer.outputs, layer.group_channels, *layer.kernel
        self.posterior = Gaussian(layer.outputs, layer.group_channels, *small_kernel(layer))
        self.normalization = nn.BatchNorm2d(layer.outputs)
        if layer.output_low == 0:
            # Most initial values are then between 0 and 1, where the levels have a gradient.
            nn.init.constant_(self.normalization.weight, 0.5)
            nn.init.constant_(self.normalization.bias, 0.25)
        self.register_buffer("bias", torch.zeros(layer.outputs))
        self.register_buffer("arrays", None)

    def divergence(self) -> Tensor:
        """Return the divergence of the weights to their prior, in nats."""
        return self.posterior.divergence()

    def hold(self, arrays: Tensor):
        """Use ``arrays`` as the weights from now on, and the posterior no longer."""
        self.arrays = arrays.to(self.posterior.mean)
        self.posterior.requires_grad_(False)

    def stored(self) -> dict[str, Tensor | float]:
        """Return what a checkpoint holds of the layer, by name: the arrays, or the only one of a layer that
        chooses none, as ``weight``, vectors ``(outputs,)``, numbers."""
        weight = self.arrays if self.layer.choices else self.arrays[0]
        return {"weight": weight, "bias": self.bias, **vectors_of(self.normalization),
                "epsilon": self.normalization.eps}

    @torch.no_grad()
    def take(self, stored: dict[str, Tensor | float]):
        """Hold what a checkpoint has stored, the counterpart of :meth:`stored`."""
        self.hold(stored["weight"].view(-1, *self._shape))
        for name, vector in {"bias": self.bias, **vectors_of(self.normalization)}.items():
            vector.copy_(stored[name])
        self.normalization.eps = stored["epsilon"]

    def get_extra_state(self):
        return {"epsilon": self.normalization.eps}

    def set_extra_state(self, state):
        self.normalization.eps = state["epsilon"]

    def _load_from_state_dict(self, state, prefix, *rest):
        # torch loads a buffer only into one that is there already.
        if f"{prefix}arrays" in state:
            self.hold(self.posterior.mean.new_empty(len(state[f"{prefix}arrays"]), *self._shape))
        else:
            self.arrays = None
            self.posterior.requires_grad_(True)
        super()._load_from_state_dict(state, prefix, *rest)

    @torch.no_grad()
    def settle(self):
        """Take N samples of the posterior, quantize them, and hold them (SpinBayes, 3.2)."""
        self.hold(torch.stack([quantize(self._draw(), self.layer.weight_bits)
                               for _ in range(self.layer.crossbars)]))

    def _draw(self):
        """Draw weights, the same in all of a window that is averaged."""
        return of_averages(self.layer, self.posterior.draw())

    def restrict(self):
        """Clip the means to the range of quantized weights, after a step of the optimizer."""
        self.posterior.mean.clamp_(-1, 1)

    def sums(self, q: Tensor, choice: Tensor | None = None) -> Tensor:
        """Return the pooled sums ``s`` of levels ``q`` of shape ``(N, C, H, W)``.

        ``choice`` ``(N,)`` is the array of each sample, or its set of arrays; it is drawn at random unless
        given.
        """
        if self.arrays is None:
            return torch.cat([self._sums(half, self._draw(), 1)
                              for half in q.tensor_split(2)])
        if choice is None:
            choice = torch.randint(len(self.layer.array_sets), (len(q),), device=q.device)
        height, width, outputs = self.layer.pooled_shape
        s = q.new_empty(len(q), outputs, height, width)
        unit = self.layer.ways * (2**(self.layer.weight_bits - 1) - 1)
        for number, arrays in enumerate(self.layer.array_sets):
            chosen = choice == number
            weight = self.arrays[list(arrays)].sum(0)
            s[chosen] = self._sums(q[chosen], weight, unit)
        return s

    def _sums(self, q, weight, unit):
        layer, low = self.layer, self.layer.input_low
        if layer.kernel == (layer.height, layer.width) and not any(layer.padding) and layer.groups == 1:
            m = functional.linear(q.flatten(1), weight.flatten(1))[:, :, None, None] # same, faster
        else:
            m = functional.conv2d(q, weight, stride=layer.stride, padding=layer.padding,
                                  groups=layer.groups)
        if layer.pool != (1, 1):
            m = functional.max_pool2d(m, layer.pool)
        # One division of two integers, so that in float64 the quotient is correctly rounded.
        most = 2**layer.input_bits - 1
        all_low = low * most * weight.sum((1, 2, 3)).view(1, -1, 1, 1)
        return ((1 - low) * m + all_low) / (most * unit)

    def forward(self, q: Tensor, choice: Tensor | None = None) -> Tensor:
        return normalize(self.normalization, self.sums(q, choice) + self.bias.view(1, -1, 1, 1))
