import numpy as np
import pytest

from gen.checkpoint import read, with_parameters
from gen.checkpoint_file import Parameters, write_file
from gen.compile import compile_network
from gen.ir import Target
from gen.methods import known_names, network_of
from gen.random_parameters import random_parameters
from golden.data import load_sample
from golden.network import forward
from golden.random.generator import choices


@pytest.mark.some(5)
@pytest.mark.parametrize("name", [name for name in known_names()
                                  if name.startswith("lenet5") and not name.startswith("lenet5_wide")])
def test_every_method(name, tmp_path):
    """They are parameters that a checkpoint may hold, and the bits of no map are all alike."""
    network = network_of(name)
    made = random_parameters(network, 3)
    write_file(tmp_path / "made.npz", network, made)
    assert read(tmp_path / "made.npz") == with_parameters(network, made)
    network = compile_network(with_parameters(network, made), Target(passes=1))
    images, _ = load_sample()
    bits = choices(network.generator, 20, 1)[:, 0]
    logits, maps = forward(network, images[:20], bits, maps=True)
    for layer, levels in zip(network.layers, maps, strict=False):
        assert 0.1 < levels.mean() / (2**layer.output_bits - 1) < 0.9, layer.name
    assert (logits.std(0) > 0).all()


def test_the_same_for_the_same_seed():
    one, same, other = (random_parameters(network_of("lenet5_sub_set"), seed) for seed in (1, 1, 2))
    for mine, again, another in zip(one, same, other, strict=True):
        for name in Parameters.__slots__:
            assert np.array_equal(getattr(mine, name), getattr(again, name))
        assert not np.array_equal(mine.weight, another.weight)
