"""What a method makes of a trained deterministic network."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from golden.float.layers import BinaryConvolution
from golden.float.model import BayNN


__all__ = ["Tuning"]


def _nothing(model):
    pass


def _loss(loss, model, count, done):
    return loss


@dataclass(frozen=True)
class Tuning:
    """How a method is trained, beginning with the deterministic network."""

    convolution: type[BinaryConvolution]         #: The layers.
    begin: Callable[[BayNN], None] = _nothing    #: Changes a model that has the deterministic parameters.
    objective: Callable[[Tensor, BayNN, int, float], Tensor] = _loss
                          #: Given the loss, the model, the number of training images and the share of the
                          #: training that is done, returns the loss to be minimized.
    passes: int | None = 3 #: Of each image in a step of the training; None: as many as there are choices.
    separate: bool = False #: Whether each of them has a loss of its own, instead of one on their mean.
    peak: float = 1.5e-3  #: Largest learning rate.
    longer: int = 1       #: How many times as long as other methods it is trained.
