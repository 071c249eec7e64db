import itertools
import re

import numpy as np
import pytest

from gen.orthogonal_array import exists, orthogonal_array


#: Below a hundred, of multiples of 4, those that fields of primes and doubling do not give.
UNKNOWN = (52, 92)

KNOWN = (2, *(runs for runs in range(4, 100, 4) if runs not in UNKNOWN))


def correlations(array, order):
    """Of each ``order`` columns, how much their product is off from 0 on average."""
    signs = 1 - 2 * array
    return np.array([signs[:, list(some)].prod(1).mean()
                     for some in itertools.combinations(range(array.shape[1]), order)])


def test_exists():
    assert [runs for runs in range(-4, 100) if exists(runs)] == [1, *KNOWN]


@pytest.mark.parametrize("runs", [2, 4, 8, 12, 16, 20, 24, 28, 36, 44, 72])
def test_strength_two(runs):
    """Each column has as many 0 as 1, and of each two columns all four pairs come equally often: of all
    columns that there can be, and of a few."""
    for columns in {1, min(5, runs - 1), runs - 1}:
        array = orthogonal_array(runs, columns)
        assert array.shape == (runs, columns) and set(np.unique(array)) == {0, 1}
        for order in range(1, min(columns, 2) + 1):
            assert not correlations(array, order).any()


@pytest.mark.parametrize("runs, columns, strength", [
    (8, 4, 3), (16, 5, 4), (16, 8, 3), (24, 12, 3), (32, 5, 5), (40, 20, 3)])
def test_more_than_strength_two(runs, columns, strength):
    """Where more is possible; 32 rows of 5 columns are all that there are."""
    array = orthogonal_array(runs, columns)
    for order in range(1, strength + 1):
        assert not correlations(array, order).any()


def test_three_columns_of_twelve_rows():
    """As far as they can be from one another: of no choice of columns correlate three less."""
    assert abs(correlations(orthogonal_array(12, 5), 3)) == pytest.approx(np.full(10, 1 / 3))


@pytest.mark.parametrize("runs, columns", [(52, 5), (6, 2), (12, 12), (12, 0)])
def test_rejects(runs, columns):
    with pytest.raises(ValueError, match="^" + re.escape(
            "Orthogonal array must have rows of a known number, more than its columns, not "
            f"{runs} by {columns}") + "$"):
        orthogonal_array(runs, columns)
