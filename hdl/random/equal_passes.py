# amaranth: UnusedElaboratable=no
"""Which passes of an image have drawn the same: they compute the same of the same map."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.part_sequencer import rows_signature
from hdl.random.mask_store import MaskStore
from hdl.stream import counter, moves


__all__ = ["EqualPasses"]


class EqualPasses(wiring.Component):
    """Compare what each pass draws with what the passes before it have drawn, while it is drawn.

    A bit is compared at once with that of all passes before. Those that have agreed in all bits of the
    draw, and the pass itself, are its *row*: bit p of the row of pass t is 1 if p is t, or is less and pass
    p has drawn the same. So of a set of passes whose highest is t, the row of t has all that are like t.

    It holds the rows of ``IMAGES`` images, as :class:`hdl.random.mask_store.MaskStore` does the words, and
    takes no image that this has no room for. Latency and throughput of an answer are those of
    :func:`hdl.pass_sets.part_sequencer.rows_signature`.

    Parameters
    ----------
    bits : int
        Bits of the draw.
    passes : int
        T_max.
    protect : bool
        Check the parity of bits and rows that are stored.

    Members
    -------
    strobe, bit : In(1)
        A bit of the draw comes, in the order of drawing, and the bit.
    handed : In(1)
        1 for a cycle, with the last bit of an image or later.
    rows : In(rows_signature(passes))
        Questions for rows. They wait until all bits of their image have come.
    error : Out(1)
        1 for a cycle after a word has lost its parity. Only with ``protect``.
    """

    #: Images whose rows are stored: a power of two.
    IMAGES = MaskStore.IMAGES

    def __init__(self, bits, *, passes, protect=False):
        self.bits    = bits
        self.most    = passes
        self.protect = protect
        super().__init__({
            "strobe": In(1),
            "bit":    In(1),
            "handed": In(1),
            "rows":   In(rows_signature(passes)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        place, last_place = counter(m, self.bits, self.strobe, name="place")
        number = Signal(range(self.most))      # of the pass that draws
        itself = Signal(self.most, init=1)     # it alone
        so_far = Signal(self.most, init=1)     # and all before it
        equal  = Signal(self.most, init=1)     # of these, those that agree with it so far

        # What the passes have drawn at this place, in a word; it is read while the bit before comes.
        column  = Signal(self.most + parity.bits)
        changed = Signal(self.most)
        m.d.comb += changed.eq(Mux(self.bit, column | itself, column & ~itself))
        if self.bits == 1:
            with m.If(self.strobe):
                m.d.sync += column.eq(parity.stored(changed))
        else:
            m.submodules.columns = columns = memory.Memory(shape=len(column), depth=self.bits, init=[])
            write = columns.write_port()
            read = columns.read_port()
            m.d.comb += [
                write.addr.eq(place),
                write.data.eq(parity.stored(changed)),
                write.en.eq(self.strobe),
                read.addr.eq(Mux(self.strobe, Mux(last_place, 0, place + 1), place)),
                read.en.eq(1),
                column.eq(read.data),
            ]
        parity.check(column, self.strobe & ~itself[0], slow=True)

        row = equal & ~(changed ^ self.bit.replicate(self.most))
        with m.If(self.strobe):
            m.d.sync += equal.eq(row)
            with m.If(last_place):
                m.d.sync += [
                    number.eq(number + 1),
                    itself.eq(itself << 1),
                    so_far.eq(Cat(1, so_far)),
                    equal.eq(Cat(1, so_far)),
                ]

        writes = Signal(range(self.IMAGES))
        reads  = Signal(range(self.IMAGES))
        ready  = Signal(range(self.IMAGES + 1)) # images that are whole
        with m.If(self.handed):
            m.d.sync += [number.eq(0), itself.eq(1), so_far.eq(1), equal.eq(1), writes.eq(writes + 1)]
        with m.If(self.rows.done):
            m.d.sync += reads.eq(reads + 1)
        m.d.sync += ready.eq(ready + self.handed - self.rows.done)

        m.submodules.rows = rows = memory.Memory(
            shape=self.most + parity.bits, depth=self.IMAGES << len(number), init=[])
        store = rows.write_port()
        fetch = rows.read_port()
        asked = moves(self.rows.numbers)
        m.d.comb += [
            store.addr.eq(Cat(number, writes)),
            store.data.eq(parity.stored(row)),
            store.en.eq(self.strobe & last_place),
            self.rows.numbers.ready.eq(ready != 0),
            fetch.addr.eq(Cat(self.rows.numbers.payload, reads)),
            fetch.en.eq(asked),
        ]
        # One register is that of the memory, the other follows it.
        m.d.sync += self.rows.row.eq(fetch.data[:self.most])
        held = Signal()
        m.d.sync += held.eq(asked)
        parity.check(fetch.data, held, slow=True)
        parity.report()

        return m
