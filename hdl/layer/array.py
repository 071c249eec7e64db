"""One row tile of crossbar arrays: its pins, and the emulation that stands behind them."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.layer.popcount import popcount, popcount_latency
from hdl.layer.weight_memory import WeightMemory


__all__ = ["ArrayGeometry", "array_signature", "EmulatedArray"]


#: At most so many different words are decoded by logic; more are kept in a memory.
_DECODED = 16


class ArrayGeometry:
    """How the reads of a row tile go through its arrays.

    Parameters
    ----------
    rows : int
        Inputs of the tile. A binary weight takes two complementary cells, one of more bits
        multi-level cells on both bit lines of a differential pair.
    columns : int
        Output channels.
    rows_per_read, columns_per_read : int
        Inputs active and columns converted in one read. A :exc:`ValueError` is raised unless both
        are at least 1 and at most ``rows`` and ``columns``.
    weight_bits : int
        1: weights of -1 and +1. More: from ``-weight_max`` to ``weight_max``, which is
        ``2 ** (weight_bits - 1) - 1``. A :exc:`ValueError` is raised for less than 1.
    arrays : int
        Arrays of this shape, at least 1, that share all pins but the read enable; one of them is
        read at a time (SpinBayes, 3.4). A :exc:`ValueError` is raised otherwise.
    sets : sequence of sequence of int
        Numbers of the arrays that are read for a sum, by the outcome of their choice (SpinBayes, eq. 4). A
        :exc:`ValueError` is raised unless there are as many in each set, of those that there are. Empty: of
        each outcome the array of its number.
    """

    def __init__(self, rows, columns, *, rows_per_read, columns_per_read, weight_bits=1, arrays=1, sets=()):
        if not 1 <= rows_per_read <= rows:
            raise ValueError(f"Rows per read must be from 1 to {rows}, not {rows_per_read!r}")
        if not 1 <= columns_per_read <= columns:
            raise ValueError(f"Columns per read must be from 1 to {columns}, not {columns_per_read!r}")
        if weight_bits < 1:
            raise ValueError(f"Weight bits must be at least 1, not {weight_bits!r}")
        if arrays < 1:
            raise ValueError(f"Number of arrays must be at least 1, not {arrays!r}")
        sets = tuple(map(tuple, sets)) or tuple((array,) for array in range(arrays))
        if any(not each or len(each) != len(sets[0]) or not set(each) <= set(range(arrays))
               for each in sets):
            raise ValueError(f"Sets of {arrays} arrays must each have as many of them, not {sets}")
        self.rows             = rows
        self.columns          = columns
        self.rows_per_read    = rows_per_read
        self.columns_per_read = columns_per_read
        self.weight_bits      = weight_bits
        self.weight_max       = 1 if weight_bits == 1 else 2**(weight_bits - 1) - 1
        self.arrays           = arrays
        self.sets             = sets
        #: Sets to choose from, and arrays of a set.
        self.outcomes         = len(sets)
        self.ways             = len(sets[0])
        self.row_groups       = -(-rows // rows_per_read)
        self.column_groups    = -(-columns // columns_per_read)
        #: Words of weights: reads that differ in more than their inputs.
        self.words            = arrays * self.row_groups * self.column_groups

    @property
    def codes(self):
        """Layout of the ADC codes of a read, one per column.

        A code of binary weights is a count of rows; of weights of more bits it is their signed sum.
        """
        most = self.rows_per_read * self.weight_max
        return data.ArrayLayout(range(0 if self.weight_bits == 1 else -most, most + 1),
                                self.columns_per_read)


def array_signature(geometry):
    """Pins of a row tile as its periphery drives them.

    A read begins in every cycle in which a bit of ``read`` is 1, of the array with the number of the
    bit; no two are 1. It is of the rows ``row_group * rows_per_read ..`` and the columns
    ``column_group * columns_per_read ..``. ``inputs`` are the bits of all rows, and ``active`` says
    which of these take part: a row that is not active, or outside of the group, has no word line up.
    Rows that hold no weight are never active. ``codes`` answers a fixed number of cycles later. A read
    cannot wait.

    With binary weights a code is the number of rows that take part and whose input equals the weight
    (the XNOR of Scale-Dropout, Table I): of the two word lines of a row that does not, neither is up.
    With weights of more bits it is the sum of the weights of the rows that take part and whose input
    is 1: the difference of the currents of two bit lines.
    """
    return wiring.Signature({
        "read":         Out(geometry.arrays),
        "inputs":       Out(geometry.rows),
        "active":       Out(geometry.rows),
        "row_group":    Out(range(geometry.row_groups)),
        "column_group": Out(range(geometry.column_groups)),
        "codes":        In(geometry.codes),
    })


class EmulatedArray(wiring.Component):
    """Weights in memory, codes by logic: an ideal row tile.

    Binary products are an XNOR and summed by a population count; weights of more bits are gated by
    their inputs and summed by a tree of adders. The weights of all arrays share one memory. Where rows
    are always active, no logic is left of it.

    Latency is ``latency`` cycles, throughput one read per cycle.

    Parameters
    ----------
    geometry : ArrayGeometry
        Shape of the reads.
    weights : sequence of sequence of int
        Per array and column an integer whose field ``i``, of ``weight_bits`` bits, is the weight of
        row ``i``: one bit that is 1 for +1, or a number in two's complement. A :exc:`ValueError` is
        raised for one below ``-weight_max``.
    protect : bool
        Check the parity of weights in memory.
    file : str or None
        File with the :meth:`words` of a memory, each with its parity bit on top if it is protected;
        see :class:`hdl.layer.weight_memory.WeightMemory`. None: they are part of the design.

    Members
    -------
    pins : In(array_signature(geometry))
        The pins of the tile, seen from the array.
    error : Out(1)
        1 for a cycle after a word of weights has lost its parity. Only with ``protect``.
    """

    def __init__(self, geometry, weights, *, protect=False, file=None):
        self.geometry = geometry
        self.weights  = tuple(tuple(columns) for columns in weights)
        if len(self.weights) != geometry.arrays:
            raise ValueError(f"Tile has {geometry.arrays} arrays, but {len(self.weights)} are given")
        for columns in self.weights:
            if len(columns) != geometry.columns:
                raise ValueError(f"Array has {geometry.columns} columns, but {len(columns)} are given")
            if geometry.weight_bits > 1 and self._have_lowest(columns):
                raise ValueError(f"Weight must be from {-geometry.weight_max} to "
                                 f"{geometry.weight_max}, not {-geometry.weight_max - 1}")
        self.protect = protect
        self.file    = file
        super().__init__({"pins": In(array_signature(geometry)), **error_port(protect)})

    def _have_lowest(self, columns):
        """Whether a field of ``columns`` is the number that has no counterpart above zero."""
        fields = range(self.geometry.rows)
        signs  = sum(1 << (index + 1) * self.geometry.weight_bits - 1 for index in fields)
        rest   = sum(self.geometry.weight_max << index * self.geometry.weight_bits for index in fields)
        # Adding carries into the place of the sign unless the rest of a field is zero.
        return any(column & signs & ~((column & rest) + rest) for column in columns)

    @staticmethod
    def latency_of(geometry):
        """Cycles from a read to its codes."""
        rows = geometry.rows_per_read
        return ((geometry.arrays > 1) + (1 if geometry.words == 1 else 2)
                + (popcount_latency(rows) if geometry.weight_bits == 1 else _steps(rows)))

    @property
    def latency(self):
        return self.latency_of(self.geometry)

    @staticmethod
    def has_memory(geometry):
        """Whether there is a memory; few words are decoded by logic."""
        return geometry.words > _DECODED

    def words(self):
        """Weights of each read: index ``(array * column_groups + column_group) * row_groups +
        row_group``.

        Columns follow each other from the least significant bit. Rows and columns beyond the edge have
        zeros: such rows are not active, and what such columns return is unused.
        """
        shape = self.geometry
        width = shape.rows_per_read * shape.weight_bits
        for columns in self.weights:
            padded = [*columns, *[0] * (shape.column_groups * shape.columns_per_read - shape.columns)]
            for first in range(0, len(padded), shape.columns_per_read):
                for row in range(shape.row_groups):
                    yield sum((weight >> row * width & (1 << width) - 1) << index * width for
                              index, weight in enumerate(padded[first:first + shape.columns_per_read]))

    def _of_group(self, m, name, init=0):
        """Add a register of the pins ``name`` of the rows in the group to ``m``, and return it; beyond the
        edge it is 0. Where all pins of a row are constant and equal to ``init``, so is the register.
        """
        shape  = self.geometry
        padded = Signal(shape.row_groups * shape.rows_per_read, name=f"{name}_padded")
        chosen = Signal(shape.rows_per_read, name=name, init=init)
        groups = Array(padded.word_select(group, shape.rows_per_read) for group in range(shape.row_groups))
        m.d.comb += padded.eq(getattr(self.pins, name))
        m.d.sync += chosen.eq(groups[self.pins.row_group])
        return chosen

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        shape = self.geometry
        pins  = self.pins
        column_width = shape.rows_per_read * shape.weight_bits
        width = column_width * shape.columns_per_read

        inputs = self._of_group(m, "inputs")
        active = self._of_group(m, "active", init=(1 << shape.rows_per_read) - 1)

        weights = Signal(width)
        address = Signal(range(shape.words))
        within  = pins.column_group * shape.row_groups + pins.row_group
        if shape.arrays == 1:
            m.d.comb += address.eq(within)
        else:
            # The enables become an address first, which takes a cycle of its own.
            each = shape.column_groups * shape.row_groups
            base = Cat(Cat(enable for number, enable in enumerate(pins.read)
                           if number * each >> bit & 1).any() for bit in range(len(address)))
            m.d.sync += address.eq(base + within)
            inputs, active = _delayed(m, inputs), _delayed(m, active)
        if shape.words == 1:
            m.d.comb += weights.eq(next(self.words()))
        elif not self.has_memory(shape):
            read = Signal.like(address)
            m.d.sync += read.eq(address)
            with m.Switch(read):
                for index, word in enumerate(self.words()):
                    with m.Case(index):
                        m.d.comb += weights.eq(word)
        else:
            stored = width + parity.bits
            if self.file is None:
                m.submodules.cells = cells = memory.Memory(
                    shape=stored, depth=shape.words, init=parity.init(list(self.words()), width))
                port = cells.read_port()
                asked, word = port.addr, port.data
            else:
                m.submodules.cells = cells = WeightMemory(self.file, width=stored, depth=shape.words)
                asked, word = cells.address, cells.word
            m.d.comb += asked.eq(address)
            parity.check(word, 1, slow=True)
            # A block memory is slow to answer: its words get a register of their own.
            m.d.sync += weights.eq(word)
            inputs, active = _delayed(m, inputs), _delayed(m, active)

        # The address of decoded words fans out to every bit, which takes a cycle of its own.
        domain = m.d.sync if shape.words > 1 and not self.has_memory(shape) else m.d.comb
        for index in range(shape.columns_per_read):
            column = weights.word_select(index, column_width)
            if shape.weight_bits == 1:
                equal = Signal(shape.rows_per_read, name=f"equal_{index}")
                domain += equal.eq(~(inputs ^ column) & active)
                m.d.comb += pins.codes[index].eq(popcount(m, equal, f"column_{index}"))
            else:
                gated = Signal(data.ArrayLayout(signed(shape.weight_bits), shape.rows_per_read),
                               name=f"gated_{index}")
                domain += gated.eq(
                    column & Cat(bit.replicate(shape.weight_bits) for bit in inputs & active))
                m.d.comb += pins.codes[index].eq(
                    _total(m, list(gated), shape.weight_max, f"column_{index}"))
        parity.report()

        return m


def _delayed(m, signal):
    delayed = Signal.like(signal)
    m.d.sync += delayed.eq(signal)
    return delayed


def _steps(count):
    """Cycles in which pairs of ``count`` values are added until one is left; one value takes one."""
    return max(1, (count - 1).bit_length())


def _total(m, values, most, name):
    """Add the sum of ``values``, each from ``-most`` to ``most``, to ``m``; return it as a registered
    signal ``_steps(len(values))`` cycles later."""
    level = [(value, most) for value in values]
    for step in range(_steps(len(values))):
        sums = []
        for index in range(0, len(level), 2):
            bound  = sum(bound for _, bound in level[index:index + 2])
            result = Signal(range(-bound, bound + 1), name=f"{name}_sum_{step}_{index}")
            m.d.sync += result.eq(sum(value for value, _ in level[index:index + 2]))
            sums.append((result, bound))
        level = sums
    return level[0][0]
