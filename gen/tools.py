"""The programs that a build runs."""

import os
import shutil
import sys
from pathlib import Path


__all__ = ["ToolMissing", "find", "install_hint"]


class ToolMissing(Exception):
    """A program that is not installed, with the way out in its message."""


def find(name: str, *, extra: str | None = None) -> str:
    """Return the path of the program ``name``, from PyPI or elsewhere on ``PATH``.

    A virtual environment that is used but not activated is searched first. ``extra`` is the extra of
    this project that installs the program, if it is none of the base installation.
    """
    beside = Path(sys.executable).parent
    path = shutil.which(name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if path is None:
        what = f"-e '.[{extra}]'" if extra else name
        raise ToolMissing(f"Program {name!r} is not installed; install it with: pip install {what}")
    return path


def install_hint(extra: str) -> str:
    """Return the command that installs what the extra ``extra`` of this project adds."""
    checkout = (Path(__file__).parent.parent / "pyproject.toml").exists()
    return f"pip install -e '.[{extra}]'" if checkout else f"pip install 'spincim[{extra}]'"
