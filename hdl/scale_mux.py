"""Scale memory and the multiplexer that gives each lane the words of its bank."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["ScaleMux", "comparison_layout", "gain_layout", "scaled_layout"]


def comparison_layout(fan_in):
    """Word of a hidden layer: the bit of a channel is ``(n >= threshold) ^ invert``."""
    return data.StructLayout({"threshold": range(fan_in + 2), "invert": 1})


def gain_layout(gain, offset):
    """Word of the output layer: the logit of a channel is ``gain * n + offset``."""
    return data.StructLayout({"gain": gain, "offset": offset})


def scaled_layout(word, sum_shape, *, banks, columns):
    """Payload of :class:`ScaleMux`'s output."""
    return data.StructLayout({
        "sums":  data.ArrayLayout(sum_shape, columns),
        "words": data.ArrayLayout(data.ArrayLayout(word, columns), banks),
    })


class ScaleMux(wiring.Component):
    """Join the sums of a group of channels with the words of these channels, one lane per bank.

    What Scale-Dropout multiplies by (eq. 7) is folded into one word per channel and bank. Bank 0 is
    that of the dropped scale, bank 1 that of the kept one. Which lanes belong to a pass at all is
    settled by the pass sets, so both lanes are filled. Groups of channels come round in order.

    Latency is two cycles, throughput one group per cycle.

    Parameters
    ----------
    word : amaranth.lib.data.StructLayout
        Shape of a word.
    banks : sequence of sequence of dict
        Per bank and channel the fields of a word.
    sum_shape : shape-like
        Shape of a sum.
    columns : int
        Channels of a group. Channels beyond the last have words of zero.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(sum_shape, columns)))
        Sums.
    o : Out(stream.Signature(scaled_layout(word, sum_shape, banks, columns)))
        Sums and the words of each bank.
    """

    latency = 2

    def __init__(self, word, banks, sum_shape, *, columns):
        self.word     = word
        self.banks    = tuple(tuple(bank) for bank in banks)
        self.columns  = columns
        self.channels = len(self.banks[0])
        for bank in self.banks:
            if len(bank) != self.channels:
                raise ValueError(f"Bank 0 has {self.channels} channels, but another has {len(bank)}")
        super().__init__({
            "i": In(stream.Signature(data.ArrayLayout(sum_shape, columns))),
            "o": Out(stream.Signature(
                scaled_layout(word, sum_shape, banks=len(self.banks), columns=columns))),
        })

    def rows(self):
        """Words of each group of channels, as integers: one row of the scale memory each."""
        width = Shape.cast(self.word).width
        for first in range(0, self.channels, self.columns):
            row = 0
            for number, bank in enumerate(self.banks):
                for column, fields in enumerate(bank[first:first + self.columns]):
                    row |= self.word.const(fields).as_bits() << (
                        (number * self.columns + column) * width)
            yield row

    @property
    def row_width(self):
        """Bits of a row."""
        return Shape.cast(self.word).width * self.columns * len(self.banks)

    def elaborate(self, platform):
        m = Module()

        rows  = list(self.rows())
        words = Signal(self.o.payload.words.shape())
        sums  = Signal.like(self.i.payload)
        valid, advance, move = Signal(), Signal(), Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            move.eq(~valid | advance),
            self.i.ready.eq(move),
        ]

        if len(rows) == 1:
            m.d.comb += Value.cast(words).eq(rows[0])
        else:
            group, group_next = Signal(range(len(rows))), Signal(range(len(rows)))
            m.submodules.scales = scales = memory.Memory(
                shape=len(Value.cast(words)), depth=len(rows), init=rows)
            port = scales.read_port()
            m.d.comb += [
                group_next.eq(Mux(group == len(rows) - 1, 0, group + 1)),
                port.addr.eq(group),
                port.en.eq(move),
                Value.cast(words).eq(port.data),
            ]
            with m.If(self.i.valid & move):
                m.d.sync += group.eq(group_next)

        with m.If(move):
            m.d.sync += [valid.eq(self.i.valid), sums.eq(self.i.payload)]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(valid),
                self.o.payload.sums.eq(sums),
                self.o.payload.words.eq(words),
            ]

        return m
