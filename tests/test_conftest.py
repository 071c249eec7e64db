"""Which tests each target of the Makefile runs."""

import subprocess
import sys
from pathlib import Path


ROOT = Path(__file__).parent.parent


def collected(*options):
    printed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options,
         "tests/gen/test_pins.py", "tests/gen/test_emit.py"], cwd=ROOT, capture_output=True, text=True,
        check=True).stdout
    return {line for line in printed.splitlines() if "::" in line}


def test_each_case_is_run_by_one_target():
    """``make test`` or ``make long``; of those with the marker ``some`` as many by the first as it says."""
    few, rest = collected(), collected("-m", "long")
    assert few & rest == set() and few | rest == collected("-m", "long or not long")
    for name, most in ("test_every_port_is_connected", 1), ("test_engines_and_accelerators", 2):
        cases = [case for case in few if f"::{name}[" in case]
        assert len(cases) == most and any(f"::{name}[" in case for case in rest)
