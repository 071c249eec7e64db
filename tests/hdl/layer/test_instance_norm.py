# amaranth: UnusedElaboratable=no

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from hdl.layer.adder_accumulator import sums_layout
from hdl.layer.instance_norm import InstanceNorm
from sim.compare.packing import pack
from sim.component import transfer


@dataclass
class Case:
    """Shape of a block; banks are gains and offsets, "w" random, "b" random, or a number for all."""

    sums: range
    height: int
    width: int
    size: tuple[int, int]
    channels: int
    columns: int
    banks: tuple = (("w", "b"), ("w", 0), (8, "b"), (8, 0))
    arrays: int = 1


CASES = [
    Case(range(26), 4, 4, (2, 2), 3, 3),  # codes; one group
    Case(range(-25, 26), 5, 7, (2, 2), 6, 2),  # signed; rows and columns that fill no window
    Case(range(-9, 10), 3, 2, (1, 1), 5, 2),  # a last group that is not full
    Case(range(-9, 10), 1, 11, (1, 4), 3, 2),  # one row; windows of one row
    Case(range(-9, 10), 5, 4, (3, 4), 3, 2),  # one window, that the map is no multiple of
    Case(range(13), 1, 1, (1, 1), 7, 7),  # a word a map, and the next in the next cycle
    Case(range(-4, 5), 1, 1, (1, 1), 1, 1),  # a single sum is its own mean
    Case(range(13), 1, 1, (1, 1), 12, 1),
    Case(range(-6, 7), 2, 3, (1, 1), 3, 3, arrays=3),
    Case(range(26), 4, 3, (2, 2), 2, 1, arrays=2),
    Case(range(26), 2, 2, (1, 1), 40, 40),  # a tree that is longer than the comparison
    Case(range(-25, 26), 2, 2, (2, 2), 3, 2, (("w", "b"),)),
    Case(range(-25, 26), 2, 3, (1, 1), 4, 3, ((-3, 0), (0, "b"), ("w", 0), ("v", "a"), (5, 0))),
    Case(range(8), 2, 2, (1, 1), 3, 2, ((1, 0),)),  # nothing to multiply and no offset
    Case(range(2), 2, 2, (1, 1), 3, 2, ((0, 0), (4, 4))),  # all equal to their mean: every bit is 1
]


def make(case, seed=0, protect=False):
    """The block, and ``gain`` and ``offset`` of its banks, int (arrays, lanes, channels)."""
    rng, known = np.random.default_rng(seed), {}

    def vector(what, most):
        if not isinstance(what, str):
            return np.full((case.arrays, case.channels), what)
        return known.setdefault(what, rng.integers(-most, most + 1, (case.arrays, case.channels)))

    gain, offset = (np.stack([vector(bank[part], most) for bank in case.banks], 1)
                    for part, most in enumerate((20, 100)))
    banks = [[[{"gain": int(one), "offset": int(other)} for one, other in zip(*both, strict=True)]
              for both in zip(*of_array, strict=True)] for of_array in zip(gain, offset, strict=True)]
    return InstanceNorm(banks, case.sums, case.height, case.width, size=case.size, columns=case.columns,
                        protect=protect), gain, offset


