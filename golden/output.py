"""Files that are there only when they are whole."""

import contextlib
import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path


__all__ = ["refuse_overlap", "refuse_unwritable", "replacing", "write_json"]


@contextlib.contextmanager
def replacing(path: Path):
    """Yield a binary file that takes the place of ``path`` when the block ends well; until then, and
    after an error or Ctrl-C, ``path`` is as it was."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError): # it may never have been there, nor its folder
            temporary.unlink()


def write_json(path: Path, value):
    """Write ``value`` to ``path``, in place of what is there."""
    with replacing(path) as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())


def refuse_unwritable(path: Path):
    """Raise :exc:`OSError` unless a file can be written at ``path``, which is left as it is.

    To be asked before long work, not after it.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    probe = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    probe.touch()
    probe.unlink(missing_ok=True)


def refuse_overlap(outputs: Iterable[Path | None], inputs: Iterable[Path | None] = ()):
    """Raise :exc:`FileExistsError` if one of ``outputs`` is also one of ``inputs``, or another output: a
    command would write over what it reads. Those that are None are not asked for.
    """
    known = [path for path in inputs if path is not None]
    for path in outputs:
        if path is None:
            continue
        for other in known:
            if path.resolve() == other.resolve() or (
                    path.exists() and other.exists() and path.samefile(other)):
                raise FileExistsError(errno.EEXIST, "it is another file of this command", str(path))
        known.append(path)
