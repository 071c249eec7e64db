import pytest
import torch

from gen.ir import Layer
from golden.methods.scale_dropout_mean import MeanScaleConvolution


def test_dropped_scale_is_the_mean():
    module = MeanScaleConvolution(Layer("layer", 1, 1, 3, (1, 1), 3)).double().eval()
    module.scale.data = torch.tensor([0.5, 1.0, 3.0]).double()
    s = torch.tensor([2.0, 4.0, 6.0]).double().view(1, 3, 1, 1).repeat(2, 1, 1, 1)
    kept, dropped = module.normalize(s, torch.tensor([1, 0])).detach().flatten(1).numpy()
    assert kept == pytest.approx([1, 4, 18], rel=1e-4) and dropped == pytest.approx([3, 6, 9], rel=1e-4)


def test_the_mean_learns_too():
    """A dropped sample reaches every scale, since each is part of the mean."""
    module = MeanScaleConvolution(Layer("layer", 1, 1, 3, (1, 1), 2)).eval()
    module.normalize(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([0])).sum().backward()
    assert module.scale.grad.numpy() == pytest.approx([0.5, 0.5], rel=1e-4)
