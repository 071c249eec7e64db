"""Results that a long command keeps in files, so that another call goes on where it was stopped."""

import hashlib
import json
from pathlib import Path

from gen.files import write_json


__all__ = ["keep", "kept"]


def kept(folder: Path, asked: dict) -> dict | None:
    """Return what :func:`keep` has kept in ``folder`` of what was ``asked``; None if there is nothing, or
    nothing that can be read."""
    try:
        found = json.loads(_path(folder, asked).read_text())
        if found["asked"] == asked and isinstance(found["found"], dict):
            return found["found"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def keep(folder: Path, asked: dict, found: dict):
    """Keep in ``folder`` what was ``found`` of what was ``asked``; both are what JSON can hold.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    write_json(_path(folder, asked), {"asked": asked, "found": found})


def _path(folder, asked):
    return folder / f"{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:20]}.json"
