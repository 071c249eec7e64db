"""What is answered to each image, and the table of it."""

import csv
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import golden.answers
import golden.evaluate
from gen.command import UserError
from gen.compile import compile_network
from gen.ir import Target
from golden import metrics, tables
from golden.answers import COLUMNS, COLUMNS_SIMULATED, answer, columns_help, write_answers
from golden.compiler import compiled
from golden.data import add_noise, load_sample
from golden.images import Images, read_images
from golden.network import predict
from golden.random.generator import choices


@pytest.fixture
def network(random_network):
    return compile_network(random_network(5, hidden=2), Target())


def random_images(network, count):
    return np.random.default_rng(0).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_table(network, tmp_path):
    """Every column against the probabilities of the passes, in both kinds of file."""
    pixels = random_images(network, 12)
    images = Images(pixels, np.arange(12) % 3, tuple(f"é {index}, \"x\".png" for index in range(12)))
    answers = answer(network, pixels, 7)
    for kind in ("csv", "npz"):
        write_answers(tmp_path / f"a.{kind}", answers, images)
    rows = read(tmp_path / "a.csv")
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)

    _, probabilities = predict(network, pixels, choices(network.generator, 12, 7))
    single = probabilities / 65536
    mean, classes = single.mean(1), single.shape[2]
    entropy = -np.sum(np.where(single > 0, single * np.log(np.maximum(single, 1e-9)), 0), -1)
    total = -np.sum(np.where(mean > 0, mean * np.log(np.maximum(mean, 1e-9)), 0), -1)
    confident = (probabilities >= network.head.confidence).sum(1).max(1)
    expected = {
        "image": np.arange(12), "image_file": np.array(images.files), "label": images.labels,
        "class": mean.argmax(1), "mean_probability": mean, "variance": single.var(1),
        "predictive_entropy_nats": total, "mutual_information_nats": total - entropy.mean(1),
        "reject": (confident < 0.9 * 7).astype(int),
    }
    assert list(arrays) == list(expected) == list(COLUMNS)
    for name, values in expected.items():
        if values.dtype.kind == "f":
            assert arrays[name] == pytest.approx(values, abs=1e-11)
        else:
            assert (arrays[name] == values).all()
        cells = [[row[f"{name}_{k}"] for k in range(classes)] if values.ndim == 2 else row[name]
                 for row in rows]
        assert (np.array(cells).astype(arrays[name].dtype) == arrays[name]).all()
    assert 0 < expected["variance"].max() and len(rows[0]) == 7 + 2 * classes


def test_an_answer_for_each_position(random_network, tmp_path, capsys):
    """The arrays of a file have their axes; a table of images has no room for them."""
    network = compile_network(random_network(1, hidden=1, answered=(2, 3)), Target())
    pixels  = random_images(network, 12)
    answers, images = answer(network, pixels, 7), Images(pixels, np.ones((12, 2, 3), np.int64))
    write_answers(tmp_path / "a.npz", answers, images)
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)
    _, probabilities = predict(network, pixels, choices(network.generator, 12, 7))
    mean = (probabilities / 65536).mean(1)
    assert (arrays["mean_probability"] == mean).all() and mean.shape == (12, 2, 3, network.classes)
    assert (arrays["class"] == mean.argmax(-1)).all() and (arrays["label"] == images.labels).all()
    for name in ("predictive_entropy_nats", "mutual_information_nats", "reject"):
        assert arrays[name].shape == (12, 2, 3)
    with pytest.raises(UserError) as caught:
        write_answers(tmp_path / "a.csv", answers, images)
    refused = (f"File {tmp_path / 'a.csv'} would have a row for each image, of which 2 x 3 positions have "
               "an answer each; name a file that ends with .npz")
    assert str(caught.value) == refused
    # Of a command before any work.
    (tmp_path / "mine.toml").write_text(
        "input = {height = 4, width = 5, thresholds = [128]}\n"
        'layers = [{name = "last", kind = "conv", outputs = 2, kernel = 3}]\n')
    assert golden.evaluate.main([str(tmp_path / "mine.toml"), "--input", str(tmp_path / "a.npz"),
                                 "--out", str(tmp_path / "a.csv")]) == 2
    assert capsys.readouterr().err == f"golden.evaluate: {refused}\n"


