"""The page of results says what was measured, by which command, and what was not."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench import results
from bench.measurements import MEASUREMENTS, MeasurementError
from bench.results import page


def record(name, **reports):
    return {name: {"command": MEASUREMENTS[name].command, "version": "1a2b3c4", "seconds": 90.0,
                   "reports": reports}}


def prediction(accuracy, rejected):
    return {
        "test/cls/Acc": accuracy, "test/cls/NLL": 0.04321, "test/cls/Brier": 0.02, "test/cal/ECE": 0.0035,
        "quantile/rejected": rejected,
        "fashion-mnist": {"status": "run", "entropy": {"ood/AUROC": 0.943}, "quantile/rejected": 0.71,
                          "mutual_information": {"ood/AUROC": 0.9}},
        "notmnist": {"status": "not_run", "reason": "no such folder"},
    }


EVALUATED = record("evaluate_lenet5", evaluate={"prediction": {
    "passes": prediction(0.98674, 0.0593), "all_kept": prediction(0.9837, 0.02),
    "exact": prediction(0.9866, 0.06)}})

BUILT = record("build_lenet5",
    estimate_network_performance={
        "interval_cycles": 784, "interval_cycles_one_pass": 785, "latency_cycles_mean": 2143.3,
        "latency_cycles_largest": 2197, "estimated_throughput_fps": 159438.8},
    crossbar_map={"total": {"arrays": 7}},
    method_costs={"methods": [{
        "network": "lenet5", "method": "Scale-Dropout", "passes": 20,
        "layers": {"conv1": {"choice_bits": 1}, "fc1": {"choice_bits": 2}},
        "total": {"arrays": 7, "cells": 88980, "random_bits_per_prediction": 100, "reads_shared": 3296.6,
                  "reads_sequential": 28440}}]},
    synth_ecp5={"status": "not_run", "reason": "not asked for"})

SIMULATED = record("simulate_lenet5", rtlsim_performance={
    "interval_cycles": 783.6, "images": 100, "mismatches": 1,
    "ood": {"gaussian": {"status": "run", "images": 50}, "notmnist": {"status": "not_run"}}})


def rows(text):
    """Cells of the rows of all tables, by the first cell; the first of a name."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| "):
            first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            found.setdefault(first, cells)
    return found


def test_nothing_measured_is_all_not_run():
    text = page({}, {"evaluate_lenet5": "it needs --data DIR"})
    for first, cells in rows(text).items():
        if first not in ("figure", "method", "block"):
            assert set(cells[:-1]) <= {"not run", "", "3"}, first # what a paper states is not measured
    lines = " ".join(text.split()) # a command is wrapped
    assert ("- **10** `python -m golden.evaluate lenet5 --data DIR --json "
            "build/results/reports/evaluate.json` (not run: it needs --data DIR)") in lines
    assert ("- **1** `python -m gen.build --layers lenet5 --out build/designs/lenet5` "
            "(not run: nothing is kept of it)") in lines


def test_every_figure_names_commands_that_are_listed():
    text = page({}, {})
    for section in text.split("\n## ")[1:]:
        listed = {line.split("**")[1] for line in section.splitlines() if line.startswith("- **")}
        named  = {number for first, cells in rows(section).items() if cells[-1] != "by"
                  for number in cells[-1].split(", ")}
        assert named == listed and named


def test_every_measurement_is_of_use():
    listed = {line.split("**")[1] for line in page({}, {}).splitlines() if line.startswith("- **")}
    assert listed == {str(number + 1) for number in range(len(MEASUREMENTS))}


@pytest.mark.parametrize("first, cells", {
    "accuracy, T = 20": ["98.67 %", "not run", "10, 11"],
    "accuracy, all scales kept; exact": ["98.37 %, 98.66 %", "not run", "10, 11"],
    "NLL, T = 20": ["0.0432", "not run", "10, 11"],
    "ECE, T = 20": ["0.35 %", "not run", "10, 11"],
    "AUROC of entropy: Fashion-MNIST, notMNIST": ["94.30 %, not run", "not run", "10, 11"],
    "rejected of MNIST": ["5.93 %", "not run", "10, 11"],
    "rejected of Fashion-MNIST, notMNIST": ["71.00 %, not run", "not run", "10, 11"],
    "cycles from image to image, T = 1": ["785 (estimate)", "not run", "14, 1, 3"],
    "cycles from image to image, T = 20": ["784", "not run", "15, 17, 1, 3"],
    "latency, T = 20: mean, largest of 200 images": ["2,143, 2,197", "not run", "1, 3"],
    "images per second at 125 MHz, T = 20": ["159,439", "not run", "1, 3"],
    "arrays of 256 x 256": ["7", "not run", "1, 3"],
    "images of all sets equal to the golden model in every bit": ["149 of 150", "not run", "15, 17"],
    "Scale-Dropout": ["20", "7", "88,980", "2", "100", "3,297", "28,440", "1"],
    "whole design, routed": ["not run"] * 4 + ["9"],
}.items())
def test_figures_are_those_of_the_reports(first, cells):
    assert rows(page(EVALUATED | BUILT | SIMULATED, {}))[first] == cells


