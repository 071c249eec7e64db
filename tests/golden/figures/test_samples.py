import numpy as np

from golden import metrics
from golden.figures.samples import samples_figure


def test_samples():
    """From the image with the lowest entropy to that with the highest, each with its own probabilities."""
    rng    = np.random.default_rng(0)
    passes = rng.dirichlet((1, 1, 1), (50, 40))
    passes[7] = np.eye(3)[0]
    images = rng.integers(0, 256, (50, 4, 4), np.uint8)
    labels = np.arange(50) % 3
    figure = samples_figure("title", images, passes, labels)
    entropy = metrics.predictive_entropy(passes.mean(1))
    assert len(figure.panels) == 4 and (figure.panels[0].image == images[7]).all()
    assert (figure.panels[-1].image == images[entropy.argmax()]).all()
    assert figure.panels[0].x == "class; image 7 is of 1, entropy 0.00 nats"
    bars, = figure.panels[-1].series
    assert list(bars.y) == list(passes[entropy.argmax()].mean(0)) and (bars.low <= bars.y).all()
