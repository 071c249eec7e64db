"""Accuracy and NLL against the number of passes (Scale-Dropout, Fig. 7)."""

import numpy as np

from golden import metrics
from golden.figures.figure import Figure, Panel, Series


__all__ = ["passes_figure", "stages"]


def stages(most: int) -> list[int]:
    """Return numbers of passes up to ``most``, closer where there are few."""
    return sorted({round(most ** (index / 12)) for index in range(13)})


def passes_figure(title: str, probabilities: dict[str, np.ndarray], labels: np.ndarray) -> Figure:
    """Return accuracy and NLL of the mean of the first passes of ``probabilities`` (N, T, K), by name."""
    series = {name: ([], [], []) for name in probabilities}
    for name, each in probabilities.items():
        for count in stages(each.shape[1]):
            figures = metrics.classification(each[:, :count].mean(1), labels)
            for values, value in zip(series[name], (
                    count, 100 * figures["test/cls/Acc"], figures["test/cls/NLL"]), strict=True):
                values.append(value)
    return Figure(title, [
        Panel("passes T", what, [Series(name, values[0], values[index]) for name, values in series.items()],
              log_x=True) for index, what in ((1, "accuracy, %"), (2, "NLL"))])