def test_spinbayes_stands_beside_its_paper():
    reports = {"prediction": {"passes": prediction(0.99, 0.1) | {
        "gaussian": {"status": "run", "quantile/rejected": 0.9046}}, "one_pass": {"test/cls/Acc": 0.98}},
        "paper": {"source": "Tables 1 and 3", "test/cls/Acc": 0.9923, "gaussian quantile/rejected": 1.0}}
    found = rows(page(record("evaluate_lenet5_spinbayes", evaluate=reports), {}).split("\n## ")[2])
    assert found["accuracy, T = 10"]           == ["99.00 %", "not run", "99.23 %", "12, 13"]
    assert found["accuracy of one pass"]       == ["98.00 %", "not run", "", "12, 13"]
    assert found["rejected of Gaussian noise"] == ["90.46 %", "not run", "100.00 %", "12, 13"]
    assert found["rejected of noisy MNIST"]    == ["not run", "not run", "not run", "12, 13"]


def test_blocks_of_an_fpga():
    cells = {"LUT": 1234, "FF": 5, "BRAM": 0, "DSP": 1}
    text = page(record("build_lenet5_ecp5", synth_ecp5={
        "status": "run", "fmax_mhz": 124.984, "clock_mhz": 125.0, "estimated_throughput_fps": 159418.6,
        "blocks": {"softmax": cells}} | cells), {})
    assert "The clock reaches 124.98 MHz (125 MHz asked for),\nwhich is 159,419 images per second." in text
    assert rows(text)["`softmax`"] == rows(text)["whole design, routed"] == ["1,234", "5", "0", "1", "9"]


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Commands that were run, instead of running them; those with the option ``--images`` fail."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(results, "kept", lambda: EVALUATED)
    made = []

    def measure(one, data):
        made.append(one.name)
        if "--images" in one.command:
            raise MeasurementError(f"{one.command} failed (status 2): no such design")

    monkeypatch.setattr(results, "measure", measure)
    return made


def test_runs_what_is_missing(calls, capsys, tmp_path):
    assert results.main(["--out", "page.md"]) == 1
    assert calls == [name for name, one in MEASUREMENTS.items()
                     if name != "build_lenet5_ecp5" and "DIR" not in one.command]
    text = " ".join((tmp_path / "page.md").read_text().split())
    assert "--synth ecp5 --out build/designs/lenet5_ecp5` (not run: it runs with --synth)" in text
    assert "--images 100 --data DIR` (not run: it needs --data DIR)" in text
    assert "--images 1000 --passes 1` (not run: it failed)" in text
    out = capsys.readouterr()
    assert out.out == "page.md: of 1 of 22 commands; 3 failed now\n"
    assert ("  python -m sim.run build/designs/lenet5_wide --images 100 failed (status 2): no such design"
            in out.err.splitlines())


@pytest.mark.parametrize("options, expected", [
    (["--no-run"], set()),
    (["--data", "images", "--synth"], set(MEASUREMENTS) - set(EVALUATED)),
    (["--data", "images", "--synth", "--again"], set(MEASUREMENTS)),
])
def test_options_say_what_runs(options, expected, calls, tmp_path):
    results.main([*options, "--out", "page.md"])
    assert set(calls) == expected
    assert "| 98.67 % " in (tmp_path / "page.md").read_text()


def test_a_page_that_cannot_be_written_is_refused_before_the_work(calls, tmp_path, capsys):
    assert results.main(["--out", str(tmp_path)]) == 2
    assert calls == []
    assert capsys.readouterr().err == (
        f"bench.results: File {tmp_path} cannot be written (Is a directory); name another\n")


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize("folder, options", [("gen", "--data gen --synth"), ("no such folder", "--synth")])
def test_the_target_of_make(folder, options):
    """A data folder that is not there is left out, so that the rest is measured."""
    run = subprocess.run(["make", "-n", "-o", ".venv/test", "RUN=python", "results", f"DATA={folder}",
                          "ARGS=--synth"], cwd=Path(__file__).parent.parent.parent, check=True,
                         capture_output=True, text=True)
    assert run.stdout.split() == f"python -m bench.results {options}".split()
