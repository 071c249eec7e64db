"""What emitted Verilog makes of random bits, good ones and faulty ones, and the report of all."""

import io
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from gen.build import build_network
from gen.ir import Target
from gen.progress import Progress
from golden.device.junction import HALF_UA, RESET_NS, switching_probability, write_codes
from golden.network import path_probabilities, predict
from golden.random.bad_sources import Source
from golden.random.health import alarm_bit
from golden.random.hypothesis_tests import failures
from golden.random.quality import Exact, output_tests
from sim import randomness
from sim.bad_sources import check_faulty, sources
from sim.design import Design
from sim.randomness import main
from sim.report import read_report
from sim.verilator.simulation import Simulation, compiled
from tests.images import images_for


@pytest.fixture(scope="module")
def design(with_junctions):
    """A small network whose bits come from the pins, with health tests that see all of them."""
    return Design(with_junctions(18, (0.5, 0.3, 0.6)))


@pytest.fixture(scope="module")
def program(design):
    with compiled(design, Progress(io.StringIO())) as program:
        yield program


@pytest.fixture(scope="module")
def network(design):
    return design.network


@pytest.mark.long
def test_faulty_sources(program, design, network):
    """Alarm and results are those of the golden model, for each kind of fault."""
    named = sources(network)
    named = {name: named[name] for name in (
        "healthy", "stuck at 0", "stuck at 1", "one layer stuck at 1", "correlation -1 from bit to bit",
        "correlation -1 from pass to pass")}
    figures = check_faulty(program, design, network, images_for(network, 40), named, 6)
    for name, figure in figures.items():
        assert figure["bits_as_played"] and figure["results_equal"], name
        assert figure["alarm"] == figure["alarm_golden"], name
    assert not figures["healthy"]["alarm"]
    assert figures["stuck at 0"]["alarm"] and figures["stuck at 1"]["alarm"]
    assert figures["one layer stuck at 1"]["alarm"]


@pytest.mark.long
@pytest.mark.parametrize("source, good", [(Source(), True), (Source(bias=-0.15), False)], ids=str)
def test_distribution_of_outputs(program, design, network, source, good):
    """Good bits give the distribution that enumeration gives; biased ones do not."""
    images = images_for(network, 2)
    played = source.draw(network.generator, 2 * 400 * 6 * 3, np.random.default_rng(6))
    results, _ = Simulation(design, np.tile(images, (400, 1, 1)), 6, played=played).answer(program)
    tests = output_tests("", results.record, Exact.of(network, images))
    assert bool(failures(tests, 1e-3)) != good


def test_seeded_junction(program, design, network):
    """Another seed gives other bits, of the rates of the current codes; results follow from them."""
    images, drawn = images_for(network, 30), []
    for seed in (1, 2):
        results, bits = Simulation(design, images, 6, seed=seed).answer(program)
        golden, _ = predict(network, images, bits[:30 * 6 * 3].reshape(30, 6, 3))
        assert (results.record["sum"] == golden.sums).all()
        assert (results.record["reject"] == golden.reject).all()
        drawn.append(bits[:500])
    assert (drawn[0] != drawn[1]).any()
    assert path_probabilities(network).sum() == pytest.approx(1)


@pytest.mark.long
@pytest.mark.parametrize("equal", [True, False])
def test_current_of_reset(random_network, tmp_path, equal):
    """With the current of SET, a RESET mostly fails: 77 % of the bits are 0, 85 % of those after a 0, and
    the health tests see it. With the code that is meant for it the chances are even, and they do not."""
    network = random_network(18, hidden=0)
    network = replace(network, draws=tuple(replace(draw, drops=(0.5,)) for draw in network.draws))
    target  = Target(array_rows=32, rng="mtj", passes=6, passes_max=8, clock_mhz=200.0, mtj_bits=8)
    target  = replace(target, **write_codes(network.drops, target))
    if equal:
        target = replace(target, mtj_reset_current=target.mtj_currents[0])
    build_network(network, target, tmp_path / "network")
    design = Design(tmp_path / "network")
    with compiled(design, Progress(io.StringIO())) as program:
        results, bits = Simulation(design, images_for(network, 900), 6).answer(program)
    r = switching_probability(HALF_UA, RESET_NS) if equal else 1.0
    zeros, after = 0.5 / (1 - 0.5 * (1 - r)), 1 - r + 0.5 * r
    # Within five deviations, and the half step of a code.
    rho, bits = after - 0.5, bits[:900 * 6]
    error = 5 * (zeros * (1 - zeros) * (1 + rho) / (1 - rho) / len(bits))**0.5 + 0.007
    assert abs((~bits).mean() - zeros) < error
    following = ~bits[1:][~bits[:-1]]
    assert abs(following.mean() - after) < 5 * (after * (1 - after) / len(following))**0.5 + 0.007
    assert results.alarm == equal
    assert results.alarm == (alarm_bit(bits, design.network.generator, design.network.health) is not None)


