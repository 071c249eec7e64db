# amaranth: UnusedElaboratable=no

from dataclasses import replace

import numpy as np
import pytest

from gen.build import build, build_network, named
from gen.ir import Target
from gen.transforms.seed import seed
from golden.data import load_sample
from golden.device.junction import write_codes


IMAGES, LABELS = load_sample()

TARGET = Target(passes=10, passes_max=16)


def make(tmp_path_factory, name, target=TARGET, **options):
    folder = tmp_path_factory.mktemp("spinbayes") / name
    build(named(name, "spinbayes", **options), target, folder)
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return make(tmp_path_factory, "lenet5")


def test_sixty_images(shared, simulate, check_cycles):
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


def test_one_pass_after_another(shared, tmp_path_factory, simulate, written, check_cycles):
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


@pytest.mark.parametrize("sources, masks", [("model", "random"), ("layer", "balanced")])
def test_arrays_chosen_by_junctions(random_spinbayes, tmp_path, simulate, sources, masks):
    """The bits of a junction at the pins choose the arrays, the most significant bit first; or each bit
    has its own, as an arbiter in SpinBayes, 3.5.1, here those of the shifts of six points, for eight passes
    drawn twice."""
    network = random_spinbayes(16, 1)
    target  = Target(array_rows=32, array_columns=max(layer.columns_per_weight for layer in network.layers),
                     rng="mtj", passes=6, passes_max=8, sources=sources, masks=masks)
    target  = replace(target, **write_codes(seed(network, target).drawn, target))
    build_network(network, target, tmp_path / "network")
    images = np.random.default_rng(0).integers(
        0, 256, (12, network.input.height, network.input.width), dtype=np.uint8)
    report = simulate(tmp_path / "network", images, maps=True, passes=8)
    assert all(layer.crossbars > 1 for layer in network.layers)
    assert report["bit_exact"] and report["map_mismatches"] == 0
