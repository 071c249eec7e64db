"""Order of the words of a map that is sent larger than it is stored."""

import math

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import counter


__all__ = ["Resize", "sent_words"]


class Resize(wiring.Component):
    """Number the words of a map in the order in which they are sent of a larger one, each pixel of which is
    the nearest of the map: each word as often as the factor to the right says, each row as often as the
    factor down. So a map is stored once, and becomes larger as it is read.

    Latency is none: a step is to the next word, of the next map behind the last one.

    Parameters
    ----------
    height, width : int
        Height and width of the map that is stored.
    factor : tuple of int
        How often rows and columns are repeated, each at least 1.

    Members
    -------
    step : In(1)
        A word is sent in this cycle.
    word : Out(range(height * width))
        Number of the next word, in raster order of the map that is stored.
    first, last : Out(1)
        It is the first one of the larger map, or the last.
    """

    def __init__(self, height, width, factor):
        self.height = height
        self.width  = width
        self.factor = tuple(factor)
        for name, value in (("Height", height), ("Width", width), *(("Factor", each) for each in factor)):
            if value < 1:
                raise ValueError(f"{name} of a map that is resized must be at least 1, not {value!r}")
        #: Words of the larger map.
        self.words = height * width * math.prod(factor)
        super().__init__({
            "step":  In(1),
            "word":  Out(range(height * width)),
            "first": Out(1, init=1),
            "last":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        down, right = self.factor
        step = self.step
        ends = []
        for length, name in ((right, "copy"), (self.width, "x"), (down, "line"), (self.height, "y")):
            _, end = counter(m, length, step, name=name)
            ends.append(end)
            step = step & end
        copied, row_ends, repeated, _ = ends
        m.d.comb += self.last.eq(Cat(ends).all())
        with m.If(self.step):
            m.d.sync += self.first.eq(self.last)
            with m.If(self.last):
                m.d.sync += self.word.eq(0)
            with m.Elif(copied & row_ends & ~repeated):
                m.d.sync += self.word.eq(self.word - (self.width - 1))
            with m.Elif(copied):
                m.d.sync += self.word.eq(self.word + 1)

        return m


def sent_words(m, words, resize, step):
    """Return the number of the word of a map that is sent next, and whether it is the first one and the
    last: of ``words`` one after another, or in the order of ``resize`` if there is one. A word is sent in
    each cycle in which ``step`` is 1."""
    if resize is None:
        word, last = counter(m, words, step, name="word")
        return word, word == 0, last
    m.submodules.resize = resize
    m.d.comb += resize.step.eq(step)
    return resize.word, resize.first, resize.last
