"""Splitter: words of several pixels into pixels."""

import operator

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import counter, moves


__all__ = ["WordSplitter", "word_layout"]


def word_layout(width, per_word, passes):
    """A word of ``per_word`` pixels of ``width`` bits, the first one lowest, with the number of passes of
    its image."""
    return data.StructLayout({"pixels": width * per_word, "passes": range(passes + 1)})


class WordSplitter(wiring.Component):
    """Send the pixels of words one after another. Of the last word of an image, pixels beyond those of the
    image are dropped.

    Latency is two cycles, throughput one pixel per cycle, or with one pixel in a word one in two cycles.
    No path leads from ``o.ready`` to ``i.ready``.

    Parameters
    ----------
    pixels : int
        Pixels of an image, at least 1.
    width : int
        Bits of a pixel.
    per_word : int
        Pixels of a word, at least 1.
    passes : int
        T_max.

    Members
    -------
    i : In(stream.Signature(word_layout(width, per_word, passes)))
        Words, those of an image one after another.
    o : Out(stream.Signature(width))
        Pixels.
    passes : Out(range(passes + 1))
        Passes of the image of the pixel that is offered.
    """

    latency = 2

    def __init__(self, pixels, *, width, per_word, passes):
        self.pixels   = operator.index(pixels)
        self.per_word = operator.index(per_word)
        for name, value in (("image", self.pixels), ("word", self.per_word)):
            if value < 1:
                raise ValueError(f"Pixels of a{'n' * (name == 'image')} {name} must be at least 1, not "
                                 f"{value}")
        super().__init__({
            "i":      In(stream.Signature(word_layout(width, per_word, passes))),
            "o":      Out(stream.Signature(width)),
            "passes": Out(range(passes + 1)),
        })

    def elaborate(self, platform):
        m = Module()

        # The next word waits in a register, as memories in front are slow.
        following = Signal.like(self.i.payload)
        waiting   = Signal()
        word      = Signal.like(self.i.payload)
        width     = len(self.o.payload)
        taken     = moves(self.o)
        place     = Signal(range(self.per_word)) # in the word
        _, last_pixel = counter(m, self.pixels, taken, name="pixel")
        last  = last_pixel | (place == self.per_word - 1)
        begin = Signal()
        m.d.comb += [
            self.i.ready.eq(~waiting),
            self.o.payload.eq(word.pixels),
            self.passes.eq(word.passes),
            begin.eq(waiting & (~self.o.valid | taken & last)),
        ]
        with m.If(moves(self.i)):
            m.d.sync += [waiting.eq(1), following.eq(self.i.payload)]
        with m.If(taken):
            m.d.sync += [
                place.eq(place + 1),
                word.pixels.eq(word.pixels >> width),
                self.o.valid.eq(~last),
            ]
        with m.If(begin):
            m.d.sync += [waiting.eq(0), self.o.valid.eq(1), word.eq(following), place.eq(0)]

        return m
