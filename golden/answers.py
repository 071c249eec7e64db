"""The prediction of a network for each image: class, mean, variance and uncertainty, and a table of them.

From a user's images to a table takes three lines::

    network = compiled("lenet5", passes=20)         # of golden.compiler
    images  = read_images("digits.npz", network)    # of golden.images
    write_answers("answers.csv", answer(network, images.pixels, passes=20), images)

:mod:`sim.run` writes the same table from a simulation of the Verilog.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from tabulate import tabulate

from gen.files import refuse_unwritable, replacing
from gen.ir import Network
from golden import metrics
from golden import network as reference
from golden.data import DataError
from golden.head import Prediction, join
from golden.images import Images
from golden.random.generator import choices


__all__ = [
    "COLUMNS", "COLUMNS_OF_NUMBERS", "COLUMNS_SIMULATED", "Answers", "answer", "answer_passes",
    "check_path", "columns_help", "join_answers", "write_answers",
]


#: Columns of the table, and what they hold. In a CSV file a column per class has the number of the class
#: behind its name; in an npz file the columns of all classes are one array (N, K). Where each of H x W
#: positions of an image has an answer, there is only the npz file, of arrays (N, H, W) and (N, H, W, K).
COLUMNS = {
    "image":                  "number of the image, from 0",
    "image_file":             "file of the image, if the images are those of a folder",
    "label":                  "class of the image as given, if labels are given",
    "class":                  "class of the largest mean probability",
    "mean_probability":       "of each class, over the T passes (Scale-Dropout, eq. 18)",
    "variance":               "of the probability of each class, over the T passes (eq. 21)",
    "predictive_entropy_nats": "entropy of the mean probabilities: all uncertainty, in nats",
    "mutual_information_nats": "entropy of the mean less mean entropy of the passes: how far they disagree",
    "reject":                 "1: out of distribution by the quantile test (eq. 26; SpinBayes, 4.1)",
}

#: Columns that a regression has, beside ``variance``, in place of those from ``label`` to ``reject``.
COLUMNS_OF_NUMBERS = {
    "target": "of a regression: each number as given, if targets are given",
    "mean":   "of a regression: of each number, over the T passes; with variance, in place of all from "
              "label to reject",
}

#: Columns that only a simulation has.
COLUMNS_SIMULATED = {
    "golden_mutual_information_nats":
        "mutual information of the golden model, as no result has the entropy of a pass; not where a bit "
        "differs",
    "bit_exact": "1: the result of the Verilog equals that of the golden model in every bit",
}


def columns_help(*, simulated: bool) -> str:
    """Return the columns of the table, for the help of a command."""
    columns = COLUMNS | COLUMNS_OF_NUMBERS
    if simulated:
        del columns["mutual_information_nats"]
        columns |= COLUMNS_SIMULATED
    return ("columns of --out (in CSV, _0, _1, ... behind the name are classes; where each position of an "
            "image has an answer, only npz):\n") + tabulate(
        [["", *column] for column in columns.items()], tablefmt="plain")


@dataclass(frozen=True, slots=True)
class Answers:
    """The predictions for N images, or for each of H x W positions of each."""

    prediction: Prediction
    information: np.ndarray #: float64 (N,) or (N, H, W), mutual information in nats; NaN where it is not
                            #: known, as of a regression.
    exact: np.ndarray | None = None #: bool (N,), of a simulation: equal to the golden model in every bit.

    def table(self, images: Images) -> dict[str, np.ndarray]:
        """Return the columns of :data:`COLUMNS` that there are, by name and in their order."""
        mean  = self.prediction.mean
        table = {"image": np.arange(len(mean))}
        if images.files is not None:
            table["image_file"] = np.array(images.files)
        if images.labels is not None:
            table["target" if self.prediction.regression else "label"] = images.labels
        table |= {"mean": mean, "variance": self.prediction.variance} if self.prediction.regression else {
            "class": self.prediction.prediction,
            "mean_probability": mean,
            "variance": self.prediction.variance,
            "predictive_entropy_nats": metrics.predictive_entropy(mean),
            "mutual_information_nats" if self.exact is None else "golden_mutual_information_nats":
                self.information,
            "reject": self.prediction.reject.astype(np.int64),
        }
        if self.exact is not None:
            table["bit_exact"] = self.exact.astype(np.int64)
        return table


def answer_passes(network: Network, images: np.ndarray, bits: np.ndarray, *,
                  golden: ModuleType = reference) -> Answers:
    """Predict uint8 ``images`` (N, H, W) by passes with the random bits ``bits``, bool (N, T, W).

    ``golden`` is the implementation, :mod:`golden.network` or, sooner, :mod:`golden.tables`.
    """
    prediction, probabilities = golden.predict(network, images, bits)
    return Answers(prediction, np.full(prediction.prediction.shape, np.nan) if prediction.regression else
                   metrics.mutual_information(probabilities / 65536))


def answer(network: Network, images: np.ndarray, passes: int, first: int = 0, *,
           golden: ModuleType = reference) -> Answers:
    """Predict uint8 ``images`` (N, H, W) by the golden model of a compiled network.

    Each image takes ``passes`` passes with the bits of the generator, whose stream begins at image
    ``first``. Memory is bounded by that of a batch. ``golden`` is that of :func:`answer_passes`.
    """
    return join_answers([
        answer_passes(network, images[part], choices(
            network.generator, part.stop - part.start, passes, first + part.start), golden=golden)
        for part in golden.batches(network, len(images), passes)])


def join_answers(parts: Sequence[Answers]) -> Answers:
    """Return the answers to the images of all ``parts``, of which there is at least one."""
    return Answers(join([part.prediction for part in parts]),
                   np.concatenate([part.information for part in parts]),
                   None if parts[0].exact is None else np.concatenate([part.exact for part in parts]))


def check_path(path: Path, answer_shape: tuple[int, ...] = ()):
    """Refuse a file that :func:`write_answers` could not write, before any work; its folder is made.

    ``answer_shape`` are the axes of positions that have answers (:attr:`gen.ir.Network.answer_shape`).

    Raises
    ------
    DataError
        If its name ends neither with .csv nor .npz, or with .csv though a row is not all of an image.
    FileError
        If it cannot be written.
    """
    if path.suffix.lower() not in (".csv", ".npz"):
        raise DataError(f"File {path} must end with .csv or .npz")
    if path.suffix.lower() == ".csv" and answer_shape:
        positions = " x ".join(map(str, answer_shape))
        raise DataError(f"File {path} would have a row for each image, of which {positions} positions have "
                        "an answer each; name a file that ends with .npz")
    refuse_unwritable(path)


def write_answers(path: Path | str, answers: Answers, images: Images):
    """Write the table of ``answers`` to ``images`` to ``path``, a CSV or npz file by its ending.

    A float of a CSV file, read as float64, is that of the table, bit for bit; NaN is an empty cell.

    Raises as :func:`check_path`.
    """
    path = Path(path)
    check_path(path, answers.prediction.prediction.shape[1:])
    table = answers.table(images)
    with replacing(path) as file:
        if path.suffix.lower() == ".npz":
            np.savez_compressed(file, **table)
            return
        names, columns = [], []
        for name, values in table.items():
            names   += [name] if values.ndim == 1 else [f"{name}_{k}" for k in range(values.shape[1])]
            columns += [values] if values.ndim == 1 else list(values.T)
        text  = io.StringIO(newline="")
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(names)
        lines.writerows(zip(*([_cell(value) for value in column.tolist()] for column in columns),
                            strict=True))
        file.write(text.getvalue().encode(errors="surrogateescape"))


def _cell(value):
    return "" if value != value else value
