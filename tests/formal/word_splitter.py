"""Proofs about words of several pixels."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.input.word_splitter import WordSplitter
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def sends_each_pixel_once(m, dut):
    """Pixel p of an image is pixel ``p % per_word`` of word ``p // per_word`` of the image, with the passes
    of that word; nothing else is sent.

    Images are numbered modulo 4, more than can be in flight. One pixel of each image is followed.
    """
    free(m, dut)
    words = -(-dut.pixels // dut.per_word)
    width = len(dut.o.payload)
    followed = AnyConst(range(dut.pixels))
    m.d.comb += Assume(followed < dut.pixels)
    word, entering    = Signal(range(words)), Signal(2)
    pixel, leaving    = Signal(range(dut.pixels)), Signal(2)
    values = [Signal(width + len(dut.passes), name=f"value_{image}") for image in range(4)]
    known  = Signal(4) # the followed pixel of an image has entered
    with m.If(moved(dut.i)):
        m.d.sync += word.eq(Mux(word == words - 1, 0, word + 1))
        with m.If(word == words - 1):
            m.d.sync += entering.eq(entering + 1)
        for at in range(dut.pixels):
            payload = dut.i.payload
            with m.If((followed == at) & (word == at // dut.per_word)):
                part = payload.pixels.word_select(at % dut.per_word, width)
                for image, value in enumerate(values):
                    with m.If(entering == image):
                        m.d.sync += [value.eq(part | payload.passes << width),
                                     known.bit_select(image, 1).eq(1)]
    with m.If(dut.o.valid & (pixel == followed)):
        for image, value in enumerate(values):
            with m.If(leaving == image):
                m.d.comb += [Assert(known[image]), Assert(dut.o.payload == value[:width]),
                             Assert(dut.passes == value[width:])]
    with m.If(moved(dut.o)):
        m.d.sync += pixel.eq(Mux(pixel == dut.pixels - 1, 0, pixel + 1))
        with m.If(pixel == followed):
            m.d.sync += known.bit_select(leaving, 1).eq(0)
        with m.If(pixel == dut.pixels - 1):
            m.d.sync += leaving.eq(leaving + 1)
            m.d.comb += Cover(leaving == 2)


MAKE = partial(WordSplitter, 3, width=1, per_word=2, passes=1)

PROOFS = [Proof(MAKE, keeps_stream_rules), Proof(MAKE, sends_each_pixel_once),
          Proof(partial(WordSplitter, 2, width=1, per_word=1, passes=1), sends_each_pixel_once),
          Proof(partial(WordSplitter, 2, width=1, per_word=3, passes=1), sends_each_pixel_once),
          Readiness(MAKE)]
