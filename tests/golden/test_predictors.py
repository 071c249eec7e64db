import numpy as np
import pytest

from gen.progress import Progress
from gen.sources import find
from golden.answers import answer
from golden.compiler import compiled
from golden.data import load_sample
from golden.predictors import predictor


@pytest.mark.parametrize("method", ["scale-dropout", "affine"])
def test_the_golden_model_predicts(method):
    """With the random bits of images behind others."""
    images, _ = load_sample()
    predicted = predictor(find("lenet5"), method, 4, Progress())
    expected  = answer(compiled("lenet5", passes=4, method=method), images[7:19], 4, 7)
    found = predicted(images[7:19], 7)
    assert found.shape == (12, 4, 10) and np.allclose(found.mean(1), expected.prediction.mean, atol=0)


def test_a_baseline_predicts():
    pytest.importorskip("torch", reason="the extra 'check' leaves torch out, which baselines are in")
    predicted = predictor(find("lenet5"), "mc-dropout", 3, Progress())
    images, labels = load_sample()
    found = predicted(images[:50], 0)
    assert found.shape == (50, 3, 10) and found.sum(-1) == pytest.approx(np.ones((50, 3)))
    assert (found.mean(1).argmax(1) == labels[:50]).mean() > 0.9
