"""Files that are there only when they are whole."""

import json
from pathlib import Path

from golden.data import replacing


__all__ = ["write_json"]


def write_json(path: Path, value):
    """Write ``value`` to ``path``, in place of what is there.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    with replacing(path) as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())
