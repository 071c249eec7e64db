"""Files that are there only when they are whole."""

import json
from pathlib import Path


__all__ = ["write_json"]


def write_json(path: Path, value):
    """Write ``value`` to ``path``, in place of what is there."""
    temporary = path.with_suffix(".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(json.dumps(value, indent=1) + "\n")
    temporary.replace(path)
