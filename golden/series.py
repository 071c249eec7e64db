"""Make a data set of series, as images of one row: ``python -m golden.series TRAIN TEST DIR``.

TRAIN and TEST are text files as those of the UCR archive of time series (H. A. Dau et al., The UCR Time
Series Archive, 2019), such as ``GunPoint_TRAIN.tsv``: a line of each series, its label and then its values,
with tabs, commas or blanks between, of mean 0 and deviation 1. They become ``train.npz`` and ``test.npz``
in DIR, which :func:`golden.data.load_own` reads: values of 8 bits, and labels from 0 on in the order of
their numbers.

The archive has few series to train with, so each becomes several, moved, stretched and with noise.
"""

from pathlib import Path

import numpy as np

from gen.command import Parser, command, whole
from gen.files import replacing
from golden.data import DataError


__all__ = ["MIDDLE", "STEP", "copies_of", "main", "pixels_of", "read_series"]


#: Pixel of the value 0, and pixels that a value rises by 1: from -3 to 3 all differ.
MIDDLE, STEP = 128, 42

#: What a copy may differ by: values that it is moved by, and shares that its time and its values are
#: stretched by, each at most; deviations of what is added to all of its values and to each.
MOVE, STRETCH, SHIFT, NOISE = 8, 0.1, 0.05, 0.03


def read_series(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values float64 (N, length) and the labels (N,) of a text file.

    Raises
    ------
    DataError
        If the file cannot be read, or has other lines.
    """
    try:
        lines = [line.replace(",", " ").split() for line in Path(path).read_text().splitlines()]
        table = np.array([list(map(float, line)) for line in lines if line])
    except OSError as error:
        raise DataError(f"Data file {path} cannot be read ({error.strerror}); name another file") from None
    except ValueError as error:
        raise DataError(f"Data file {path} must have a line of each series, a label and as many values as "
                        f"in all others ({' '.join(str(error).split())[:80]})") from None
    if table.ndim != 2 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise DataError(f"Data file {path} must have a line of each series, a label and finite values")
    return table[:, 1:], table[:, 0]


def pixels_of(values: np.ndarray) -> np.ndarray:
    """Return series (N, length) as images of one row, uint8 (N, 1, length)."""
    return np.clip(np.round(MIDDLE + STEP * values), 0, 255).astype(np.uint8)[:, None]


def copies_of(values: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Return ``count`` copies of each of the series (N, length), one after another, (N * count, length)."""
    rng   = np.random.default_rng(seed)
    many  = np.repeat(values, count, 0)
    place = np.arange(values.shape[1])
    middle = place[-1] / 2
    for number, one in enumerate(many):
        at = (place - middle) * rng.uniform(1 - STRETCH, 1 + STRETCH) + middle + rng.uniform(-MOVE, MOVE)
        many[number] = np.interp(at, place, one)
    return (many * rng.uniform(1 - STRETCH, 1 + STRETCH, (len(many), 1))
            + rng.normal(0, SHIFT, (len(many), 1)) + rng.normal(0, NOISE, many.shape))


@command("golden.series")
def main(arguments=None):
    """Make the two files of a data set."""
    parser = Parser(prog="golden.series", description="Make a data set of series, as images of one row.")
    for name in ("train", "test"):
        parser.add_argument(name, type=Path, metavar=name.upper(),
                            help=f"text file of the series to {name} with")
    parser.add_argument("folder", type=Path, metavar="DIR",
                        help="folder of the data set, in the data folder")
    parser.add_argument("--copies", type=whole(1), default=40, metavar="N",
                        help="of each series to train with (default: %(default)s)")
    options = parser.parse_args(arguments)
    (values, labels), (test_values, test_labels) = map(read_series, (options.train, options.test))
    if values.shape[1] != test_values.shape[1]:
        raise DataError(f"Series of {options.train} have {values.shape[1]} values, and those of "
                        f"{options.test} have {test_values.shape[1]}; they must be of one length")
    known = np.unique(labels)
    if strange := sorted(set(test_labels.tolist()) - set(known.tolist())):
        raise DataError(f"Data file {options.test} has a label {strange[0]:g}, which {options.train} has "
                        "not; train and test with the same classes")
    for split, series, of in (
            ("train", copies_of(values, options.copies), np.repeat(labels, options.copies)),
            ("test", test_values, test_labels)):
        path = options.folder / f"{split}.npz"
        with replacing(path) as file:
            np.savez_compressed(file, images=pixels_of(series), labels=np.searchsorted(known, of))
        print(f"{path} has {len(series)} series of {series.shape[1]} values, of {len(known)} classes")


if __name__ == "__main__":
    raise SystemExit(main())
