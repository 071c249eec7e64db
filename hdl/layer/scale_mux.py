"""Scale memory and the multiplexer that gives sums the words of their bank."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port, with_parity
from hdl.layer.adder_accumulator import sums_layout


__all__ = ["ScaleMux", "comparison_layout", "gain_layout", "scaled_layout"]


def comparison_layout(sums, bits=1):
    """Word of a hidden layer: the level of a channel, of ``bits`` bits, is the number of thresholds
    that the sum, one of the range ``sums``, has reached; its bits are inverted where ``invert`` is 1.

    Thresholds ascend. One of ``sums.start`` is always reached, one of ``sums.stop`` never.
    """
    return data.StructLayout({
        "threshold": data.ArrayLayout(range(sums.start, sums.stop + 1), 2**bits - 1),
        "invert":    1,
    })


def gain_layout(gain, offset):
    """Word of the output layer: the scaled sum of a channel is ``gain * sum + offset``."""
    return data.StructLayout({"gain": gain, "offset": offset})


def scaled_layout(word, sum_shape, *, banks, columns):
    """Payload of :class:`ScaleMux`'s output."""
    return data.StructLayout({
        "sums":  data.ArrayLayout(sum_shape, columns),
        "words": data.ArrayLayout(data.ArrayLayout(word, columns), banks),
    })


class ScaleMux(wiring.Component):
    """Join the sums of a group of channels with the words of these channels.

    What Scale-Dropout multiplies by (eq. 7) is folded into one word per channel and bank. Bank 0 is
    that of the dropped scale, bank 1 that of the kept one. Which lanes belong to a pass at all is
    settled by the pass sets, so both lanes are filled.

    With ``selected`` there is one lane, and bank ``n`` is that of array ``n`` (SpinBayes): sums get
    the words of the bank that their choice names. Banks that are all equal are stored once.

    Groups of channels come round in order. Latency is two cycles, throughput one group per cycle.

    Parameters
    ----------
    word : amaranth.lib.data.StructLayout
        Shape of a word.
    banks : sequence of sequence of dict
        Per bank and channel the fields of a word. A :exc:`ValueError` is raised unless all have as
        many channels.
    sum_shape : shape-like
        Shape of a sum.
    columns : int
        Channels of a group. Channels beyond the last have words of zero.
    selected : bool
        One lane, of the chosen bank, instead of a lane for each bank. A :exc:`ValueError` is raised
        if then the number of banks is not a power of two.
    protect : bool
        Check the parity of rows of the memory.

    Members
    -------
    i : In(stream.Signature(sums_layout(sum_shape, columns, arrays)))
        Sums, of one array or, with ``selected``, of as many as there are banks.
    o : Out(stream.Signature(scaled_layout(word, sum_shape, lanes, columns)))
        Sums and the words of each lane.
    error : Out(1)
        1 for a cycle after a row has lost its parity. Only with ``protect``.
    """

    latency = 2

    def __init__(self, word, banks, sum_shape, *, columns, selected=False, protect=False):
        self.word     = word
        self.banks    = tuple(tuple(bank) for bank in banks)
        self.columns  = columns
        self.selected = selected
        self.protect  = protect
        self.channels = len(self.banks[0])
        self.lanes    = 1 if selected else len(self.banks)
        for bank in self.banks:
            if len(bank) != self.channels:
                raise ValueError(f"Bank 0 has {self.channels} channels, but another has {len(bank)}")
        if selected and len(self.banks) & len(self.banks) - 1:
            raise ValueError(f"Number of banks must be a power of two, not {len(self.banks)}")
        arrays = len(self.banks) if selected else 1
        super().__init__({
            "i": In(stream.Signature(sums_layout(sum_shape, columns=columns, arrays=arrays))),
            "o": Out(stream.Signature(
                scaled_layout(word, sum_shape, banks=self.lanes, columns=columns))),
            **error_port(protect),
        })

    @property
    def stored(self):
        """Banks from which a selected one is chosen; 1 where all are equal."""
        return 1 if all(bank == self.banks[0] for bank in self.banks) else len(self.banks)

    def rows(self):
        """Rows of the scale memory, as integers: the words of a group of channels of all banks.

        With ``selected`` a row is of one bank, and the rows of a group follow each other. With
        ``protect`` the top bit of a row is its parity.
        """
        banks = [[self.word.const(fields).as_bits() for fields in bank] for bank in self.banks]
        ways  = [[bank] for bank in banks[:self.stored]] if self.selected else [banks]
        width = Shape.cast(self.word).width
        for first in range(0, self.channels, self.columns):
            for lanes in ways:
                row = sum(word << (lane * self.columns + column) * width
                          for lane, bank in enumerate(lanes)
                          for column, word in enumerate(bank[first:first + self.columns]))
                yield with_parity(row, self.row_width - 1) if self.protect else row

    @property
    def row_width(self):
        """Bits of a row."""
        return Shape.cast(self.word).width * self.columns * self.lanes + self.protect

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        rows  = list(self.rows())
        words = Signal(self.o.payload.words.shape())
        sums  = Signal.like(self.i.payload.sums)
        valid   = Signal()
        advance = Signal()
        move    = Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            move.eq(~valid | advance),
            self.i.ready.eq(move),
        ]

        if len(rows) == 1:
            m.d.comb += Value.cast(words).eq(rows[0])
        else:
            groups = -(-self.channels // self.columns)
            group      = Signal(range(groups))
            group_next = Signal(range(groups))
            m.submodules.scales = scales = memory.Memory(
                shape=self.row_width, depth=len(rows), init=rows)
            port = scales.read_port()
            m.d.comb += [
                group_next.eq(Mux(group == groups - 1, 0, group + 1)),
                port.addr.eq(Cat(self.i.payload.choice, group) if len(rows) > groups else group),
                port.en.eq(move),
                Value.cast(words).eq(port.data),
            ]
            parity.check(port.data, valid, slow=True)
            with m.If(self.i.valid & move):
                m.d.sync += group.eq(group_next)

        with m.If(move):
            m.d.sync += [valid.eq(self.i.valid), sums.eq(self.i.payload.sums)]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(valid),
                self.o.payload.sums.eq(sums),
                self.o.payload.words.eq(words),
            ]
        parity.report()

        return m
