"""The teacher of the distillation: a float network that sees the pixels.

Its logits for all training images are computed once, before the student is trained.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.progress import Progress
from golden.training.journal import Journal, TrainingError


__all__ = ["augment", "check_loss", "one_cycle", "predict_teacher", "teacher", "train_teacher"]


#: Least height and width of an image.
LEAST = 8


class _Residual(nn.Sequential):

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def teacher(components: int = 1, classes: int = 10, size: tuple[int, int] = (28, 28)) -> nn.Module:
    """Return an untrained convolutional network: float ``(N, components, H, W)``, of the ``size`` H and W,
    each at least :data:`LEAST`, to logits ``(N, classes)``."""
    def block(inputs, outputs):
        return (nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs),
                nn.ReLU())

    if components > 1:
        return nn.Sequential(
            *block(components, 64), *block(64, 128), nn.MaxPool2d(2),
            _Residual(*block(128, 128), *block(128, 128)), *block(128, 256), nn.MaxPool2d(2),
            *block(256, 512), nn.MaxPool2d(2), _Residual(*block(512, 512), *block(512, 512)),
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, classes),
        ).to(memory_format=torch.channels_last)
    area = math.prod((side + 1) // 2 // 4 for side in size)
    return nn.Sequential(
        nn.Conv2d(1, 24, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        *block(24, 48), nn.MaxPool2d(2), *block(48, 96), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * area, 128), nn.ReLU(),
        nn.Dropout(0.3), nn.Linear(128, classes)).to(memory_format=torch.channels_last)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return uint8 ``images`` ``(N, H, W)``, each under a random affine map; or of several components,
    ``(N, H, W, colours)``, each shifted by up to 4 pixels, and mirrored or not.

    What is shifted in is black. A map rotates by up to 12 degrees, scales by up to 12 %, shears by up to
    0.15, and shifts by up to 2 pixels. (RandomAffine of torchvision draws one map for a whole batch.)
    """
    if images.ndim == 4:
        return _crop_and_mirror(images, generator)

    def uniform(limit):
        return (torch.rand(len(images), generator=generator) * 2 - 1) * limit

    angle, shear, shift = uniform(torch.pi / 15), uniform(0.15), 2 / 14
    wide, high = 1 + uniform(0.12), 1 + uniform(0.12)
    cosine, sine = angle.cos(), angle.sin()
    matrix = torch.stack([
        torch.stack([wide * cosine, shear - sine, uniform(shift)], 1),
        torch.stack([shear + sine, high * cosine, uniform(shift)], 1)], 1)
    parts = []
    for chunk, maps in zip(images.split(2000), matrix.to(images.device).split(2000), strict=True):
        grid = functional.affine_grid(maps, (len(chunk), 1, *images.shape[1:]), align_corners=False)
        moved = functional.grid_sample(chunk[:, None].float(), grid, align_corners=False)
        parts.append(moved[:, 0].round().clamp(0, 255).to(torch.uint8))
    return torch.cat(parts)


def _crop_and_mirror(images, generator):
    count, height, width, _ = images.shape
    shift  = torch.randint(9, (2, count, 1), generator=generator).to(images.device)
    mirror = torch.rand(count, 1, generator=generator).to(images.device) < 0.5
    padded = functional.pad(images, (0, 0, 4, 4, 4, 4))
    rows, columns = (torch.arange(size, device=images.device) for size in (height, width))
    columns = torch.where(mirror, width - 1 - columns, columns)
    place = torch.arange(count, device=images.device)
    return padded[place[:, None, None], (shift[0] + rows)[:, :, None], (shift[1] + columns)[:, None]]


def one_cycle(optimizer: torch.optim.Optimizer, peak: float, count: int):
    """Return a schedule of ``count`` steps: the learning rate rises to ``peak`` for a fifth of the steps,
    two at least, and then falls."""
    count = max(count, 3) # torch divides by the steps of the rise and of the fall
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=count,
                                               pct_start=max(0.2, 2 / count))


def check_loss(loss: Tensor, model: str, number: int):
    """Raise :exc:`.TrainingError` unless the loss of ``model`` before step ``number`` is finite."""
    if not math.isfinite(loss.item()):
        raise TrainingError(f"The loss of {model} is {loss.item()} after {number} steps, from where "
                            f"nothing can be learned; try another --seed")


def train_teacher(images: Tensor, labels: Tensor, epochs: int, steps: Progress,
                  journal: Journal = Journal(), classes: int = 10) -> nn.Module:
    """Train a teacher on uint8 ``images``, as of :func:`augment`, half of each batch augmented.

    The ``journal`` keeps the state of the training, as stage ``teacher``.

    Raises
    ------
    TrainingError
        If the images are too small for it.
    """
    components, size = images.shape[3] if images.ndim == 4 else 1, tuple(images.shape[1:3])
    if min(size) < LEAST:
        raise TrainingError(f"A teacher takes images of at least {LEAST} x {LEAST} pixels, not "
                            f"{size[0]} x {size[1]}; train without, by --teacher-epochs 0")
    model, batch = teacher(components, classes, size).to(images.device), 100
    count = len(images) // batch
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    schedule = one_cycle(optimizer, 3e-3, epochs * count)
    generator = torch.Generator().manual_seed(torch.randint(1 << 31, ()).item())

    def batches(_):
        moved = augment(images, generator)
        for chosen in torch.randperm(len(images))[:count * batch].view(count, batch):
            half = chosen[:batch // 2]
            yield torch.cat((moved[half], images[chosen[batch // 2:]])), labels[chosen]

    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    for number, (pixels, expected) in steps.bar(
            journal.batches("teacher", epochs, count, batches, parts, [generator]),
            journal.left("teacher", epochs, count)):
        loss = functional.cross_entropy(model(_float(pixels)), expected)
        check_loss(loss, "the teacher", number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def predict_teacher(model: nn.Module, images: Tensor) -> Tensor:
    """Return the logits ``(N, classes)`` of the teacher ``model`` for uint8 ``images``."""
    return torch.cat([model(_float(chunk)) for chunk in images.split(1000)])


def _float(pixels):
    x = pixels[:, None] if pixels.ndim == 3 else pixels.movedim(-1, 1)
    return x.float().div_(128).sub_(1).contiguous(memory_format=torch.channels_last)
