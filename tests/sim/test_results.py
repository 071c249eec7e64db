from dataclasses import replace

import numpy as np
import pytest

from golden.head import Prediction
from sim.results import Results, compare


def golden(count=3, classes=10):
    rng = np.random.default_rng(0)
    return Prediction(4, *rng.integers(0, 1000, (4, count, classes)),
                      rng.integers(0, classes, count), rng.integers(0, 2, count).astype(bool))


def received(prediction):
    count, classes = prediction.sums.shape
    marks = np.zeros((count, classes), dtype=bool)
    marks[:, -1] = True
    cycles = np.arange(count)
    return Results(replace(prediction, passes=np.full(count, prediction.passes)), np.full(count, True),
                   marks, np.zeros_like(marks), False, cycles, cycles)


def test_equal_results():
    assert not compare(golden(), received(golden())).any()


@pytest.mark.parametrize("field", ["passes", "sums", "squares", "votes", "confident", "prediction",
                                   "reject"])
@pytest.mark.parametrize("index", [0, -1])
def test_one_wrong_bit_in_any_field_is_found(field, index):
    results = received(golden())
    values  = getattr(results.prediction, field).copy()
    values.reshape(3, -1)[1, index] ^= 1
    results = replace(results, prediction=replace(results.prediction, **{field: values}))
    assert compare(golden(), results).tolist() == [False, True, False]


def test_flag_is_a_difference_but_after_an_alarm():
    results = received(golden())
    results.errors[1, 3] = True
    assert compare(golden(), results).tolist() == [False, True, False]
    assert not compare(golden(), replace(results, alarm=True)).any()


@pytest.mark.parametrize("index", [0, 8, 9])
def test_wrong_mark_is_found(index):
    results = received(golden())
    results.marks[1, index] ^= True
    assert compare(golden(), results).tolist() == [False, True, False]
