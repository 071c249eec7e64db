"""Scores of predictions, and the figures that are made of them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from gen.compile import compile_network
from gen.ir import Target
from golden import metrics
from golden.head import softmax
from golden.network import forward, path_probabilities, paths, predict
from golden.random.generator import choices
from golden.scores import Scores, error_between, error_of_mean, over_combinations, over_passes, report


@pytest.fixture
def network(random_network):
    return compile_network(random_network(5, hidden=2), Target())


def random_images(network, count):
    return np.random.default_rng(0).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)


def test_over_passes(network):
    images, keep = random_images(network, 6), choices(network.generator, 6, 9)
    scores = over_passes(network, images, keep)
    single = np.stack([softmax(forward(network, images, keep[:, number]), network.head)
                       for number in range(9)], axis=1)
    assert np.allclose(scores.mean, single.mean(1) / 65536, rtol=1e-12)
    assert np.allclose(scores.entropy, metrics.predictive_entropy(single.mean(1) / 65536))
    assert np.allclose(scores.information, metrics.mutual_information(single / 65536))
    assert (scores.rejected == ~(single >= network.head.confidence).all(1).any(1)).all() # 90 % of 9 is all


def test_over_passes_converges_to_over_combinations(network):
    images = random_images(network, 4)
    expected = over_combinations(network, images)
    scores = over_passes(network, images, choices(network.generator, 4, 4000))
    assert path_probabilities(network).sum() == pytest.approx(1)
    assert np.allclose(scores.mean, expected.mean, atol=0.04)
    assert np.allclose(scores.entropy, expected.entropy, atol=0.1)
    assert np.allclose(scores.information, expected.information, atol=0.1)


def test_mean_of_passes_converges_to_that_of_combinations(random_network):
    network = compile_network(random_network(3, hidden=2), Target(passes=1000, passes_max=1000))
    images = random_images(network, 3)
    keep = choices(network.generator, 3, 1000)
    mean = predict(network, images, keep)[0].sums / 65536 / 1000
    # 5 standard deviations of a mean of 1000 values between 0 and 1.
    assert abs(mean - over_combinations(network, images).mean).max() < 5 * 0.5 / 1000**0.5


def test_over_combinations_with_certain_choices(random_network):
    network = random_network(4, hidden=2)
    network = replace(network, draws=tuple(
        replace(draw, drops=(p,)) for draw, p in zip(network.draws, (0.0, 1.0, 0.0), strict=True)))
    compiled = compile_network(network, Target())
    images = random_images(network, 4)
    logits = forward(compiled, images, np.array([[True, False, True]] * 4))
    assert (over_combinations(compiled, images).mean == softmax(logits, compiled.head) / 65536).all()
    assert path_probabilities(compiled).tolist() == [0, 0, 0, 0, 0, 1, 0, 0]


def test_over_combinations_weighs_arrays_alike(random_spinbayes):
    """The mean over every combination of arrays, each as likely as the others."""
    network = random_spinbayes(1, hidden=1)
    compiled = compile_network(network, Target(array_rows=16, array_columns=128))
    assert all(layer.crossbars > 1 for layer in network.layers)
    count = math.prod(layer.crossbars for layer in network.layers)
    assert path_probabilities(compiled) == pytest.approx(np.full(count, 1 / count))
    images = random_images(network, 3)
    expected = softmax(paths(compiled, images), compiled.head).mean(1) / 65536
    assert over_combinations(compiled, images).mean == pytest.approx(expected)


def test_over_combinations_counts_confident_ones(random_network):
    """The share of combinations in which one class is confident decides."""
    network = compile_network(random_network(9, hidden=2), Target())
    network = replace(network, head=replace(network.head, confidence=40000))
    images = random_images(network, 60)
    single, share = softmax(paths(network, images), network.head), path_probabilities(network)
    expected = [max(sum(share[index] for index in range(len(share)) if row[index, k] >= 40000)
                    for k in range(row.shape[1])) < 0.9 for row in single]
    assert over_combinations(network, images).rejected.tolist() == expected
    assert 0 < sum(expected) < 60


def test_over_combinations_asks_for_the_agreement_of_the_head(random_spinbayes):
    network = compile_network(random_spinbayes(1, hidden=1), Target(array_columns=128))
    images = random_images(network, 30)
    single = softmax(paths(network, images), network.head)
    network = replace(network, head=replace(network.head, confidence=int(np.median(single.max(-1)))))
    share = (single >= network.head.confidence).mean(1).max(-1)
    for agreement in (1, 50, 99):
        head = replace(network.head, agreement=agreement)
        rejected = over_combinations(replace(network, head=head), images).rejected
        assert rejected.tolist() == (share + 1e-9 < agreement / 100).tolist()


def test_error_of_mean(network):
    """Of passes with random bits of their own T_eff is T; of all combinations there is no error."""
    images = np.repeat(random_images(network, 4), 500, 0)
    exact  = over_combinations(network, images)
    found  = error_of_mean(over_passes(network, images, choices(network.generator, 2000, 5)), exact)
    assert found["effective_passes"] == pytest.approx(5, rel=0.1)
    error = math.sqrt(exact.variance.mean() / exact.mean.shape[1] / 5)
    assert found["rms_error"] == pytest.approx(error, rel=0.1)
    # And by two sets of passes, without the exact mean.
    sets = [over_passes(network, images, choices(network.generator, 2000, 5, first)) for first in (0, 2000)]
    between = error_between(*sets)
    assert between["effective_passes"] == pytest.approx(5, rel=0.1)
    assert between["rms_error"] == pytest.approx(error, rel=0.1)
    assert error_of_mean(exact, exact) == {"rms_error": 0, "effective_passes": None}
    # The variance over passes is that of one of them.
    single = softmax(paths(network, images[:1]), network.head)[0] / 65536
    share  = path_probabilities(network)
    wanted = (share @ single**2 - (share @ single)**2).sum()
    assert exact.variance[0] == pytest.approx(wanted)


def test_report():
    """Two images, one right and one wrong; the other data set looks stranger to every score."""
    mean = np.array([[0.75, 0.25], [0.75, 0.25]])
    in_distribution = Scores(mean, np.zeros(2), np.array([0.2, 0.2]), np.array([0.0, 0.1]),
                             np.array([False, True]))
    ood = Scores(mean, np.zeros(2), np.array([0.6, 0.7]), np.array([0.3, 0.2]), np.array([True, True]))
    figures = report(in_distribution, np.array([0, 1]), {"other": ood, "third": "because"})
    assert figures == {
        "test/cls/Acc": 0.5,
        "test/cls/NLL": pytest.approx(-(np.log(0.75) + np.log(0.25)) / 2),
        "test/cls/Brier": pytest.approx((2 * 0.25**2 + 2 * 0.75**2) / 2),
        "test/cal/ECE": pytest.approx(0.25),
        "entropy_nats": pytest.approx(0.2),
        "mutual_information_nats": pytest.approx(0.05),
        "quantile/rejected": 0.5,
        "other": {
            "status": "run",
            "entropy": {"ood/AUROC": 1.0, "ood/AUPR": 1.0, "ood/FPR95": 0.0},
            "mutual_information": {"ood/AUROC": 1.0, "ood/AUPR": 1.0, "ood/FPR95": 0.0},
            "quantile/rejected": 1.0},
        "third": {"status": "not_run", "reason": "because"},
    }
