# amaranth: UnusedElaboratable=no
"""What several instances are estimated to do, and what is not for them."""

from dataclasses import replace

import pytest

from gen.build import BuildError, build_network
from gen.check_target import ImpossibleTarget, check_target
from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.estimate import estimate_network
from gen.instances import lower_instances, performance_of_instances
from gen.ir import Target
from gen.lower import lower
from gen.methods import network_of


def performance(instances, **options):
    target  = Target(instances=instances, **options)
    network = compile_network(read(SHIPPED / "lenet5.npz", network_of("lenet5")), target)
    one     = lower(network, replace(target, instances=1))
    report  = estimate_network(one, network, target.passes, target.clock_mhz)
    return report, performance_of_instances(report, one, target), one


def test_as_many_times_as_fast():
    """784 pixels at 7 a cycle are 112 words, and 100 random bits take less."""
    one, several, accelerator = performance(7)
    assert one["interval_cycles"] == 784
    assert several["interval_cycles"] == several["interval_cycles_mean"] == 112
    assert several["pixels_per_word"] == 7
    assert several["estimated_throughput_fps"] == pytest.approx(7 * one["estimated_throughput_fps"])
    assert several["random_cycles_per_image"] == one["random_cycles_per_image"] + 2 < 112
    assert several["interval"] == "about" and not several["exact"]


def test_random_bits_that_all_share_set_the_interval():
    """Of 16 instances the 100 random bits of an image are the slowest, so words need no more pixels."""
    _, several, _ = performance(16)
    drawing = several["random_cycles_per_image"]
    assert 100 < drawing < 112
    assert several["interval_cycles"] == drawing
    assert several["pixels_per_word"] == 8 and 784 / 8 <= drawing < 784 / 7


def test_results_that_leave_one_after_another(random_network):
    """While the positions of an image are answered one by one, no other result leaves."""
    target  = Target(array_rows=32, passes=8)
    network = compile_network(random_network(1, hidden=1, answered=(3, 3)), target)
    one     = lower(network, target)
    report  = estimate_network(one, network, 8, 125.0)
    several = performance_of_instances(report, one, replace(target, instances=64))
    # Of each of nine positions two probabilities come, totals are stored in 8 cycles, a word takes three.
    assert several["interval_cycles"] == several["interval_cycles_mean"] == 8 * (2 + 8 + 2 * 3 + 1) + 2 * 3
    assert report["interval_cycles_mean"] > several["interval_cycles_mean"]


def test_images_that_take_longer_than_their_pixels():
    """One after another 20 passes take 15,680 cycles: then a pixel in a cycle is enough."""
    one, several, _ = performance(4, schedule="sequential")
    assert several["interval_cycles"] == one["interval_cycles"] / 4 > 784
    assert several["pixels_per_word"] == 1


def test_what_instances_share_is_there_once(random_network):
    target  = Target(array_rows=16, array_columns=4, passes=3, passes_max=5, instances=3)
    several = lower_instances(compile_network(random_network(0, 2), target), target, 2)
    inside  = several.accelerator.blocks
    assert {"rng", "health_0", "dispatcher", "draw_order", "collector"} <= set(several.blocks)
    assert not {"rng", "health_0"} & set(inside) and "mask_bank" in inside
    assert len(several.pixels.payload) == 16
    assert "alarm" in several.signature.members and "alarm" not in several.accelerator.signature.members


@pytest.mark.parametrize("options, message", [
    ({"bus": "axi"}, "nor pins of arrays; leave --instances out, or --bus axi"),
    ({"view": "macro"}, "nor pins of arrays; leave --instances out, or --view macro"),
    ({"instances": 0}, "The number of instances must be from 1 to 64, not 0"),
])
def test_refuses(options, message):
    with pytest.raises(ImpossibleTarget, match=message):
        check_target(Target(**{"instances": 2, **options}))


def test_no_standard_cells(random_network, tmp_path):
    liberty = tmp_path / "cells.lib"
    liberty.write_text("")
    with pytest.raises(BuildError, match="Standard cells are mapped for one instance; leave out --liberty "
                                         "or --instances"):
        build_network(random_network(0, 2), Target(instances=2), tmp_path / "out", liberty=str(liberty))
