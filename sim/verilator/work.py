"""The folder inside a design where a simulator is made and runs, for one process at a time."""

import shutil
from collections.abc import Callable
from contextlib import contextmanager

from gen.tools import install_hint
from sim.design import Design, DesignError
from sim.verilator.simulator import PARTIAL, SimulatorMissing


__all__ = ["work_folder"]


@contextmanager
def work_folder(design: Design, name: str, waiting: Callable = lambda: None):
    """Yield the folder ``name`` of ``design``, which is this process's own until the block ends.

    ``waiting`` is called if another process has it, and this one waits. What is half done after
    KeyboardInterrupt is removed, and so is at the beginning what a process that was killed has left.

    Raises
    ------
    DesignError
        If the folder cannot be written.
    SimulatorMissing
        If the package that locks files is missing.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise SimulatorMissing(f"Package {error.name!r} is not installed; install it with: "
                               f"{install_hint('sim')}") from None
    work = design.directory.resolve() / name
    try:
        work.mkdir(exist_ok=True)
        lock = FileLock(work / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
    except (OSError, NotImplementedError) as error: # the latter where the file system has no locks
        raise DesignError(f"Folder {work} cannot be written ({getattr(error, 'strerror', None) or error}); "
                          f"simulate a copy of the design in a folder of your own") from None
    try:
        _clean(work)
        yield work
    except KeyboardInterrupt:
        _clean(work)
        raise
    finally:
        lock.release()


def _clean(work):
    # Whoever has the lock is the only one whose these can be.
    for path in (*work.glob(f"*{PARTIAL}"), *work.glob(f"*/*{PARTIAL}")):
        shutil.rmtree(path, ignore_errors=True)
