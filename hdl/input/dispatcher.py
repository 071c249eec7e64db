# amaranth: UnusedElaboratable=no
"""Dispatcher: images to several instances of an accelerator, in turn."""

import operator

from amaranth import *
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.input.word_splitter import WordSplitter
from hdl.stream import counter, moves


__all__ = ["Dispatcher"]


class Dispatcher(wiring.Component):
    """Give one image after another to one instance after another.

    Images enter in words of several pixels, since an instance may take one pixel in each cycle, and all
    together as many as there are instances. In front of each instance an image can wait.

    Latency is ``latency`` cycles from the first word of an image to its first pixel, throughput one word
    per cycle while the instance whose turn it is has space.

    Parameters
    ----------
    pixels : int
        Pixels of an image.
    width : int
        Bits of a pixel.
    per_word : int
        Pixels of a word.
    passes : int
        T_max.
    instances : int
        Instances, at least 1.
    protect : bool
        Check the parity of words that wait.

    Members
    -------
    i : In(stream.Signature(width * per_word))
        Words of images back to back, the first pixel lowest. The last word of an image is filled up with
        what is ignored.
    passes : In(range(passes + 1))
        Passes T of the image whose first word is taken.
    o : tuple of stream.Signature(width), as Out
        Pixels for each instance. The ports are named ``o_0`` and so on.
    o_passes : tuple of range(passes + 1), as Out
        For each instance the passes of the image of the pixel that is offered. The ports are named
        ``o_passes_0`` and so on.
    error : Out(1)
        1 for a cycle after a word has lost its parity. Only with ``protect``.
    """

    #: Cycles through the queue, and through the splitter.
    latency = 2 + WordSplitter.latency

    def __init__(self, pixels, *, width, per_word, passes, instances, protect=False):
        self.pixels    = operator.index(pixels)
        self.per_word  = operator.index(per_word)
        self.instances = operator.index(instances)
        self.protect   = protect
        if self.instances < 1:
            raise ValueError(f"Instances must be at least 1, not {instances!r}")
        self.splitters = [WordSplitter(pixels, width=width, per_word=per_word, passes=passes)
                          for _ in range(self.instances)]
        #: Words of an image.
        self.words = -(-self.pixels // self.per_word)
        super().__init__({
            "i":      In(stream.Signature(width * per_word)),
            "passes": In(range(passes + 1)),
            **{f"o_{number}": Out(stream.Signature(width)) for number in range(self.instances)},
            **{f"o_passes_{number}": Out(range(passes + 1)) for number in range(self.instances)},
            **error_port(protect),
        })

    @property
    def o(self):
        return tuple(getattr(self, f"o_{number}") for number in range(self.instances))

    @property
    def o_passes(self):
        return tuple(getattr(self, f"o_passes_{number}") for number in range(self.instances))

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        word, last = counter(m, self.words, moves(self.i), name="word")
        turn   = Signal(self.instances, init=1) # one-hot
        space  = Signal(self.instances)
        with m.If(moves(self.i) & last):
            m.d.sync += turn.eq(turn.rotate_left(1))
        m.d.comb += self.i.ready.eq((turn & space).any())
        # Passes are those of the first word.
        passes = Signal.like(self.passes)
        kept   = Signal.like(self.passes)
        m.d.comb += passes.eq(Mux(word == 0, self.passes, kept))
        m.d.sync += kept.eq(passes)

        for number, splitter in enumerate(self.splitters):
            m.submodules[f"splitter_{number}"] = splitter
            entry = Cat(self.i.payload, passes)
            m.submodules[f"queue_{number}"] = queue = fifo.SyncFIFOBuffered(
                width=len(entry) + parity.bits, depth=self.words + 2) # two are on their way out
            m.d.comb += [
                space[number].eq(queue.w_rdy),
                queue.w_en.eq(self.i.valid & turn[number]),
                queue.w_data.eq(parity.stored(entry)),
                splitter.i.payload.eq(queue.r_data[:len(entry)]),
                splitter.i.valid.eq(queue.r_rdy),
                queue.r_en.eq(splitter.i.ready),
                self.o_passes[number].eq(splitter.passes),
            ]
            parity.check(queue.r_data, queue.r_rdy & queue.r_en, slow=True)
            connect(m, splitter.o, flipped(self.o[number]))
        parity.report()

        return m
