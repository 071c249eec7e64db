# amaranth: UnusedElaboratable=no
"""Order in which a map is sent to a layer with masks: once for all passes of its set with equal ones."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.pass_split import branches_layout, fetch_layout, pass_set_layout
from hdl.pass_sets.resize import sent_words
from hdl.stream import delayed, moves


__all__ = ["PartSequencer", "rows_signature"]


def rows_signature(passes):
    """Questions for rows of :class:`hdl.random.equal_passes.EqualPasses`, from the side that asks.

    The ``row`` of the pass ``number`` is there ``ROW`` cycles after the question, until the next one. With
    ``done`` the rows of an image have served: questions that follow are of the next image.
    """
    return wiring.Signature({
        "numbers": Out(stream.Signature(range(passes))),
        "row":     In(passes),
        "done":    Out(1),
    })


class PartSequencer(wiring.Component):
    """Choose which map is sent next, and for which passes: those of the highest pass that is left of the
    set, and of all others in the set whose mask is equal.

    It stands in a map buffer in place of :class:`hdl.pass_sets.map_buffer.BranchSequencer`. A set is
    divided into its *parts* one after another, while the part before is sent, or the map itself still
    comes. The row of a pass says which passes before it have an equal mask; that is why the highest one is
    taken.

    Latency is ``latency`` cycles from the last word of a branch set to the fetch of its first word, if its
    sets have been there for ``dividing`` cycles. A part takes ``interval`` cycles.

    Parameters
    ----------
    words, lanes, passes, depth, resize, protect
        See :class:`hdl.pass_sets.map_buffer.MapBuffer`.

    Members
    -------
    i_sets, o_sets
        See :class:`hdl.pass_sets.map_buffer.MapBuffer`.
    filled, release, fetch
        See :class:`hdl.pass_sets.map_buffer.BranchSequencer`.
    rows : Out(rows_signature(passes))
        Which passes have equal masks.
    error : Out(1)
        1 for a cycle after a pass set has lost its parity. Only with ``protect``.
    """

    latency = 2

    #: Cycles from the question for a row to the row.
    ROW = 2

    #: Cycles from the pass sets of a branch set to the question for its first row, and to its first part.
    asking   = 2
    dividing = asking + ROW + 1

    #: Cycles from part to part.
    interval = ROW + 1

    def __init__(self, *, words, lanes, passes, depth, resize=None, protect):
        self.words   = words
        self.lanes   = lanes
        self.passes  = passes
        self.depth   = depth
        self.resize  = resize
        self.protect = protect
        super().__init__({
            "i_sets":  In(stream.Signature(branches_layout(passes, lanes))),
            "filled":  In(1),
            "release": Out(1),
            "fetch":   Out(stream.Signature(fetch_layout(depth * words, lanes))),
            "o_sets":  Out(stream.Signature(pass_set_layout(passes, passes))),
            "rows":    Out(rows_signature(passes)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.sets = sets = parity.fifo(width=len(Value.cast(self.i_sets.payload)),
                                               depth=self.depth + 1)
        m.d.comb += [
            sets.w_en.eq(self.i_sets.valid),
            sets.w_data.eq(self.i_sets.payload),
            self.i_sets.ready.eq(sets.w_rdy),
        ]

        # Passes of a branch set that are not in a part yet; the lowest lane that has some, and the highest
        # of its passes.
        left    = Signal(self.i_sets.payload.shape())
        rest    = Signal(self.lanes * self.passes) # after the next part
        lane    = Signal(range(self.lanes))
        members = Signal(self.passes)
        number  = Signal(range(self.passes))
        for index in reversed(range(self.lanes)):
            with m.If(left.sets[index].any()):
                m.d.comb += lane.eq(index)
        m.d.comb += members.eq(left.sets[lane])
        for index in range(self.passes):
            with m.If(members[index]):
                m.d.comb += number.eq(index)

        # Once its row is there, these passes are divided.
        waiting = Signal()
        asked   = Signal()
        known   = asked & delayed(m, asked, self.ROW - 1, name="known")
        make    = Signal()
        part    = Signal(data.StructLayout({
            "set": self.passes, "number": range(self.passes), "lane": range(self.lanes),
            "final": 1, # of its branch set
            "last":  1, # of its image
        }))
        valid = Signal()
        end   = Signal()
        final = Signal()
        row = self.rows.row
        m.d.comb += [
            waiting.eq(left.sets.as_value().any()),
            self.rows.numbers.valid.eq(waiting & ~asked),
            self.rows.numbers.payload.eq(number),
            make.eq(known & (~valid | end)),
            rest.eq(Cat(of_lane & ~(row & (lane == index).replicate(self.passes))
                        for index, of_lane in enumerate(left.sets))),
            final.eq(rest == 0),
            sets.r_en.eq(~waiting | make & final),
            self.rows.done.eq(make & final & left.last),
        ]
        with m.If(moves(self.rows.numbers)):
            m.d.sync += asked.eq(1)
        with m.If(make):
            m.d.sync += [
                asked.eq(0),
                Value.cast(left.sets).eq(rest),
                part.set.eq(members & row), part.number.eq(number), part.lane.eq(lane),
                part.final.eq(final), part.last.eq(final & left.last),
            ]
        with m.If(sets.r_en & sets.r_rdy):
            m.d.sync += Value.cast(left).eq(sets.r_data)
        m.d.sync += valid.eq(make | valid & ~end)

        # Branch sets that are stored, and not yet sent; the part of the first one, of which one word after
        # another is fetched.
        stored  = Signal(range(self.depth + 1))
        base    = Signal(range(self.depth * self.words))
        fetched = moves(self.fetch)
        word, first_word, last_word = sent_words(m, self.words, self.resize, fetched)
        m.d.comb += [
            self.fetch.valid.eq(valid & (stored != 0) & (~first_word | ~self.o_sets.valid)),
            self.fetch.payload.address.eq(base + word),
            self.fetch.payload.lane.eq(part.lane),
            end.eq(fetched & last_word),
            self.release.eq(end & part.final),
        ]
        m.d.sync += stored.eq(stored + delayed(m, self.filled, self.latency - 1, name="filled")
                              - self.release)
        with m.If(self.release):
            m.d.sync += base.eq(Mux(base == (self.depth - 1) * self.words, 0, base + self.words))

        # Its pass set is offered as its first word is fetched.
        with m.If(self.o_sets.ready):
            m.d.sync += self.o_sets.valid.eq(0)
        with m.If(~self.o_sets.valid):
            m.d.sync += [
                self.o_sets.valid.eq(fetched & first_word),
                self.o_sets.payload.set.eq(part.set),
                self.o_sets.payload.choice.eq(part.number),
                self.o_sets.payload.last.eq(part.last),
            ]
        parity.report_at_once()

        return m
