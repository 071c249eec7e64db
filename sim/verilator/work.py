"""Folders in which one process works at a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gen.command import UserError
from gen.progress import Progress
from gen.tools import install_hint
from sim.design import Design
from sim.verilator.simulator import PARTIAL, SimulatorMissing


__all__ = ["FolderError", "locked", "work_folder"]


class FolderError(UserError):
    """A folder in which no work can be done, with the way out in its message."""


@contextmanager
def locked(folder: Path, steps: Progress, waiting: str, way_out: str) -> Iterator[None]:
    """Let no other process into ``folder``, which is made, until the block ends.

    Where another has it, ``waiting`` is said and this one waits. The lock of a process that is killed goes
    with it.

    Raises
    ------
    FolderError
        If the folder cannot be written; ``way_out`` is the end of the message.
    SimulatorMissing
        If the package that locks files is missing.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise SimulatorMissing(f"Package {error.name!r} is not installed; install it with: "
                               f"{install_hint('sim')}") from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            steps.step(waiting)
            lock.acquire()
    except (OSError, NotImplementedError) as error: # the latter where the file system has no locks
        reason = getattr(error, "strerror", None) or error
        raise FolderError(f"Folder {folder} cannot be written ({reason}); {way_out}") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def work_folder(design: Design, name: str, steps: Progress) -> Iterator[Path]:
    """Yield the folder ``name`` of ``design``, where a simulator is made and runs, for one process at a
    time.

    What is half done after KeyboardInterrupt is removed, and so is at the beginning what a process that was
    killed has left.

    Raises
    ------
    FolderError, SimulatorMissing
        As :func:`locked`.
    """
    work = design.directory.resolve() / name
    with locked(work, steps, f"wait for another simulation in {design.directory} to end",
                "simulate a copy of the design in a folder of your own"):
        _clean(work)
        try:
            yield work
        except KeyboardInterrupt:
            _clean(work)
            raise


def _clean(work):
    # Whoever has the lock is the only one whose these can be.
    for path in (*work.glob(f"*{PARTIAL}"), *work.glob(f"*/*{PARTIAL}")):
        shutil.rmtree(path, ignore_errors=True)
