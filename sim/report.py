"""The report that a long target leaves, from which :mod:`sim.verification` makes VERIFICATION.md."""

import itertools
import json
from pathlib import Path

from gen.command import UserError
from gen.files import write_json
from gen.tools import checked_out


__all__ = ["ReportError", "read_report", "write_report"]


#: What a report must have, and of which type.
KEYS = {"target": str, "command": str, "commit": str, "seconds": int | float, "passed": bool,
        "summary": str, "tables": dict, "notes": list}


class ReportError(UserError):
    """A file that is no report of a target."""


def write_report(path: Path, *, target: str, command: str, seconds: float, passed: bool, summary: str,
                 tables: dict[str, list[dict]] | None = None, notes: list[str] | tuple = (),
                 partial: str | None = None, blocks: dict[str, dict] | None = None, **details):
    """Write what ``target`` has found to ``path`` as JSON, in place of what is there, with the commit that
    is checked out.

    Parameters
    ----------
    path : Path
        The file.
    target : str
        Name of the target, as in ``make formal``.
    command : str
        What a user calls to have the same report again.
    seconds : float
        How long it took; where results of earlier calls were taken, theirs too.
    passed : bool
        Whether all that was looked at is right.
    summary : str
        What was found, in one sentence of at most some 80 characters.
    tables : dict of list of dict
        Tables by title. A row is a dictionary from columns to text, numbers, truth values, or None where
        there is no value.
    notes : sequence of str
        Remarks, a paragraph each.
    partial : str, optional
        What was left out, if not all of the target was run. Such a report does not count as passed.
    blocks : dict of dict, optional
        Figures of each file of ``hdl/`` by its name, a row as in ``tables``. The rows of all targets are
        joined in one table.
    details
        Further figures under names of their own.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    report = {"target": target, "command": command, "commit": checked_out(),
              "seconds": round(float(seconds), 1), "passed": bool(passed), "summary": summary,
              "tables": tables or {}, "notes": list(notes)}
    if partial is not None:
        report["partial"] = partial
    if blocks is not None:
        report["blocks"] = blocks
    if clash := details.keys() & report.keys():
        raise ValueError(f"Details must have names of their own, not {', '.join(sorted(clash))}")
    _check_rows(report)
    write_json(path, report | details)


def read_report(path: Path) -> dict:
    """Return the report in ``path``.

    Raises
    ------
    ReportError
        If it cannot be read, or is no report.
    FileNotFoundError
        If there is none.
    """
    try:
        report = json.loads(path.read_text())
        if not isinstance(report, dict):
            raise ValueError("it is no JSON object")
        for name, kind in KEYS.items():
            if not isinstance(report[name], kind):
                raise ValueError(f"{name} is {report[name]!r}")
        _check_rows(report)
    except FileNotFoundError:
        raise
    except KeyError as error:
        raise ReportError(f"Report {path} cannot be read (it has no {error})") from None
    except json.JSONDecodeError:
        raise ReportError(f"Report {path} cannot be read (it is no JSON)") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ReportError(f"Report {path} cannot be read ({error})") from None
    return report


def _check_rows(report):
    for row in (*itertools.chain(*report["tables"].values()), *report.get("blocks", {}).values()):
        if not isinstance(row, dict) or not all(
                isinstance(value, str | int | float | None) for value in row.values()):
            raise TypeError(f"a row must be a dictionary of text and numbers, not {row!r}")
