"""Pictures to segment: a digit of MNIST among pieces of other digits, and which pixels are of the digit.

It is the clutter of V. Mnih et al. (Recurrent Models of Visual Attention, 2014), where an image has one
label, with a label for each pixel.
"""

import numpy as np


__all__ = ["INK", "PIECE", "PIECES", "SIDE", "cluttered"]


SIDE   = 32  #: Rows and columns of a picture.
PIECES = 8   #: Pieces of other digits in a picture.
PIECE  = 8   #: Rows and columns of a piece.
INK    = 128 #: A pixel of the digit is of class 1 from this value on; all others are of class 0.


def cluttered(digits: np.ndarray, others: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures, uint8 (N, 32, 32), and the class of each of their pixels, uint8 (N, 32, 32), one for
    each of the ``digits``, uint8 (N, 28, 28), with pieces of ``others`` (M, 28, 28).

    Where the digit stands, and the pieces, are random; what overlaps is as bright as the brighter. The
    pictures of the first digits are the same whatever digits follow.
    """
    # A row of numbers for each picture: where the digit is, and of each piece from where to where it goes.
    chosen = iter(np.random.default_rng(seed).random((len(digits), 2 + 5 * PIECES)).T)
    every  = np.arange(len(digits))[:, None, None]

    def corners(room):
        """A place in ``room`` rows and columns for each picture, (N, 1, 1)."""
        return [(next(chosen) * room).astype(int)[:, None, None] for _ in range(2)]

    def square(side):
        return np.ogrid[:side, :side]

    pictures = np.zeros((len(digits), SIDE, SIDE), np.uint8)
    (top, left), (rows, columns) = corners(SIDE - digits.shape[1] + 1), square(digits.shape[1])
    pictures[every, top + rows, left + columns] = digits
    labels = (pictures >= INK).astype(np.uint8)
    rows, columns = square(PIECE)
    for _ in range(PIECES):
        number = (next(chosen) * len(others)).astype(int)[:, None, None]
        (top, left), (down, right) = corners(others.shape[1] - PIECE + 1), corners(SIDE - PIECE + 1)
        place = every, down + rows, right + columns
        pictures[place] = np.maximum(pictures[place], others[number, top + rows, left + columns])
    return pictures, labels
