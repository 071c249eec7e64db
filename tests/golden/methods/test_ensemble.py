import pytest
import torch

from gen.ir import Input, Layer, Network
from gen.methods import METHODS, choose
from golden.float.model import BayNN
from golden.methods.ensemble import join


NETWORK = Network("small", Input(4, 4, (64, 192)), (
    Layer("conv", 4, 4, 2, (2, 2), 3, pool=1), Layer("last", 3, 3, 3, (3, 3), 5)))

MEMBERS = 4


def test_members_of_the_method():
    assert METHODS["ensemble"].count == MEMBERS


@pytest.mark.parametrize("count", [MEMBERS, 8])
def test_members_are_the_networks(count):
    torch.manual_seed(1)
    models = [BayNN(NETWORK).double().eval() for _ in range(count)]
    ensemble = join(choose(NETWORK, "ensemble", count), models).eval()
    images = torch.randint(256, (6, 4, 4), dtype=torch.uint8)
    for number, model in enumerate(models):
        choice = torch.full((6, 2), number)
        assert torch.equal(ensemble(images, choice), model(images))
    mixed = torch.tensor([count - 1, 0, 2, 1, 3, 0])
    expected = torch.stack([models[number](images[[index]])[0] for index, number in enumerate(mixed)])
    assert torch.allclose(ensemble(images, mixed[:, None].expand(-1, 2)), expected, rtol=1e-12)


def test_samples_without_choices_are_blocks():
    torch.manual_seed(1)
    models = [BayNN(NETWORK).double().eval() for _ in range(MEMBERS)]
    ensemble = join(choose(NETWORK, "ensemble"), models).eval()
    image    = torch.randint(256, (1, 4, 4), dtype=torch.uint8)
    y = ensemble(image.repeat(2 * MEMBERS, 1, 1))
    for number, model in enumerate(models):
        assert torch.allclose(y[2 * number:2 * number + 2], model(image).expand(2, -1), rtol=1e-12)
