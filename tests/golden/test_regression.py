"""Figures of a compiled regression."""

from dataclasses import replace

import numpy as np
import pytest

from gen.compile import compile_network
from gen.ir import REGRESSION, Target
from gen.progress import Progress
from golden.answers import answer
from golden.network import forward
from golden.regression import judge_numbers


@pytest.mark.parametrize("method, single", [("scale-dropout", "all_kept"), ("", "one_pass")])
def test_figures(random_network, capsys, method, single):
    """By the definition, of all passes and of a single one; without targets there are no errors."""
    network = compile_network(replace(random_network(5), head=REGRESSION, method=method), Target())
    images  = np.random.default_rng(0).integers(0, 256, (30, *network.input.shape), dtype=np.uint8)
    targets = np.random.default_rng(1).normal(0, 1, (30, network.classes))
    figures, answers = judge_numbers(network, images, targets, 9, Progress())
    wanted  = answer(network, images, 9).prediction
    assert (answers.prediction.mean == wanted.mean).all() and set(figures) == {"passes", single}
    wrong = wanted.mean - targets
    assert figures["passes"] == {
        "test/reg/RMSE": pytest.approx(np.sqrt((wrong**2).mean())),
        "test/reg/MAE": pytest.approx(abs(wrong).mean()),
        "deviation": pytest.approx(np.sqrt(wanted.variance).mean())}
    assert figures["passes"]["deviation"] > 0 == figures[single]["deviation"]
    if single == "all_kept":
        kept = forward(network, images, np.ones((30, len(network.drops)), bool)) / network.head.unit
        assert figures[single]["test/reg/MAE"] == pytest.approx(abs(kept - targets).mean())
    assert set(judge_numbers(network, images, None, 9, Progress())[0]["passes"]) == {"deviation"}
