"""Words of a result as packets of AXI4-Stream."""

import operator

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.head.result import result_layout
from hdl.stream import moves


__all__ = ["FLAGS", "RECORD", "ResultOutput", "packet_layout", "record_layout"]


#: Flags of a record, the first one lowest, with what each means.
FLAGS = {
    "last":     "the last record of an image",
    "reject":   "no class was confident in enough of the passes",
    "error":    "from the first fault or alarm on, until reset: no such result can be trusted",
    "mismatch": "the packet of the image was too short or too long",
}

#: Fields of a record, the first one lowest, with the bits and the meaning of each.
RECORD = {
    "square":     (64, "sum over the passes of p squared, of this class; Q0.32"),
    "sum":        (32, "sum over the passes of p, of this class; Q0.16"),
    "votes":      (32, "passes in which this class had the largest probability"),
    "confident":  (32, "passes in which p of this class reached the confidence threshold"),
    "prediction": (32, "class of the image, in all its records; of a position, in all of its own"),
    "passes":     (32, "T of the image, in all its records"),
    "flags":      (32, "see below"),
}


def record_layout():
    """A word of a result for software: each field is a whole number of 32-bit words, little-endian."""
    return data.StructLayout({name: bits for name, (bits, _) in RECORD.items()})


def packet_layout(width):
    """A beat of AXI4-Stream whose bytes are all kept: TDATA and TLAST."""
    return data.StructLayout({"data": width, "last": 1})


class ResultOutput(wiring.Component):
    """Send the words of a result as records (:func:`record_layout`), and those of an image as a packet.

    Latency is one cycle. A record takes as many cycles as it has beats.

    Parameters
    ----------
    classes, passes : int
        See :class:`hdl.head.averaging.Averaging`.
    width : int
        Bits of a beat: those of a record are a multiple of it.

    Members
    -------
    i : In(stream.Signature(result_layout(classes, passes)))
        Results.
    marks : In(stream.Signature(1))
        For each image, whether its packet was of a wrong length. It is taken with the last word of the
        image.
    o : Out(stream.Signature(packet_layout(width)))
        Packets, the lowest beat of a record first.
    sent : Out(1)
        1 for a cycle as a packet ends.
    """

    latency = 1

    def __init__(self, classes, passes, *, width=128):
        self.width = operator.index(width)
        if self.width < 8 or record_layout().size % self.width:
            raise ValueError(f"Width must divide a record of {record_layout().size} bits into bytes, not "
                             f"{width!r}")
        self.beats = record_layout().size // self.width
        super().__init__({
            "i":     In(stream.Signature(result_layout(classes, passes))),
            "marks": In(stream.Signature(1)),
            "o":     Out(stream.Signature(packet_layout(self.width))),
            "sent":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        word   = Signal.like(self.i.payload)
        mark   = Signal()
        full   = Signal()
        beat   = Signal(range(self.beats))
        final  = Signal() # beat of the record
        free   = Signal()
        record = Signal(record_layout())
        m.d.comb += [
            *(record[name].eq(word[name]) for name in RECORD if name != "flags"),
            record.flags.eq(Cat(mark if name == "mismatch" else word[name] for name in FLAGS)),
            final.eq(beat == self.beats - 1),
            self.o.valid.eq(full),
            self.o.payload.data.eq(record.as_value().word_select(beat, self.width)),
            self.o.payload.last.eq(word.last & final),
            self.sent.eq(moves(self.o) & self.o.payload.last),
            free.eq(~full | self.o.ready & final),
            self.i.ready.eq(free & self.marks.valid),
            self.marks.ready.eq(free & self.i.valid & self.i.payload.last),
        ]
        with m.If(moves(self.o)):
            m.d.sync += beat.eq(Mux(final, 0, beat + 1))
        with m.If(free):
            m.d.sync += full.eq(moves(self.i))
        with m.If(moves(self.i)):
            m.d.sync += [word.eq(self.i.payload), mark.eq(self.marks.payload)]

        return m
