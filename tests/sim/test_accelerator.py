# amaranth: UnusedElaboratable=no

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from gen.build import build, build_network
from gen.ir import Target, load
from golden.data import load_sample
from golden.device.junction import Dac, write_codes


IMAGES, LABELS = load_sample()

pytestmark = pytest.mark.usefixtures("optimized")


@pytest.fixture(scope="module")
def shared(lenet5, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "lenet5"
    shutil.copytree(lenet5, folder)
    return folder


@pytest.fixture(scope="module")
def sequential(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequential") / "lenet5"
    build("lenet5", Target(schedule="sequential"), folder)
    return folder


def test_thousand_images(shared, simulate):
    """LeNet-5 with 20 passes: every bit of every result, and an interval as at one pass."""
    report = simulate(shared, IMAGES, LABELS)
    assert report["bit_exact"] and report["mismatches"] == 0
    assert (report["images"], report["passes"], report["schedule"]) == (1000, 20, "shared")
    assert report["interval_cycles"] == 784
    assert report["accuracy"] >= 0.985
    assert not report["alarm"]


@pytest.mark.parametrize("passes", [1, 20])
def test_cycles_are_the_estimate(shared, simulate, passes, check_cycles):
    """The same interval at 20 passes as at one: every cycle at which an image comes and goes."""
    report = simulate(shared, IMAGES[:20], passes=passes)
    assert report["bit_exact"]
    assert report["interval_cycles"] == 784
    check_cycles(shared, Target(), 20, passes)


def test_every_map(shared, simulate):
    report = simulate(shared, IMAGES[:20], LABELS[:20], maps=True)
    assert report["bit_exact"]
    assert (report["mismatches"], report["map_mismatches"]) == (0, 0)


@pytest.mark.parametrize("passes", [2, 32])
def test_other_numbers_of_passes(shared, simulate, passes):
    report = simulate(shared, IMAGES[:20], passes=passes, maps=True)
    assert report["bit_exact"] and report["passes"] == passes


@pytest.mark.parametrize("duty", [0.5, 0.02])
def test_back_pressure(shared, simulate, duty):
    """Gaps in front and waits behind change no bit."""
    report = simulate(shared, IMAGES[:20], maps=True, duty=duty)
    assert report["bit_exact"]
    assert "interval_cycles" not in report


def test_one_pass_after_another(shared, sequential, simulate, written, check_cycles):
    """The plain schedule takes twenty times as long and gives the same bits."""
    report = simulate(sequential, IMAGES[:50], LABELS[:50])
    assert report["bit_exact"] and report["schedule"] == "sequential"
    assert report["interval_cycles"] == 20 * 784
    check_cycles(sequential, Target(schedule="sequential"), 50, 20)
    simulate(shared, IMAGES[:50])
    assert [word for _, word in written(sequential, "r")] == [
        word for _, word in written(shared, "r")]


def test_every_map_of_every_pass(sequential, simulate):
    assert simulate(sequential, IMAGES[:5], maps=True)["bit_exact"]


@pytest.fixture(scope="module")
def mtj(random_network, tmp_path_factory):
    """A small network whose bits come from a junction."""
    network = random_network(10, hidden=2)
    network = replace(network, draws=tuple(
        replace(draw, drops=(p,)) for draw, p in zip(network.draws, (0.5, 0.2, 0.9), strict=True)))
    folder = tmp_path_factory.mktemp("mtj") / "network"
    build_network(network, Target(array_rows=32, rng="mtj", passes=6, passes_max=8,
                                  **write_codes(network.drops, Target())), folder)
    return folder


def random_images(folder, count):
    network = load((folder / "ir.json").read_text())
    return np.random.default_rng(0).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)


@pytest.mark.parametrize("duty", [1.0, 0.5])
def test_junction(mtj, simulate, duty):
    """The golden model, given the bits that the junction drew, agrees with what the design made of
    them. The bench checks the pulses."""
    report = simulate(mtj, random_images(mtj, 40), maps=True, duty=duty)
    assert report["bit_exact"] and report["map_mismatches"] == 0


def test_junction_switches_as_often_as_asked(mtj, simulate, last_run):
    """A rate that is off by five deviations has a chance of 6e-7."""
    simulate(mtj, random_images(mtj, 300), passes=8)
    bits = np.array(list((last_run(mtj) / "bits_0.txt").read_text()))[:300 * 8 * 3] == "1"
    codes = json.loads((mtj / "manifest.json").read_text())["mtj"]["currents"]
    for kept, code in zip(bits.reshape(-1, 3).T, codes, strict=True):
        p = 1 - float(Dac().probability(code, pulse_ns=16.0)) # two cycles
        assert abs(kept.mean() - p) < 5 * (p * (1 - p) / len(kept))**0.5


def test_waves(mtj, simulate):
    """Waves take another simulator; the results are the same."""
    assert simulate(mtj, random_images(mtj, 2), waves=True)["bit_exact"]
    text = (mtj / "sim_waves" / "dump.vcd").read_text()
    assert "$var" in text and " mtj__0__sense " in text
