# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.layer.array import ArrayGeometry
from hdl.layer.choice_queue import ArrayQueue, MaskQueue
from hdl.layer.reader import choice_layout
from sim.compare.packing import pack
from sim.component import transfer


def geometry(fan_in, arrays=1):
    return ArrayGeometry(fan_in, 2, rows_per_read=fan_in, columns_per_read=1, arrays=arrays)


def arrays_and_answers(fan_in, arrays, maps):
    """A queue, arrays that enter it, and what leaves."""
    shape   = geometry(fan_in, arrays)
    chosen  = [random.Random(arrays).randrange(arrays) for _ in range(maps)]
    layout  = choice_layout(fan_in, shape)
    return ArrayQueue(fan_in, shape), chosen, [layout.const({"choice": one}).as_bits() for one in chosen]


def masks_and_answers(fan_in, groups, maps):
    """A queue, masks that enter it, and what leaves: each with the number of inputs that it keeps."""
    shape   = geometry(fan_in)
    rng     = random.Random(groups)
    masks   = [0, 2**groups - 1, *(rng.getrandbits(groups) for _ in range(maps - 2))]
    layout  = choice_layout(fan_in, shape, groups)
    return MaskQueue(fan_in, shape, groups=groups), masks, [layout.const(
        {"kept": mask, "count": fan_in // groups * mask.bit_count()}).as_bits() for mask in masks]


def grouped(channel_groups, taps):
    """As :func:`masks_and_answers`, of several groups of channels: each with the number of inputs that it
    keeps of each of them."""
    def make(fan_in, groups, maps):
        shape   = geometry(fan_in)
        rng     = random.Random(groups)
        masks   = [0, 2**groups - 1, *(rng.getrandbits(groups) for _ in range(maps - 2))]
        layout  = choice_layout(fan_in, shape, groups, channel_groups)
        channels, answers = fan_in // taps, []
        for mask in masks:
            counts = [0] * channel_groups
            for place in range(fan_in * channel_groups):
                counts[place // channels % channel_groups] += mask >> place % groups & 1
            answers.append(layout.const(
                {"kept": mask, "count": pack(counts, fan_in.bit_length())}).as_bits())
        queue = MaskQueue(fan_in, shape, groups=groups, channel_groups=channel_groups, taps=taps)
        return queue, masks, answers
    return make


QUEUES = [(arrays_and_answers, 4, 2), (arrays_and_answers, 4, 5), (masks_and_answers, 4, 1),
          (masks_and_answers, 12, 4), (masks_and_answers, 40, 40), (grouped(3, 9), 9, 3),
          (grouped(2, 4), 12, 6), (grouped(2, 4), 12, 24), (grouped(4, 2), 6, 12)]


@pytest.mark.parametrize("starts", [{}, {"o": 100}, {"i": 50}])
@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("make, fan_in, count", QUEUES)
def test_keeps_the_order(make, fan_in, count, duty, starts):
    queue, entering, leaving = make(fan_in, count, 20)
    passed = transfer(queue, {"i": entering}, {"o": len(leaving)}, duty=duty, starts=starts)
    assert passed["o"].words == leaving
    if "o" in starts:
        assert sum(cycle < 100 for cycle in passed["i"].cycles) == queue.AHEAD


@pytest.mark.parametrize("make, fan_in, count", QUEUES)
def test_timing(make, fan_in, count):
    """One in every cycle, as long as they are taken at once."""
    queue, entering, leaving = make(fan_in, count, 8)
    passed = transfer(queue, {"i": entering[:1]}, {"o": 1})
    assert passed["o"].cycles[0] == passed["i"].cycles[0] + queue.latency
    if queue.latency < queue.AHEAD:
        passed = transfer(queue, {"i": entering}, {"o": len(leaving)})
        assert passed["o"].cycles == [cycle + queue.latency for cycle in passed["i"].cycles]
        assert passed["i"].cycles == [*range(8)]
