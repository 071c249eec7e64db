import numpy as np
import pytest

from golden import metrics


RNG = np.random.default_rng(5)


def passes(n=200, t=20, k=10):
    raw = RNG.exponential(size=(n, t, k)) ** 3
    return raw / raw.sum(-1, keepdims=True)


HAND   = np.array([[0.8, 0.2, 0.0], [0.3, 0.6, 0.1], [0.5, 0.5, 0.0], [0.1, 0.1, 0.8]])
LABELS = np.array([0, 0, 1, 2])


def test_accuracy_by_hand():
    assert metrics.accuracy(HAND, LABELS) == 0.5 # the tie of image 2 goes to class 0


def test_negative_log_likelihood_by_hand():
    assert metrics.negative_log_likelihood(HAND, LABELS) == pytest.approx(
        -(2 * np.log(0.8) + np.log(0.3) + np.log(0.5)) / 4)


def test_negative_log_likelihood_of_zero_is_finite():
    assert metrics.negative_log_likelihood(HAND[:1], np.array([2])) == pytest.approx(
        17 * np.log(2))


def test_brier_by_hand():
    assert metrics.brier(HAND, LABELS) == pytest.approx(
        ((0.04 + 0.04) + (0.49 + 0.36 + 0.01) + (0.25 + 0.25) + (0.01 + 0.01 + 0.04)) / 4)


def test_calibration_error_by_hand():
    # Confidence 0.8 twice, both right; 0.6 and 0.5 wrong: each in a bin of its own.
    assert metrics.calibration_error(HAND, LABELS) == pytest.approx((2 * 0.2 + 0.6 + 0.5) / 4)


def test_calibration_error_bins_are_closed_above():
    # 0.5 and 0.3 share the one bin of (0, 0.5]: one right, one wrong.
    probabilities = np.array([[0.5, 0.25, 0.25, 0.0], [0.3, 0.3, 0.2, 0.2]])
    assert metrics.calibration_error(probabilities, np.array([0, 3]), bins=2) == pytest.approx(0.1)


def test_calibration_error_against_loop():
    probabilities, labels = passes(n=500, t=3).mean(1), RNG.integers(0, 10, 500)
    expected = 0.0
    for low in range(15):
        in_bin = [i for i, row in enumerate(probabilities)
                  if low / 15 < row.max() <= (low + 1) / 15]
        if in_bin:
            right = np.mean([probabilities[i].argmax() == labels[i] for i in in_bin])
            confidence = np.mean([probabilities[i].max() for i in in_bin])
            expected += len(in_bin) / 500 * abs(right - confidence)
    assert metrics.calibration_error(probabilities, labels) == pytest.approx(expected)


def test_classification_names():
    assert metrics.classification(HAND, LABELS) == {
        "test/cls/Acc": metrics.accuracy(HAND, LABELS),
        "test/cls/NLL": metrics.negative_log_likelihood(HAND, LABELS),
        "test/cls/Brier": metrics.brier(HAND, LABELS),
        "test/cal/ECE": metrics.calibration_error(HAND, LABELS),
    }


def test_regression_by_hand():
    assert metrics.regression(np.array([[1.0], [2.0]], np.float32), np.array([[4.0], [6.0]])) == {
        "test/reg/RMSE": pytest.approx(12.5**0.5), "test/reg/MAE": 3.5}


def test_entropy_by_hand():
    assert metrics.predictive_entropy(np.array([[0.25] * 4, [1, 0, 0, 0]])) == pytest.approx(
        [np.log(4), 0])


def test_mutual_information_by_hand():
    disagree = [[1.0, 0.0], [0.0, 1.0]]
    agree    = [[0.5, 0.5], [0.5, 0.5]]
    assert metrics.mutual_information(np.array([disagree, agree])) == pytest.approx([np.log(2), 0])


def test_approximate_mutual_information():
    """As its docstring says: near the exact one for passes near to each other, 0.5 for certain ones."""
    mean  = RNG.dirichlet(np.ones(10) * 5, 50)[:, None]
    close = mean * (1 + 0.01 * RNG.standard_normal((50, 20, 10)))
    close /= close.sum(-1, keepdims=True)
    assert metrics.approximate_mutual_information(close.mean(1), close.var(1)) == pytest.approx(
        metrics.mutual_information(close), rel=0.02)
    for others, exact in (10, 0.69), (1, 0.20):
        certain = np.eye(3)[np.repeat([0, 2], [20 - others, others])][None]
        mean, variance = certain.mean(1), certain.var(1)
        assert metrics.approximate_mutual_information(mean, variance) == pytest.approx([0.5])
        assert metrics.mutual_information(certain) == pytest.approx([exact], abs=0.005)


def test_passes_that_agree_have_no_information():
    """Not even a little of either sign, by which they could be told apart."""
    alike = np.repeat(RNG.dirichlet(np.ones(10), 50)[:, None], 20, axis=1)
    assert (metrics.mutual_information(alike) == 0).all()


def test_mutual_information_is_mean_divergence_from_mean():
    probabilities = passes()
    mean = probabilities.mean(1, keepdims=True)
    divergence = (probabilities * np.log(probabilities / mean)).sum(-1).mean(1)
    assert metrics.mutual_information(probabilities) == pytest.approx(divergence)


def test_detection_by_hand():
    in_distribution, ood = np.array([0.1, 0.2, 0.3, 0.6]), np.array([0.3, 0.5, 0.7])
    # 9 pairs of 12 in order, and one tie.
    assert metrics.area_under_roc(in_distribution, ood) == pytest.approx(9.5 / 12)
    # Recall 1/3, 2/3, 1 at precision 1, 2/3, 3/5.
    assert metrics.area_under_precision_recall(in_distribution, ood) == pytest.approx(
        (1 + 2 / 3 + 3 / 5) / 3)
    assert metrics.false_positive_rate(in_distribution, ood) == 0.5
    assert metrics.false_positive_rate(in_distribution, ood, 0.3) == 0


def test_detection_against_loops():
    in_distribution, ood = RNG.integers(0, 20, 150) / 20, RNG.integers(4, 24, 100) / 20
    pairs = [(out > score) + 0.5 * (out == score) for out in ood for score in in_distribution]
    rates, area, recall_before = [], 0.0, 0.0
    for threshold in sorted({*in_distribution, *ood}, reverse=True):
        alarms, found = (in_distribution >= threshold).sum(), (ood >= threshold).sum()
        area += (found / 100 - recall_before) * found / (found + alarms)
        recall_before = found / 100
        if recall_before >= 0.95:
            rates.append(alarms / 150)
    assert metrics.detection(in_distribution, ood) == pytest.approx({
        "ood/AUROC": np.mean(pairs), "ood/AUPR": area, "ood/FPR95": min(rates)})


def test_detection_of_the_same_is_chance():
    scores = RNG.random(50)
    assert metrics.area_under_roc(scores, scores) == pytest.approx(0.5)
