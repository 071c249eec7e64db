import numpy as np
import pytest

from gen.checkpoint import SHIPPED
from gen.ir import ArrayChoice, Input, Layer, Network
from gen.methods import network_of
from gen.weights import INLINE_BITS, in_files, pack, stored_bits, unpack


@pytest.mark.parametrize("bits", range(2, 9))
def test_every_weight(bits):
    most = 2**(bits - 1) - 1
    weights = np.stack([np.arange(-most, most + 1), np.arange(most, -most - 1, -1)])
    layer = Layer("layer", 1, 1, weights.shape[1], (1, 1), 2, weight_bits=bits,
                  choices=(ArrayChoice("layer", (0, 1)),),
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


def test_stored_bits():
    layers = (Layer("one", 2, 3, 4, (2, 2), 5, weight_bits=4,
                    choices=(ArrayChoice("one", tuple(range(8))),)),
              Layer("two", 1, 2, 5, (1, 2), 10))
    assert stored_bits(Network("network", Input(2, 3, (128,)), layers)) == 8 * 4 * 16 * 5 + 10 * 10


@pytest.mark.parametrize("outputs, filed", [(INLINE_BITS // 64, False), (INLINE_BITS // 64 + 1, True)])
def test_weights_of_large_networks_are_in_files(outputs, filed):
    network = Network("network", Input(8, 8, (128,)), (Layer("last", 8, 8, 1, (8, 8), outputs),))
    assert in_files(network) == filed


def test_only_weights_of_vgg_are_in_files():
    assert {path.stem for path in SHIPPED.glob("*.npz") if in_files(network_of(path.stem))} == {"vgg_small"}
