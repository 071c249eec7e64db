"""What becomes of flipped bits of whole accelerators, with the marker ``faults``; otherwise the report."""

import json
import shutil
import time
from types import SimpleNamespace

import pytest

from gen.build import build
from gen.ir import Target
from gen.progress import Progress
from gen.synth import count_blocks, synthesize
from golden.data import load_sample
from sim.bit_flips import CLASSES, OUTCOMES, inject
from sim.processes import cores
from tests.faults.report import CASES, CHECKED, PROTECTION, shares, write
from tests.results import ROOT


@pytest.mark.faults
@pytest.mark.parametrize("name", CASES)
def test_flips(name, pytestconfig, record_property, optimized):
    """SpinBayes has ten times the cycles, so fewer images and flips."""
    (network, protection), option = CASES[name], pytestconfig.getoption
    spinbayes = network == "lenet5_spinbayes"
    target  = Target(passes=10 if spinbayes else 20, protect=PROTECTION[protection])
    started, steps = time.monotonic(), Progress()
    folder  = ROOT / "build" / "faults" / f"{network}_{protection}"
    steps.step(f"{network}, {protection}: build")
    reports = build(network, target, folder)
    shutil.rmtree(folder / "synth", ignore_errors=True) # of a run before; the compiled injector is kept
    images, _ = load_sample()
    result  = inject(folder, images[:1 if spinbayes else 4], seed=option("seed"), steps=steps,
                     flips=option("flips_spinbayes" if spinbayes else "flips"), processes=cores())
    if not spinbayes and option("cost") == "place":
        result["cells"] = synthesize(folder, target.clock_mhz, reports["estimate_network_performance"],
                                     steps)
    elif not spinbayes:
        result["cells"] = count_blocks(folder)
    result["missed"]  = count_missed(result) if target.protect else 0
    result["seconds"] = round(time.monotonic() - started, 1)
    for key, value in result.items():
        record_property(key, value)
    assert result["missed"] == 0, {name: result["classes"].get(name) for name in CHECKED}


def count_missed(result):
    """Flips of what protection checks that are silent, or hang without a flag."""
    rows = [result["classes"][name] for name in CHECKED if name in result["classes"]]
    return sum(row["silent"] + row["hang"] for row in rows)


def make_result(**outcomes):
    """One class of 10 bits, one of 30, and one that is left out, each of 4 flips."""
    row = dict.fromkeys((*OUTCOMES, "silent_other_class"), 0)
    return {"classes": {
        "weights": row | {"bits": 10, "flips": 4} | outcomes,
        "masks": row | {"bits": 30, "flips": 4, "masked": 4},
        "checks": row | {"bits": 99, "flips": 4, "silent": 4}},
        "flips": 12, "images": 4, "passes": 20, "missed": outcomes.get("silent", 0), "seconds": 2.0}


def test_shares():
    """A bit of any class is as likely as the others, so classes weigh as many as they have."""
    found = shares(make_result(silent=1, masked=3)["classes"])
    assert (found["silent"], found["masked"]) == (10 / 40 / 4, (10 * 3 / 4 + 30) / 40)
    assert set(CHECKED) <= set(CLASSES)


@pytest.mark.parametrize("outcome, missed", [("silent", 3), ("hang", 3), ("detected", 0), ("masked", 0)])
def test_what_protection_misses(outcome, missed):
    assert count_missed(make_result(**{outcome: 3})) == missed


OPTIONS = SimpleNamespace(flips=4, flips_spinbayes=2, seed=1, cost="count")


@pytest.mark.parametrize("missed, passed", [(0, True), (1, False)])
def test_report(tmp_path, missed, passed):
    cells = {"cells": {"engine": {"LUT": 5, "FF": 3, "BRAM": 1, "DSP": 0},
                       "other": {"LUT": 1, "FF": 1, "BRAM": 0, "DSP": 0}}}
    results = {"lenet5-unprotected": make_result(silent=4) | cells | {"missed": 0},
               "lenet5-protected": make_result(silent=missed, detected=4 - missed) | cells,
               "lenet5_spinbayes-protected": make_result()}
    assert write(tmp_path, OPTIONS, results, passed, 9.0).splitlines() == [
        f"lenet5: 25.0 % unprotected, {6.25 * missed:.1f} % protected, of flipped bits give a wrong result "
        f"without a flag; {tmp_path / 'faults.json'}",
        "lenet5_spinbayes: 0.0 % protected, of flipped bits give a wrong result without a flag"]
    # Of SpinBayes there is one build only.
    assert [path.name for path in tmp_path.iterdir()] == ["faults.json"]
    report = json.loads((tmp_path / "faults.json").read_text())
    assert (report["passed"], report["seconds"]) == (passed, 4.0)
    assert report["command"] == "make faults FAULTS=4 FAULTS_SPINBAYES=2 SEED=1"
    assert report["tables"]["Cells on an ECP5"][0] == {
        "build": "unprotected", "LUT": 6, "FF": 4, "BRAM": 1, "DSP": 0}
    rows = report["tables"]["unprotected: 12 flips, one in each run of 4 images at T = 20"]
    assert [row["what flips"] for row in rows] == ["weights", "masks", "checks", "any bit"]
    assert rows[0]["silent"] == "100.0 %" and rows[-1]["silent"] == "25.0 %"
