"""Output files: written atomically, and never over a file that the command reads."""

import contextlib
import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path

from gen.command import UserError


__all__ = ["FileError", "refuse_overlap", "refuse_unwritable", "replacing", "write_json"]


class FileError(UserError):
    """A file cannot be written, for ``reason``."""

    def __init__(self, path, reason):
        self.reason = reason
        super().__init__(f"File {path} cannot be written ({reason}); name another")


@contextlib.contextmanager
def replacing(path: Path):
    """Yield a binary file that takes the place of ``path`` when the block of ``with`` ends well; until
    then, and after an error or Ctrl-C, ``path`` is as it was. The folder of ``path`` is made. If ``path``
    is a link, the file that it leads to is replaced.

    Raises
    ------
    FileError
        If ``path`` cannot be written.
    """
    path = _regular(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(temporary, "wb")
        with file:
            yield file
        with _writing(path):
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError): # the file or its folder may not have been made
            temporary.unlink()


def write_json(path: Path, value):
    """Write ``value`` as JSON to ``path``, atomically (:func:`replacing`)."""
    with replacing(path) as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())


def refuse_unwritable(path: Path):
    """Raise :exc:`FileError` unless a file can be written at ``path``, which is left as it is; the folder
    of ``path`` is made.

    A command calls this before long work, so that its result is not lost for a wrong path.
    """
    path  = _regular(path)
    probe = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)


def refuse_overlap(outputs: Iterable[Path | None], inputs: Iterable[Path | None] = ()):
    """Raise :exc:`FileError` if one of ``outputs`` is also one of ``inputs`` or another output: the command
    would overwrite a file that it reads or writes. A path that is None does not count.
    """
    known = [path for path in inputs if path is not None]
    for path in outputs:
        if path is None:
            continue
        for other in known:
            if path.resolve() == other.resolve() or (
                    path.exists() and other.exists() and path.samefile(other)):
                raise FileError(path, "it is another file of this command")
        known.append(path)


def _regular(path):
    """Return ``path`` with links resolved; refuse a device, a pipe or a folder, which no file replaces."""
    path = path.resolve()
    if path.is_dir():
        raise FileError(path, os.strerror(errno.EISDIR))
    if path.exists() and not path.is_file():
        raise FileError(path, "it is no regular file")
    return path


@contextlib.contextmanager
def _writing(path):
    try:
        yield
    except OSError as error:
        raise FileError(path, error.strerror) from None
