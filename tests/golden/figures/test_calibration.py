import numpy as np
import pytest

from golden import metrics
from golden.figures.calibration import calibration_figure, reliability


@pytest.fixture
def means():
    return np.random.default_rng(0).dirichlet((3, 1, 1), 500)


def test_reliability_is_what_the_calibration_error_is_of(means):
    labels = np.arange(500) % 3
    confidence, accuracy, share = reliability(means, labels)
    assert share.sum() == pytest.approx(1)
    error = (abs(confidence - accuracy) * share).sum()
    assert error == pytest.approx(metrics.calibration_error(means, labels))
    assert (share @ accuracy) == pytest.approx(metrics.accuracy(means, labels))


def test_a_calibrated_prediction():
    """Seven of ten are right, each with a confidence of 0.7."""
    mean = np.tile([0.7, 0.3], (10, 1))
    assert [each.tolist() for each in reliability(mean, np.array([0] * 7 + [1] * 3))] == [
        pytest.approx([0.7]), [0.7], [1.0]]


def test_entropies(means):
    certain = np.eye(3)[np.zeros(40, int)]
    *_, panel = calibration_figure("title", means, np.arange(500) % 3, {"certain": certain}).panels
    assert [series.label for series in panel.series] == ["test images", "certain"]
    assert panel.series[1].y[0] == 1 and sum(panel.series[0].y) == pytest.approx(1)
