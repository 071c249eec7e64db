"""Every way in which a list of maps can be wrong is counted."""

import numpy as np
import pytest

from sim.compare.maps import _differences


PASSES_MAX = 5

#: Pass sets of three images at T = 4, with what the passes of each have: two maps of two words.
SETS = [[{0, 2}, {1, 3}], [{0, 1, 2, 3}], [{3}, {0}, {1, 2}]]


#: By image and pass, the last pass of the set.
SHARED = np.array([[max(next(passes for passes in image if one in passes)) for one in range(4)]
                   for image in SETS])


def maps(sets=SETS):
    """Pass sets and words as bits; the word of a map tells its image and least pass."""
    rows, words = [], []
    for number, image in enumerate(sets):
        for index, passes in enumerate(image):
            rows.append([one in passes for one in range(PASSES_MAX)] + [index + 1 == len(image), 0])
            words += [[number, min(passes, default=0)]] * 2
    return np.array(rows, np.uint8), np.array(words)


def expected():
    return [np.array([[[number, min(next(passes for passes in image if one in passes))]] * 2
                      for number, image in enumerate(SETS)]) for one in range(4)]


def differences(sets, words):
    return _differences(sets, words, 2, expected(), SHARED, None, PASSES_MAX)


def test_equal():
    assert differences(*maps()) == 0


@pytest.mark.parametrize("word", range(12))
def test_wrong_word(word):
    sets, words = maps()
    words[word, 1] += 1
    assert differences(sets, words) == sets[word // 2, :PASSES_MAX].sum()


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("bit", range(PASSES_MAX + 1))
def test_wrong_set(number, bit):
    """A pass too many or too few, one that is beyond T, and a wrong end of an image."""
    sets, words = maps()
    sets[number, bit] ^= 1
    assert differences(sets, words) > 0


def test_a_map_that_is_sent_twice():
    """Passes that are to share a map have one each, which is that of both: two sets are wrong."""
    sets, words = maps([[{0}, {2}, {1, 3}], *SETS[1:]])
    words[2:4, 1] = 0
    assert differences(sets, words) == 2


@pytest.mark.parametrize("sets", [
    [*SETS[:2], [{3}, {0}, set(), {1, 2}]],  # an empty one
    [*SETS, [{0, 1, 2, 3}]],                 # an image too many
    SETS[:2],                                # one too few
])
def test_wrong_number_of_maps(sets):
    assert differences(*maps(sets)) > 0


def test_words_that_do_not_come():
    sets, words = maps()
    assert differences(sets, words[:-1]) > 0
    assert differences(sets, words[:0]) > 0


@pytest.mark.parametrize("number", range(6))
def test_wrong_array(number):
    sets, words = maps()
    choice = np.zeros((3, 4), int)
    compared = sets, words, 2, expected(), SHARED, choice, PASSES_MAX
    assert _differences(*compared) == 0
    sets[number, -1] = 1
    assert _differences(*compared) == sets[number, :PASSES_MAX].sum()
