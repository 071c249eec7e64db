import numpy as np
import pytest

from golden.figures.posterior import noise_figure, posterior_figure


def test_histograms():
    """Of the likeliest classes; all shares are 1 together, and the exact ones have their weights."""
    passes = np.array([[0.9, 0.05, 0.05, 0]] * 3 + [[0.1, 0.2, 0.7, 0]])
    exact  = np.array([[0.9, 0.05, 0.05, 0], [0.1, 0.2, 0.7, 0]])
    figure = posterior_figure("title", passes, exact, np.array([0.25, 0.75]))
    assert [panel.x[-7:] for panel in figure.panels] == ["class 0", "class 2", "class 1"]
    drawn, all_of = figure.panels[0].series
    assert sum(drawn.y) == pytest.approx(1) and sum(all_of.y) == pytest.approx(1)
    place = int(np.argmin(abs(np.array(drawn.x) - 0.925)))
    assert (drawn.y[place], all_of.y[place]) == (0.75, 0.25)
    assert len(posterior_figure("title", passes).panels[0].series) == 1


def test_noise():
    """A point for each pass, and 95 % of them."""
    image  = np.full((4, 4), 128, np.uint8)
    passes = np.random.default_rng(0).dirichlet((5, 3, 2, .1), (2, 200))

    def predicted(images, first):
        assert images.shape == (2, 4, 4) and (images[0] == image).all() and (images[1] != image).any()
        return passes

    points, mean = noise_figure("title", image, (0, 0.5), predicted).panels
    assert [series.label for series in points.series] == ["class 0", "class 1", "class 2"]
    assert len(points.series[0].x) == 400 and list(points.series[0].y[:200]) == list(passes[0, :, 0])
    curve = mean.series[1]
    assert curve.y == pytest.approx(passes[..., 1].mean(1))
    inside = (passes[0, :, 1] >= curve.low[0]) & (passes[0, :, 1] <= curve.high[0])
    assert inside.mean() == pytest.approx(0.95, abs=0.01)
