import numpy as np
import pytest
import torch

from gen.networks import NETWORKS
from gen.progress import Progress
from golden.data import load_sample
from golden.float.model import BayNN
from golden.methods.scale_dropout import SCALE_LIMITS, ScaleConvolution
from golden.training import fit


def random_model():
    torch.manual_seed(4)
    model = BayNN(NETWORKS["lenet5"], ScaleConvolution)
    for layer in model.layers:
        layer.scale.data.uniform_(0.5, 2)
    return model


def sample(count):
    images, labels = load_sample()
    return torch.tensor(images[:count]), torch.tensor(labels[:count]).long()


def test_distillation_loss_by_hand():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(3, 6, 10)), rng.integers(0, 10, 6)
    teacher_logits = rng.normal(size=(6, 10)) * 3

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True)

    def found(teacher_logits):
        return fit.distillation_loss(torch.tensor(logits), torch.tensor(labels), teacher_logits).item()

    expected = -np.log(softmax(logits).mean(0)[range(6), labels]).mean()
    teacher, student = softmax(teacher_logits / 2), softmax(logits / 2).mean(0)
    divergence = (teacher * np.log(teacher / student)).sum() / 6
    assert found(None) == pytest.approx(expected)
    assert found(torch.tensor(teacher_logits)) == pytest.approx(0.3 * expected + 0.7 * 4 * divergence)


def test_teacher_answers_for_all_copies():
    images, labels = sample(250)
    teacher = random_model().eval()
    found = fit.distill(fit.Images([images], labels, teacher=teacher), 2, 0, Progress())
    assert len(found.variants) == len(found.teacher_logits) == 3
    for variant, logits in zip(found.variants, found.teacher_logits, strict=True):
        assert torch.allclose(logits, teacher(variant), atol=1e-4)
        assert logits.shape == (250, 10) and not logits.requires_grad


def test_fit_says_how_far_it_is_and_restricts():
    images, labels = sample(200)
    model, told = random_model(), []
    before = model.layers[0].weight.detach().clone()

    def regularize(loss, done):
        told.append(done)
        return loss

    fit.fit(model, fit.Images([images], labels), fit.Stage(2, 5.0), regularize, Progress())
    assert told == [0, 0.25, 0.5, 0.75]
    low, high = SCALE_LIMITS
    assert all(low <= layer.scale.min() and layer.scale.max() <= high for layer in model.layers)
    assert not torch.equal(model.layers[0].weight, before)


def test_batches_take_each_image_once():
    images, labels = sample(300)
    labels = torch.arange(300)
    variants = [torch.full_like(images, variant) for variant in range(3)]
    teacher_logits = [torch.stack((labels, torch.full_like(labels, variant)), 1) for variant in range(3)]
    shuffled = fit.Images(variants, labels, teacher_logits)
    assert shuffled.count == 3
    seen = [batch for epoch in range(2) for batch in shuffled.batches(epoch)]
    assert len(seen) == 6
    for epoch, copy in ((seen[:3], 1), (seen[3:], 2)):
        assert sorted(torch.cat([chosen for _, chosen, _ in epoch]).tolist()) == list(range(300))
        for pixels, chosen, known in epoch:
            assert pixels[:, 0, 0].tolist() == [0] * 50 + [copy] * 50
            assert known.tolist() == [[label, pixel] for label, pixel in zip(
                chosen.tolist(), pixels[:, 0, 0].tolist(), strict=True)]


def test_recalibrate_measures_the_mean():
    images, _ = sample(1000)
    model = random_model()
    fit.recalibrate(model, images)
    first = model.layers[0]
    sums = first.sums(model.binarize(images)).detach()
    # In the first layer the mixture is known: half of the samples keep the scale, half drop it.
    expected = (sums.mean((0, 2, 3)) * (1 + first.scale) / 2).detach()
    deviation = (sums * first.scale.view(1, -1, 1, 1)).std((0, 2, 3)).detach()
    error = (first.normalization.running_mean - expected).abs() / deviation
    assert error.max() < 0.1


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning") # torch calls what it has deprecated itself
def test_compiled_learns_the_same():
    """But for rounding, where nothing is random: by one step, after which signs may differ."""
    images, labels = sample(100)

    def learn(compiled):
        torch.manual_seed(4)
        model, losses = BayNN(NETWORKS["mlp"]), []
        fit.fit(model, fit.Images([images], labels, compiled=compiled), fit.Stage(1, 5e-3),
                lambda loss, done: losses.append(loss.item()) or loss, Progress())
        return losses, [layer.normalization.weight.detach() for layer in model.layers]

    losses, expected = learn(False)
    of_compiled, found = learn(True)
    assert of_compiled == pytest.approx(losses, rel=1e-5)
    for own, other in zip(found, expected, strict=True):
        assert torch.allclose(own, other, atol=1e-4)
