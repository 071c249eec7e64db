import gzip
import hashlib
import re
import struct
from statistics import NormalDist

import numpy as np
import pytest

from gen.files import FileError
from golden import data
from golden.data import NOISE_DEVIATION, NOISE_MEAN, DataError, add_noise, gaussian_noise


#: SHA-256 of the sample, images then labels.
DIGEST = "433b45373ea5854af220ecaa5779542557e32a893fbaf90aa26d1e31123335de"

def write_idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))
    return path


def write_set(folder, prefix, count=3, side=28):
    images = np.random.default_rng(count).integers(0, 256, (count, side, side), dtype=np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 10
    write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images)
    write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return images, labels


def same(found, expected):
    return all((array == wanted).all() and array.dtype == np.uint8
               for array, wanted in zip(found, expected, strict=True))


def test_loads_each_split(tmp_path):
    train, test = (write_set(tmp_path / "mnist", prefix, count)
                   for prefix, count in (("train", 5), ("t10k", 3)))
    assert same(data.load_mnist(tmp_path, "train"), train)
    assert same(data.load_mnist(str(tmp_path)), test)
    with pytest.raises(ValueError, match="Split must be 'train' or 'test', not 'valid'"):
        data.load_mnist(tmp_path, "valid")


def test_folder_from_environment(tmp_path, monkeypatch):
    test = write_set(tmp_path / "mnist", "t10k")
    monkeypatch.setenv("SPINCIM_DATA", str(tmp_path))
    assert same(data.load_mnist(), test)


def write_cifar10(folder, split="test", **arrays):
    path = folder / "cifar10" / f"{split}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{"images": np.zeros((4, 32, 32, 3), np.uint8), "labels": [3, 0, 9, 1]} | arrays)
    return path


def test_cifar10(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    write_cifar10(tmp_path, "train", images=images)
    assert same(data.load_cifar10(tmp_path, "train"), (images, np.array([3, 0, 9, 1])))
    with pytest.raises(DataError, match=f"^Data file {tmp_path}/cifar10/test.npz does not exist; golden/"):
        data.load_cifar10(tmp_path)


@pytest.mark.parametrize("arrays, message", [
    ({"images": np.zeros((4, 3, 32, 32), np.uint8)},
     r"Images of .* must be uint8 \(N, 32, 32, 3\), not uint8 \(4, 3, 32, 32\)"),
    ({"images": np.zeros((4, 32, 32, 3))}, r"Images of .* must be uint8 \(N, 32, 32, 3\), not float64 .*"),
    ({"labels": [1]}, "Data file .* has 4 images, but 1 labels"),
    ({"labels": [1, 2, 3, 10]}, "Labels of .* must be integers from 0 to 9"),
    ({"labels": np.zeros((4, 2, 2), int)}, r"Labels of .* must be \(N,\), not \(4, 2, 2\)"),
])
def test_cifar10_of_other_arrays(tmp_path, arrays, message):
    write_cifar10(tmp_path, **arrays)
    with pytest.raises(DataError, match=f"^{message}$"):
        data.load_cifar10(tmp_path)


def test_cifar10_that_is_damaged(tmp_path):
    path = write_cifar10(tmp_path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"test.npz must have arrays 'images' and 'labels' \("):
        data.load_cifar10(tmp_path)
    np.savez(path, images=np.zeros((4, 32, 32, 3), np.uint8))
    with pytest.raises(DataError, match=r"test.npz must have arrays 'images' and 'labels' \("):
        data.load_cifar10(tmp_path)


def test_own_with_labels_of_positions(tmp_path):
    (tmp_path / "mine").mkdir()
    labels = np.arange(12).reshape(2, 2, 3)
    np.savez(tmp_path / "mine" / "test.npz", images=np.zeros((2, 4, 6), np.uint8), labels=labels)
    assert (data.load_own("mine", tmp_path)[1] == labels).all()


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3)])
def test_own(tmp_path, shape):
    """A data set of any name, images of any one size, and as many classes as labels say."""
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    (tmp_path / "mine").mkdir()
    np.savez(tmp_path / "mine" / "train.npz", images=images, labels=np.array([0, 700, 3, 1]))
    pixels, labels = data.data_set("mine").load(tmp_path, "train")
    assert (pixels == images).all() and labels.tolist() == [0, 700, 3, 1] and labels.dtype == np.uint16
    assert data.data_set("mine").title == "mine" and data.data_set("mnist") is data.DATA_SETS["mnist"]
    with pytest.raises(DataError, match=(
            f"^Data file {tmp_path}/mine/test.npz does not exist; write it with: numpy.savez.FILE, "
            "images=images, labels=labels.$")):
        data.load_own("mine", tmp_path)


