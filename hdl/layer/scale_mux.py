"""Scale memory: joins sums with the thresholds or gains of their channels and bank."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port, with_parity
from hdl.layer.adder_accumulator import sums_layout
from hdl.stream import counter, moves, vacant


__all__ = ["ScaleMux", "comparison_layout", "gain_layout", "scaled_layout", "signed_shape"]


def comparison_layout(sums, bits=1):
    """Word of a channel of a hidden layer: ``2 ** bits - 1`` ascending thresholds for a sum in the range
    ``sums``, and ``invert``.

    The level of the channel is the number of thresholds that the sum has reached, its bits inverted if
    ``invert`` is 1. A threshold of ``sums.start`` is always reached, one of ``sums.stop`` never.
    """
    return data.StructLayout({
        "threshold": data.ArrayLayout(range(sums.start, sums.stop + 1), 2**bits - 1),
        "invert":    1,
    })


def signed_shape(values):
    """The narrowest signed shape of all integers ``values``."""
    return signed(1 + max((value if value >= 0 else ~value).bit_length() for value in values))


def gain_layout(gain, offset):
    """Word of a channel of the output layer, whose scaled sum is ``gain * sum + offset``."""
    return data.StructLayout({"gain": gain, "offset": offset})


def scaled_layout(word, sum_shape, *, lanes, columns):
    """Sums of a group of channels, and in every lane the words of these channels."""
    return data.StructLayout({
        "sums":  data.ArrayLayout(sum_shape, columns),
        "words": data.ArrayLayout(data.ArrayLayout(word, columns), lanes),
    })


def _bits(shape, value):
    """Return ``shape.const(value).as_bits()``, in a quarter of the time: large networks have many words."""
    if not isinstance(shape, data.Layout):
        return value & (1 << Shape.cast(shape).width) - 1
    bits = 0
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        field = shape[key]
        bits |= _bits(field.shape, part) << field.offset
    return bits


class ScaleMux(wiring.Component):
    """Join the sums of a group of channels with the words of these channels from the scale memory.

    The scale of Scale-Dropout (eq. 7) is folded into one word per channel and bank: one bank has the words
    without the scale (dropped), another those with it (kept). There is one lane per bank, and the results
    of all are always computed: one that no pass uses has an empty pass set, and
    :class:`hdl.pass_sets.map_buffer.MapBuffer` discards it.

    Sums of one of several arrays, or sets of arrays (SpinBayes), take the words of that one: the ``choice``
    of the sums selects them. Where they are the same for all arrays they are stored once.

    Groups of channels come in order, again and again. Latency is two cycles, throughput one group per
    cycle.

    Parameters
    ----------
    word : amaranth.lib.data.StructLayout
        Shape of a word.
    banks : sequence of sequence of sequence of dict
        Per array or set of arrays, bank and channel the fields of a word. A :exc:`ValueError` is raised
        unless all banks have the same number of channels, and all arrays of banks.
    sum_shape : shape-like
        Shape of a sum.
    columns : int
        Channels of a group. Channels of the last group beyond those of a bank have words of zero.
    protect : bool
        Check the parity of rows of the memory.

    Members
    -------
    i : In(stream.Signature(sums_layout(sum_shape, columns, arrays)))
        Sums, each of one of the arrays.
    o : Out(stream.Signature(scaled_layout(word, sum_shape, lanes, columns)))
        Sums and the words of each lane.
    error : Out(1)
        1 for a cycle after a row has lost its parity. Only with ``protect``.
    """

    latency = 2

    def __init__(self, word, banks, sum_shape, *, columns, protect=False):
        self.word     = word
        self.banks    = tuple(tuple(map(tuple, of_array)) for of_array in banks)
        self.columns  = columns
        self.protect  = protect
        self.arrays   = len(self.banks)
        self.lanes    = len(self.banks[0])
        self.channels = len(self.banks[0][0])
        for of_array in self.banks:
            if len(of_array) != self.lanes:
                raise ValueError(f"Array 0 has {self.lanes} banks, but another has {len(of_array)}")
            for bank in of_array:
                if len(bank) != self.channels:
                    raise ValueError(f"Bank 0 has {self.channels} channels, but another has {len(bank)}")
        super().__init__({
            "i": In(stream.Signature(sums_layout(sum_shape, columns=columns, arrays=self.arrays))),
            "o": Out(stream.Signature(
                scaled_layout(word, sum_shape, lanes=self.lanes, columns=columns))),
            **error_port(protect),
        })

    @property
    def stored(self):
        """Arrays whose banks are in the memory: a power of two, or 1 where all have the same."""
        same = all(of_array == self.banks[0] for of_array in self.banks)
        return 1 if same else 1 << (self.arrays - 1).bit_length()

    def rows(self):
        """Rows of the scale memory, as integers: the words of a group of channels in every lane.

        Those of a group for all arrays are consecutive; for arrays that there are not, they are zero. With
        ``protect`` the top bit of a row is its parity.
        """
        layout = self.o.payload.words.shape()
        for first in range(0, self.channels, self.columns):
            for array in range(self.stored):
                row = _bits(layout, [bank[first:first + self.columns] for bank in (
                    self.banks[array] if array < self.arrays else [])])
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
        # Two stages: one that reads the memory, and the output. Either is loaded once it is free.
        valid    = Signal()
        free     = Signal()
        out_free = Signal()
        m.d.comb += [
            out_free.eq(vacant(self.o)),
            free.eq(~valid | out_free),
            self.i.ready.eq(free),
        ]

        if len(rows) == 1:
            m.d.comb += Value.cast(words).eq(rows[0])
        else:
            groups = -(-self.channels // self.columns)
            group, _ = counter(m, groups, moves(self.i), name="group")
            m.submodules.scales = scales = memory.Memory(
                shape=self.row_width, depth=len(rows), init=rows)
            port = scales.read_port()
            m.d.comb += [
                port.addr.eq(Cat(self.i.payload.choice, group) if len(rows) > groups else group),
                port.en.eq(free),
                Value.cast(words).eq(port.data),
            ]
            parity.check(port.data, valid, slow=True)

        with m.If(free):
            m.d.sync += [valid.eq(self.i.valid), sums.eq(self.i.payload.sums)]
        with m.If(out_free):
            m.d.sync += [
                self.o.valid.eq(valid),
                self.o.payload.sums.eq(sums),
                self.o.payload.words.eq(words),
            ]
        parity.report()

        return m
