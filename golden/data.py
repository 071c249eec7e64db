"""Data sets to train and judge with: MNIST, sets that are out of distribution (OOD) for it, and CIFAR-10.

A data folder holds one folder per data set. Those of grey images have gzipped IDX files::

    mnist/          train-images-idx3-ubyte.gz  train-labels-idx1-ubyte.gz
                    t10k-images-idx3-ubyte.gz   t10k-labels-idx1-ubyte.gz
    fashion-mnist/  t10k-images-idx3-ubyte.gz   t10k-labels-idx1-ubyte.gz    (or balanced10k-...)
    notmnist/       t10k-images-idx3-ubyte.gz   t10k-labels-idx1-ubyte.gz

CIFAR-10 is two files of :func:`numpy.savez`, each with the arrays ``images``, uint8 (N, 32, 32, 3), red
first, and ``labels``, 0 to 9::

    cifar10/        train.npz  test.npz

Of ``data = torchvision.datasets.CIFAR10(folder, train, download=True)`` they are made by
``numpy.savez(file, images=data.data, labels=data.targets)``. A data set of any other name is likewise two
files in the folder of its name, ``train.npz`` and ``test.npz``, of images of any one size, grey (N, H, W)
or of colours (N, H, W, 3), and labels from 0 on: of images (N,), or of the positions of a segmentation
(N, h, w); or of a regression ``targets`` in place of labels, numbers (N, K), or (N,) of one. The data set
``clutter``, digits among pieces of others with a label for each pixel, is made of MNIST as it is loaded.

``python -m golden.data fetch DIR`` downloads MNIST and Fashion-MNIST. The first 1000 test images of MNIST
come with the project (:func:`load_sample`); ``python -m golden.data sample DIR`` makes their file again.
"""

import gzip
import hashlib
import http.client
import os
import struct
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from gen.command import Parser, UserError, command
from gen.files import replacing
from gen.ir import Network
from golden.clutter import cluttered


__all__ = [
    "DATA_SETS", "NOISE_DEVIATION", "NOISE_MEAN", "OOD", "OOD_NOISE", "SAMPLE", "SOURCES", "DataError",
    "DataSet", "add_noise", "check_for", "data_set", "fetch", "folder_of", "gaussian_noise",
    "load_cifar10", "load_clutter", "load_fashion_mnist", "load_for", "load_mnist", "load_notmnist",
    "load_numbers", "load_own", "load_sample", "main", "make_sample", "parse_idx", "read_idx",
    "sample_clutter",
]


#: The first test images of MNIST with their labels; comes with the project.
SAMPLE = Path(__file__).parent / "sample" / "mnist_test_1000.npz"

#: Mean and deviation of noise images, and deviation of the noise that is added to images, in units of a
#: pixel. Assumption: the papers do not state them. This is standard normal noise at the inputs of a network
#: that takes pixels normalized by the usual mean and deviation of MNIST, 0.1307 and 0.3081 of full scale.
#: Accuracy and uncertainty under noise depend on both.
NOISE_MEAN, NOISE_DEVIATION = 0.1307 * 255, 0.3081 * 255

#: Where to get the files of a data set, for messages about missing files.
_HINTS = {
    "mnist": "fetch it with: python -m golden.data fetch DIR",
    "fashion-mnist": "fetch it with: python -m golden.data fetch DIR",
    "notmnist": "take it from https://github.com/davidflanagan/notMNIST-to-MNIST",
    "cifar10": "golden/data.py says how it is made from that of torchvision",
}


_MNIST   = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"

