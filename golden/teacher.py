"""A float network that sees the grey pixels and teaches a binary one (distillation).

Its output for every image that the binary network will see is computed once and kept.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


__all__ = ["augment", "recall", "teacher", "train_teacher"]


def teacher() -> nn.Module:
    """Return an untrained convolutional network: float ``(N, 1, 28, 28)`` to logits ``(N, 10)``."""
    def block(inputs, outputs):
        return (nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs),
                nn.ReLU())

    return nn.Sequential(
        nn.Conv2d(1, 24, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        *block(24, 48), nn.MaxPool2d(2), *block(48, 96), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 9, 128), nn.ReLU(),
        nn.Dropout(0.3), nn.Linear(128, 10)).to(memory_format=torch.channels_last)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return uint8 ``images`` ``(N, 28, 28)``, each under an affine map of its own.

    Turned by up to 12 degrees, scaled by up to 12 %, sheared by up to 0.15, and shifted by up to 2
    pixels.
    """
    def uniform(limit):
        return (torch.rand(len(images), generator=generator) * 2 - 1) * limit

    angle, shear, shift = uniform(torch.pi / 15), uniform(0.15), 2 / 14
    wide, high = 1 + uniform(0.12), 1 + uniform(0.12)
    cosine, sine = angle.cos(), angle.sin()
    matrix = torch.stack([
        torch.stack([wide * cosine, shear - sine, uniform(shift)], 1),
        torch.stack([shear + sine, high * cosine, uniform(shift)], 1)], 1)
    parts = []
    for chunk, part in zip(images.split(2000), matrix.split(2000), strict=True):
        grid = functional.affine_grid(part, (len(chunk), 1, 28, 28), align_corners=False)
        moved = functional.grid_sample(chunk[:, None].float(), grid, align_corners=False)
        parts.append(moved[:, 0].round().clamp(0, 255).to(torch.uint8))
    return torch.cat(parts)


def train_teacher(images: Tensor, labels: Tensor, epochs: int, steps) -> nn.Module:
    """Train a teacher on uint8 ``images`` ``(N, 28, 28)``, half of each batch augmented.

    Parameters
    ----------
    steps : :class:`gen.progress.Steps`
        Told of the progress.
    """
    model, batch = teacher(), 100
    count = len(images) // batch
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 3e-3, total_steps=epochs * count, pct_start=0.2)
    generator = torch.Generator().manual_seed(torch.randint(1 << 31, ()).item())

    def batches():
        for _ in range(epochs):
            moved = augment(images, generator)
            for chosen in torch.randperm(len(images))[:count * batch].view(count, batch):
                half = chosen[:batch // 2]
                yield torch.cat((moved[half], images[chosen[batch // 2:]])), labels[chosen]

    for pixels, expected in steps.bar(batches(), epochs * count):
        loss = functional.cross_entropy(model(_float(pixels)), expected)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def recall(model: nn.Module, images: Tensor) -> Tensor:
    """Return the logits ``(N, 10)`` of a teacher for uint8 ``images`` ``(N, 28, 28)``."""
    return torch.cat([model(_float(chunk)) for chunk in images.split(1000)])


def _float(pixels):
    return pixels[:, None].float().div_(128).sub_(1).contiguous(memory_format=torch.channels_last)
