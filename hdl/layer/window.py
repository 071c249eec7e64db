"""Line buffer that presents the inputs of a convolution."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port


__all__ = ["Window"]


class Window(wiring.Component):
    """Take a map word by word in raster order and present the inputs of each kernel position.

    The inputs of a position are numbered in raster order of the kernel with the channel fastest;
    input 0 is the least significant bit. The border that padding adds is all zeros: level 0.
    Maps follow each other without a gap. Bits of a level may be passed as channels, as they stay
    together.

    Latency is one cycle from the last word of a position to the position. The border included, one
    word is taken per cycle for as long as no position waits to be read; a position that is held for
    ``G`` cycles therefore costs ``G - 1`` more.

    Parameters
    ----------
    height, width, channels : int
        Shape of a map.
    kernel : tuple of int
        Height and width of the kernel; at most those of the map with its border.
    stride : int
        Words between positions, in both directions.
    padding : int
        Words that the border adds on each side.
    protect : bool
        Check the parity of stored lines.

    Members
    -------
    i : In(stream.Signature(channels))
        Words of maps.
    o : Out(stream.Signature(kernel[0] * kernel[1] * channels))
        Kernel positions.
    error : Out(1)
        1 for a cycle after a stored column has lost its parity. Only with ``protect``.
    """

    latency = 1

    def __init__(self, height, width, channels, *, kernel, stride=1, padding=0, protect=False):
        self.padded   = height + 2 * padding, width + 2 * padding
        self.channels = channels
        self.kernel   = kernel
        self.stride   = stride
        self.padding  = padding
        self.protect  = protect
        for side, extent, name in zip(kernel, self.padded, ("high", "wide"), strict=True):
            if not 1 <= side <= extent:
                raise ValueError(f"Kernel must be 1 to {extent} {name}, not {side!r}")
        if stride < 1:
            raise ValueError(f"Stride must be at least 1, not {stride!r}")
        if not 0 <= padding < min(kernel):
            raise ValueError(f"Padding must be from 0 to {min(kernel) - 1}, not {padding!r}")
        super().__init__({
            "i": In(stream.Signature(channels)),
            "o": Out(stream.Signature(kernel[0] * kernel[1] * channels)),
            **error_port(protect),
        })

    def is_inside(self, y, x):
        """Whether the place ``(y, x)`` of the map with its border is one of the map."""
        border, (height, width) = self.padding, self.padded
        return ((x >= border) & (x < width - border)) & ((y >= border) & (y < height - border))

    def elaborate(self, platform):
        m = Module()

        parity          = Parity(m, self)
        rows, columns   = self.kernel
        height, width   = self.padded
        column_bits     = rows * self.channels
        x       = Signal(range(width))
        y       = Signal(range(height))
        inside  = Signal()
        advance = Signal()

        # All that is above the word in its column of the map, and the word itself at the bottom.
        column = Signal(column_bits)
        m.d.comb += column[-self.channels:].eq(Mux(inside, self.i.payload, 0))
        if rows > 1:
            m.submodules.lines = lines = memory.Memory(
                shape=column_bits - self.channels + parity.bits, depth=width, init=[])
            above = lines.read_port(domain="comb")
            store = lines.write_port()
            m.d.comb += [
                above.addr.eq(x),
                column[:-self.channels].eq(above.data[:column_bits - self.channels]),
                store.addr.eq(x),
                store.data.eq(parity.stored(column[self.channels:])),
                store.en.eq(advance),
            ]
            parity.check(above.data, advance & (y != 0))

        m.d.comb += [
            inside.eq(self.is_inside(y, x) if self.padding else 1),
            advance.eq((~inside | self.i.valid) & (~self.o.valid | self.o.ready)),
            self.i.ready.eq(inside & (~self.o.valid | self.o.ready)),
        ]

        # Columns of the kernel, the oldest first.
        held = [Signal(column_bits, name=f"held_{index}") for index in range(columns)]
        bits = [held[kx].word_select(ky, self.channels)
                for ky in range(rows) for kx in range(columns)]
        m.d.comb += self.o.payload.eq(Cat(bits))

        skip_x, at_x = self._phase(m, "x", x, columns)
        skip_y, at_y = self._phase(m, "y", y, rows)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(advance):
            m.d.sync += self.o.valid.eq(at_x & at_y)
            m.d.sync += [older.eq(newer) for older, newer in zip(held, [*held[1:], column], strict=True)]
            m.d.sync += x.eq(x + 1)
            m.d.sync += skip_x.eq(Mux(at_x, self.stride - 1, skip_x - (skip_x != 0)))
            with m.If(x == width - 1):
                m.d.sync += [x.eq(0), skip_x.eq(columns - 1)]
                m.d.sync += y.eq(y + 1)
                m.d.sync += skip_y.eq(Mux(at_y, self.stride - 1, skip_y - (skip_y != 0)))
                with m.If(y == height - 1):
                    m.d.sync += [y.eq(0), skip_y.eq(rows - 1)]
        parity.report()

        return m

    def _phase(self, m, name, at, side):
        """Words to skip before the next position along an axis, and whether there is one here."""
        most = max(side, self.stride) - 1
        skip = Signal(range(most + 1), init=side - 1, name=f"skip_{name}")
        return skip, skip == 0
