import pytest
import torch

from gen.ir import Input, Layer, Network
from gen.methods import METHODS, choose
from golden.float.model import BayNN
from golden.methods import tiny_ensemble
from golden.methods.tiny_ensemble import MemberConvolution, of_members, scatter


def test_members_are_blocks():
    assert of_members(8, 4, "cpu").tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert of_members(6, 4, "cpu").tolist() == [0, 0, 1, 2, 2, 3]


def test_each_member_is_normalized_by_itself():
    torch.manual_seed(1)
    network = Network("one", Input(1, 1, (64, 128, 192)), (Layer("layer", 1, 1, 3, (1, 1), 2),))
    module = MemberConvolution(choose(network, "tiny-ensemble").layers[0]).double()
    s = torch.randn(4 * 50, 2, 1, 1).double() * torch.arange(1, 5).repeat_interleave(50).view(-1, 1, 1, 1)
    y = module.normalize(s)
    for member, block in zip(module.normalizations, y.split(50), strict=True):
        assert block.mean((0, 2, 3)).detach().numpy() == pytest.approx(0, abs=1e-9)
        assert block.std((0, 2, 3), correction=0).detach().numpy() == pytest.approx(1, rel=1e-3)
        assert member.num_batches_tracked == 1
    module.eval()
    choice = torch.tensor([3, 0, 2, 1])
    again = module.normalize(s[:4], choice)
    for index, number in enumerate(choice):
        alone = module.normalize(s[index:index + 1], number[None])
        assert torch.equal(again[index:index + 1], alone)
    assert len(set(module.normalize(s[:1].repeat(4, 1, 1, 1), torch.arange(4))[:, 0, 0, 0].tolist())) == 4


def test_scatter():
    """Members begin with the normalization of the first, each with other factors and shifts."""
    network = Network("small", Input(1, 1, (64,)), (Layer("layer", 1, 1, 1, (1, 1), 4000),))
    torch.manual_seed(1)
    model = BayNN(network, MemberConvolution)
    first = model.layers[0].normalization
    with torch.no_grad():
        first.weight.fill_(2)
        first.bias.fill_(3)
        first.running_mean.fill_(4)
        first.running_var.fill_(5)
    scatter(model)
    logarithms = torch.stack([own.weight.log() for own in model.layers[0].normalizations]).detach()
    shifts = torch.stack([own.bias for own in model.layers[0].normalizations]).detach() - 3
    for values, mean, deviation in ((logarithms, torch.tensor(2.0).log().item(), tiny_ensemble.SPREAD),
                                    (shifts, 0, tiny_ensemble.SHIFT)):
        assert values.mean(1).numpy() == pytest.approx(mean, abs=5 * deviation / 4000**0.5)
        assert values.std(1).numpy() == pytest.approx(deviation, rel=0.06)
        assert torch.corrcoef(values).fill_diagonal_(0).abs().max() < 5 / 4000**0.5
    for own in model.layers[0].normalizations:
        assert (own.running_mean == 4).all() and (own.running_var == 5).all()


def test_passes_take_members_in_turn():
    network = Network("small", Input(1, 1, (64,)), tuple(
        Layer(name, 1, 1, 1, (1, 1), 1) for name in ("one", "two")))
    choice = BayNN(network, MemberConvolution).draw(None, 3, 6)
    assert METHODS["tiny-ensemble"].count == 4
    assert (choice == [[[number % 4] * 2 for number in range(6)]] * 3).all()
    choice = BayNN(choose(network, "tiny-ensemble", 3), MemberConvolution).draw(None, 3, 6)
    assert (choice == [[[number % 3] * 2 for number in range(6)]] * 3).all()
