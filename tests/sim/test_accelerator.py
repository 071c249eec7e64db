# amaranth: UnusedElaboratable=no

import shutil

import pytest

from gen.build import build
from gen.ir import Target
from golden.data import load_sample


IMAGES, LABELS = load_sample()


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


@pytest.mark.long
@pytest.mark.usefixtures("optimized")
def test_thousand_images(shared, simulate):
    """LeNet-5 with 20 passes: every bit of every result, and an interval as at one pass."""
    report = simulate(shared, IMAGES, LABELS)
    assert report["bit_exact"] and report["mismatches"] == 0
    assert (report["images"], report["passes"], report["schedule"]) == (1000, 20, "shared")
    assert report["interval_cycles"] == 784
    assert report["accuracy"] >= 0.985
    assert not report["alarm"]


@pytest.mark.some(1)
@pytest.mark.parametrize("passes", [1, 20])
def test_cycles_are_the_estimate(shared, simulate, passes, check_cycles):
    """The same interval at 20 passes as at one: every cycle at which an image comes and goes."""
    report = simulate(shared, IMAGES[:20], passes=passes)
    assert report["bit_exact"]
    assert report["interval_cycles"] == 784
    check_cycles(shared, Target(), 20, passes)


@pytest.mark.some(2)
@pytest.mark.parametrize("passes, duty", [(20, 1.0), (2, 1.0), (32, 1.0), (20, 0.5), (20, 0.02)])
def test_every_map(shared, simulate, passes, duty):
    """Of any number of passes; gaps in front and waits behind change no bit."""
    report = simulate(shared, IMAGES[:20], LABELS[:20], maps=True, passes=passes, duty=duty)
    assert report["bit_exact"] and report["passes"] == passes
    assert (report["mismatches"], report["map_mismatches"]) == (0, 0)
    assert duty == 1 or "interval_cycles" not in report


@pytest.mark.long
@pytest.mark.usefixtures("optimized")
def test_one_pass_after_another(shared, sequential, simulate, written, check_cycles):
    """The plain schedule takes twenty times as long and gives the same bits."""
    report = simulate(sequential, IMAGES[:50], LABELS[:50])
    assert report["bit_exact"] and report["schedule"] == "sequential"
    assert report["interval_cycles"] == 20 * 784
    check_cycles(sequential, Target(schedule="sequential"), 50, 20)
    simulate(shared, IMAGES[:50])
    assert [word for _, word in written(sequential, "r")] == [
        word for _, word in written(shared, "r")]


@pytest.mark.long
@pytest.mark.usefixtures("optimized")
def test_every_map_of_every_pass(sequential, simulate):
    assert simulate(sequential, IMAGES[:5], maps=True)["bit_exact"]
