# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import signed, unsigned

from hdl.layer.scale_mux import gain_layout, scaled_layout
from hdl.layer.value_scaler import ValueScaler
from sim.compare.packing import unpack
from sim.component import transfer


WORD = gain_layout(signed(6), signed(9))

SHAPES = [unsigned(4), range(-60, 61)]


def make_sums(shape, lanes, columns, bits, dropped):
    """Extreme and random sums and words, most of which are close to where their values change, and these
    values."""
    rng  = random.Random(0)
    zero = 2**(bits - 1)
    sums = shape if isinstance(shape, range) else range(16)
    extremes = [(value, gain, offset) for value in (sums[0], sums[-1], 0)
                for gain in (-32, -1, 0, 1, 31) for offset in (-256, -1, 0, 1, 255)]

    def draw(value=None):
        value, gain = rng.choice(sums) if value is None else value, rng.randint(-32, 31)
        step = (rng.randint(-zero, zero) << dropped) - rng.randint(0, 1) - gain * value
        return value, gain, step if -256 <= step < 256 else rng.randint(-256, 255)

    scaled, values = [], []
    for number in range(len(extremes) + 30):
        first  = extremes[number] if number < len(extremes) else draw()
        groups = [first[0], *(draw()[0] for _ in range(columns - 1))]
        words  = [[{"gain": gain, "offset": offset} for _, gain, offset in (
            first if lane + column == 0 else draw(groups[column]) for column in range(columns))]
            for lane in range(lanes)]
        scaled.append(scaled_layout(WORD, shape, lanes=lanes, columns=columns).const(
            {"sums": groups, "words": words}).as_bits())
        values.append([min(max(word["gain"] * value + word["offset"] >> dropped, -zero), zero - 1) + zero
                       for of_lane in words for word, value in zip(of_lane, groups, strict=True)])
    return scaled, values


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("lanes, columns, bits, dropped", [(1, 1, 8, 0), (2, 3, 4, 2), (1, 2, 2, 5)])
@pytest.mark.parametrize("shape", SHAPES, ids=["counts", "signed"])
def test_values(shape, lanes, columns, bits, dropped, duty):
    """Rounded down, and held at the least and the most that the bits can say."""
    sums, values = make_sums(shape, lanes, columns, bits, dropped)
    assert {0, 2**bits - 1} <= {value for of_group in values for value in of_group}
    passed = transfer(ValueScaler(WORD, shape, bits=bits, dropped=dropped, lanes=lanes, columns=columns),
                      {"i": sums}, {"o": len(sums)}, duty=duty)
    assert [unpack(word, bits, lanes * columns) for word in passed["o"].words] == values


def test_timing():
    sums, _ = make_sums(SHAPES[0], 2, 2, 4, 1)
    passed = transfer(ValueScaler(WORD, SHAPES[0], bits=4, dropped=1, lanes=2, columns=2), {"i": sums},
                      {"o": len(sums)})
    assert passed["i"].cycles == list(range(len(sums)))
    assert passed["o"].cycles == [cycle + ValueScaler.latency for cycle in passed["i"].cycles]
