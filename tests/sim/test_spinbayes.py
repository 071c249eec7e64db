# amaranth: UnusedElaboratable=no

import numpy as np
import pytest

from gen.build import build, build_network, named
from gen.estimate import timeline
from gen.ir import Target, load
from gen.lower import lower
from golden.data import load_sample
from golden.device import Dac
from golden.random import choices


IMAGES, LABELS = load_sample()

TARGET = Target(passes=10, passes_max=16)


def make(tmp_path_factory, name, target=TARGET, **options):
    folder = tmp_path_factory.mktemp("spinbayes") / name
    build(named(name, "spinbayes", **options), target, folder)
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return make(tmp_path_factory, "lenet5")


def written(folder, kind):
    """Lines of the last run, as the harness wrote them: ``p`` per first pixel, ``r`` per word."""
    lines = (folder / "sim_build" / "results.txt").read_text().splitlines()
    return [line.split()[1:] for line in lines if line[0] == kind]


def check_cycles(folder, target, images, passes):
    """Compare the last run with the estimate for the arrays that were drawn."""
    network  = load((folder / "ir.json").read_text())
    estimate = timeline(lower(network, target), choices(network.generator, images, passes))
    first, *_ = pixels = [int(cycle) for cycle, in written(folder, "p")]
    ends = [int(cycle) for cycle, _ in written(folder, "r")[9::10]]
    assert estimate.exact
    assert tuple(cycle - first for cycle in pixels) == estimate.first_pixels
    assert tuple(cycle - first for cycle in ends) == estimate.results


def test_sixty_images(shared, simulate):
    """LeNet-5 with eight arrays per layer and 10 passes: every bit, in the cycles of the estimate."""
    report = simulate(shared, IMAGES[:60], LABELS[:60])
    assert report["bit_exact"] and report["mismatches"] == 0
    assert report["accuracy"] >= 0.95
    check_cycles(shared, TARGET, 60, 10)


def test_every_map_and_array(shared, simulate):
    """Maps, pass sets, and the array that each map is for; other numbers of passes, and gaps."""
    for options in ({}, {"passes": 16}, {"duty": 0.5}):
        report = simulate(shared, IMAGES[:5], maps=True, **options)
        assert report["bit_exact"] and report["map_mismatches"] == 0


def test_one_pass_after_another(shared, tmp_path_factory, simulate):
    """The plain schedule takes longer and gives the same bits."""
    target = Target(passes=10, passes_max=16, schedule="sequential")
    folder = make(tmp_path_factory, "lenet5", target)
    assert simulate(folder, IMAGES[:8], maps=True)["bit_exact"]
    check_cycles(folder, target, 8, 10)
    simulate(shared, IMAGES[:8])
    assert [word for _, word in written(folder, "r")] == [word for _, word in written(shared, "r")]
    assert int(written(folder, "r")[-1][0]) > int(written(shared, "r")[-1][0])


def test_levels_of_several_bits_and_ways(tmp_path_factory, simulate):
    """Bit-serial planes of 4-bit levels, several thresholds per channel, and the mean of two arrays."""
    folder = make(tmp_path_factory, "lenet5_4bit", crossbars=4, ways=2)
    report = simulate(folder, IMAGES[:5], LABELS[:5], maps=True)
    assert report["bit_exact"] and report["map_mismatches"] == 0


def test_arrays_chosen_by_a_junction(random_spinbayes, tmp_path, simulate):
    """The bits of a junction at the pins choose the arrays, the most significant bit first."""
    network = random_spinbayes(16, 1)
    target  = Target(array_rows=32, array_columns=max(layer.columns_per_weight for layer in network.layers),
                     rng="mtj", mtj_currents=(Dac().write_code(0.5),) * 2, passes=6, passes_max=8)
    build_network(network, target, tmp_path / "network")
    images = np.random.default_rng(0).integers(
        0, 256, (12, network.input.height, network.input.width), dtype=np.uint8)
    report = simulate(tmp_path / "network", images, maps=True)
    assert all(layer.crossbars > 1 for layer in network.layers)
    assert report["bit_exact"] and report["map_mismatches"] == 0
