"""Instances and folding for images per second."""

from dataclasses import replace

import pytest

from gen.build import estimate
from gen.check_target import ImpossibleTarget
from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.ir import Target
from gen.methods import network_of
from gen.rate import for_rate


@pytest.fixture(scope="module")
def lenet5():
    return read(SHIPPED / "lenet5.npz", network_of("lenet5"))


@pytest.mark.some(1)
@pytest.mark.parametrize("fps, options, instances, interval", [
    (159_438, {}, 1, None),
    pytest.param(160_000, {}, 2, 1562, marks=pytest.mark.long), # 781.25 cycles an image are fewer than 784
    (10_000, {}, 1, 12_500),
    # 15,680 cycles, and a longer interval is too long
    pytest.param(8_000, {"schedule": "sequential"}, 2, None, marks=pytest.mark.long),
])
def test_fewest_instances_and_longest_interval(lenet5, fps, options, instances, interval):
    """What is chosen keeps the rate, by the estimate of a build."""
    chosen = for_rate(lenet5, Target(fps=fps, **options))
    assert chosen == Target(instances=instances, interval=interval, **options)
    report = estimate(lenet5, chosen)["estimate_network_performance"]
    assert report["estimated_throughput_fps"] >= fps


def test_one_more_instance_where_the_folding_says_otherwise(random_network):
    """Images of a small network wait for its head, which no folding shows."""
    network = random_network(0, hidden=1)
    target  = Target(array_rows=64, passes=6, passes_max=6)
    one     = estimate(network, target)["estimate_network_performance"]["estimated_throughput_fps"]
    chosen  = for_rate(network, replace(target, fps=int(2.5 * one)))
    assert chosen.instances == 3


def test_other_commands_say_that_it_is_not_for_them(lenet5):
    with pytest.raises(ImpossibleTarget, match="A rate is for gen.build"):
        compile_network(lenet5, Target(fps=1000))


def test_as_it_is_without_a_rate(lenet5):
    assert for_rate(lenet5, Target()) == Target()


@pytest.mark.parametrize("options, message", [
    ({"interval": 900}, "A rate chooses the folding; leave --fps or --interval out, or take it back with "
                        "--fps none or --interval none"),
    ({"adcs": 100}, "leave --fps or --adcs out"),
    ({"luts": 9000}, "leave --fps or --luts out"),
    ({"instances": 2}, "A rate chooses the instances; leave --fps or --instances out, or take it back with "
                       "--fps none or --instances 1"),
    ({"fps": 1_500_000}, "gives about 1,190,476 images/s at 125 MHz with 64 instances, not 1,500,000: its "
                         "random bits, of one source, take 103 cycles an image; ask for fewer$"),
    ({"bus": "axi"}, "with 1 instance, not 1,000,000; several have neither a bus nor pins of arrays: leave "
                     "--bus, --board and --view out, or ask for fewer"),
    ({"fps": 1000, "bus": "uart"}, "A serial line of 3,000,000 baud brings at most 383 images/s, not "
                                   "1,000; ask for fewer, or raise --baud"),
])
def test_refuses(lenet5, options, message):
    with pytest.raises(ImpossibleTarget, match=message):
        for_rate(lenet5, Target(**{"fps": 1_000_000, **options}))
