import numpy as np
import pytest

from golden import metrics
from golden.figures.shift import ANGLES, rotated, shift_figure, with_noise


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 6, 6, 3)])
def test_turned(shape):
    """By quarters of a turn exactly, counter-clockwise; and back again."""
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert rotated(images, 0) is images
    for turns in (1, 2, 3):
        assert (rotated(images, 90 * turns) == np.rot90(images, turns, (1, 2))).all()
    some = rotated(images, 7)
    assert some.dtype == np.uint8 and some.shape == shape and (some != images).any()


def test_what_comes_from_outside_is_black():
    turned = rotated(np.full((1, 9, 9), 255, np.uint8), 45)
    assert turned[0, 0, 0] == 0 and turned[0, 4, 4] == 255


def test_noise():
    images = np.full((50, 20, 20), 128, np.uint8)
    assert (with_noise(images, 0) == images).all()
    off = with_noise(images, 0.25).astype(int) - 128
    assert abs(off).max() in (63, 64) and abs(off.mean()) < 1
    assert off.std() == pytest.approx(64 / 3**0.5, rel=0.02)
    assert abs(with_noise(images, 0.125).astype(int) - 128 - off / 2).max() <= 1 # the same, half as strong
    assert {0, 255} <= set(with_noise(images, 1).ravel().tolist())
    assert (with_noise(images, 0.5, seed=1) != with_noise(images, 0.5)).any()


def test_figure():
    """The figures of the mean of the passes over the images as they are taken."""
    images = np.arange(8, dtype=np.uint8).reshape(4, 1, 2)
    labels = np.array([0, 1, 0, 1])

    def predicted(pixels, first):
        assert first == 0
        one = pixels.sum((1, 2)) / 100
        return np.stack([np.stack([one, 1 - one], -1), np.stack([one / 2, 1 - one / 2], -1)], 1)

    figure = shift_figure("title", "more", (0, 3), lambda images, place: images + np.uint8(place),
                          {"a": predicted}, images, labels)
    assert figure.title == "title" and [panel.x for panel in figure.panels] == ["more"] * 3
    for index, place in enumerate((0, 3)):
        mean  = predicted(images + place, 0).mean(1)
        found = [panel.series[0].y[index] for panel in figure.panels]
        assert found == [100 * metrics.accuracy(mean, labels),
                         metrics.negative_log_likelihood(mean, labels),
                         metrics.predictive_entropy(mean).mean()]


def test_angles():
    """Twelve steps of seven degrees, from none."""
    assert len(ANGLES) == 13 and set(np.diff(ANGLES)) == {7} and ANGLES[0] == 0
