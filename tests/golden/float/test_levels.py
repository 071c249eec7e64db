import pytest
import torch

from golden.float.layers import sign
from golden.float.levels import levels_of


@pytest.mark.parametrize("bits, low, y, expected", [
    (4, 0, [-3.0, -0.01, 0.0, 0.033, 0.034, 0.5, 0.966, 0.967, 1.0, 7.0],
     [0, 0, 0, 0, 1, 8, 14, 15, 15, 15]),
    (2, -1, [-2.0, -1.0, -0.67, -0.66, -0.01, 0.0, 0.66, 0.67, 2.0], [0, 0, 0, 1, 1, 2, 2, 3, 3]),
    (1, 0, [-1.0, 0.49, 0.5, 2.0], [0, 0, 1, 1]),
    (1, -1, [-0.1, -1e-30, -0.0, 0.0, 0.1], [0, 0, 1, 1, 1]),
])
def test_rounds_half_up(bits, low, y, expected):
    assert levels_of(torch.tensor(y), bits, low).tolist() == expected


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("low", [-1, 0])
def test_level_is_the_number_of_thresholds_reached(bits, low):
    y = torch.randn(5000, generator=torch.Generator().manual_seed(0)).double()
    most = 2**bits - 1
    thresholds = torch.tensor([low + (j - 0.5) * (1 - low) / most for j in range(1, most + 1)])
    expected = (y[:, None] >= thresholds).sum(1)
    assert torch.equal(levels_of(y, bits, low), expected.double())


def test_one_bit_is_the_sign():
    y = torch.linspace(-3, 3, 61, requires_grad=True)
    (2 * levels_of(y, 1, -1) - 1).sum().backward()
    found, y.grad = y.grad, None
    sign(y).sum().backward()
    assert torch.equal(2 * levels_of(y, 1, -1) - 1, sign(y))
    assert found.numpy() == pytest.approx(y.grad.numpy(), abs=1e-6)


def test_gradient_of_several_bits_is_that_of_the_value():
    y = torch.tensor([-0.2, -0.16, 0.0, 0.4, 1.0, 1.16, 1.2], requires_grad=True)
    (levels_of(y, 2, 0) / 3).sum().backward()
    assert y.grad.tolist() == pytest.approx([0, 1, 1, 1, 1, 1, 0])
