"""What the tests of a long target have found, and the report that they leave."""

import time
from collections.abc import Callable
from pathlib import Path


__all__ = ["REPORTS", "ROOT", "Results"]


ROOT = Path(__file__).resolve().parents[1]

#: Where reports are, for :mod:`sim.verification`.
REPORTS = ROOT / "build" / "verification"


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
