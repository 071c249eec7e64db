"""Average Scale-Dropout: a dropped scale is the mean of the scale vector (Scale-Dropout, III-B)."""

from torch import Tensor

from golden.methods.scale_dropout import ScaleConvolution, jitter, spread_objective
from golden.methods.tuning import Tuning


__all__ = ["LAYER", "TUNING", "MeanScaleConvolution"]


class MeanScaleConvolution(ScaleConvolution):
    """A layer whose scale is kept or dropped to its mean over all channels, one scalar."""

    method = "scale-dropout-mean"

    def dropped(self) -> Tensor:
        return self.scale.mean().expand_as(self.scale)


LAYER  = MeanScaleConvolution
TUNING = Tuning(MeanScaleConvolution, jitter, spread_objective)
