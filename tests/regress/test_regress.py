"""Random networks, with the marker ``regress``; otherwise the cases that are kept, and that a case that is
wrong is found, shrunk and saved."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import play as playing
import pytest
import regress
import strategy
from case import FAULTS, Gaps, Parameters, load, make_images, save
from features import features
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from play import Outcome, play
from strategy import generate, shrink

from gen.ir import Input, Layer, Network, Target
from tests.results import REPORTS, once


CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


def pytest_generate_tests(metafunc):
    option = metafunc.config.getoption
    if "index" in metafunc.fixturenames:
        metafunc.parametrize("index", range(option("cases")))
    if "kept" in metafunc.fixturenames:
        metafunc.parametrize("kept", option("case") or [
            pytest.param(path, marks=pytest.mark.long) if path.stem.startswith("mixed") else path
            for path in CASES], ids=lambda path: path.stem)


@pytest.fixture(scope="session")
def drawn(pytestconfig):
    """All cases, drawn before one is played: hypothesis likes the numbers that occur in the modules of
    the project, of which more may be imported later."""
    option = pytestconfig.getoption
    return [regress.draw(option("seed"), index) for index in range(option("cases"))]


@pytest.mark.regress
def test_random_network(index, drawn, monkeypatch, tmp_path, pytestconfig, record_property):
    # What a case that is interrupted leaves behind goes with the files of other tests.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    case, outcomes = drawn[index], []

    def find():
        outcomes.append(play(case))
        return regress.record(case, *outcomes)

    found = once(REPORTS / "regress", repr(case), find, lambda found: found["kind"] != "failed")
    for name, value in found.items():
        record_property(name, value)
    if found["kind"] == "failed":
        outcome, = outcomes
        seed = pytestconfig.getoption("seed")
        path = REPORTS / "regress_failures" / f"seed{seed}_case{index}.json"
        record_property("file", str(path))
        outcome = regress.keep(path, seed, index, case, outcome)
        pytest.fail(f"{outcome.message}; play what is left of the case again with: "
                    f"pytest tests/regress -k kept_case --case {path}")


@pytest.mark.some(6)
def test_kept_case(kept):
    outcome = play(load(kept))
    assert outcome.kind == json.loads(kept.read_text())["kind"], outcome.detail or outcome.message


def test_kept_cases_cover():
    """What each of them is there for; the random ones have the rest."""
    covered = {feature for path in CASES for feature in features(load(path))}
    assert {"choices: of banks", "choices: of arrays", "schedule: sequential", "arrays: 8",
            "arrays: mean of several (ways)", "tiles: several rows and columns of one layer",
            "gaps and back-pressure", "reset amid images", "T 32 to 64", "T out of range at the pins",
            "p of 0", "p of 1", "junctions at the pins", "protected",
            "a random source for each bit of a pass", "guard bits in exponentials", "maps of one row",
            "stride or padding: not the same on both axes", "pool of other sizes",
            "pool of the whole map", "joins: of sums", "joins: of channels", "joins: several",
            "joins: two that meet at one layer", "joins: with a layer beside",
            "joins: with no layer beside",
            "an answer for each of several positions, and choices in the last layer"} <= covered


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
    """A case of one layer with parameters that can be, whatever is drawn."""
    case = generate(1)
    layer = Layer("last", 2, 2, 1, (2, 2), 2)
    return replace(case, network=Network("tiny", Input(2, 2, (128,)), (layer,)),
                   target=Target(passes_max=2, passes=1), counts=(2, 2),
                   parameters=(Parameters(seed=1),),
                   reset=None, pixels=Gaps(), results=Gaps(), fault=None)


@pytest.mark.some(3)
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
    ({"latency_cycles": 1}, "Latency is 1, but the estimate has "),
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


def test_simulators():
    """One case of 25 is simulated as Verilog, but for those with a fault; the arrays of every other one
    are at the pins."""
    case  = tiny()
    cases = [regress.simulate_by(case, index) for index in range(100)]
    assert [index for index, one in enumerate(cases) if one.simulator == "verilator"] == [24, 49, 74, 99]
    assert [(cases[index].target.view, cases[index].target.array_ns) for index in (49, 99)] == [
        ("macro", 16.0), ("macro", 32.0)]
    assert cases[0] == case and cases[74].target == case.target
    assert regress.simulate_by(replace(case, fault="no seed"), 24).simulator == "amaranth"


def fake(case):
    if len(case.network.layers) > 1:
        return Outcome("failed", f"Failure: {len(case.network.layers)} layers", "detail")
    return Outcome("equal", played=case, totals={"images": 1})


@pytest.fixture
def few(monkeypatch):
    """Random cases differ in the number of layers and in the passes only: of all that cases can have, it
    takes a minute to shrink one."""
    def case(count, counts):
        layers = (Layer("last", 2, 2, 1, (2, 2), 2),) * count
        return replace(tiny_case, network=Network("few", Input(2, 2, (128,)), layers), counts=counts)

    tiny_case = tiny()
    monkeypatch.setattr(strategy, "cases", lambda: st.builds(
        case, st.integers(1, 4), st.lists(st.integers(1, 2), min_size=2, max_size=6).map(tuple)))


def test_what_all_can_be_shrunk_to():
    """The simplest case there is, which is the first that hypothesis tries, has one of everything."""
    made = []

    @settings(max_examples=1, phases=[Phase.generate], database=None, deadline=None)
    @given(strategy.cases())
    def collect(case):
        made.append(case)

    collect()
    case, = made
    assert (len(case.network.layers), case.counts, case.fault, case.reset) == (1, (1, 1), None, None)


def test_failure_is_shrunk_and_saved(few, monkeypatch, tmp_path, pytestconfig):
    """As the smallest case with the same kind of message; its file, which is named, can be played again."""
    monkeypatch.setattr(regress, "play", fake)
    monkeypatch.setitem(globals(), "play", fake)
    monkeypatch.setitem(globals(), "REPORTS", tmp_path)
    seed  = pytestconfig.getoption("seed")
    index = next(index for index in range(50) if len(regress.draw(seed, index).network.layers) > 2)
    drawn, recorded = {index: regress.draw(seed, index)}, {}
    path  = tmp_path / "regress_failures" / f"seed{seed}_case{index}.json"
    with pytest.raises(pytest.fail.Exception) as failure:
        test_random_network(index, drawn, monkeypatch, tmp_path, pytestconfig, recorded.__setitem__)
    assert str(failure.value) == ("Failure: 2 layers; play what is left of the case again with: "
                                  f"pytest tests/regress -k kept_case --case {path}")
    assert (recorded["kind"], recorded["file"]) == ("failed", str(path))
    smallest = load(path)
    assert len(smallest.network.layers) == 2 and smallest.counts == (1, 1)
    saved = json.loads(path.read_text())
    assert (saved["kind"], saved["detail"]) == ("equal", "detail")


def test_goes_on_where_it_was_stopped(few, monkeypatch, tmp_path, pytestconfig):
    """What is equal or refused is not played again; what has failed is."""
    played = []
    monkeypatch.setitem(globals(), "play", lambda case: played.append(case) or fake(case))
    monkeypatch.setattr(regress, "keep", lambda path, seed, index, case, outcome: outcome)
    monkeypatch.setitem(globals(), "REPORTS", tmp_path)
    drawn = {len(case.network.layers): case for case in (regress.draw(1, index) for index in range(50))}
    first, again = {}, {}
    for recorded in first, again:
        test_random_network(1, drawn, monkeypatch, tmp_path, pytestconfig, recorded.__setitem__)
    assert first["kind"] == "equal" and again == first | {"kept": True} and len(played) == 1
    for _ in range(2):
        with pytest.raises(pytest.fail.Exception):
            test_random_network(2, drawn, monkeypatch, tmp_path, pytestconfig, first.__setitem__)
    assert len(played) == 3


def test_what_cannot_be_shrunk(few):
    assert shrink(7, lambda case: False) == generate(7)


def test_report(tmp_path):
    """Of a case that could not be played nothing is known, but that it failed."""
    case, path = tiny(), tmp_path / "regress.json"
    results = {"0": regress.record(case, fake(case)),
               "1": regress.record(case, Outcome("refused", "Rows must be even, not 15"))}
    assert regress.write(path, 2, 7, results, True, 1.0) == (
        f"1 of 2 networks equal the golden model, 1 refused, 0 failed; {path}")
    report = json.loads(path.read_text())
    assert report["passed"] and report["command"] == "make regress CASES=2 SEED=7"
    assert (report["equal"], report["images"], report["simulated_by"]) == (1, 1, {"amaranth": 1})
    assert report["tables"]["Refused"] == [{"message": "Rows must be even, not #", "cases": 1}]
    assert {"feature": "1 layers", "cases": 1} in report["tables"][
        "Features of the networks that are equal"]

    results |= {"2": regress.record(case, Outcome("failed", "Failure: no")) | {"file": "case.json"},
                "3": {}}
    regress.write(path, 4, 7, results, False, 1.0)
    report = json.loads(path.read_text())
    assert not report["passed"] and report["failed"] == 2
    assert report["tables"]["Failed"] == [{"case": 2, "message": "Failure: no", "file": "case.json"},
                                          {"case": 3, "message": None, "file": None}]


def test_report_of_some_is_not_written(tmp_path):
    path = tmp_path / "regress.json"
    assert regress.write(path, 60, 7, {"3": {}}, False, 1.0) == (
        "0 of 1 networks equal the golden model, 0 refused, 1 failed; regress.json is of whole runs and "
        "stays as it is")
    assert not path.exists()


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
