from pathlib import Path

import pytest

import gen.synth
from gen.synth import SynthesisError


#: Stands for nextpnr: says how fast a placement is, and goes on as long as it repairs.
PROGRAM = """\
#!/bin/sh
echo "$@" >> calls
echo "Info: Max frequency for clock 'clk': {estimate} MHz (FAIL at 125.00 MHz)" > work/nextpnr.log
case "$*" in *--tmg-ripup*) {repair};; esac
"""


def place(folder, estimate, repair):
    program = folder / "nextpnr"
    program.write_text(PROGRAM.format(estimate=estimate, repair=repair))
    program.chmod(0o755)
    (folder / "work").mkdir()
    gen.synth._place_and_route([str(program), "--seed", "1"], folder, Path("work"), 125.0)
    return (folder / "calls").read_text().splitlines()


def test_repairs_what_is_near(tmp_path):
    assert place(tmp_path, 110.0, "sleep 0.5") == ["--seed 1 --tmg-ripup"]


def test_does_not_repair_for_hours(tmp_path):
    """It is stopped, and routes again without repair."""
    assert place(tmp_path, 60.0, "exec sleep 1000") == ["--seed 1 --tmg-ripup", "--seed 1"]


def test_does_not_repair_for_ever(tmp_path):
    rounds = "for i in $(seq 260); do echo iter=$i; done >> work/nextpnr.log; exec sleep 1000"
    assert place(tmp_path, 110.0, rounds) == ["--seed 1 --tmg-ripup", "--seed 1"]


def test_failure_is_one_line(tmp_path):
    with pytest.raises(SynthesisError, match="^Program nextpnr failed: ERROR: no room$"):
        place(tmp_path, 110.0, "echo 'ERROR: no room'; exit 1")
