"""The regression itself: a fixed set of its cases, and that it finds, shrinks and saves what is wrong."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import play as playing
import pytest
import regress
import replay
from case import FAULTS, Gaps, load, make_images, save
from features import features
from play import Outcome, play
from strategy import generate, shrink

from gen.ir import Input, Layer, Network, Target


CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_fixed_cases(path):
    outcome = play(load(path))
    assert outcome.kind == json.loads(path.read_text())["kind"], outcome.message


def test_fixed_cases_cover():
    """What each of them is there for; the long run has the rest."""
    covered = {feature for path in CASES for feature in features(load(path))}
    assert {"method: Scale-Dropout", "method: SpinBayes", "schedule: sequential", "arrays: 8",
            "arrays: mean of several (ways)", "tiles: several rows and columns of one layer",
            "gaps and back-pressure", "reset amid images", "T 32 to 64", "T out of range at the pins",
            "p of 0", "p of 1", "junctions at the pins", "protected",
            "a random source for each bit of a pass", "guard bits in exponentials"} <= covered


@pytest.fixture(scope="module")
def some():
    return [generate(number) for number in range(2)]


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused(some, fault):
    """Each by one line that names what is wrong, whatever the network."""
    for case in some:
        outcome = play(replace(case, fault=fault))
        assert outcome.kind == "refused", outcome.detail


def tiny():
    """A case of one layer."""
    case = generate(1)
    layer = Layer("last", 2, 2, 1, (2, 2), 2)
    return replace(case, network=Network("tiny", Input(2, 2, (128,)), (layer,)),
                   target=Target(passes_max=2, passes=1), parameters=case.parameters[:1], counts=(2, 2),
                   reset=None, pixels=Gaps(), results=Gaps(), fault=None)


@pytest.mark.parametrize("name", ["sums", "squares", "votes", "confident", "prediction", "reject",
                                  "passes"])
def test_any_wrong_field_is_found(monkeypatch, name):
    """Here the golden model is wrong."""
    def wrong(*args):
        golden, probabilities = predict(*args)
        return replace(golden, **{name: getattr(golden, name) ^ 1}), probabilities

    predict = playing.predict
    monkeypatch.setattr(playing, "predict", wrong)
    outcome = play(tiny())
    assert outcome.kind == "failed" and "by the golden model" in outcome.message


def test_wrong_cycles_are_found(monkeypatch):
    timeline = playing.timeline

    def late(*args):
        right = timeline(*args)
        return replace(right, results=tuple(cycle + 1 for cycle in right.results))

    monkeypatch.setattr(playing, "timeline", late)
    case = replace(tiny(), counts=(1, 1), network=Network("wide", Input(8, 8, (128,)), (
        Layer("last", 8, 8, 1, (8, 8), 2),)))
    outcome = play(case)
    assert outcome.kind == "failed" and outcome.message.startswith("Failure: Cycles of results are (")


@pytest.mark.parametrize("changes, message", [
    ({}, ""),
    ({"bit_exact": False, "mismatches": 2}, "2 images and 0 maps differ from the golden model"),
    ({"alarm": True}, "The health tests have raised the alarm, though the bits are good"),
    ({"latency_cycles": 1}, "Latency is 1, but the estimate, which says that it is exact, has "),
])
def test_report_of_verilator_is_judged(monkeypatch, changes, message):
    """What the emitted Verilog did is :func:`sim.run.simulate`'s to say; here it is made up."""
    def simulate(directory, images, passes, maps, duty):
        assert (images.shape, passes, maps, duty) == ((2, 8, 8), 1, True, 1.0)
        return {"bit_exact": True, "mismatches": 0, "map_mismatches": 0, "alarm": False,
                "latency_cycles": latency} | changes

    def estimated(*args):
        estimates.append(timeline(*args))
        return estimates[-1]

    estimates, timeline = [], playing.timeline
    monkeypatch.setattr(playing, "timeline", estimated)
    monkeypatch.setattr(playing, "build_network", lambda network, target, out: out.mkdir())
    monkeypatch.setattr(playing.run, "simulate", simulate)
    case = replace(tiny(), counts=(1, 1), network=Network("wide", Input(8, 8, (128,)), (
        Layer("last", 8, 8, 1, (8, 8), 2),)))
    play(case)
    latency = estimates[0].latency
    outcome = play(replace(case, simulator="verilator", reset=5))
    assert outcome.message.startswith(f"Failure: {message}" if message else "")
    assert outcome.kind == ("failed" if message else "equal"), outcome.detail


def test_hang_is_found(monkeypatch):
    """Here it is not given the cycles that it needs."""
    monkeypatch.setattr(playing, "_shorten", lambda case, generator, accelerator: (case, 10))
    assert play(tiny()).message == ("Failure: No result for 10 cycles, at cycle 11: 0 of 4 words, 8 of 8 "
                                    "pixels")