def distance(case, gain, offset, sums, channel):
    """How far the closest value of ``channel`` is from being equal to the mean of a map, or just below;
    ``gain`` and ``offset`` are those of the channels."""
    down, right = case.size
    height, width = case.height // down * down, case.width // right * right
    pooled = sums[:height, :width, :case.channels].reshape(
        height // down, down, width // right, right, -1).max((1, 3))
    z   = gain * pooled + offset
    off = z.size * z[..., channel] - z.sum()
    return min(np.abs(off).min(), np.abs(off + 1).min())


def shape_of(case):
    """Height, width, and channels of the groups that a map of sums comes in."""
    return case.height, case.width, -(-case.channels // case.columns) * case.columns


def largest_and_least(case, gain):
    """The maps with the largest and the least total of each array and lane, with the array."""
    for array, lane, least in itertools.product(range(case.arrays), range(len(case.banks)), (False, True)):
        up = np.resize(gain[array, lane] > 0, shape_of(case)[2]) ^ least
        yield np.broadcast_to(np.where(up, case.sums.stop - 1, case.sums.start), shape_of(case)), array


def close_to_the_mean(case, gain, offset, maps, rng):
    """So many maps in each of which one value is close to the mean, with their arrays; with as many as
    there are arrays, lanes and channels, in each of these."""
    each = list(itertools.product(range(case.arrays), range(len(case.banks)), range(case.channels)))
    for number in rng.permutation(len(each))[:maps]:
        array, lane, channel = each[number]
        yield make_sums(case, gain[array, lane], offset[array, lane], channel, rng), array


def make_sums(case, gain, offset, channel, rng):
    """A map in which one value of ``channel`` is close to the mean."""
    shape = shape_of(case)
    far = functools.partial(distance, case, gain, offset, channel=channel)
    best = rng.integers(case.sums.start, case.sums.stop, shape)
    for _ in range(40):
        sums = best.copy()
        sums[tuple(map(rng.integers, shape))] = rng.integers(case.sums.start, case.sums.stop)
        best = min(sums, best, key=lambda sums: far(sums=sums))
    return best


def make_maps(case, gain, offset, maps=8, seed=1):
    """Words of so many maps at most that are hard to compare, and of those with extreme totals, mixed; and
    of the bits that they become by a loop over all sums."""
    rng    = np.random.default_rng(seed)
    layout = sums_layout(case.sums, columns=case.columns, arrays=case.arrays)
    groups = -(-case.channels // case.columns)
    words, expected = [], []
    chosen = [*largest_and_least(case, gain), *close_to_the_mean(case, gain, offset, maps, rng)]
    rng.shuffle(chosen)
    for sums, array in chosen:
        # What comes for channels that there are not is anything.
        words += [layout.const({"sums": group.tolist(), "choice": array}).as_bits()
                  for group in sums.reshape(-1, case.columns)]
        pooled = [[[max(int(sums[y * case.size[0] + dy, x * case.size[1] + dx, channel])
                        for dy in range(case.size[0]) for dx in range(case.size[1]))
                    for channel in range(case.channels)]
                   for x in range(case.width // case.size[1])]
                  for y in range(case.height // case.size[0])]
        bits = np.zeros((len(pooled), len(pooled[0]), len(case.banks), groups * case.columns), int)
        for lane in range(len(case.banks)):
            z = [[[int(gain[array, lane, channel]) * value + int(offset[array, lane, channel])
                   for channel, value in enumerate(position)] for position in row] for row in pooled]
            every = [value for row in z for position in row for value in position]
            for y, row in enumerate(z):
                for x, position in enumerate(row):
                    for channel, value in enumerate(position):
                        bits[y, x, lane, channel] = len(every) * value >= sum(every)
        bits = bits.reshape(*bits.shape[:3], groups, case.columns).swapaxes(2, 3)
        expected += [pack(word, 1) for word in bits.reshape(-1, len(case.banks) * case.columns)]
    return words, expected


def real(case, words):
    """Words without the bits of channels that there are not."""
    groups = -(-case.channels // case.columns)
    kept   = []
    for number, word in enumerate(words):
        count = min(case.columns, case.channels - number % groups * case.columns)
        lane  = (1 << count) - 1
        mask  = sum(lane << index * case.columns for index in range(len(case.banks)))
        kept.append(word & mask)
    return kept


@pytest.mark.some(13)
@pytest.mark.parametrize("duty", [1.0, 0.6, 0.1])
@pytest.mark.parametrize("case", CASES)
def test_compares_with_the_mean(case, duty):
    """Of maps back to back, in which each value is close to the mean once, and with gaps."""
    dut, gain, offset = make(case)
    words, bits = make_maps(case, gain, offset, 8 if duty < 1 else gain.size, seed=round(10 * duty))
    passed = transfer(dut, {"i": words}, {"o": len(bits)}, duty=duty)
    assert real(case, passed["o"].words) == bits
    assert len(set(bits)) > 1 or case.channels == 1 or case.sums == range(2)


@pytest.mark.some(5)
@pytest.mark.parametrize("case", CASES)
def test_timing(case):
    """The bits of a map come in consecutive cycles, the last of them when the latency says."""
    dut, gain, offset = make(case)
    words, bits = make_maps(case, gain, offset)
    passed = transfer(dut, {"i": words}, {"o": len(bits)})
    assert passed["i"].cycles == list(range(len(words)))
    groups = -(-case.channels // case.columns)
    ends = []
    for number in range(len(words) // (case.height * case.width * groups)):
        last = ((case.height // case.size[0] * case.size[0] - 1) * case.width
                + case.width // case.size[1] * case.size[1]) * groups - 1
        ends.append(number * case.height * case.width * groups + last + dut.latency)
    assert passed["o"].cycles == [end - before for end in ends for before in reversed(range(dut.words))]


@pytest.mark.some(5)
@pytest.mark.parametrize("case", CASES)
def test_protected_gives_the_same(case):
    """Without an error."""
    dut, gain, offset = make(case, protect=True)
    words, bits = make_maps(case, gain, offset)

    async def watch(ctx):
        async for _, _, error in ctx.tick().sample(dut.error):
            assert not error

    passed = transfer(dut, {"i": words}, {"o": len(bits)}, processes=(watch,))
    assert real(case, passed["o"].words) == bits
    assert passed["o"].cycles[-1] == transfer(
        make(case)[0], {"i": words}, {"o": len(bits)})["o"].cycles[-1]


def test_what_is_stored():
    """Banks of an affine dropout share what they can: a product and the sum, and one offset."""
    dut, *_ = make(CASES[1])
    assert dut.gain_mux.word["value"].shape.length == dut.offset_mux.word["value"].shape.length == 1
    assert list(dut.offset_mux.i.payload.sums[0].shape().members) == ["term_0", "term_1"]
    assert dut.words == 2 * 3 * 3 and dut.count == 2 * 3 * 6 and dut.depth == dut.words + dut.lead
