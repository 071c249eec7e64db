# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import signed

from hdl.layer.adder_accumulator import sums_layout
from hdl.layer.scale_mux import ScaleMux, comparison_layout, gain_layout, scaled_layout
from sim.component import transfer


#: Sums, as of a layer of binary weights and of one of more bits.
COUNTS, SIGNED = range(12), range(-60, 61)
COMPARISON = comparison_layout(COUNTS)
LEVELS = comparison_layout(SIGNED, 2)
GAIN = gain_layout(signed(5), signed(7))

#: Word, sums, channels, banks, columns.
SHAPES = [
    (COMPARISON, COUNTS, 6, 2, 2),
    (COMPARISON, COUNTS, 7, 2, 3),      # last group short
    (COMPARISON, COUNTS, 4, 2, 4),      # one group: words are constants
    (COMPARISON, COUNTS, 1, 2, 1),
    (COMPARISON, COUNTS, 5, 4, 2),      # four banks, as affine dropout has
    (COMPARISON, COUNTS, 5, 3, 2),      # no power of two
    (LEVELS, SIGNED, 5, 2, 2),
    (GAIN, COUNTS, 5, 2, 1),
]


def make_banks(word, sums, channels, banks):
    """Words of extreme fields, then random ones."""
    rng = random.Random(0)
    if word is GAIN:
        fields = [{"gain": -16, "offset": -64}, {"gain": 15, "offset": 63}]
        fields += [{"gain": rng.randint(-16, 15), "offset": rng.randint(-64, 63)} for _ in range(70)]
    else:
        count  = word["threshold"].shape.length
        fields = [{"threshold": [sums.start] * count, "invert": 1},
                  {"threshold": [sums.stop] * count, "invert": 0}]
        fields += [{"threshold": sorted(rng.randint(sums.start, sums.stop) for _ in range(count)),
                    "invert": rng.getrandbits(1)} for _ in range(70)]
    return [fields[bank * channels:(bank + 1) * channels] for bank in range(banks)]


