import pytest
import torch

from gen.ir import Input, Layer, Network
from gen.methods import METHODS, choose
from golden.methods.scale_dropout_random import RANGE, RandomScaleConvolution


STORED = 4


def module_of(outputs, dropout=0.5):
    torch.manual_seed(1)
    layer = Layer("layer", 1, 1, 3, (1, 1), outputs, dropout=dropout)
    network = choose(Network("one", Input(1, 1, (64, 128, 192)), (layer,)), "scale-dropout-random")
    return RandomScaleConvolution(network.layers[0]).double()


def test_values_are_uniform():
    values = module_of(5000).values
    low, high = RANGE
    assert METHODS["scale-dropout-random"].count == STORED
    assert values.shape == (STORED, 5000) and low <= values.min() and values.max() <= high
    # Five standard deviations of the mean of 5,000 uniform values.
    deviation = (high - low) / 12**0.5
    assert (values.mean(1) - (low + high) / 2).abs().max() < 5 * deviation / 5000**0.5
    assert values.std(1).numpy() == pytest.approx(deviation, rel=0.05)


def test_choices_are_the_banks_of_the_checkpoint():
    module = module_of(3).eval()
    module.scale.data = torch.tensor([2.0, 3.0, 4.0]).double()
    y = module.normalize(torch.ones(5, 3, 1, 1).double(), torch.arange(5)).detach().flatten(1).numpy()
    scales = module.stored()["scale"]
    assert scales.shape == (1 + STORED, 3) and scales[0].tolist() == [2, 3, 4]
    assert y == pytest.approx(scales.detach().numpy(), rel=1e-4)


def test_each_vector_is_drawn_as_often():
    """Five standard deviations of a binomial; the seed is fixed."""
    module, count = module_of(1, dropout=0.25), 20000
    assert module.shares() == [0.75, 0.0625, 0.0625, 0.0625, 0.0625]
    z = []
    module.normalization.forward = lambda x: z.append(x) or x # what enters it while training
    module.normalize(torch.ones(count, 1, 1, 1).double())
    for scale, share in zip(module.stored()["scale"], module.shares(), strict=True):
        found = (z[0] == scale).double().mean().item()
        assert abs(found - share) < 5 * (share * (1 - share) / count)**0.5
