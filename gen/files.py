"""Files that are there only when they are whole, and never in place of what a command reads."""

import contextlib
import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path

from gen.command import UserError


__all__ = ["FileError", "refuse_overlap", "refuse_unwritable", "replacing", "write_json"]


class FileError(UserError):
    """A file that cannot be written, with the ``reason``."""

    def __init__(self, path, reason):
        self.reason = reason
        super().__init__(f"File {path} cannot be written ({reason}); name another")


@contextlib.contextmanager
def replacing(path: Path):
    """Yield a binary file that takes the place of ``path`` when the block ends well; until then, and
    after an error or Ctrl-C, ``path`` is as it was. Its folder is made. Of a link it is the file that
    the link leads to.

    Raises
    ------
    FileError
        If it cannot be written.
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
        with contextlib.suppress(OSError): # it may never have been there, nor its folder
            temporary.unlink()


def write_json(path: Path, value):
    """Write ``value`` to ``path``, in place of what is there; as :func:`replacing`."""
    with replacing(path) as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())


def refuse_unwritable(path: Path):
    """Raise :exc:`FileError` unless a file can be written at ``path``, which is left as it is; its folder
    is made.

    To be asked before long work, not after it.
    """
    path  = _regular(path)
    probe = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)


def refuse_overlap(outputs: Iterable[Path | None], inputs: Iterable[Path | None] = ()):
    """Raise :exc:`FileError` if one of ``outputs`` is also one of ``inputs``, or another output: a
    command would write over what it reads. Those that are None are not asked for.
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
    """Where a link leads; a device, a pipe or a folder is never replaced by a file."""
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
