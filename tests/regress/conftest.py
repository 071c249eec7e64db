"""The report of the random networks, ``build/verification/regress.json``."""

from functools import partial

from regress import write

from tests.results import REPORTS, Results


def pytest_configure(config):
    cases, seed = (config.getoption(name, None) for name in ("cases", "seed"))
    Results("tests/regress/test_regress.py::test_random_network",
            partial(write, REPORTS / "regress.json", cases, seed)).register(config)
