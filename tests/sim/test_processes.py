"""Programs that run beside a command end with it."""

import os
import select
import sys
import threading
import time

from sim.processes import Processes, cores


def test_cores(monkeypatch):
    """macOS and Windows do not say how many a process may use."""
    assert cores() >= 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {2, 5, 7}, raising=False)
    assert cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_call(tmp_path):
    """Output goes to the log, and the status comes back."""
    command = [sys.executable, "-c", "import sys; print('one'); sys.exit(len(sys.stdin.read()) + 3)"]
    assert Processes().call(command, tmp_path / "log", cwd=tmp_path) == 3
    assert (tmp_path / "log").read_text() == "one\n"


class Running:
    """A program whose child would run for minutes: a thread waits for it. All that run hold a pipe."""

    def __init__(self, folder, programs):
        self.read, write = os.pipe()
        self.status = None
        child = f"import time; open({str(folder / 'began')!r}, 'w'); time.sleep(300)"
        code  = ("import subprocess, sys; "
                 f"subprocess.run([sys.executable, '-c', {child!r}], close_fds=False)")

        def call():
            self.status = programs.call([sys.executable, "-c", code], folder / "log", pass_fds=[write])

        self.thread = threading.Thread(target=call)
        self.thread.start()
        while not (folder / "began").exists():
            time.sleep(0.02)
        os.close(write)

    def ended(self):
        self.thread.join()
        ready, _, _ = select.select([self.read], [], [], 30)
        os.close(self.read)
        return bool(ready) and self.status != 0 # the end of the pipe: nobody holds it


def test_children_of_children_end(tmp_path):
    programs = Processes()
    running = Running(tmp_path, programs)
    assert len(programs._running) == 1
    programs.stop()
    assert running.ended() and not programs._running


def test_nothing_begins_after_a_stop(tmp_path):
    programs = Processes()
    programs.stop()
    code = f"open({str(tmp_path / 'began')!r}, 'w')"
    assert programs.call([sys.executable, "-c", code], tmp_path / "log") != 0
    assert not (tmp_path / "began").exists()
