"""Results of a long target reach its report, from whatever process finds them."""

import os
import subprocess
import sys

import pytest

from tests.results import ROOT


CONFTEST = '''
from tests.results import Results

def write(results, passed, seconds):
    return f"{sorted(results.items())} {passed} {seconds > 0}"

def pytest_configure(config):
    Results("test_some.py::test_all", write).register(config)
'''

TEST = '''
import pytest

@pytest.fixture
def even(number):
    assert number != 3

@pytest.mark.parametrize("number", range(4))
def test_all(number, record_property, even):
    record_property("square", number**2)
    assert number < BOUND

def test_other():
    pass
'''


@pytest.mark.parametrize("processes, bound, chosen, lines, status", [
    (2, 9, "all and not 3",
     ["[('0', {'square': 0}), ('1', {'square': 1}), ('2', {'square': 4})] True True"], 0),
    (0, 2, "all or other",
     ["[('0', {'square': 0}), ('1', {'square': 1}), ('2', {'square': 4}), ('3', {})] False True"], 1),
])
def test_results(tmp_path, processes, bound, chosen, lines, status):
    """One that fails has results too; one that could not begin has none."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_some.py").write_text(TEST.replace("BOUND", str(bound)))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", str(processes), "-k", chosen, "-p", "no:cacheprovider"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert run.returncode == status, run.stdout
    assert [text for text in run.stdout.splitlines() if text.startswith("[(")] == lines
