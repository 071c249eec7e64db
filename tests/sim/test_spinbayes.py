# amaranth: UnusedElaboratable=no

from dataclasses import replace

import pytest

from gen.build import build, build_network, named
from gen.ir import Target
from gen.transforms.seed import seed
from golden.data import load_sample
from golden.device.junction import write_codes


IMAGES, LABELS = load_sample()

#: Inputs of the first layer are spread, as many as the interval needs.
TARGET = Target(passes=10, passes_max=16, interval=30_000)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spinbayes") / "lenet5"
    build(named("lenet5", "spinbayes"), TARGET, folder)
    return folder


@pytest.mark.long
def test_ten_images(shared, simulate, check_cycles):
    """LeNet-5 with eight arrays per layer and 10 passes: every bit, in the cycles of the estimate."""
    report = simulate(shared, IMAGES[:10], LABELS[:10])
    assert report["bit_exact"] and report["mismatches"] == 0
    check_cycles(shared, TARGET, 10, 10)


@pytest.mark.long
def test_every_map_and_array(shared, simulate):
    """Maps, pass sets, and the array that each map is for; other numbers of passes, and gaps."""
    for options in ({}, {"passes": 16}, {"duty": 0.5}):
        report = simulate(shared, IMAGES[:3], maps=True, **options)
        assert report["bit_exact"] and report["map_mismatches"] == 0


@pytest.mark.parametrize("sources, masks", [
    ("model", "random"), pytest.param("layer", "balanced", marks=pytest.mark.long)])
def test_arrays_chosen_by_junctions(random_spinbayes, tmp_path, check_maps, sources, masks):
    """The bits of a junction at the pins choose the arrays, the most significant bit first; or each bit
    has its own, as an arbiter in SpinBayes, 3.5.1, here those of the shifts of six points, for eight passes
    drawn twice. Inputs are bit-serial planes of levels of four bits, and of two, and weights the means of
    two arrays, and of three."""
    network = random_spinbayes(16, 1)
    assert [(layer.input_bits, layer.ways) for layer in network.layers] == [(4, 2), (2, 3)]
    target  = Target(array_rows=32, array_columns=max(layer.columns_per_weight for layer in network.layers),
                     rng="mtj", passes=6, passes_max=8, sources=sources, masks=masks)
    target  = replace(target, **write_codes(seed(network, target).drawn, target))
    build_network(network, target, tmp_path / "network")
    check_maps(tmp_path / "network", 12, passes=8)
    assert all(layer.crossbars > 1 for layer in network.layers)
