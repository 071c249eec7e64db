"""What becomes of predictions as images leave the distribution of the training images, step by step:
rotated (Scale-Dropout, Fig. 6; Inverted Normalization, Fig. 7, right) or with uniform noise (Inverted
Normalization, Fig. 7, left)."""

from collections.abc import Callable, Iterable

import numpy as np
from scipy import ndimage

from golden import metrics
from golden.figures.figure import Figure, Panel, Series


__all__ = ["ANGLES", "STRENGTHS", "rotated", "shift_figure", "with_noise"]


#: Degrees: twelve steps of 7 (Inverted Normalization, IV-D).
ANGLES = tuple(range(0, 85, 7))

#: Strengths of uniform noise, as shares of the range of a pixel. The paper states none.
STRENGTHS = tuple(index / 10 for index in range(11))


def rotated(images: np.ndarray, degrees: float) -> np.ndarray:
    """Return uint8 ``images`` (N, H, W), or (N, H, W, colours), turned counter-clockwise about their
    centres, with linear interpolation; what comes from outside is 0."""
    if not degrees:
        return images
    turned = ndimage.rotate(images.astype(np.float32), degrees, axes=(2, 1), reshape=False, order=1)
    return turned.round().clip(0, 255).astype(np.uint8)


def with_noise(images: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    """Return uint8 ``images`` with noise that is uniform between ``-strength`` and ``strength`` of the
    range of a pixel, clipped to it. Noise of another strength is the same but for its size."""
    noise = np.random.default_rng(seed).uniform(-255, 255, images.shape)
    return (images + strength * noise).round().clip(0, 255).astype(np.uint8)


def shift_figure(title: str, axis: str, places: Iterable[float], shifted: Callable, predictors: dict,
                 images: np.ndarray, labels: np.ndarray, bar: Callable = iter) -> Figure:
    """Return accuracy, NLL and predictive entropy of each of ``predictors``, by name
    (:data:`golden.predictors.Predictor`), against the places at which ``shifted(images, place)`` takes the
    images. ``bar`` shows the progress through a list."""
    places = list(places)
    found  = {name: [] for name in predictors}
    for name, place in bar([(name, place) for name in predictors for place in places]):
        mean = predictors[name](shifted(images, place), 0).mean(1)
        figures = metrics.classification(mean, labels)
        found[name].append((100 * figures["test/cls/Acc"], figures["test/cls/NLL"],
                            metrics.predictive_entropy(mean).mean()))
    return Figure(title, [
        Panel(axis, what, [Series(name, places, [each[index] for each in values])
                           for name, values in found.items()])
        for index, what in enumerate(("accuracy, %", "NLL", "predictive entropy, nats"))])
