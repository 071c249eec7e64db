"""Programs that a command runs beside itself: how many at once, and that they end when it ends."""

import os
import signal
import subprocess
import threading
from pathlib import Path


__all__ = ["Processes", "cores"]


def cores() -> int:
    """Return how many cores this process may use, where the system says so, or else that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Processes:
    """Programs that are ended together. Threads may call them, several at once."""

    def __init__(self):
        self._lock, self._running, self._stopped = threading.Lock(), set(), False

    def call(self, command: list, log: Path, **options) -> int:
        """Run ``command``, whose output goes to the file ``log``, to its end; return its exit status.

        ``options`` are those of :class:`subprocess.Popen`. What it has started ends with it when it is
        interrupted or stopped; then its status is not 0.
        """
        with log.open("w") as out, self._lock:
            if self._stopped:
                return -signal.SIGTERM
            # In a new session, so that all that it starts can be ended, and nothing else.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, start_new_session=True, **options)
            self._running.add(process)
        try:
            return process.wait()
        finally:
            self._running.discard(process)
            _end(process) # if this one was interrupted
            process.wait()

    def stop(self):
        """End all that run, and let none begin."""
        with self._lock:
            self._stopped = True
            for process in list(self._running):
                _end(process)


def _end(process):
    if process.returncode is not None:
        return
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()
    except ProcessLookupError:
        pass # it has ended just now
