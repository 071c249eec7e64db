"""A figure: curves, points or bars in panels side by side, as a table of numbers and as a drawing."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.files import replacing
from golden.figures.drawing import draw


__all__ = ["KINDS", "Figure", "Panel", "Series", "table", "write"]


#: How a series is drawn.
KINDS = ("line", "points", "bars", "steps", "edge")


@dataclass(frozen=True, slots=True)
class Series:
    """Values y at places x; ``low`` to ``high``, if there are any, is drawn around them."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    #: One of :data:`KINDS`. Steps and bars are as wide as x are apart; edges are in one colour and have no
    #: place in the legend.
    kind: str = "line"
    texts: Sequence[str] | None = None #: What is written beside each of the points; "" for nothing.

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"A series must be of {', '.join(KINDS)}, not {self.kind!r}")
        for name in ("y", "low", "high", "texts"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.x):
                raise ValueError(f"Series {self.label!r} must have as many {name} as x, {len(self.x)}, "
                                 f"not {len(value)}")


@dataclass(frozen=True, slots=True)
class Panel:
    """Axes, named with their units, and what is drawn in them."""

    x: str
    y: str
    series: Sequence[Series]
    log_x: bool = False #: A logarithmic axis.
    log_y: bool = False
    image: np.ndarray | None = None #: uint8 (H, W), or (H, W, 3), in a corner; it is not in the table.
    #: The series are rows of a map, the first one on top, drawn in shades from 0 to this value.
    shades: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """Panels in the order in which they are read."""

    title: str
    panels: Sequence[Panel]
    across: int = 2 #: How many stand side by side.


def table(figure: Figure) -> str:
    """Return all numbers of ``figure`` as CSV, a row for each point: the axis y of its panel, its series,
    x, y, and the ends of what is shaded, empty where there are none. Numbers have all their digits."""
    text   = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["panel", "series", figure.panels[0].x, "value", "low", "high"])
    for panel in figure.panels:
        for series in panel.series:
            for index, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
                ends = ["" if of is None else repr(float(of[index])) for of in (series.low, series.high)]
                writer.writerow([panel.y, series.label, repr(float(x)), repr(float(y)), *ends])
    return text.getvalue()


def write(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write ``figure`` beside ``path``, as a table ``.csv`` and a drawing ``.svg``; return both.

    Raises
    ------
    FileError
        If a file cannot be written.
    UserError
        If matplotlib is not installed; nothing is written then.
    """
    drawing = draw(figure)
    found   = path.with_name(f"{path.name}.csv"), path.with_name(f"{path.name}.svg")
    for each, contents in zip(found, (table(figure).encode(), drawing), strict=True):
        with replacing(each) as file:
            file.write(contents)
    return found
