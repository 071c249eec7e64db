"""What the tests of a long target have found, which is kept, and the report that they leave."""

import functools
import hashlib
import importlib.metadata
import sys
import time
from collections.abc import Callable
from pathlib import Path

from golden.kept import keep, kept


__all__ = ["REPORTS", "ROOT", "Results", "code", "note_of_kept", "once"]


ROOT = Path(__file__).resolve().parents[1]

#: Where reports are, for :mod:`sim.verification`.
REPORTS = ROOT / "build" / "verification"

#: Of the project, what a case of a long target follows from.
CODE = "hdl", "gen", "golden", "sim", "tests"


@functools.cache
def code() -> str:
    """Return a hash of all code of the project, and of the versions of Python and its packages."""
    state = hashlib.sha256(sys.version.encode())
    for package in sorted(f"{each.name} {each.version}" for each in importlib.metadata.distributions()):
        state.update(package.encode())
    for path in sorted(path for folder in CODE for path in (ROOT / folder).rglob("*")
                       if path.suffix in (".py", ".sv", ".toml")):
        state.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return state.hexdigest()


def once(folder: Path, case: str, find: Callable[[], dict], holds: Callable[[dict], bool]) -> dict:
    """Return what ``find()`` records of a ``case``, or what it recorded before, so that a target that was
    stopped goes on: where that ``holds``, and neither case nor :func:`code` is another.

    Parameters
    ----------
    folder : Path
        Where it is kept, in JSON. What was kept has ``kept``.
    """
    asked = {"case": case, "code": code()}
    if (found := kept(folder, asked)) is not None:
        return {**found, "kept": True}
    found = find()
    if holds(found):
        keep(folder, asked, found)
    return found


def note_of_kept(results: dict[str, dict]) -> list[str]:
    """Return the note of a report on ``results``, by case, of which some were found before; or none."""
    count = sum(result.get("kept", False) for result in results.values())
    return [f"{count} of {len(results)} cases are from earlier runs of the same code, and not in the time "
            "of this one."] * bool(count)


class Results:
    """A plug-in of pytest that gathers what the cases of one parametrized test record, in whatever process
    they run, and has a report written at the end of the session.

    Parameters
    ----------
    test : str
        The test, as ``tests/formal/test_proofs.py::test_proof``.
    write : callable
        Takes the results, a dictionary of what was recorded (``record_property``) by the name of the case,
        whether all cases passed, and the seconds that the session took. Returns a line for the terminal.
    """

    def __init__(self, test: str, write: Callable):
        self.test, self.write = test, write
        self.started = time.monotonic()
        self.results, self.passed, self.line = {}, True, None

    def register(self, config):
        """Take part in the session, unless this is a process that pytest-xdist has begun."""
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(self)

    def pytest_runtest_logreport(self, report):
        test, _, name = report.nodeid.removesuffix("]").partition("[")
        if test == self.test and (report.when == "call" or report.failed):
            self.results[name] = dict(report.user_properties)
            self.passed &= report.passed

    def pytest_sessionfinish(self):
        if self.results:
            self.line = self.write(self.results, self.passed, time.monotonic() - self.started)

    def pytest_terminal_summary(self, terminalreporter):
        if self.line is not None:
            terminalreporter.write_line(self.line)
