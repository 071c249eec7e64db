import numpy as np

from golden.clutter import INK, PIECE, PIECES, SIDE, cluttered
from golden.data import data_set as data_set_of
from golden.data import load_clutter, load_sample, sample_clutter
from tests.golden.test_data import write_set


def test_labels_are_the_digit():
    """Every pixel of the digit has its class wherever the digit stands, and no other pixel has; pieces of
    digits that are all ink would otherwise be in the labels."""
    digits, _ = load_sample()
    pictures, labels = cluttered(digits[:40], np.full((3, 28, 28), 255, np.uint8), seed=1)
    assert pictures.shape == labels.shape == (40, SIDE, SIDE) and pictures.dtype == labels.dtype == np.uint8
    assert (labels.sum((1, 2)) == (digits[:40] >= INK).sum((1, 2))).all()
    assert (pictures[labels == 1] >= INK).all()
    for digit, label in zip(digits, labels, strict=False):
        assert any((label[top:top + 28, left:left + 28] == (digit >= INK)).all()
                   for top in range(5) for left in range(5))
    beside = ((pictures == 255) & (labels == 0)).sum((1, 2))
    assert (beside > PIECE**2).all() and (beside <= PIECES * PIECE**2).all()


def test_pieces_of_others():
    """Without a digit there are pieces of others alone, each as it is there."""
    others = np.arange(1, 28 * 28 + 1, dtype=np.uint16).reshape(1, 28, 28)
    pictures, labels = cluttered(np.zeros((20, 28, 28), np.uint8), (others % 251).astype(np.uint8), seed=3)
    assert not labels.any()
    assert ((pictures > 0).sum((1, 2)) > PIECE**2).all()


def test_first_pictures_do_not_depend_on_what_follows():
    digits, _ = load_sample()
    whole, part = (cluttered(digits[:count], digits, seed=1) for count in (50, 7))
    assert (whole[0][:7] == part[0]).all() and (whole[1][:7] == part[1]).all()
    other, _ = cluttered(digits[:7], digits, seed=2)
    assert (other != part[0]).any((1, 2)).all()


def test_data_set(tmp_path):
    """Made of MNIST as it is loaded; the sample is of the digits that come with the project."""
    digits = write_set(tmp_path / "mnist", "train", 30)[0]
    pictures, labels = load_clutter(tmp_path, "train")
    assert (pictures == cluttered(digits, digits, 2)[0]).all() and labels.shape == (30, SIDE, SIDE)
    known = data_set_of("clutter")
    assert known.load is load_clutter and known.sample is sample_clutter
    assert (sample_clutter()[0] == cluttered(*[load_sample()[0]] * 2, 1)[0]).all()