#: What :func:`fetch` fetches: file in the data folder, address, and MD5 checksum of the file or, for MNIST,
#: whose mirrors compress differently, of its content. Those of Fashion-MNIST are from its README.
#: pooch has neither checksums of the content, by which a copy from another mirror is accepted, nor file://
#: addresses.
SOURCES = {
    f"{folder}/{name}": (base + name, checksum)
    for folder, base, name, checksum in (
        ("mnist", _MNIST, "train-images-idx3-ubyte.gz", "6bbc9ace898e44ae57da46a324031adb"),
        ("mnist", _MNIST, "train-labels-idx1-ubyte.gz", "a25bea736e30d166cdddb491f175f624"),
        ("mnist", _MNIST, "t10k-images-idx3-ubyte.gz", "2646ac647ad5339dbf082846283269ea"),
        ("mnist", _MNIST, "t10k-labels-idx1-ubyte.gz", "27ae3e4e09519cfbb04c329615203637"),
        ("fashion-mnist", _FASHION, "t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("fashion-mnist", _FASHION, "t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    )
}


class DataError(UserError):
    """Data that is missing or damaged, with the way out in its message."""


def folder_of(folder: Path | str | None = None) -> Path:
    """Return the data folder: ``folder``, or else what the variable ``SPINCIM_DATA`` names.

    Raises
    ------
    DataError
        If neither is given, or there is no such folder.
    """
    given = folder or os.environ.get("SPINCIM_DATA")
    if not given:
        raise DataError("No data folder is given; name one with --data DIR or SPINCIM_DATA=DIR, or "
                        "make one with: python -m golden.data fetch DIR")
    if not Path(given).is_dir():
        why = "is no folder" if Path(given).exists() else "does not exist"
        raise DataError(f"Data folder {given} {why}; make one with: python -m golden.data fetch DIR")
    return Path(given)


def read_idx(path: Path) -> np.ndarray:
    """Return the uint8 array of a gzipped IDX file, in the shape that its header states.

    Raises
    ------
    DataError
        If the file is missing, no gzip, cut short, or no IDX file of bytes.
    """
    try:
        with gzip.open(path) as file:
            content = file.read()
    except FileNotFoundError:
        raise DataError(f"Data file {path} does not exist; "
                        f"{_HINTS.get(path.parent.name, _HINTS['mnist'])}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"Data file {path} is damaged ({error}); remove it, and "
                        f"{_HINTS.get(path.parent.name, _HINTS['mnist'])}") from None
    return parse_idx(content, path)


def parse_idx(content: bytes, path: Path) -> np.ndarray:
    """Return the uint8 array of the ``content`` of an IDX file; ``path`` is named in errors.

    Raises
    ------
    DataError
        If it is cut short, or no IDX file of bytes.
    """
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise DataError(f"Data file {path} must be an IDX file of bytes, which begins with 00 00 08, "
                        f"not with {content[:3].hex(' ')}")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"Data file {path} ends within its header")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    size = int(np.prod(shape, dtype=object))
    if len(content) - start != size:
        raise DataError(f"Data file {path} has {len(content) - start} values, but its header states "
                        f"{' x '.join(map(str, shape))}")
    try:
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()
    except ValueError as error: # no values, but more dimensions than an array can have
        raise DataError(f"Data file {path} is no array ({error})") from None


def _load(folder, name, prefixes):
    folder = folder_of(folder) / name
    prefix = next((prefix for prefix in prefixes
                   if (folder / f"{prefix}-images-idx3-ubyte.gz").exists()), prefixes[0])
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
    if not images.size:
        raise DataError(f"Data folder {folder} has no images in {prefix}-images-idx3-ubyte.gz; "
                        f"{_HINTS[folder.name]}")
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DataError(f"Images of {folder} must be 28 x 28, not "
                        f"{' x '.join(map(str, images.shape[1:]))}")
    if labels.shape != images.shape[:1]:
        raise DataError(f"Data folder {folder} has {len(images)} images, but {labels.size} labels")
    if labels.size and labels.max() > 9:
        raise DataError(f"Labels of {folder} must be 0 to 9, not {labels.max()}")
    return images, labels


