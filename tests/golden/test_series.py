import re

import numpy as np
import pytest

from golden.data import DataError, load_own
from golden.series import MOVE, copies_of, main, pixels_of, read_series


def write(path, labels, values, between="\t"):
    path.write_text("\n".join(between.join(map(str, [label, *row]))
                              for label, row in zip(labels, values.tolist(), strict=True)) + "\n\n")
    return path


def waves(count, length=30, seed=0):
    phase = np.random.default_rng(seed).uniform(0, 6, (count, 1))
    return np.sin(phase + np.arange(length) / 4)


def test_makes_a_data_set(tmp_path, capsys):
    """Of files with tabs and with commas; labels are numbered from 0."""
    train = write(tmp_path / "train.tsv", [2, -1, 2], waves(3))
    test  = write(tmp_path / "test.csv", ["-1.0", "2.0"], waves(2, seed=1), ",")
    folder = tmp_path / "data" / "waves"
    assert main([str(train), str(test), str(folder), "--copies", "4"]) == 0
    assert capsys.readouterr().out == (f"{folder}/train.npz has 12 series of 30 values, of 2 classes\n"
                                       f"{folder}/test.npz has 2 series of 30 values, of 2 classes\n")
    images, labels = load_own("waves", tmp_path / "data", "train")
    assert images.shape == (12, 1, 30) and labels.tolist() == [1] * 4 + [0] * 4 + [1] * 4
    images, labels = load_own("waves", tmp_path / "data", "test")
    assert np.array_equal(images, pixels_of(waves(2, seed=1))) and labels.tolist() == [0, 1]


def test_pixels():
    """Zero is the middle, and what is beyond the ends is at them."""
    assert pixels_of(np.array([[0, 1, -1, 3, -3, 9, -9.0]])).tolist() == [[[128, 170, 86, 254, 2, 255, 0]]]


def test_copies():
    """Each is of its own series, moved by no more values than said, and no two are alike."""
    peak = np.zeros((2, 101))
    peak[0, 50], peak[1, 20] = 20, -20
    copies = copies_of(peak, 50)
    assert copies.shape == (100, 101) and len(np.unique(copies, axis=0)) == 100
    first, second = copies[:50].argmax(1), copies[50:].argmin(1)
    assert abs(first - 50).max() <= 1.2 * MOVE and first.std() > 2
    assert abs(second - 20).max() <= 1.2 * (MOVE + 3) and second.std() > 2
    assert np.array_equal(copies, copies_of(peak, 50))
    assert not np.array_equal(copies, copies_of(peak, 50, 1))


@pytest.mark.parametrize("text, message", [
    ("1 2 3\n1 2\n", "must have a line of each series, a label and as many values as in all others ("),
    ("1 2 x\n", "must have a line of each series, a label and as many values as in all others ("),
    ("", "must have a line of each series, a label and finite values"),
    ("1\n2\n", "must have a line of each series, a label and finite values"),
    ("1 2 nan\n", "must have a line of each series, a label and finite values"),
])
def test_refuses_other_lines(tmp_path, text, message):
    path = tmp_path / "series.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"^{re.escape(f'Data file {path} {message}')}"):
        read_series(path)


@pytest.mark.parametrize("labels, length, message", [
    ([1, 2], 29, "Series of {0} have 30 values, and those of {1} have 29; they must be of one length"),
    ([1, 3], 30, "Data file {1} has a label 3, which {0} has not; train and test with the "
     "same classes"),
])
def test_refuses_series_that_do_not_fit(tmp_path, capsys, labels, length, message):
    paths = (write(tmp_path / "train.tsv", [1, 2], waves(2)),
             write(tmp_path / "test.tsv", labels, waves(2, length)))
    assert main([*map(str, paths), str(tmp_path / "made")]) == 2
    assert capsys.readouterr().err == f"golden.series: {message.format(*paths)}\n"
    assert not (tmp_path / "made").exists()


def test_refuses_a_file_that_is_not_there(tmp_path, capsys):
    assert main([str(tmp_path / "none"), str(tmp_path / "none"), str(tmp_path)]) == 2
    assert capsys.readouterr().err == (f"golden.series: Data file {tmp_path}/none cannot be read (No such "
                                       "file or directory); name another file\n")
