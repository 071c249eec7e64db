"""What targets of the Makefile run, and that one that fails is not lost."""

import shutil
import subprocess
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def dry_run(*arguments):
    """The commands that make would run, in an environment that is there."""
    lines = subprocess.run(["make", "-n", "-o", ".venv/test", "RUN=python", *arguments], cwd=ROOT,
                           check=True, capture_output=True, text=True).stdout
    return lines.replace("\\\n", "").split()


@pytest.mark.parametrize("arguments, wanted", [
    (["formal", "ARGS=map_buffer arbiter"], 'tests/formal -m formal -v -k "[map_buffer or [arbiter"'),
    (["formal"], "tests/formal -m formal -v"),
    (["mutation", "ARGS=arbiter -n1"], 'tests/mutation -m mutation -v -n1 -k "[arbiter"'),
    (["regress", "CASES=6", "SEED=7", "ARGS=-x"], "tests/regress -m regress --cases 6 --seed 7 -x"),
    (["vendors", "ARGS=ice40"], 'tests/vendors -m vendors -v -s -k "[ice40"'),
    (["faults", "FAULTS=4", "FAULTS_SPINBAYES=2", "ARGS=--cost place"],
     "tests/faults -m faults -v -s --flips 4 --flips-spinbayes 2 --seed 1 --cost place"),
])
def test_arguments(arguments, wanted):
    words = wanted.split()
    assert dry_run(*arguments)[-len(words):] == words


@pytest.mark.parametrize("failing, status, last", [
    ("", 0, []), ("formal", 2, ["signoff: failed: formal"]),
    ("testset verification", 2, ["signoff: failed: testset verification"])])
def test_signoff(tmp_path, failing, status, last):
    """It goes on after a target that fails, and fails."""
    program, called = tmp_path / "make", tmp_path / "called.txt"
    program.write_text(f'#!/bin/sh\necho $1 >> {called}\ncase " {failing} " in *" $1 "*) exit 1;; esac\n')
    program.chmod(0o755)
    run = subprocess.run(["make", "-s", "signoff", f"MAKE={program}"], cwd=ROOT, capture_output=True,
                         text=True)
    assert run.returncode == status
    assert [line for line in run.stderr.splitlines() if line.startswith("signoff")] == last
    assert called.read_text().split() == ["long", "testset", "coverage", "regress", "formal", "mutation",
                                          "randomness", "faults", "verification"]
