"""Folders that appear whole or not at all."""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path


__all__ = ["OutputError", "folder"]


class OutputError(Exception):
    """A folder that cannot be written, with the way out in its message."""


@contextmanager
def folder(path: Path):
    """Yield a temporary folder that takes the place of ``path`` when the block ends well.

    A folder that an earlier build made is replaced; one with anything else in it is refused. After
    an error or Ctrl-C, ``path`` is as it was before.

    Raises
    ------
    OutputError
        If ``path`` cannot be written, or holds what no build made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_dir():
            raise OutputError(f"Output {path} is a file; choose a folder with --out")
        if path.is_dir() and any(path.iterdir()) and not _made_here(path):
            raise OutputError(f"Folder {path} was not made by a build and is left alone; choose "
                              f"another with --out, or empty it")
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise OutputError(f"Folder {path} cannot be written ({error.strerror}); choose another "
                          f"with --out") from None
    try:
        yield temporary
        os.chmod(temporary, 0o755)
        old = temporary.with_name(temporary.name + ".old")
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except BaseException:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _made_here(path):
    try:
        return json.loads((path / "manifest.json").read_text())["generator"] == "spincim"
    except (OSError, ValueError, KeyError, TypeError):
        return False
