"""The report of mutants, ``build/verification/mutation.json``."""

from tests.mutation.report import write
from tests.results import REPORTS, Results


def pytest_configure(config):
    # Of the results that are kept, and those of this session are.
    Results("tests/mutation/test_mutants.py::test_block",
            lambda results, passed, seconds: write(REPORTS / "mutation", REPORTS / "mutation.json")
            ).register(config)