def load_mnist(folder: Path | str | None = None,
               split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Return images ``(N, 28, 28)`` and labels ``(N,)`` of MNIST, both uint8.

    ``split`` is ``"train"`` (60,000) or ``"test"`` (10,000); ``folder`` as in :func:`folder_of`.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    """
    if split not in ("train", "test"):
        raise ValueError(f"Split must be 'train' or 'test', not {split!r}")
    return _load(folder, "mnist", ("train" if split == "train" else "t10k",))


def load_fashion_mnist(folder: Path | str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return 10,000 images and labels of Fashion-MNIST, out of distribution for MNIST.

    They are the official test images, or a balanced subset where the folder holds that.
    """
    return _load(folder, "fashion-mnist", ("t10k", "balanced10k"))


def load_notmnist(folder: Path | str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of notMNIST, the letters A to J, out of distribution for MNIST."""
    return _load(folder, "notmnist", ("t10k",))


def load_cifar10(folder: Path | str | None = None,
                 split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Return images ``(N, 32, 32, 3)`` and labels ``(N,)`` of CIFAR-10, both uint8.

    ``split`` is ``"train"`` (50,000) or ``"test"`` (10,000); ``folder`` as in :func:`folder_of`.

    Raises
    ------
    DataError
        If a file is missing or damaged, or has other arrays.
    """
    path = folder_of(folder) / "cifar10" / f"{split}.npz"
    images, labels = _load_arrays(path, _HINTS["cifar10"])
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3) or not len(images):
        raise DataError(f"Images of {path} must be uint8 (N, 32, 32, 3), not {images.dtype} {images.shape}")
    _check_labels(path, images, labels, 9)
    return images, labels.astype(np.uint8)


def load_sample() -> tuple[np.ndarray, np.ndarray]:
    """Return the first 1000 test images of MNIST and their labels, which need no data folder."""
    with np.load(SAMPLE, allow_pickle=False) as file:
        return file["images"], file["labels"]


def load_clutter(folder: Path | str | None = None,
                 split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Return pictures ``(N, 32, 32)`` of the digits of MNIST in clutter, and a label for each pixel
    ``(N, 32, 32)`` (:func:`golden.clutter.cluttered`); otherwise as :func:`load_mnist`.

    Pieces in the pictures of the test digits are of the first 1000 of these.
    """
    digits, _ = load_mnist(folder, split)
    return cluttered(digits, digits, 2) if split == "train" else cluttered(digits, digits[:1000], 1)


def sample_clutter() -> tuple[np.ndarray, np.ndarray]:
    """Return the first 1000 pictures and labels of :func:`load_clutter`, which need no data folder."""
    digits, _ = load_sample()
    return cluttered(digits, digits, 1)


def load_own(name: str, folder: Path | str | None = None,
             split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Return images, uint8 ``(N, H, W)`` or ``(N, H, W, 3)``, and labels ``(N,)``, or of positions
    ``(N, h, w)``, uint16, of the data set ``name`` of a user; otherwise as :func:`load_cifar10`."""
    path = folder_of(folder) / name / f"{split}.npz"
    images, labels = _load_arrays(path, "write it with: numpy.savez(FILE, images=images, labels=labels)")
    _check_images(path, images)
    _check_labels(path, images, labels, 65535, (1, 3))
    return images, labels.astype(np.uint16)


def load_numbers(name: str, folder: Path | str | None = None,
                 split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Return images and the numbers that a regression is to answer them with, float32 ``(N, K)``, or of
    positions ``(N, h, w, K)``, the array ``targets`` of a file; otherwise as :func:`load_own`."""
    path = folder_of(folder) / name / f"{split}.npz"
    images, targets = _load_arrays(path, "write it with: numpy.savez(FILE, images=images, targets=targets)",
                                   "targets")
    _check_images(path, images)
    if targets.ndim == 1:
        targets = targets[:, None]
    if len(targets) != len(images) or targets.ndim not in (2, 4):
        raise DataError(f"Targets of {path} must be (N, numbers), or (N, height, width, numbers) of "
                        f"positions, of {len(images)} images, not {targets.shape}")
    if targets.dtype.kind not in "iuf" or not np.isfinite(targets).all():
        raise DataError(f"Targets of {path} must be finite numbers")
    return images, targets.astype(np.float32)


def _check_images(path, images):
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] not in ((), (3,)) or (
            not images.size):
        raise DataError(f"Images of {path} must be uint8 (N, H, W), or (N, H, W, 3), not {images.dtype} "
                        f"{images.shape}")


def _load_arrays(path, way_out, labels="labels"):
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            return file["images"], file[labels]
    except FileNotFoundError:
        raise DataError(f"Data file {path} does not exist; {way_out}") from None
    except (OSError, KeyError, ValueError, TypeError, IndexError, EOFError, zipfile.BadZipFile,
            zlib.error) as error:
        raise DataError(f"Data file {path} must have arrays 'images' and {labels!r} "
                        f"({' '.join(str(error).split())}); {way_out}") from None


def _check_labels(path, images, labels, most, dimensions=(1,)):
    if labels.shape[:1] != images.shape[:1]:
        raise DataError(f"Data file {path} has {len(images)} images, but {labels.size} labels")
    if labels.ndim not in dimensions:
        each = ", or (N, height, width) of positions" if 3 in dimensions else ""
        raise DataError(f"Labels of {path} must be (N,){each}, not {labels.shape}")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > most:
        raise DataError(f"Labels of {path} must be integers from 0 to {most}")


def gaussian_noise(count: int, seed: int = 0) -> np.ndarray:
    """Return ``count`` uint8 images (N, 28, 28) of Gaussian noise (SpinBayes, 4.1).

    Its mean and deviation, before rounding and clipping, are :data:`NOISE_MEAN` and
    :data:`NOISE_DEVIATION`.
    """
    noise = np.random.default_rng(seed).standard_normal((count, 28, 28), dtype=np.float32)
    return _pixels(NOISE_MEAN + NOISE_DEVIATION * noise)


def add_noise(images: np.ndarray, seed: int = 0, deviation: float = NOISE_DEVIATION) -> np.ndarray:
    """Return uint8 ``images`` (N, H, W) with Gaussian noise added (SpinBayes, 4.1), rounded and
    clipped."""
    noise = np.random.default_rng(seed).standard_normal(images.shape, dtype=np.float32)
    return _pixels(images + deviation * noise)


def _pixels(values):
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


#: Sets of a data folder that are out of distribution for a network trained on MNIST, and their loaders.
OOD = {"fashion-mnist": load_fashion_mnist, "notmnist": load_notmnist}

#: Sets likewise that are made from test images: those of SpinBayes, Table 3.
OOD_NOISE = {"gaussian": lambda images: gaussian_noise(len(images)), "noisy-mnist": add_noise}


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set that networks are trained and judged with."""

    title: str
    load: Callable                 #: Given the data folder and the split, returns images and labels.
    sample: Callable | None = None #: Returns the images and labels that come with the project.
    ood: dict = field(default_factory=dict) #: Sets of a data folder that are out of distribution for it,
                                   #: and their loaders.
    ood_noise: dict = field(default_factory=dict) #: Sets likewise that are made from test images.


#: By the name that :attr:`gen.ir.Network.data` has.
DATA_SETS = {
    "mnist": DataSet("MNIST", load_mnist, load_sample, OOD, OOD_NOISE),
    "cifar10": DataSet("CIFAR-10", load_cifar10),
    "clutter": DataSet("MNIST in clutter", load_clutter, sample_clutter),
}


def data_set(name: str) -> DataSet:
    """Return the data set ``name``: one of :data:`DATA_SETS`, or a user's own."""
    return DATA_SETS.get(name) or DataSet(name, partial(load_own, name))


def load_for(network: Network, folder: Path | str | None = None,
             split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of the data set of ``network``, as it takes them; of a regression, those
    of a user's own data set, with :func:`load_numbers` in place of labels.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the images are not for this network.
    """
    load = partial(load_numbers, network.data) if network.head.regression else data_set(network.data).load
    images, labels = load(folder, split)
    check_for(network, images, labels)
    return images, labels


def check_for(network: Network, images: np.ndarray, labels: np.ndarray):
    """Raise :exc:`DataError` unless ``network`` takes ``images`` of its data set, and has ``labels``."""
    title, classes = data_set(network.data).title, network.classes
    if images.shape[1:] != network.input.shape:
        sizes = [" x ".join(map(str, shape)) for shape in (network.input.shape, images.shape[1:])]
        raise DataError(f"Network {network.name!r} takes images of {sizes[0]}, and those of {title} are "
                        f"{sizes[1]}; give it the name of its own data set, as golden/data.py says")
    if network.head.regression:
        wanted = *network.answer_shape, network.classes
        if labels.shape[1:] != wanted:
            sizes = [" x ".join(map(str, shape)) for shape in (wanted, labels.shape[1:])]
            raise DataError(f"Network {network.name!r} has {sizes[0]} numbers for an image, and {title} "
                            f"has {sizes[1]}; give it the name of its own data set, as golden/data.py says")
        return
    if labels.shape[1:] != network.answer_shape:
        sizes = [" x ".join(map(str, shape)) or "the image" for shape in (
            network.answer_shape, labels.shape[1:])]
        raise DataError(f"Network {network.name!r} has answers for {sizes[0]}, and {title} has labels for "
                        f"{sizes[1]}; give it the name of its own data set, as golden/data.py says")
    if labels.size and labels.max() >= classes:
        raise DataError(f"Network {network.name!r} has {classes} classes, and {title} has a label "
                        f"{labels.max()}; give it the name of its own data set, as golden/data.py says")


def make_sample(folder: Path | str | None = None, path: Path = SAMPLE):
    """Write the sample of :func:`load_sample` to ``path`` from the MNIST in ``folder``.

    Raises
    ------
    DataError
        If the data is missing or damaged.
    FileError
        If ``path`` cannot be written.
    """
    images, labels = load_mnist(folder, "test")
    with replacing(path) as file:
        np.savez_compressed(file, images=images[:1000], labels=labels[:1000])


def fetch(folder: Path, sources: dict[str, tuple[str, str]] | None = None):
    """Download the missing files of ``sources`` into ``folder``, and yield a line about each file.

    A file appears under its name only when its checksum is right, so an interrupted or damaged
    download leaves nothing behind.

    Parameters
    ----------
    folder : Path
        Data folder; made if it does not exist.
    sources : dict
        As :data:`SOURCES`, which is used unless it is given.

    Raises
    ------
    DataError
        If an address does not answer, or a checksum differs.
    FileError
        If ``folder`` cannot be written.
    """
    for name, (address, checksum) in (SOURCES if sources is None else sources).items():
        path = folder / name
        try:
            there = path.exists() and checksum in _checksums(path.read_bytes())
        except OSError as error:
            raise DataError(f"Data file {path} cannot be read ({error.strerror}); remove it, or name "
                            "another folder") from None
        if there:
            yield f"{path} is there already"
            continue
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                content = answer.read()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise DataError(f"{address} cannot be fetched ({getattr(error, 'reason', error)}); try "
                            f"again, or put the file at {path} yourself") from None
        found = _checksums(content)
        if checksum not in found:
            raise DataError(f"{address} must have the MD5 checksum {checksum}, not "
                            f"{' or '.join(found)}; try again, or put the file at {path} yourself")
        with replacing(path) as file:
            file.write(content)
        yield f"{path} is fetched"


def _checksums(content):
    found = [hashlib.md5(content, usedforsecurity=False).hexdigest()]
    try:
        found.append(hashlib.md5(gzip.decompress(content), usedforsecurity=False).hexdigest())
    except (OSError, EOFError, zlib.error):
        pass # no gzip, so there is no other content
    return found


@command("golden.data", stopped="stopped; every file that is there is whole, and the same command goes on")
def main(arguments=None):
    """Fetch data sets, or make the sample that comes with the project."""
    parser = Parser(prog="golden.data", description="Fetch data sets.",
        epilog=f"notMNIST is not fetched: {_HINTS['notmnist']} into DIR/notmnist.")
    commands = parser.add_subparsers(required=True, dest="command")
    for name, text in (("fetch", "download MNIST and the test images of Fashion-MNIST into DIR"),
                       ("sample", "make the sample that comes with the project from DIR")):
        commands.add_parser(name, help=text).add_argument("folder", type=Path, metavar="DIR")
    options = parser.parse_args(arguments)
    if options.command == "fetch":
        for line in fetch(options.folder):
            print(line)
        print(f"notMNIST is not fetched: {_HINTS['notmnist']} into {options.folder / 'notmnist'}")
    else:
        make_sample(options.folder)
        print(SAMPLE)


if __name__ == "__main__":
    raise SystemExit(main())