#: Arrays that are no data set of a user, and why.
LABELS = [
    ({"images": np.zeros((2, 7, 5)), "labels": np.zeros(2, int)},
     "Images of PATH must be uint8 (N, H, W), or (N, H, W, 3), not float64 (2, 7, 5)"),
    ({"images": np.zeros((2, 7, 5, 4), np.uint8), "labels": np.zeros(2, int)},
     "Images of PATH must be uint8 (N, H, W), or (N, H, W, 3), not uint8 (2, 7, 5, 4)"),
    ({"images": np.zeros((0, 7, 5), np.uint8), "labels": np.zeros(0, int)},
     "Images of PATH must be uint8 (N, H, W), or (N, H, W, 3), not uint8 (0, 7, 5)"),
    ({"images": np.zeros((2, 7, 5), np.uint8), "labels": np.zeros(3, int)},
     "Data file PATH has 2 images, but 3 labels"),
    ({"images": np.zeros((2, 7, 5), np.uint8), "labels": np.zeros((2, 7), int)},
     "Labels of PATH must be (N,), or (N, height, width) of positions, not (2, 7)"),
    ({"images": np.zeros((2, 7, 5), np.uint8), "labels": np.zeros(2)},
     "Labels of PATH must be integers from 0 to 65535"),
    ({"images": np.zeros((2, 7, 5), np.uint8), "labels": np.array([0, -1])},
     "Labels of PATH must be integers from 0 to 65535"),
    ({"pixels": np.zeros(2)}, "Data file PATH must have arrays 'images' and 'labels' "),
]


@pytest.mark.parametrize("targets, found", [
    (np.array([1, -2]), [[1], [-2]]), (np.array([[0.5, 2], [3, 4]]), [[0.5, 2], [3, 4]]),
    (np.zeros((2, 3, 2, 1)), np.zeros((2, 3, 2, 1)).tolist())])
def test_numbers(tmp_path, targets, found):
    (tmp_path / "mine").mkdir()
    np.savez(tmp_path / "mine" / "test.npz", images=np.zeros((2, 7, 5), np.uint8), targets=targets)
    images, numbers = data.load_numbers("mine", tmp_path)
    assert images.shape == (2, 7, 5) and numbers.dtype == np.float32 and numbers.tolist() == found


#: The same of a regression.
NUMBERS = [
    ({"images": np.zeros((2, 7, 5)), "targets": np.zeros(2)},
     "Images of PATH must be uint8 (N, H, W), or (N, H, W, 3), not float64 (2, 7, 5)"),
    ({"images": np.zeros((2, 7, 5), np.uint8), "targets": np.zeros((3, 1))},
     "Targets of PATH must be (N, numbers), or (N, height, width, numbers) of positions, of 2 images, not "
     "(3, 1)"),
    ({"images": np.zeros((2, 7, 5), np.uint8), "targets": np.array([0, np.inf])},
     "Targets of PATH must be finite numbers"),
    ({"images": np.zeros((2, 7, 5), np.uint8), "targets": np.array(["a", "b"])},
     "Targets of PATH must be finite numbers"),
    ({"images": np.zeros((2, 7, 5), np.uint8), "labels": np.zeros(2)},
     "Data file PATH must have arrays 'images' and 'targets' "),
]


@pytest.mark.parametrize("load, arrays, message", [
    *((data.load_own, *case) for case in LABELS), *((data.load_numbers, *case) for case in NUMBERS)])
def test_own_of_other_arrays(tmp_path, load, arrays, message):
    path = tmp_path / "mine" / "test.npz"
    path.parent.mkdir()
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=re.escape(message.replace("PATH", str(path)))):
        load("mine", tmp_path)


def test_other_sets(tmp_path):
    letters = write_set(tmp_path / "notmnist", "t10k", 4)
    assert same(data.load_notmnist(tmp_path), letters)
    subset = write_set(tmp_path / "fashion-mnist", "balanced10k", 5)
    assert same(data.load_fashion_mnist(tmp_path), subset)
    official = write_set(tmp_path / "fashion-mnist", "t10k", 6)
    assert same(data.load_fashion_mnist(tmp_path), official)


