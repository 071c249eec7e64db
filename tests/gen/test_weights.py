import numpy as np
import pytest

from gen.ir import Layer
from gen.weights import pack, unpack


@pytest.mark.parametrize("bits", range(2, 9))
def test_every_weight(bits):
    most = 2**(bits - 1) - 1
    weights = np.stack([np.arange(-most, most + 1), np.arange(most, -most - 1, -1)])
    layer = Layer("layer", 1, 1, weights.shape[1], (1, 1), 2, weight_bits=bits, crossbars=2,
                  arrays=(pack(weights[::-1], bits), pack(weights, bits)))
    assert (unpack(layer, 1) == weights).all()
    assert (unpack(layer, 0) == weights[::-1]).all()


def test_binary():
    assert pack(np.array([[1, -1, -1, 1, 1]]), 1) == (0b11001,)
    layer = Layer("layer", 1, 1, 5, (1, 1), 1, arrays=((0b11001,),))
    assert unpack(layer, 0).tolist() == [[1, -1, -1, 1, 1]]


def test_twos_complement():
    """Input 0 is in the lowest field."""
    assert pack(np.array([[1, -1, 7], [-7, 0, 2]]), 4) == (0x7f1, 0x209)
