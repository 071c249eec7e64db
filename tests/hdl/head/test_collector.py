# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.head.collector import Collector
from hdl.head.result import result_layout
from sim.component import transfer


LAYOUT = result_layout(3, 2)


def results(images, seed=1):
    """Words of the results of so many images, with anything in them but the mark of the last one."""
    rng, mark = random.Random(seed), 1 << LAYOUT["last"].offset
    return [[rng.getrandbits(LAYOUT.size) & ~mark | mark * (number == 2) for number in range(3)]
            for _ in range(images)]


@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("instances", [1, 2, 3])
def test_sends_results_in_the_order_of_the_images(instances, duty):
    images = results(7)
    passed = transfer(Collector(LAYOUT, instances),
                      {f"i_{number}": sum(images[number::instances], []) for number in range(instances)},
                      {"o": 21}, duty=duty)
    assert passed["o"].words == sum(images, [])


def test_timing():
    images = results(6)
    passed = transfer(Collector(LAYOUT, 2), {"i_0": sum(images[::2], []), "i_1": sum(images[1::2], [])},
                      {"o": 18})
    assert passed["i_0"].cycles[0] == 0
    assert passed["o"].cycles == list(range(Collector.latency, 18 + Collector.latency))


@pytest.mark.parametrize("instances", [1, 2, 3])
def test_takes_a_word_while_none_is_asked_for(instances):
    images = results(instances)
    passed = transfer(Collector(LAYOUT, instances),
                      {f"i_{number}": image for number, image in enumerate(images)},
                      {"o": 3 * instances}, starts={"o": 20})
    assert passed["o"].words == sum(images, [])
    assert passed["i_0"].cycles == [0, 20, 21]
    assert passed["o"].cycles == list(range(20, 20 + 3 * instances))


def test_waits_for_the_instance_whose_turn_it_is():
    images = results(2)
    passed = transfer(Collector(LAYOUT, 2), {"i_0": images[0], "i_1": images[1]}, {"o": 6},
                      starts={"i_0": 20})
    assert passed["o"].words == sum(images, [])
    assert passed["i_1"].cycles[0] > passed["i_0"].cycles[-1] >= 20


def test_refuses():
    with pytest.raises(ValueError, match="Instances must be at least 1, not 0"):
        Collector(LAYOUT, 0)
