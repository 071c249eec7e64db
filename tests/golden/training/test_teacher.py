import torch

from gen.progress import Progress
from golden.training.teacher import augment, predict_teacher, teacher, train_teacher


def test_colours_are_shifted_and_mirrored():
    """Each is one of the 162 crops of its border of black, and all kinds of shift and both sides occur."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (300, 9, 7, 3), dtype=torch.uint8, generator=generator)
    moved  = augment(images, torch.Generator().manual_seed(1))
    padded = torch.zeros(300, 17, 15, 3, dtype=torch.uint8)
    padded[:, 4:13, 4:11] = images
    crops = torch.stack([side for down in range(9) for right in range(9)
                         for part in [padded[:, down:down + 9, right:right + 7]]
                         for side in (part, part.flip(2))])
    same = (crops == moved).flatten(2).all(2)
    assert same.any(0).all() and same.any(1).sum() > 100


def test_teacher_of_colours():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (200, 8, 8, 3), dtype=torch.uint8)
    images[::2] //= 4
    labels = torch.arange(200) % 2
    model  = train_teacher(images, labels, 6, Progress()).train() # statistics lag behind so short a time
    assert (predict_teacher(model, images).argmax(1) == labels).float().mean() > 0.9
    assert teacher(3)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
