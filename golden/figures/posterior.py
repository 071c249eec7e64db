"""One image: how its class probabilities are distributed over passes.

As a histogram for each class, with the exact distribution where all that passes can draw is known
(Scale-Dropout, Fig. 9); and as noise of growing strength is added (Scale-Dropout, Fig. 5).
"""

import numpy as np

from golden.figures.figure import Figure, Panel, Series
from golden.figures.shift import with_noise
from golden.predictors import Predictor


__all__ = ["CLASSES", "noise_figure", "posterior_figure"]


#: Classes that are drawn, those with the largest mean.
CLASSES = 3

#: Bins of a histogram.
BINS = 20


def posterior_figure(title: str, probabilities: np.ndarray, exact: np.ndarray | None = None,
                     weights: np.ndarray | None = None) -> Figure:
    """Return the histograms of ``probabilities`` (T, K), a panel for each of the likeliest classes.

    ``exact`` (C, K) has the probabilities of all combinations of random bits, if there are not too many,
    and ``weights`` (C,) how likely each is: what the histogram of more and more passes tends to.
    """
    edges  = np.linspace(0, 1, BINS + 1)
    panels = []
    for number in np.argsort(-probabilities.mean(0), kind="stable")[:CLASSES]:
        def share(values, weights=None):
            return np.histogram(values, edges, weights=weights)[0] / (
                len(values) if weights is None else weights.sum())
        middle = (edges[1:] + edges[:-1]) / 2
        series = [Series(f"{len(probabilities):,} passes", middle, share(probabilities[:, number]),
                         kind="bars")]
        if exact is not None:
            series.append(Series("all combinations", middle, share(exact[:, number], weights),
                                 kind="steps"))
        panels.append(Panel(f"probability of class {number}", "share of passes", series))
    return Figure(title, panels)


def noise_figure(title: str, image: np.ndarray, strengths: tuple[float, ...],
                 predicted: Predictor) -> Figure:
    """Return the class probabilities of passes over ``image`` with uniform noise of these ``strengths``:
    a point for each pass, and means with the range of 95 % of the passes, of the likeliest classes."""
    images = np.stack([with_noise(image[None], strength)[0] for strength in strengths])
    passes = predicted(images, 0)
    chosen = np.argsort(-passes.mean((0, 1)), kind="stable")[:CLASSES]
    low, high = np.quantile(passes, (0.025, 0.975), axis=1)
    axis = "strength of uniform noise"
    return Figure(title, [
        Panel(axis, "probability of a pass", [
            Series(f"class {number}", np.repeat(strengths, passes.shape[1]), passes[..., number].ravel(),
                   kind="points") for number in chosen]),
        Panel(axis, "mean probability, 95 % of passes", [
            Series(f"class {number}", strengths, passes[..., number].mean(1), low[:, number],
                   high[:, number]) for number in chosen]),
    ])
