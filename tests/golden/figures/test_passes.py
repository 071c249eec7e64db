import numpy as np

from golden import metrics
from golden.figures.passes import passes_figure, stages


def test_stages():
    assert stages(1) == [1] and stages(100)[0] == 1 and stages(100)[-1] == 100
    assert stages(100) == sorted(set(stages(100))) and len(stages(1000)) > 10


def test_first_passes():
    """Each point is of the mean of the first passes."""
    passes = np.random.default_rng(0).dirichlet((1, 1, 1), (30, 20))
    labels = np.arange(30) % 3
    accuracy, nll = passes_figure("title", {"a": passes}, labels).panels
    assert accuracy.log_x and list(accuracy.series[0].x) == stages(20)
    for index, count in enumerate(stages(20)):
        mean = passes[:, :count].mean(1)
        assert accuracy.series[0].y[index] == 100 * metrics.accuracy(mean, labels)
        assert nll.series[0].y[index] == metrics.negative_log_likelihood(mean, labels)