def test_no_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("SPINCIM_DATA", raising=False)
    with pytest.raises(DataError, match="No data folder is given; name one with --data DIR"):
        data.load_mnist()
    with pytest.raises(DataError, match="none does not exist; make one with"):
        data.load_mnist(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file is no folder; make one with"):
        data.load_mnist(tmp_path / "file")


@pytest.mark.parametrize("load, hint", [
    (data.load_mnist, "fetch it with: python -m golden.data fetch DIR"),
    (data.load_fashion_mnist, "fetch it with: python -m golden.data fetch DIR"),
    (data.load_notmnist, "take it from https://github.com/davidflanagan/notMNIST-to-MNIST"),
])
def test_missing_file_names_the_way_out(load, hint, tmp_path):
    with pytest.raises(DataError) as error:
        load(tmp_path)
    assert str(error.value).endswith(f"t10k-images-idx3-ubyte.gz does not exist; {hint}")


@pytest.mark.parametrize("content, message", [
    (b"no gzip", "is damaged"),
    (gzip.compress(bytes(1000), mtime=0)[:-9], "is damaged"),
    (gzip.compress(bytes(1000), mtime=0)[:10] + b"\xff" * 9, "is damaged"),
    (gzip.compress(b"<html>", mtime=0), "begins with 00 00 08, not with 3c 68 74"),
    (gzip.compress(b"\0\0\x08\x03\0\0", mtime=0), "ends within its header"),
    (gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc", mtime=0),
     "has 3 values, but its header states 5"),
    (gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12, mtime=0), "has 0 values, but its header states"),
    (gzip.compress(b"\0\0\x08\xff" + bytes(4 * 255), mtime=0), "is no array (maximum supported dimension"),
    (gzip.compress(b"\0\0\x08\x03" + bytes(4) + b"\xff" * 8, mtime=0), "is no array ("),
])
def test_damaged_file(content, message, tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        data.read_idx(path)
    assert message in str(error.value) and str(path) in str(error.value)


def test_mismatches(tmp_path):
    write_set(tmp_path / "mnist", "t10k", 3, side=27)
    with pytest.raises(DataError, match="must be 28 x 28, not 27 x 27"):
        data.load_mnist(tmp_path)
    write_set(tmp_path / "mnist", "t10k", 0)
    with pytest.raises(DataError, match="mnist has no images in t10k-images-idx3-ubyte.gz; fetch it with"):
        data.load_mnist(tmp_path)
    write_set(tmp_path / "mnist", "t10k", 3)
    labels = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    write_idx(labels, np.zeros(2, np.uint8))
    with pytest.raises(DataError, match="has 3 images, but 2 labels"):
        data.load_mnist(tmp_path)
    write_idx(labels, np.array([0, 1, 10], np.uint8))
    with pytest.raises(DataError, match="must be 0 to 9, not 10"):
        data.load_mnist(tmp_path)


def test_sample():
    images, labels = data.load_sample()
    assert images.shape == (1000, 28, 28) and images.dtype == labels.dtype == np.uint8
    # The first test images of MNIST are known by heart, and by this digest.
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == DIGEST


def test_sample_is_made_again(tmp_path):
    images, labels = write_set(tmp_path / "mnist", "t10k", 1200)
    for name in ("one.npz", "two.npz"):
        data.make_sample(tmp_path, tmp_path / name)
    with np.load(tmp_path / "one.npz") as file:
        assert same((file["images"], file["labels"]), (images[:1000], labels[:1000]))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.fixture
def server(tmp_path):
    """Two files at addresses of this machine, one known by its content, one as it is."""
    served = tmp_path / "served"
    write_set(served, "t10k")
    names = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    contents = [(served / name).read_bytes() for name in names]
    return {f"mnist/{name}": ((served / name).as_uri(), hashlib.md5(content).hexdigest())
            for name, content in zip(names, (gzip.decompress(contents[0]), contents[1]),
                                     strict=True)}


def test_fetch(tmp_path, server):
    folder = tmp_path / "data"
    assert [line.split()[-1] for line in data.fetch(folder, server)] == ["fetched", "fetched"]
    assert len(data.load_mnist(folder)[0]) == 3
    assert [line.split()[-1] for line in data.fetch(folder, server)] == ["already", "already"]


def test_fetch_replaces_a_damaged_file(tmp_path, server):
    folder = tmp_path / "data"
    list(data.fetch(folder, server))
    damaged = folder / "mnist" / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(b"half")
    assert [line.split()[-1] for line in data.fetch(folder, server)] == ["already", "fetched"]
    assert len(data.load_mnist(folder)[1]) == 3


def test_fetch_refuses_a_wrong_checksum(tmp_path, server):
    name = "mnist/t10k-images-idx3-ubyte.gz"
    server[name] = (server[name][0], "0" * 32)
    folder = tmp_path / "data"
    with pytest.raises(DataError, match="must have the MD5 checksum 0{32}, not [0-9a-f]{32} or "):
        list(data.fetch(folder, server))
    assert not folder.exists()


def test_fetch_without_answer(tmp_path):
    address = (tmp_path / "none").as_uri()
    with pytest.raises(DataError, match=f"{address} cannot be fetched .*; try again, or put"):
        list(data.fetch(tmp_path, {"mnist/file": (address, "0" * 32)}))


def test_fetch_over_a_folder(tmp_path, server):
    name = "mnist/t10k-images-idx3-ubyte.gz"
    (tmp_path / "data" / name).mkdir(parents=True)
    with pytest.raises(DataError, match=f"^Data file {tmp_path}/data/{name} cannot be read .Is a "
                                        "directory.; remove it, or name another folder$"):
        list(data.fetch(tmp_path / "data", server))


def test_fetch_into_a_file(tmp_path, server):
    path = tmp_path / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
    (tmp_path / "data").write_text("mine")
    with pytest.raises(FileError) as error:
        list(data.fetch(tmp_path / "data", server))
    assert str(error.value) == f"File {path} cannot be written (Not a directory); name another"
    assert (tmp_path / "data").read_text() == "mine"


def test_command(tmp_path, server, monkeypatch, capsys):
    monkeypatch.setattr(data, "SOURCES", server)
    assert data.main(["fetch", str(tmp_path / "data")]) == 0
    assert "notMNIST is not fetched: take it from https" in capsys.readouterr().out
    assert data.main(["sample", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"golden.data: Data folder {tmp_path / 'none'} does not exist; make one with: python -m "
        "golden.data fetch DIR\n")


def test_stopped_fetch(tmp_path, server, monkeypatch, capsys):
    """The files that are fetched stay, and the others are fetched next time."""
    def interrupted(address, **_):
        if address.endswith("labels-idx1-ubyte.gz"):
            raise KeyboardInterrupt
        return urlopen(address)

    monkeypatch.setattr(data, "SOURCES", server)
    urlopen = data.urllib.request.urlopen
    with monkeypatch.context() as patch:
        patch.setattr(data.urllib.request, "urlopen", interrupted)
        assert data.main(["fetch", str(tmp_path / "data")]) == 130
    assert capsys.readouterr().err == (
        "golden.data: stopped; every file that is there is whole, and the same command goes on\n")
    assert [path.name for path in (tmp_path / "data" / "mnist").iterdir()] == ["t10k-images-idx3-ubyte.gz"]
    assert data.main(["fetch", str(tmp_path / "data")]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()[:2]] == ["already", "fetched"]


def test_gaussian_noise():
    """Before it is clipped: mean 33, deviation 79; so a third of the pixels are black."""
    images = gaussian_noise(200)
    assert images.shape == (200, 28, 28) and images.dtype == np.uint8
    assert (gaussian_noise(200) == images).all() and (gaussian_noise(200, seed=1) != images).any()
    for pixel in (1, 34, 112, 200):
        share = NormalDist(NOISE_MEAN, NOISE_DEVIATION).cdf(pixel - 0.5)
        assert (images < pixel).mean() == pytest.approx(share, abs=0.005)


def test_add_noise():
    images = np.full((100, 28, 28), 128, np.uint8)
    noisy = add_noise(images, deviation=20)
    assert noisy.dtype == np.uint8 and (add_noise(images, deviation=20) == noisy).all()
    assert noisy.mean() == pytest.approx(128, abs=0.5)
    assert noisy.std() == pytest.approx(20, rel=0.02)
    assert (images == 128).all()
    assert add_noise(np.full((5, 28, 28), 255, np.uint8)).max() == 255