def test_without_labels_and_files(network, tmp_path):
    pixels = random_images(network, 2)
    write_answers(str(tmp_path / "a.csv"), answer(network, pixels, 1), Images(pixels))
    rows = read(tmp_path / "a.csv")
    assert not {"image_file", "label"} & set(rows[0])
    assert all(float(row["variance_0"]) == 0 and float(row["mutual_information_nats"]) == 0 for row in rows)


def test_three_lines(tmp_path, monkeypatch):
    """Those of the docstring, as they stand there."""
    images, labels = load_sample()
    np.savez(tmp_path / "digits.npz", images=images[:30], labels=labels[:30])
    monkeypatch.chdir(tmp_path)
    lines = [line.strip() for line in golden.answers.__doc__.splitlines() if line.startswith("    ")]
    assert len(lines) == 3
    exec("\n".join(lines), {"compiled": compiled, "read_images": read_images, "answer": answer,
                            "write_answers": write_answers})
    rows = read(tmp_path / "answers.csv")
    assert [int(row["label"]) for row in rows] == labels[:30].tolist()
    assert np.mean([row["label"] == row["class"] for row in rows]) > 0.9


def test_parts_of_a_stream(network):
    """Choices go on with the number of the first image."""
    pixels = random_images(network, 30)
    whole, part = answer(network, pixels, 5), answer(network, pixels[11:], 5, first=11)
    assert (part.prediction.sums == whole.prediction.sums[11:]).all()
    assert (part.information == whole.information[11:]).all()


def test_memory_is_that_of_a_batch(network):
    """Of any number of images and passes: beside the answers no more is needed."""
    def most(count, passes):
        pixels = random_images(network, count)
        tracemalloc.start()
        answer(network, pixels, passes)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    most(10, 1) # what is kept
    few = most(100, 500)
    assert most(400, 500) < few + 400 * 500
    # All of their probabilities and choices would be 400 x 500 x 4 x 12 bytes, and more on the way.


@pytest.mark.parametrize("name, message", [
    ("answers.txt", "File {} must end with .csv or .npz"),
    ("answers", "File {} must end with .csv or .npz"),
    ("folder.csv", "File {} cannot be written (Is a directory); name another"),
    ("file/answers.csv", "File {} cannot be written (File exists); name another"),
])
def test_wrong_path(network, tmp_path, name, message):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    answers, path = answer(network, random_images(network, 1), 1), tmp_path / name
    with pytest.raises(UserError) as caught:
        write_answers(path, answers, Images(random_images(network, 1)))
    assert str(caught.value) == message.format(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.csv"]


def test_a_table_that_is_not_whole_replaces_none(network, tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    answers = answer(network, random_images(network, 2), 1)
    broken  = replace(answers, information=np.zeros(1))
    with pytest.raises(ValueError):
        write_answers(tmp_path / "a.csv", broken, Images(random_images(network, 2)))
    assert (tmp_path / "a.csv").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("simulated", [False, True])
def test_every_column_is_explained(network, simulated):
    """Those that the help lists are those that there are."""
    pixels  = random_images(network, 1)
    columns = set()
    for head in network.head, replace(network.head, confidence=0, regression=True):
        answers = answer(replace(network, head=head), pixels, 2)
        if simulated:
            answers = replace(answers, exact=np.array([True]))
        columns |= set(answers.table(Images(pixels, np.zeros(1, int), ("a",))))
    listed = [line.split()[0] for line in columns_help(simulated=simulated).splitlines()[1:]]
    assert set(listed) == columns
    assert set(COLUMNS_SIMULATED) <= set(listed) or not simulated


def test_moments_tell_images_apart_as_the_passes_do():
    """docs/reading-results.md: as a score of images out of distribution, the mutual information of mean and
    variance alone is as good as the exact one."""
    network, images = compiled("lenet5"), load_sample()[0][:400]
    exact, approximate = [], []
    for shown in images, add_noise(images), images.transpose(0, 2, 1), images[:, ::-1]:
        found = answer(network, np.ascontiguousarray(shown), 20, golden=tables)
        exact.append(found.information)
        approximate.append(metrics.approximate_mutual_information(found.prediction.mean,
                                                                  found.prediction.variance))
    for number in 1, 2, 3:
        areas = [metrics.area_under_roc(scores[0], scores[number]) for scores in (exact, approximate)]
        assert areas[0] > 0.7 and abs(areas[1] - areas[0]) < 0.01
