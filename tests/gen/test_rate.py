"""Instances and folding for images per second."""

import pytest

from gen.build import estimate
from gen.check_target import ImpossibleTarget
from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.ir import Target
from gen.methods import network_of
from gen.rate import check_rate, for_rate


@pytest.fixture(scope="module")
def lenet5():
    return read(SHIPPED / "lenet5.npz", network_of("lenet5"))


@pytest.mark.parametrize("fps, instances, interval", [
    (1_000_000, 7, 875),    # of 784 cycles each would need 6.3
    (159_438, 1, 784),
    (160_000, 2, 1562),     # 781.25 cycles an image are fewer than 784
    (10_000, 1, 12_500),
])
def test_fewest_instances_and_longest_interval(lenet5, fps, instances, interval):
    chosen = for_rate(lenet5, Target(fps=fps))
    assert (chosen.instances, chosen.interval) == (instances, interval)
    assert chosen.fps == fps


def test_other_commands_say_that_it_is_not_for_them(lenet5):
    with pytest.raises(ImpossibleTarget, match="A rate is for gen.build"):
        compile_network(lenet5, Target(fps=1000))


def test_as_it_is_without_a_rate(lenet5):
    assert for_rate(lenet5, Target()) == Target()


@pytest.mark.parametrize("fps", [20_000, 400_000])
def test_the_estimate_keeps_the_rate(lenet5, fps):
    """With no more than it takes: layers have no folding for each number of cycles."""
    report = estimate(lenet5, Target(fps=fps))["estimate_network_performance"]
    assert fps <= report["estimated_throughput_fps"] < 1.75 * fps


@pytest.mark.parametrize("options, message", [
    ({"interval": 900}, "A rate chooses the folding; leave --fps or --interval out, or take it back with "
                        "--fps none or --interval none"),
    ({"adcs": 100}, "leave --fps or --adcs out"),
    ({"luts": 9000}, "leave --fps or --luts out"),
    ({"instances": 2}, "A rate chooses the instances; leave --fps or --instances out, or take it back with "
                       "--fps none or --instances 1"),
    ({"fps": 10**9}, "The number of instances must be from 1 to 64, not 6272"),
])
def test_refuses(lenet5, options, message):
    with pytest.raises(ImpossibleTarget, match=message):
        for_rate(lenet5, Target(**{"fps": 1_000_000, **options}))


def test_a_rate_that_is_out_of_reach(lenet5):
    """Ten instances share one source of 100 bits an image."""
    found = {"estimated_throughput_fps": 1_179_245.0, "random_cycles_per_image": 106}
    with pytest.raises(ImpossibleTarget, match="gives about 1,179,245 images/s at 125 MHz, not 1,500,000: "
                                               "its random bits take 106 cycles an image; add --sources"):
        check_rate(lenet5, Target(fps=1_500_000), found)
    with pytest.raises(ImpossibleTarget, match="ask for fewer, or for a faster clock with --clock-mhz"):
        check_rate(lenet5, Target(fps=1_179_246), found | {"random_cycles_per_image": 50})
    check_rate(lenet5, Target(fps=1_179_245), found)
