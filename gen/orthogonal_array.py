"""Orthogonal arrays of two levels and strength 2, from Hadamard matrices."""

import itertools
from functools import cache

import numpy as np


__all__ = ["exists", "orthogonal_array"]


#: Most columns that are chosen one by one; of more, the last ones of the matrix are as good as any.
_CHOSEN = 32


def exists(runs: int) -> bool:
    """Whether :func:`orthogonal_array` knows an array of ``runs`` rows: of 2, 4, and of most multiples of 4
    (R. Paley, "On orthogonal matrices", Journal of Mathematics and Physics 12, 1933, with fields of primes,
    and J. Sylvester's doubling). Of 52, 92 and 100, the first that it does not know, there are some."""
    return _hadamard(runs) is not None


def orthogonal_array(runs: int, columns: int) -> np.ndarray:
    """Return an array of 0 and 1, (``runs``, ``columns``): in each two columns all four pairs come equally
    often (Plackett and Burman, "The design of optimum multifactorial experiments", 1946).

    Columns of a Hadamard matrix are taken one after another, each that with which three of them, then
    four, correlate least (as in the generalized minimum aberration of Deng and Tang, 1999). So the mean
    over the rows is exact of what is a sum of functions of two columns, and nearly that of functions of
    three or four. 5 columns of 16 rows have strength 4.

    Raises
    ------
    ValueError
        If there is no such matrix (:func:`exists`), or it has not so many columns beside that of ones.
    """
    matrix = _hadamard(runs)
    if matrix is None or not 0 < columns < runs:
        raise ValueError(f"Orthogonal array must have rows of a known number, more than its columns, not "
                         f"{runs} by {columns}")
    matrix = matrix * matrix[0]     # the first row,
    matrix = matrix * matrix[:, :1] # and then the first column, is all ones
    # Of the last half, three columns do not correlate where the matrix was doubled.
    signs, _ = min((_least_correlated(matrix[:, :runs - pool - 1:-1], columns)
                    for pool in (runs - 1, runs // 2) if columns <= pool), key=lambda found: found[1])
    return (1 - signs) // 2


def _least_correlated(pool, columns):
    """Return so many ``columns`` of ``pool``, each that which correlates least with those before, and how
    much three and four of them do."""
    taken, sums = [0], np.zeros(2)
    for _ in range(1, min(columns, _CHOSEN)):
        found = np.zeros((2, pool.shape[1]))
        for each, order in zip(found, (2, 3), strict=True):
            products = [pool[:, list(some)].prod(1) for some in itertools.combinations(taken, order)]
            if products:
                each[:] = ((np.array(products) @ pool)**2).sum(0)
        found[:, taken] = np.inf
        best = int(np.lexsort((*found[::-1],))[0])
        taken.append(best)
        sums += found[:, best]
    taken += [column for column in range(pool.shape[1]) if column not in taken][:columns - len(taken)]
    return pool[:, taken], tuple(sums)


@cache
def _hadamard(order):
    """A Hadamard matrix of this order, of 1 and -1, or None."""
    if order in (1, 2):
        return np.array([[1, 1], [1, -1]])[:order, :order]
    if order < 1 or order % 4:
        return None
    half = _hadamard(order // 2)
    if half is not None:
        return np.kron([[1, 1], [1, -1]], half)
    if _prime(order - 1):
        matrix = _conference(order - 1)
        matrix[1:, 0] *= -1
        return matrix + np.eye(order, dtype=int)
    if _prime(order // 2 - 1): # which is 1 modulo 4, as the half is no multiple of 4
        matrix = _conference(order // 2 - 1)
        return np.kron(matrix, [[1, 1], [1, -1]]) + np.kron(np.eye(len(matrix), dtype=int),
                                                            [[1, -1], [-1, -1]])
    return None


def _conference(prime):
    """The quadratic residues modulo ``prime``, 1 and -1, of differences of rows and columns, with a row and
    a column of ones in front; 0 on the diagonal."""
    character = -np.ones(prime, dtype=int)
    character[np.arange(prime)**2 % prime] = 1
    character[0] = 0
    number = np.arange(prime)
    matrix = np.ones((prime + 1, prime + 1), dtype=int)
    matrix[0, 0]   = 0
    matrix[1:, 1:] = character[(number[:, None] - number) % prime]
    return matrix


def _prime(number):
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
