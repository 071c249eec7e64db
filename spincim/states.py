"""What leaves each module of a model of torch, as far as a design can be made of it."""

import math
import operator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from gen.checkpoint_file import Parameters
from gen.command import UserError
from gen.ir import Layer, Network
from gen.methods import has_dropout


__all__ = ["ConvertError", "Normalized", "Part", "Pixels", "Signs", "State", "Values", "fractions"]


class ConvertError(UserError):
    """A model that cannot be built, with the module and the way out in its message."""


class State:
    """What leaves a module, of a ``shape`` and ``flat`` or not; and what holds for all that says nothing
    else of it."""

    mask = source = place = order = whole = fixed = None
    window = 1, 1

    @property
    def words(self) -> str:
        """Its shape, for a message."""
        channels, height, width = self.shape
        return (f"vectors of {math.prod(self.shape)}" if self.flat else
                f"{channels} channels of {height} by {width}")


@dataclass(frozen=True)
class Pixels(State):
    """Pixels n, from 0 to 255, of the value ``low + step * n``."""

    shape: tuple[int, int, int]     #: Channels, height and width.
    low: Fraction
    step: Fraction
    flat: bool = False


@dataclass(frozen=True)
class Part(State):
    """A layer: values ``gamma * ((s + bias) * scale - mean) / sqrt(variance + epsilon) + beta`` of pooled
    sums s; of plain modules, whose scale is the size of the weights, with the bias behind the scale."""

    layer: Layer
    weight: np.ndarray              #: Of -1 and +1, (outputs, channels of a group, height, width); 0 for
                                    #: those of other groups where these lie apart.
    flat: bool
    bias: np.ndarray                #: float64 (C,), as the others.
    scale: np.ndarray
    normalization: dict | None = None #: By the names of a checkpoint.
    scaled: bool = False            #: Whether its scales can be dropped,
    p: float | None = None          #: and with which probability.
    mask: tuple[float, int] | None = None #: Probability and groups of what is dropped of its inputs.
    limited: bool = False           #: Whether only the signs of its values are known.
    golden: object | None = None    #: The layer of :mod:`golden.methods` that it is; arrays then have the
                                    #: rows that it stores.
    place: int = 0                  #: Its number.
    area: int = 1                   #: How many sums are averaged.

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, channels = self.layer.output_shape
        return channels, height, width

    def opposite(self, channels: np.ndarray) -> dict:
        """Return the fields that change where some ``channels`` have the opposite weights."""
        signs = np.where(channels, -1, 1)
        changes = {"weight": self.weight * signs[:, None, None, None], "bias": self.bias * signs}
        if self.normalization is not None:
            changes["normalization"] = self.normalization | {
                name: self.normalization[name] * signs for name in ("gamma", "mean")}
        return changes

    def parameters(self, network: Network, layer: Layer) -> Parameters:
        """Return what a checkpoint holds of it as ``layer`` of ``network``.

        Raises
        ------
        ConvertError
            If numbers of it are none of 64 bits.
        """
        # torch has the channel before height and width.
        weight = np.moveaxis(self.weight, -3, -1)
        weight = weight.reshape(-1, layer.outputs, layer.fan_in).astype(np.int64)
        ones, zeros = np.ones(layer.outputs), np.zeros(layer.outputs)
        vectors = {"gamma": ones, "beta": zeros, "mean": zeros, "variance": ones, "epsilon": 0.0}
        vectors |= self.normalization or {}
        window = math.prod(layer.average) * self.area
        if window > 1: # the sums are those of the averages, times that
            vectors |= {"mean": _times(layer, vectors["mean"], window),
                        "variance": vectors["variance"] * window**2,
                        "epsilon": vectors["epsilon"] * window**2}
        bias, scale = self.bias, self.scale
        # A weight w of several bits stands for w / most.
        most, bare = max(1, 2**(layer.weight_bits - 1) - 1), self.golden is None and self.area > 1
        if bare:
            bias, scale = (_times(layer, values, factor) for values, factor in (
                (bias, self.area), (scale, most)))
        dropout = self.p if self.scaled or self.golden is not None else self.mask[0] if self.mask else None
        if most > 1 and self.scaled and bias.any():
            raise ConvertError(f"Layer {layer.name!r} has a bias before its scales, and an average; leave "
                               "its bias out")
        if self.golden is None and (scale != 1).any() and not self.scaled and bias.any():
            # A bias that is added to the scaled sum is taken from the mean.
            mean = vectors["mean"] - bias
            if fractions(mean) != list(map(operator.sub, fractions(vectors["mean"]), fractions(bias))):
                raise ConvertError(f"Layer {layer.name!r} has scaled weights and a bias that no mean of 64 "
                                   "bits can take; leave its bias out, as the normalization has one")
            vectors["mean"], bias = mean, zeros
        if self.scaled and not network.method:
            scale = np.stack([ones * (most if bare else 1), scale])
        epsilon = float(vectors.pop("epsilon"))
        return Parameters(
            weight, layer.weight_bits, np.atleast_2d(bias),
            **{name: np.atleast_2d(vectors[name]) for name in ("gamma", "beta", "mean", "variance")},
            epsilon=epsilon, scale=np.atleast_2d(scale),
            dropout=None if dropout is None or not has_dropout(network, layer) else float(dropout))