def make_groups(word, sums, banks, columns, count, selected=False):
    """Random sums of each group and their choice, and the same with the words of each lane."""
    rng, channels = random.Random(1), len(banks[0])
    inputs  = sums_layout(sums, columns=columns, arrays=len(banks) if selected else 1)
    outputs = scaled_layout(word, sums, lanes=1 if selected else len(banks), columns=columns)
    nothing = word.from_bits(0)
    groups, scaled = [], []
    for number in range(count):
        values = [rng.choice((sums[0], sums[-1], rng.choice(sums))) for _ in range(columns)]
        first  = number % -(-channels // columns) * columns
        choice = rng.randrange(len(banks)) if selected else 0
        groups.append(inputs.const({"sums": values, "choice": choice}).as_bits())
        scaled.append(outputs.const({"sums": values, "words": [
            [bank[channel] if channel < channels else nothing
             for channel in range(first, first + columns)]
            for bank in ([banks[choice]] if selected else banks)]}).as_bits())
    return groups, scaled


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("word, sums, channels, banks, columns", SHAPES)
def test_joins_words_of_the_group(word, sums, channels, banks, columns, duty):
    contents = make_banks(word, sums, channels, banks)
    groups, scaled = make_groups(word, sums, contents, columns, 40)
    passed = transfer(ScaleMux(word, [contents], sums, columns=columns), {"i": groups}, {"o": 40},
                      duty=duty)
    assert passed["o"].words == scaled


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("equal", [False, True], ids=["apart", "equal"])
@pytest.mark.parametrize("word, sums, channels, banks, columns", SHAPES)
def test_joins_words_of_the_choice(word, sums, channels, banks, columns, equal, duty):
    contents = make_banks(word, sums, channels, banks)
    if equal:
        contents = [contents[0]] * banks
    groups, scaled = make_groups(word, sums, contents, columns, 40, selected=True)
    dut = ScaleMux(word, [[bank] for bank in contents], sums, columns=columns)
    passed = transfer(dut, {"i": groups}, {"o": 40}, duty=duty)
    assert passed["o"].words == scaled
    assert len(list(dut.rows())) == -(-channels // columns) * (
        1 if equal else 1 << (banks - 1).bit_length())


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("word, sums, channels, banks, columns", SHAPES)
def test_joins_words_of_several_banks_of_the_choice(word, sums, channels, banks, columns, duty):
    """Three arrays with as many banks each, one lane for each bank."""
    made = make_banks(word, sums, channels, 3 * banks)
    contents = [made[array * banks:(array + 1) * banks] for array in range(3)]
    rng, inputs = random.Random(1), sums_layout(sums, columns=columns, arrays=3)
    outputs = scaled_layout(word, sums, lanes=banks, columns=columns)
    groups, scaled = [], []
    for number in range(40):
        values = [rng.choice(sums) for _ in range(columns)]
        first  = number % -(-channels // columns) * columns
        choice = rng.randrange(3)
        groups.append(inputs.const({"sums": values, "choice": choice}).as_bits())
        scaled.append(outputs.const({"sums": values, "words": [
            bank[first:first + columns] for bank in contents[choice]]}).as_bits())
    passed = transfer(ScaleMux(word, contents, sums, columns=columns), {"i": groups}, {"o": 40}, duty=duty)
    assert passed["o"].words == scaled


def apart(contents, selected):
    """Banks of one array, or one of each of several."""
    return [[bank] for bank in contents] if selected else [contents]


@pytest.mark.parametrize("selected", [False, True])
@pytest.mark.parametrize("word, sums, channels, banks, columns", SHAPES)
def test_timing(word, sums, channels, banks, columns, selected):
    contents = make_banks(word, sums, channels, banks)
    groups, _ = make_groups(word, sums, contents, columns, 20, selected)
    dut = ScaleMux(word, apart(contents, selected), sums, columns=columns)
    passed = transfer(dut, {"i": groups}, {"o": 20})
    assert passed["i"].cycles == list(range(20))
    assert passed["o"].cycles == [cycle + ScaleMux.latency for cycle in range(20)]


@pytest.mark.parametrize("selected", [False, True])
@pytest.mark.parametrize("word, sums, channels, banks, columns", SHAPES)
def test_fills_while_words_wait(word, sums, channels, banks, columns, selected):
    """Two groups are taken although none of theirs is; then all move together."""
    contents = make_banks(word, sums, channels, banks)
    groups, scaled = make_groups(word, sums, contents, columns, 20, selected)
    dut = ScaleMux(word, apart(contents, selected), sums, columns=columns)
    passed = transfer(dut, {"i": groups}, {"o": 20}, starts={"o": 30})
    assert passed["i"].cycles == [0, 1, *range(30, 48)]
    assert passed["o"].cycles == list(range(30, 50))
    assert passed["o"].words == scaled


@pytest.mark.parametrize("word, sums, channels, banks, columns", SHAPES)
def test_closes_up_while_words_wait(word, sums, channels, banks, columns):
    """A group that comes later is taken too: the gap before it closes."""
    contents = make_banks(word, sums, channels, banks)
    groups, _ = make_groups(word, sums, contents, columns, 4)
    dut = ScaleMux(word, [contents], sums, columns=columns)
    passed = transfer(dut, {"i": groups}, {"o": 4}, starts={"o": 300}, duty=0.2)
    assert passed["i"].cycles[1] < 300


DROPPED = [{"threshold": [1], "invert": 0}, {"threshold": [2], "invert": 1},
           {"threshold": [3], "invert": 0}]
KEPT    = [{"threshold": [4], "invert": 1}, {"threshold": [5], "invert": 0},
           {"threshold": [6], "invert": 1}]


def test_rows():
    """A word is the threshold with invert above it; columns, then banks, follow each other."""
    mux = ScaleMux(comparison_layout(range(7)), [[DROPPED, KEPT]], 3, columns=2)
    assert list(mux.rows()) == [0b0101_1100_1010_0001, 0b0000_1110_0000_0011]
    assert mux.row_width == 16


def test_rows_to_select_from():
    """Those of the arrays of a group follow each other."""
    mux = ScaleMux(comparison_layout(range(7)), [[DROPPED], [KEPT]], 3, columns=2)
    assert list(mux.rows()) == [0b1010_0001, 0b0101_1100, 0b0000_0011, 0b0000_1110]
    assert mux.row_width == 8


def test_word_of_levels():
    """Thresholds, signed, from the least; wide enough for one that no sum reaches."""
    word = comparison_layout(range(-7, 8), 2)
    assert word.const({"threshold": [-7, 0, 8], "invert": 1}).as_bits() == 0b1_01000_00000_11001


@pytest.mark.parametrize("banks, message", [
    ([[DROPPED, DROPPED[:2]]], "Bank 0 has 3 channels, but another has 2"),
    ([[DROPPED], [DROPPED[:2]]], "Bank 0 has 3 channels, but another has 2"),
    ([[DROPPED, KEPT], [KEPT]], "Array 0 has 2 banks, but another has 1"),
])
def test_rejects(banks, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        ScaleMux(COMPARISON, banks, 4, columns=1)
