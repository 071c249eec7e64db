import csv
import io
import re
import xml.etree.ElementTree

import pytest

from gen.command import UserError
from gen.tools import install_hint
from golden.figures import drawing
from golden.figures.figure import KINDS, Figure, Panel, Series, table, write


FIGURE = Figure("A < B", [
    Panel("x of it", "y", [Series("a", [1, 2, 4], [0.1, 0.2, 1 / 3], [0, 0.1, 0.2], [0.2, 0.3, 0.4]),
                           Series("b", [1, 2], [3, 4], kind="points", texts=["here", ""])]),
    Panel("z", "w", [Series("c", [1, 2], [1, 100], kind="bars"), Series("d", [1, 2], [1, 9], kind="steps")],
          log_x=True, log_y=True),
])


def test_table():
    """All digits, and nothing where nothing is shaded."""
    head, *rows = csv.reader(io.StringIO(table(FIGURE)))
    assert head == ["panel", "series", "x of it", "value", "low", "high"]
    assert rows[2] == ["y", "a", "4.0", repr(1 / 3), "0.2", "0.4"]
    assert rows[3] == ["y", "b", "1.0", "3.0", "", ""]
    assert [row[:2] for row in rows[5:]] == [["w", "c"]] * 2 + [["w", "d"]] * 2


def test_drawing(tmp_path):
    """Both files; the drawing is the same each time, its text is text, and its colours change with the
    reader's choice of light or dark."""
    paths = write(FIGURE, tmp_path / "one.figure")
    assert [path.name for path in paths] == ["one.figure.csv", "one.figure.svg"]
    assert paths[0].read_text() == table(FIGURE)
    svg = paths[1].read_text()
    assert write(FIGURE, tmp_path / "again")[1].read_text() == svg
    tree  = xml.etree.ElementTree.fromstring(svg)
    texts = {text.text for text in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {"A < B", "x of it", "y", "z", "w", "a", "b", "c", "d", "here"} <= texts
    style, rest = svg.split("</style>", 1)
    assert "prefers-color-scheme:dark" in style and "var(--c" in rest
    assert not re.search("#(1c2126|0b6e99|ffffff)", rest)


def test_all_kinds_are_drawn():
    assert set(drawing._DRAW) == set(KINDS)


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    with pytest.raises(UserError) as error:
        write(FIGURE, tmp_path / "one")
    assert str(error.value) == ("Drawing needs the package matplotlib; install it with: "
                                f"{install_hint('golden')}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options, message", [
    ({"kind": "pie"}, "A series must be of line, points, bars, steps, edge, not 'pie'"),
    ({"y": [1]}, "Series 'a' must have as many y as x, 2, not 1"),
    ({"texts": ["", "", ""]}, "Series 'a' must have as many texts as x, 2, not 3"),
])
def test_wrong_series(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Series(**{"label": "a", "x": [1, 2], "y": [1, 2]} | options)
