# amaranth: UnusedElaboratable=no
"""The words of a result, and what is added up for them."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from hdl.head.softmax import PROBABILITY


__all__ = ["SMALL", "place_layout", "products_signature", "result_layout", "totals_layout"]


#: Most entries of a memory that is read within a cycle.
SMALL = 64


def result_layout(classes, passes):
    """One word of a result: the statistics of a class, and those of all classes. A result has the words of
    one position, or of several one after another; the last word of all has ``last``.

    ``prediction`` (class of the largest sum, the lowest on a tie), ``reject`` (Scale-Dropout, eq. 26: no
    class was confident in enough of the passes) and ``passes`` are the same in all words of a position.
    Of a regression (:class:`hdl.head.offset_binary.OffsetBinary`) p is the word of a number, and votes,
    confident passes and ``prediction`` mean nothing.
    ``error`` is 1 from the first fault on that the checks of the hardware or of its random bits have
    found, until reset: no such result can be trusted.
    """
    return data.StructLayout({
        "sum":        range(passes * ((1 << PROBABILITY) - 1) + 1),      # of p, Q0.16
        "square":     range(passes * ((1 << PROBABILITY) - 1) ** 2 + 1), # of p * p, Q0.32
        "votes":      range(passes + 1),  # passes in which the class was the largest
        "confident":  range(passes + 1),  # passes in which p reached the confidence threshold
        "prediction": range(max(classes, 2)),
        "reject":     1,
        "passes":     range(passes + 1),
        "last":       1,
        "error":      1,
    })


def place_layout(places):
    """Where the statistics of a class of a position are: their place among ``places``, one for each class
    of each position, and whether they are the ``first`` of the position."""
    return data.StructLayout({"place": range(places), "first": 1})


def totals_layout(passes):
    """Fields of a result that are added up over the leaves of an image, for one class."""
    result = result_layout(1, passes)
    return data.StructLayout({name: result[name].shape for name in ("sum", "square", "confident")})


def products_signature(passes):
    """What a leaf of ``c`` passes adds to the totals of a class: ``c * p``, ``c * p * p`` and, if ``p`` is
    confident, ``c``.

    ``c * p * p`` comes as two products, with the lower and the upper half of ``p * p``.
    """
    product = Shape.cast(range(passes + 1)).width + PROBABILITY
    return wiring.Signature({
        "sum":         Out(product),
        "square_low":  Out(product),
        "square_high": Out(product),
        "confident":   Out(range(passes + 1)),
    })
