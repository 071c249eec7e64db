# amaranth: UnusedElaboratable=no
"""Random bits of passes that go through points, all shifted at random."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import counter, moves, stage


__all__ = ["ShiftedPoints"]


class ShiftedPoints(wiring.Component):
    """Answer requests for the bits of passes by a table of points and by shifts, which are drawn from a
    random source once for as many passes as there are points (:class:`gen.ir.PointSet`).

    A point has a coordinate of ``width`` bits for each bit of a pass. Pass t of an image has the point t
    modulo their number; the shift of each coordinate is a number of ``width`` bits. The bit is 0 where the
    sum of coordinate and shift, modulo ``2 ** width``, is below ``drop``: with coordinates of one bit and a
    ``drop`` of 1, their XOR.

    The first request of an image, and the first beyond the last point, waits until the shifts are drawn,
    coordinate by coordinate, from the most significant bit on. Then latency is ``latency`` cycles,
    throughput one bit per cycle.

    Parameters
    ----------
    width : int
        Bits of a coordinate.
    points : sequence of sequence of int
        Per point a coordinate for each bit of a pass, from 0 to ``2 ** width - 1``. A :exc:`ValueError` is
        raised otherwise, or if there are none.
    drop : sequence of int
        Per bit of a pass, from 0 to ``2 ** width``. A :exc:`ValueError` is raised otherwise.

    Members
    -------
    begin : In(1)
        1 for a cycle before the first request of each image, when all bits of the image before are given.
    i : In(stream.Signature(range(bits of a pass)))
        Which bit of a pass to give: all of a pass in order, pass after pass.
    o : Out(stream.Signature(1))
        The bits.
    draw : Out(stream.Signature(range(count)))
        Which of the ``count`` bits of the shifts to draw: requests to the random source.
    bits : In(stream.Signature(1))
        Bits from the random source, in the order of the requests.
    taken : Out(count)
        One-hot: which bit of the shifts is taken in this cycle.

    Attributes
    ----------
    count : int
        Bits of the shifts of all coordinates.
    """

    latency = 2

    def __init__(self, width, points, drop):
        self.width  = operator.index(width)
        self.points = tuple(tuple(map(operator.index, point)) for point in points)
        self.drop   = tuple(map(operator.index, drop))
        most = 1 << self.width
        if not self.points:
            raise ValueError("Points must be one or more")
        for point in self.points:
            if len(point) != len(self.drop) or not all(0 <= value < most for value in point):
                raise ValueError(f"Point must have {len(self.drop)} coordinates from 0 to {most - 1}, not "
                                 f"{point!r}")
        for value in self.drop:
            if not 0 <= value <= most:
                raise ValueError(f"Drop must be from 0 to {most}, not {value!r}")
        self.count = self.width * len(self.drop)
        super().__init__({
            "begin": In(1),
            "i":     In(stream.Signature(range(len(self.drop)))),
            "o":     Out(stream.Signature(1)),
            "draw":  Out(stream.Signature(range(self.count))),
            "bits":  In(stream.Signature(1)),
            "taken": Out(self.count),
        })

    def timing(self, bits, rng):
        """Return cycles from the first bit that is asked of the random source ``rng`` for an image of
        ``bits`` bits: until its last bit is given, and until the first can be asked for the next."""
        begin, whole = 0, len(self.points) * len(self.drop)
        for first in range(0, bits, whole):
            drawn, free = (begin + cycles for cycles in rng.timing(self.count))
            asked = drawn + min(whole, bits - first) # for the last bit of these points
            begin = max(asked + 1, free)
        return asked + self.latency, free

    def elaborate(self, platform):
        m = Module()

        asked = moves(self.i) & (self.i.payload == len(self.drop) - 1) # for the last bit of a pass
        number, last_number = counter(m, len(self.points), asked, name="number")
        requested, last_requested = counter(m, self.count, moves(self.draw), name="requested")
        received, last_received   = counter(m, self.count, moves(self.bits), name="received")
        due   = Signal(init=1) # shifts are to be drawn,
        calls = Signal(init=1) # and some of their bits to be asked for
        m.d.comb += [
            self.draw.valid.eq(self.i.valid & calls),
            self.draw.payload.eq(requested),
            self.bits.ready.eq(due),
        ]
        with m.If(moves(self.draw) & last_requested):
            m.d.sync += calls.eq(0)
        shifts = Signal(self.count) # the bit that is drawn first lowest
        with m.If(moves(self.bits)):
            m.d.comb += self.taken.eq(1 << received)
            m.d.sync += shifts.eq(Cat(shifts, self.bits.payload)[1:])
            with m.If(last_received):
                m.d.sync += due.eq(0)
        with m.If(self.begin | asked & last_number):
            m.d.sync += [due.eq(1), calls.eq(1)]
        with m.If(self.begin):
            m.d.sync += number.eq(0)

        # A register has coordinate and shift, the other the bit that they give.
        known = stream.Signature(range(len(self.drop))).create()
        m.d.comb += [
            known.payload.eq(self.i.payload),
            known.valid.eq(self.i.valid & ~due),
            self.i.ready.eq(known.ready & ~due),
        ]
        free  = stage(m, known, self.o, steps=2)
        place = self.i.payload
        coordinate = Signal(self.width)
        shift      = Signal(self.width)
        drop       = Signal(range((1 << self.width) + 1))
        # Of each point as many coordinates as there are values of ``place``.
        places = 1 << len(place)
        table  = Array(value for point in self.points
                       for value in (*point, *[0] * (places - len(point))))
        with m.If(free):
            m.d.sync += [
                coordinate.eq(table[Cat(place, number)]),
                shift.eq(Array(Cat(*reversed(shifts[first:first + self.width]))
                               for first in range(0, self.count, self.width))[place]),
                drop.eq(Array(self.drop)[place]),
                self.o.payload.eq((coordinate + shift)[:self.width] >= drop),
            ]

        return m
