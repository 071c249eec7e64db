"""The reports of flipped bits, ``build/verification/faults*.json``."""

from functools import partial

from tests.faults.report import write
from tests.results import REPORTS, Results


def pytest_configure(config):
    Results("tests/faults/test_bit_flips.py::test_flips",
            partial(write, REPORTS, config.option)).register(config)
