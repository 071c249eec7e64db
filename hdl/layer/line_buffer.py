"""Line buffer: stores the last rows of a map and presents the inputs of each kernel position."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.stream import counter, vacant


__all__ = ["LineBuffer"]


class LineBuffer(wiring.Component):
    """Take a map word by word in raster order and present the inputs of each kernel position.

    The inputs of a position are numbered in raster order of the kernel with the channel fastest;
    input 0 is the least significant bit. The border that padding adds is all zeros: level 0.
    Maps follow each other without a gap.

    Latency is one cycle from the last word of a position to the position. Throughput is one word per
    cycle, words of the border included, while no position waits; a position that is taken after ``G``
    cycles adds ``G - 1`` cycles.

    Parameters
    ----------
    height, width, word_bits : int
        Height and width of a map, and bits of a word: of the levels of all its channels.
    kernel : tuple of int
        Height and width of the kernel, at most those of the map with its border.
    stride : tuple of int
        Rows and columns from one position to the next.
    padding : tuple of int
        Rows that the border adds above and below, and columns left and right.
    protect : bool
        Check the parity of the lines that are stored.

    Members
    -------
    i : In(stream.Signature(word_bits))
        Words of maps.
    o : Out(stream.Signature(kernel[0] * kernel[1] * word_bits))
        Kernel positions.
    error : Out(1)
        1 for a cycle after a stored column has lost its parity. Only with ``protect``.
    """

    latency = 1

    def __init__(self, height, width, word_bits, *, kernel, stride=(1, 1), padding=(0, 0), protect=False):
        self.padded    = height + 2 * padding[0], width + 2 * padding[1]
        self.word_bits = word_bits
        self.kernel    = kernel
        self.stride    = stride
        self.padding   = padding
        self.protect   = protect
        for side, extent, name in zip(kernel, self.padded, ("high", "wide"), strict=True):
            if not 1 <= side <= extent:
                raise ValueError(f"Kernel must be 1 to {extent} {name}, not {side!r}")
        for side, step, border, name in zip(kernel, stride, padding, ("rows", "columns"), strict=True):
            if step < 1:
                raise ValueError(f"Stride must be at least 1 in {name}, not {step!r}")
            if not 0 <= border < side:
                raise ValueError(f"Padding must be from 0 to {side - 1} in {name}, not {border!r}")
        #: Kernel positions of a map, in rows and columns.
        self.positions = tuple((extent - side) // step + 1 for extent, side, step in zip(
            self.padded, kernel, stride, strict=True))
        super().__init__({
            "i": In(stream.Signature(word_bits)),
            "o": Out(stream.Signature(kernel[0] * kernel[1] * word_bits)),
            **error_port(protect),
        })

    def is_inside(self, y, x):
        """Whether the place ``(y, x)`` of the map with its border is one of the map."""
        (rows, columns), (height, width) = self.padding, self.padded
        return ((x >= columns) & (x < width - columns)) & ((y >= rows) & (y < height - rows))

    def elaborate(self, platform):
        m = Module()

        parity        = Parity(m, self)
        rows, columns = self.kernel
        height, width = self.padded
        column_bits   = rows * self.word_bits
        inside  = Signal()
        advance = Signal()
        x, last_x = counter(m, width, advance, name="x")
        y, last_y = counter(m, height, advance & last_x, name="y")

        # Column of the kernel that ends with the word that enters: the words above it, from the memory,
        # and this word at the bottom.
        column = Signal(column_bits)
        m.d.comb += column[-self.word_bits:].eq(Mux(inside, self.i.payload, 0))
        if rows > 1:
            m.submodules.lines = lines = memory.Memory(
                shape=column_bits - self.word_bits + parity.bits, depth=width, init=[])
            above = lines.read_port(domain="comb")
            store = lines.write_port()
            m.d.comb += [
                above.addr.eq(x),
                column[:-self.word_bits].eq(above.data[:column_bits - self.word_bits]),
                store.addr.eq(x),
                store.data.eq(parity.stored(column[self.word_bits:])),
                store.en.eq(advance),
            ]
            parity.check(above.data, advance & (y != 0))

        m.d.comb += [
            inside.eq(self.is_inside(y, x) if any(self.padding) else 1),
            advance.eq((~inside | self.i.valid) & vacant(self.o)),
            self.i.ready.eq(inside & vacant(self.o)),
        ]

        # Columns of the kernel, the oldest first.
        held = [Signal(column_bits, name=f"held_{index}") for index in range(columns)]
        bits = [held[kx].word_select(ky, self.word_bits)
                for ky in range(rows) for kx in range(columns)]
        m.d.comb += self.o.payload.eq(Cat(bits))

        # Words to skip along either axis before the next position; at 0, one is complete.
        down, right = self.stride
        skip_x, skip_y = (Signal(range(max(side, step)), init=side - 1, name=f"skip_{axis}")
                          for axis, side, step in (("x", columns, right), ("y", rows, down)))
        complete_x, complete_y = skip_x == 0, skip_y == 0
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(advance):
            m.d.sync += self.o.valid.eq(complete_x & complete_y)
            m.d.sync += [older.eq(newer) for older, newer in zip(held, [*held[1:], column], strict=True)]
            m.d.sync += skip_x.eq(Mux(complete_x, right - 1, skip_x - 1))
            with m.If(last_x):
                m.d.sync += skip_x.eq(columns - 1)
                m.d.sync += skip_y.eq(Mux(complete_y, down - 1, skip_y - 1))
                with m.If(last_y):
                    m.d.sync += skip_y.eq(rows - 1)
        parity.report()

        return m
