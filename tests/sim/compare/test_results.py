from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gen.emit import fields
from golden.head import Prediction
from hdl.head.result import result_layout
from sim.compare.results import Results, compare, read


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


@pytest.mark.parametrize("field", [None, "prediction", "reject", "passes"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_words_that_say_another_thing_are_found(tmp_path, field, index):
    """What holds for an image is the same in each of its words, or the image differs."""
    expected, layout, lines = golden(3, 3), result_layout(3, 5), []
    expected = replace(expected, votes=expected.votes % 6, confident=expected.confident % 6)
    for image, at in np.ndindex(3, 3):
        word = {"sum": expected.sums[image, at], "square": expected.squares[image, at],
                "votes": expected.votes[image, at], "confident": expected.confident[image, at],
                "prediction": expected.prediction[image], "reject": expected.reject[image],
                "passes": 4, "last": at == 2}
        word = {name: int(value) for name, value in word.items()}
        if field is not None and (image, at) == (1, index):
            word[field] ^= 1
        lines.append(f"r {at} {layout.const(word).as_bits():0{-(-layout.size // 4)}x}\n")
    (tmp_path / "results.txt").write_text("p 0 0\na 0 0\n" + "".join(lines))
    design = SimpleNamespace(classes=3, words=3, answer_shape=(), unit=65536, zero=0,
                             results=fields(layout), payload=lambda name: {"width": layout.size})
    results = read(tmp_path / "results.txt", design)
    assert compare(expected, results).tolist() == [False, field is not None, False]


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
