"""Free-running Verilog: what it makes of random bits, good ones and faulty ones."""

from dataclasses import replace

import numpy as np
import pytest

from gen.build import build_network
from gen.ir import Target, load
from golden.device.junction import Dac
from golden.network import path_probabilities, predict
from golden.random.bad_sources import Source
from golden.random.generator import choices_of
from golden.random.hypothesis_tests import failures
from golden.random.quality import Exact, output_tests
from sim.bad_sources import check_faulty, sources
from sim.randomness import main
from sim.verilator import free_running


@pytest.fixture(scope="module")
def design(random_network, tmp_path_factory):
    """A small network whose bits come from the pins, with health tests that see all of them."""
    network = random_network(18, hidden=2)
    network = replace(network, layers=tuple(
        replace(layer, dropout=dropout)
        for layer, dropout in zip(network.layers, (0.5, 0.3, 0.6), strict=True)))
    codes = tuple(Dac().write_code(layer.dropout) for layer in network.layers)
    folder = tmp_path_factory.mktemp("free") / "network"
    build_network(network, Target(array_rows=32, rng="mtj", mtj_currents=codes, passes=6, passes_max=8),
                  folder)
    return free_running.build(folder)


@pytest.fixture(scope="module")
def network(design):
    return load(design.ir)


def pictures(network, count):
    return np.random.default_rng(0).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)


def test_faulty_sources(design, network):
    """Alarm and results are those of the golden model, for each kind of fault."""
    named = sources(3)
    named = {name: named[name] for name in (
        "healthy", "stuck at 0", "stuck at 1", "one layer stuck at 1", "correlation -1 from bit to bit",
        "correlation -1 from pass to pass")}
    figures = check_faulty(design, network, pictures(network, 40), named, 6)
    for name, figure in figures.items():
        assert figure["bits_as_played"] and figure["results_equal"], name
        assert figure["alarm"] == figure["alarm_golden"], name
    assert not figures["healthy"]["alarm"]
    assert figures["stuck at 0"]["alarm"] and figures["stuck at 1"]["alarm"]
    assert figures["one layer stuck at 1"]["alarm"]


@pytest.mark.parametrize("source, good", [(Source(), True), (Source(bias=-0.15), False)], ids=str)
def test_distribution_of_outputs(design, network, source, good):
    """Good bits give the distribution that enumeration gives; biased ones do not."""
    images = pictures(network, 2)
    played = source.draw(network.generator, 2 * 400 * 6 * 3, np.random.default_rng(6))
    run = free_running.run(design, np.tile(images, (400, 1, 1)), 6, played=played)
    tests = output_tests("", run.results, Exact.of(network, images))
    assert bool(failures(tests, 1e-3)) != good


def test_seeded_junction(design, network):
    """Another seed gives other bits, of the rates of the current codes; results follow from them."""
    images, drawn = pictures(network, 30), []
    for seed in (1, 2):
        run = free_running.run(design, images, 6, seed=seed)
        golden, _ = predict(network, images, choices_of(run.bits, network.generator, 30, 6))
        assert (run.results["sum"] == golden.sums).all()
        assert (run.results["reject"] == golden.reject).all()
        drawn.append(run.bits[:500])
    assert (drawn[0] != drawn[1]).any()
    assert path_probabilities(network).sum() == pytest.approx(1)


def test_faults_of_the_command(tmp_path, capsys):
    """A wrong data folder is one line, before any work."""
    assert main(["--data", str(tmp_path / "none"), "--work", str(tmp_path / "work"),
                 "--json", str(tmp_path / "out.json")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(
        f"sim.randomness: Data folder {tmp_path / 'none'} does not exist; ")
    assert not (tmp_path / "out.json").exists()
