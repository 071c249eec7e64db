"""No random choice: the network that the methods begin with, and are compared to."""

from golden.float.layers import BinaryConvolution
from golden.methods.tuning import Tuning


__all__ = ["LAYER", "TUNING"]


LAYER = BinaryConvolution

#: It is trained as long as the others, so that none of them gains by more epochs.
TUNING = Tuning(BinaryConvolution, passes=1)
