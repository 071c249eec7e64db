"""Results of a long target reach its report, from whatever process finds them."""

import os
import subprocess
import sys

import pytest

from tests import results
from tests.results import ROOT, code, note_of_kept, once


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


def test_found_once(tmp_path, monkeypatch):
    """Until it is another case, or the code is other; and only what holds."""
    asked = []

    def find(found, case="first", holds=True):
        def look():
            asked.append(found)
            return {"found": found}
        return once(tmp_path, case, look, lambda _: holds)

    assert find(1, holds=False) == {"found": 1} and find(2) == {"found": 2}
    assert find(3) == find(4) == {"found": 2, "kept": True} and find(5, "second") == {"found": 5}
    monkeypatch.setattr(results, "code", lambda: "other")
    assert find(6) == {"found": 6}
    assert asked == [1, 2, 5, 6]


def test_hash_of_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "ROOT", tmp_path)
    (tmp_path / "hdl" / "layer").mkdir(parents=True)

    def hashed(name, text):
        (tmp_path / name).write_text(text)
        code.cache_clear()
        return code()

    some = [hashed("hdl/layer/pool.py", "a"), hashed("hdl/layer/pool.py", "b"), hashed("hdl/pool.sv", "")]
    assert len(set(some)) == 3
    assert hashed("hdl/pool.txt", "") == hashed("pool.py", "") == some[-1]
    code.cache_clear()


def test_note_of_what_was_kept():
    assert note_of_kept({"a": {"kept": True}, "b": {}}) == [
        "1 of 2 cases are from earlier runs of the same code, and not in the time of this one."]
    assert note_of_kept({"a": {}}) == []