@dataclass(frozen=True)
class Signs(State):
    """Levels of -1 and +1 that leave a layer or join, or pixels; or averages of them. Of values in fixed
    point a layer makes them itself, by ``entrance``."""

    shape: tuple[int, int, int]
    flat: bool
    mask: tuple[float, int] | None = None
    source: str | None = None       #: Name of the layer or join; None of pixels.
    place: int | None = None        #: Number of the layer that has thresholds for them.
    order: tuple[int, ...] | None = None #: Channels of torch, in the order of the join; None of the same.
    window: tuple[int, int] = (1, 1) #: Height and width of what is averaged.
    whole: tuple[int, int] | None = None #: Height and width before that.
    entrance: dict | None = None    #: Fields of the layer that takes them, such as ``value_thresholds``.


@dataclass(frozen=True)
class Values(State):
    """Values in fixed point that leave a layer or join, or a sum of them that no bits hold yet."""

    shape: tuple[int, int, int]
    flat: bool
    fixed: tuple[int, int]          #: Bits, and how many of them are fraction.
    source: str
    order: tuple[int, ...] | None = None
    held: bool = True


@dataclass(frozen=True)
class Normalized(State):
    """Values in fixed point behind a batch normalization."""

    values: Values
    normalization: dict             #: By the names of a checkpoint.

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.values.shape

    @property
    def flat(self) -> bool:
        return self.values.flat

    def entrance(self) -> dict:
        """Return ``value_thresholds`` and ``value_inverts`` of a layer that takes their signs: the level is
        1 where ``gamma * (value - mean) / sqrt(variance + epsilon) + beta`` is 0 or above. The root is a
        float of 64 bits, as for sums (:class:`gen.ir.Normalization`); all else is exact."""
        bits, fraction = self.values.fixed
        zero, found    = 2**(bits - 1), []
        gammas, betas, means = (self.normalization[name] for name in ("gamma", "beta", "mean"))
        roots = np.sqrt(self.normalization["variance"] + self.normalization["epsilon"])
        for gamma, beta, mean, root in zip(*map(fractions, (gammas, betas, means, roots)), strict=True):
            if gamma == 0:
                found.append((-zero if beta >= 0 else zero, 0))
                continue
            bound = (mean - beta * root / gamma) * 2**fraction
            # Falling, it is 0 or above up to and including the bound.
            threshold = math.ceil(bound) if gamma > 0 else math.floor(bound) + 1
            found.append((min(max(threshold, -zero), zero), int(gamma < 0)))
        order = self.values.order or range(len(found))
        thresholds, inverts = zip(*(found[channel] for channel in order), strict=True)
        return {"value_thresholds": thresholds, "value_inverts": inverts if any(inverts) else ()}


def fractions(values: np.ndarray) -> list[Fraction]:
    """Return float64 ``values`` without rounding."""
    return list(map(Fraction, values.tolist()))


def _times(layer, values: np.ndarray, factor: int) -> np.ndarray:
    """``values`` times ``factor``, exactly."""
    found = values * factor
    if fractions(found) != [each * factor for each in fractions(values)]:
        raise ConvertError(f"Layer {layer.name!r} has numbers that 64 bits cannot hold, times the size of "
                           "an average; make the model float32")
    return found