def test_endless_case_is_found(monkeypatch):
    def never(*args):
        while True:
            pass

    monkeypatch.setattr(playing, "SECONDS_LIMIT", 1)
    monkeypatch.setattr(playing, "compile_network", never)
    assert play(tiny()).message == "Failure: Case did not end in 1 s"


def test_missing_refusal_is_found(monkeypatch):
    monkeypatch.setitem(FAULTS, "none", lambda *parts: parts)
    assert play(replace(tiny(), fault="none")).message == (
        "Failure: A case that has the fault 'none' was not refused")


def test_cases_are_reproducible(tmp_path):
    case = generate(7)
    assert case == generate(7) != generate(8)
    save(case, tmp_path / "case.json")
    assert load(tmp_path / "case.json") == case
    assert np.array_equal(make_images(case), make_images(load(tmp_path / "case.json")))


def test_gaps():
    """A duty of 1 has none; otherwise the share is that of the duty, in runs of the length given."""
    assert all(active for active, _ in zip(Gaps().draw(0), range(1000), strict=False))
    for run in (1, 10):
        active = [active for active, _ in zip(Gaps(0.3, run).draw(0), range(20_000), strict=False)]
        changes = sum(a != b for a, b in zip(active, active[1:], strict=False)) / len(active)
        assert abs(np.mean(active) - 0.3) < 0.06
        assert abs(changes - 2 * 0.3 * 0.7 / run) < 0.02


def test_shrinks_to_the_smallest():
    """To the least that fails, within the plays it is given."""
    number = next(number for number in range(50) if len(generate(number).network.layers) > 2)
    smallest = shrink(number, lambda case: len(case.network.layers) > 1, 25)
    assert len(smallest.network.layers) == 2 and smallest.counts == (1, 1)
    assert shrink(number, lambda case: True, 0) == generate(number)


def fake(case, runtime=None):
    if len(case.network.layers) > 1:
        return Outcome("failed", f"Failure: {len(case.network.layers)} layers", "detail")
    return Outcome("equal", played=case, totals={"images": 1}) if case.fault is None else (
        Outcome("refused", f"Fault '{case.fault}' 1.5"))


def fake_play(case, work):
    return fake(case), 1.0


def test_failures_are_saved_and_replayed(monkeypatch, tmp_path, capsys):
    """Cases of which some fail: the report counts them, the files replay them."""
    monkeypatch.setattr(regress, "_play", fake_play)
    monkeypatch.setattr(regress, "play", fake)
    arguments = ["--cases", "6", "--seed", "3", "--shrinks", "2", "--jobs", "2", "--out", str(tmp_path)]
    assert regress.main(arguments) == 1
    report = json.loads((tmp_path / "regress.json").read_text())
    assert report["cases"] == 6 == report["equal"] + report["refused"] + report["failed"]
    assert report["failed"] == len(report["failures"]) > 0
    assert "replay.py" in capsys.readouterr().out
    file = report["failures"][0]["file"]
    assert len(load(Path(file)).network.layers) > 1

    monkeypatch.setattr(replay, "play", fake)
    assert replay.main([file]) == 1
    assert capsys.readouterr().out.startswith("failed Failure: ")


def test_replay_of_no_case(tmp_path, capsys):
    assert replay.main([str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_terminated(tmp_path):
    """Processes that play end with it: each of them holds the pipe, whose end comes here."""
    command = [sys.executable, "tests/regress/regress.py", "--cases", "12", "--jobs", "2"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": str(tmp_path)}) as process:
        while not list(tmp_path.glob("regress.*/regress.*")): # where a case is played
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.terminate()
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err.splitlines() == [
        "[1/1] 12 random networks of seed 1",
        "regress: stopped; cases that failed are saved, the report is as it was"]
    assert not list(tmp_path.iterdir())


def stop(case, work):
    raise KeyboardInterrupt


def test_stopped(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(regress, "_play", stop)
    assert regress.main(["--cases", "2", "--out", str(tmp_path)]) == 130
    assert not list(tmp_path.iterdir())
    assert "stopped" in capsys.readouterr().err


@pytest.mark.parametrize("message, expected", [
    ("Layer 'last' must have p of 0.5, not -1e-05", "Layer '...' must have p of #, not #"),
    ("Cycles are (1, 22), not (3,)", "Cycles are (...), not (...)"),
    ("Values [nan, -inf]", "Values (...)"),
])
def test_kinds_of_messages(message, expected):
    assert regress.kind(message) == expected


@pytest.mark.parametrize("count", [0, 1, 2])
def test_longest_case_has_one_image(monkeypatch, count):
    """Also where the pins ask for no pass at all, which counts as one."""
    monkeypatch.setattr(playing, "CYCLES_LIMIT", 1)
    outcome = play(replace(tiny(), counts=(count, 1)))
    assert outcome.kind == "equal", outcome.detail
    assert outcome.played.counts == (min(count, 1),)
