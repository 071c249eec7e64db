"""Make the page of a build again, from its reports: ``python -m gen.report build/lenet5``.

With ``--figures`` it has the drawings of a folder, too, as ``golden.plot`` writes them.
"""

import csv
import hashlib
import io
import json
from pathlib import Path

from gen.command import Parser, UserError, command
from gen.files import replacing
from gen.output import MANIFEST, PAGE
from gen.page import page
from gen.tools import version


__all__ = ["main", "read_figures", "read_reports"]


_WAY_OUT = "make one with: python -m gen.build --layers NETWORK --out DIR"


class ReportError(UserError):
    """A folder without reports of a build of this version, with the way out in its message."""


def read_reports(folder: Path) -> dict[str, dict]:
    """Return the reports that a build has written to ``folder``, by the names of their files.

    Raises
    ------
    ReportError
        If there is no build of this version, or a report is missing or was changed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files, there = dict(manifest["files"]), manifest["generator_version"]
    except OSError as error:
        raise ReportError(f"Folder {folder} has no {MANIFEST} that can be read ({error.strerror}); "
                          f"{_WAY_OUT}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ReportError(f"Manifest {folder / MANIFEST} is none that a build has written; "
                          f"{_WAY_OUT}") from None
    if there != version():
        raise ReportError(f"Build in {folder} is by version {there}, and this is version {version()}; "
                          "build it again")
    reports = {}
    for name, expected in sorted(files.items()):
        path = folder / name
        if path.parent.name != "report" or path.suffix != ".json":
            continue
        try:
            contents = path.read_bytes()
        except OSError as error:
            raise ReportError(f"Report {path} cannot be read ({error.strerror}); build it again") from None
        if hashlib.sha256(contents).hexdigest() != expected:
            raise ReportError(f"Report {path} was changed since it was built; build it again")
        reports[path.stem] = json.loads(contents)
    if not reports:
        raise ReportError(f"Folder {folder} has no reports: it is no build of an accelerator; {_WAY_OUT}")
    return reports


def read_figures(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Return the drawings ``.svg`` in ``folder`` with the tables ``.csv`` beside them, by their names.

    Raises
    ------
    ReportError
        If there is none, or one cannot be read.
    """
    figures = {}
    for path in sorted(folder.glob("*.svg")):
        try:
            table = path.with_suffix(".csv").read_text()
            if len({len(row) for row in csv.reader(io.StringIO(table))}) != 1:
                raise ValueError
            figures[path.stem] = path.read_bytes(), table
        except OSError as error:
            raise ReportError(f"File {error.filename} cannot be read ({error.strerror}); draw the figure "
                              "again") from None
        except (ValueError, csv.Error):
            raise ReportError(f"Table {path.with_suffix('.csv')} is none of a figure; draw it "
                              "again") from None
    if not figures:
        raise ReportError(f"Folder {folder} has no figures; make some with: python -m golden.plot FIGURE "
                          f"NETWORK --out {folder}")
    return figures


@command("gen.report")
def main(arguments=None):
    """Write the page, and say where it is."""
    parser = Parser(prog="gen.report", description="Make the page of a build again, from its reports.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of a build, or of an estimate")
    parser.add_argument("--figures", type=Path, metavar="FOLDER",
        help="put the figures of FOLDER on the page, too, as golden.plot writes them")
    args   = parser.parse_args(arguments)
    folder = args.folder
    path   = folder / PAGE
    text   = page(read_reports(folder), read_figures(args.figures) if args.figures else None)
    with replacing(path) as file:
        file.write(text.encode())
    print(path)


if __name__ == "__main__":
    raise SystemExit(main())