def test_faults_of_the_command(tmp_path, capsys):
    """A wrong data folder is one line, before any work."""
    assert main(["--data", str(tmp_path / "none"), "--work", str(tmp_path / "work"),
                 "--json", str(tmp_path / "out.json")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(
        f"sim.randomness: Data folder {tmp_path / 'none'} does not exist; ")
    assert not (tmp_path / "out.json").exists()


def make_evidence(failed=()):
    """What is gathered, of few sources."""
    effect = {"alarm_prediction": None, "test/cls/Acc": 0.987, "test/cls/NLL": 0.04, "test/cal/ECE": 0.003,
              "quantile/rejected": 0.05}
    ood = {"status": "run", "quantile/rejected": 0.75, "entropy": {"ood/AUROC": 0.9}}
    return {
        "passed": not failed,
        "tests": {"tests": 1459, "failed": list(failed), "smallest_p_value": 2e-5,
                  "false_alarm_rate": 0.01},
        "averages": {"generator": {"images": 8, "passes_per_image": 15360, "slope": None,
                                   "largest_error_standard_errors": 2.5}},
        "detection": {
            "predictions": 1000, "at_the_pins": {"healthy": {}, "stuck at 0": {}},
            "at_the_pins_disagreeing": [],
            "sources": {"stuck at 0": {"alarmed": 1.0, "alarmed_by_bits_alone": 0.5,
                                       "median_predictions": 1}},
            "smallest": {"bias": {"smallest_alarmed_50_percent": 0.1,
                                  "smallest_alarmed_99_percent": None}}},
        "effects": {"lenet5": {"images": {"mnist": 1000}, "passes": 20, "sources": {
            "healthy": effect, "stuck at 0": effect | {"alarm_prediction": 1, "fashion-mnist": ood}}}},
        "blocks": {"health": {"statistical tests": "9 of 9 passed"}},
    }


@pytest.mark.parametrize("failed, status", [([], 0), (["generator: rate"], 1)])
def test_report(tmp_path, monkeypatch, capsys, failed, status):
    monkeypatch.setattr(randomness, "gather", lambda *args: make_evidence(failed))
    out = tmp_path / "randomness.json"
    assert main(["--work", str(tmp_path / "work"), "--json", str(out)]) == status
    report = read_report(out)
    assert (report["target"], report["command"], report["passed"]) == (
        "randomness", "make randomness", not failed)
    assert report["summary"] == (f"1,459 statistical tests, {len(failed)} failed; 2 of 2 bad sources as in "
                                 "the golden model")
    assert report["notes"] == [f"Failed: {name}." for name in failed]
    assert report["tables"]["What faults do to lenet5, T = 20, 1,000 of mnist"] == [
        {"source": "healthy", "alarm in prediction": None, "accuracy": "98.70 %", "NLL": "0.0400",
         "ECE": "0.30 %", "rejected": "5.0 %", "Fashion-MNIST rejected": None, "AUROC": None},
        {"source": "stuck at 0", "alarm in prediction": 1, "accuracy": "98.70 %", "NLL": "0.0400",
         "ECE": "0.30 %", "rejected": "5.0 %", "Fashion-MNIST rejected": "75.0 %", "AUROC": "90.0 %"}]
    assert report["blocks"] == make_evidence()["blocks"]
    assert "Weakest faults found within 1,000 predictions\n" in capsys.readouterr().out


def test_two_in_one_folder(tmp_path, monkeypatch):
    """The second waits until the first has ended: they would write over each other's designs."""
    inside, first_may_end, running, most = threading.Event(), threading.Event(), [], []

    def gather(*args):
        running.append(args)
        most.append(len(running))
        inside.set()
        assert first_may_end.wait(60)
        running.pop()
        return make_evidence()

    monkeypatch.setattr(randomness, "gather", gather)
    work, statuses = tmp_path / "work", []

    def call(name):
        statuses.append(main(["--work", str(work), "--json", str(tmp_path / f"{name}.json")]))

    # What pytest captures may lose a line that is written while it is read.
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    threads = [threading.Thread(target=call, args=(name,)) for name in ("one", "two")]
    threads[0].start()
    assert inside.wait(60)
    threads[1].start()
    until = time.monotonic() + 60
    while "wait for another" not in stderr.getvalue() and time.monotonic() < until:
        time.sleep(0.01)
    first_may_end.set()
    for thread in threads:
        thread.join()
    assert stderr.getvalue() == f"wait for another sim.randomness in {work} to end ...\n"
    assert statuses == [0, 0] and most == [1, 1]


def test_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "work").touch()
    assert main(["--work", str(tmp_path / "work"), "--json", str(tmp_path / "out.json")]) == 2
    assert capsys.readouterr().err == (
        f"sim.randomness: Folder {tmp_path / 'work'} cannot be written (File exists); name another with "
        "--work DIR\n")
