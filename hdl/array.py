"""One row tile of crossbar arrays: its pins, and the emulation that stands behind them."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.popcount import popcount, popcount_latency


__all__ = ["ArrayGeometry", "array_signature", "EmulatedArray"]


#: At most so many different words are decoded by logic; more are kept in a memory.
_DECODED = 16


class ArrayGeometry:
    """How the reads of a row tile go through its arrays.

    Parameters
    ----------
    rows : int
        Inputs of the tile; two complementary cells each.
    columns : int
        Output channels.
    rows_per_read, columns_per_read : int
        Word-line pairs active and columns converted in one read. A :exc:`ValueError` is raised
        unless both are at least 1 and at most ``rows`` and ``columns``.
    """

    def __init__(self, rows, columns, *, rows_per_read, columns_per_read):
        if not 1 <= rows_per_read <= rows:
            raise ValueError(f"Rows per read must be from 1 to {rows}, not {rows_per_read!r}")
        if not 1 <= columns_per_read <= columns:
            raise ValueError(f"Columns per read must be from 1 to {columns}, not {columns_per_read!r}")
        self.rows             = rows
        self.columns          = columns
        self.rows_per_read    = rows_per_read
        self.columns_per_read = columns_per_read
        self.row_groups       = -(-rows // rows_per_read)
        self.column_groups    = -(-columns // columns_per_read)

    @property
    def codes(self):
        """Layout of the ADC codes of a read, one per column; a code is a count of rows."""
        return data.ArrayLayout(range(self.rows_per_read + 1), self.columns_per_read)


def array_signature(geometry):
    """Pins of a row tile as its periphery drives them.

    A read begins in every cycle in which ``read`` is 1, of the rows
    ``row_group * rows_per_read ..`` and the columns ``column_group * columns_per_read ..``.
    ``inputs`` are the bits of all rows; a row outside of the group has neither of its word lines up.
    ``codes`` answers a fixed number of cycles later: per column the number of active rows whose
    input equals the weight (the XNOR of Scale-Dropout, Table I). A read cannot wait.
    """
    return wiring.Signature({
        "read":         Out(1),
        "inputs":       Out(geometry.rows),
        "row_group":    Out(range(geometry.row_groups)),
        "column_group": Out(range(geometry.column_groups)),
        "codes":        In(geometry.codes),
    })


class EmulatedArray(wiring.Component):
    """Weights in memory, products by XNOR, sums by population count: an ideal row tile.

    Latency is ``latency`` cycles, throughput one read per cycle.

    Parameters
    ----------
    geometry : ArrayGeometry
        Shape of the reads.
    weights : sequence of int
        Per column an integer whose bit ``i`` is the weight of row ``i``.

    Members
    -------
    pins : In(array_signature(geometry))
        The pins of the tile, seen from the array.
    """

    def __init__(self, geometry, weights):
        self.geometry = geometry
        self.weights  = tuple(weights)
        if len(self.weights) != geometry.columns:
            raise ValueError(f"Array has {geometry.columns} columns, but {len(self.weights)} are given")
        super().__init__({"pins": In(array_signature(geometry))})

    @staticmethod
    def latency_of(geometry):
        """Cycles from a read to its codes."""
        fixed = geometry.row_groups * geometry.column_groups == 1
        return (1 if fixed else 2) + popcount_latency(geometry.rows_per_read)

    @property
    def latency(self):
        return self.latency_of(self.geometry)

    def words(self):
        """Weights of each read: index ``column_group * row_groups + row_group``.

        Columns follow each other from the least significant bit. Rows beyond the edge are ones: as
        their inputs are zero, they count nothing. What columns beyond the edge return is unused.
        """
        shape = self.geometry
        ones  = (1 << shape.rows_per_read) - 1
        beyond = shape.row_groups * shape.rows_per_read - shape.rows
        padded = [weight | ((1 << beyond) - 1) << shape.rows for weight in self.weights]
        padded += [-1] * (shape.column_groups * shape.columns_per_read - shape.columns)
        for first in range(0, len(padded), shape.columns_per_read):
            for row in range(0, shape.row_groups * shape.rows_per_read, shape.rows_per_read):
                yield sum((weight >> row & ones) << index * shape.rows_per_read
                          for index, weight in enumerate(padded[first:first + shape.columns_per_read]))

    def elaborate(self, platform):
        m = Module()

        shape = self.geometry
        pins  = self.pins
        words = list(self.words())
        width = shape.rows_per_read * shape.columns_per_read

        # Inputs of the rows in the group; those beyond the edge are zero.
        inputs_next = Signal(shape.rows_per_read)
        padded      = Signal(shape.row_groups * shape.rows_per_read)
        m.d.comb += padded.eq(pins.inputs)
        m.d.comb += inputs_next.eq(padded.word_select(pins.row_group, shape.rows_per_read))
        inputs = Signal.like(inputs_next)
        m.d.sync += inputs.eq(inputs_next)

        weights = Signal(width)
        address = Signal(range(len(words)))
        m.d.comb += address.eq(pins.column_group * shape.row_groups + pins.row_group)
        if len(words) == 1:
            m.d.comb += weights.eq(words[0])
        elif len(words) <= _DECODED:
            read = Signal.like(address)
            m.d.sync += read.eq(address)
            with m.Switch(read):
                for index, word in enumerate(words):
                    with m.Case(index):
                        m.d.comb += weights.eq(word)
        else:
            m.submodules.cells = cells = memory.Memory(shape=width, depth=len(words), init=words)
            port = cells.read_port()
            m.d.comb += port.addr.eq(address)
            # A block memory is slow to answer: its words get a register of their own.
            m.d.sync += weights.eq(port.data)
            delayed = Signal.like(inputs)
            m.d.sync += delayed.eq(inputs)
            inputs = delayed

        for index in range(shape.columns_per_read):
            equal = Signal(shape.rows_per_read, name=f"equal_{index}")
            # The address of decoded words fans out to every bit, which takes a cycle of its own.
            domain = m.d.sync if 1 < len(words) <= _DECODED else m.d.comb
            domain += equal.eq(~(inputs ^ weights.word_select(index, shape.rows_per_read)))
            m.d.comb += pins.codes[index].eq(popcount(m, equal, f"column_{index}"))

        return m
