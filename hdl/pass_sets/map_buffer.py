"""Buffer between engines that replays the maps of non-empty pass sets."""

import operator

from amaranth import *
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.pass_split import branches_layout, pass_set_layout


__all__ = ["MapBuffer"]


class MapBuffer(wiring.Component):
    """Store the maps of all lanes of a layer, then send each one for each pass set that is not empty.

    The maps of the lanes come side by side, word by word; together they are a *branch set*. Their
    pass sets come apart from them and may be earlier or later. A map is sent as often as passes of the
    next layer have chosen different arrays for it: it has one pass set per ``copies``. Lanes are sent
    from the first to the last, without a gap between maps. The pass set of a map is offered as its
    first word is read.

    With ``reserved``, words cannot wait: who sends them takes room for a whole branch set before.

    Latency is ``latency`` cycles from the last word of a branch set to the first word that is sent.
    Throughput is one word per cycle on both sides; with a depth of 2, filling can wait a cycle per
    map for the room that sending leaves.

    Parameters
    ----------
    shape : shape-like
        A word of a map.
    words : int
        Words of a map, at least 1.
    lanes : int
        Maps of a branch set.
    passes : int
        T_max: bits of a pass set.
    depth : int
        Branch sets that are held, at least 1; with two or more one is filled while one is sent.
    copies : int
        Arrays of the next layer, of which each map is sent to one or more.
    reserved : bool
        Whether room is taken ahead.
    protect : bool
        Check the parity of words and pass sets.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(shape, lanes)))
        Words of all lanes.
    i_sets : In(stream.Signature(branches_layout(passes, lanes * copies)))
        Pass sets of each branch set, those of a lane side by side; at least one of them must not be
        empty.
    o : Out(stream.Signature(shape))
        Words of the maps that are sent.
    o_sets : Out(stream.Signature(pass_set_layout(passes, copies)))
        Pass set of each map that is sent, and the array that it is sent to.
    room : Out(stream.Signature(0))
        Room for one branch set. Only with ``reserved``.
    error : Out(1)
        1 for a cycle after a word or a pass set has lost its parity. Only with ``protect``.
    """

    #: Cycles from the fetch of a word to the word.
    ANSWER = 4

    latency = 2 + ANSWER

    #: Cycles from one map to the next, at least: a pass set is gone before the next one comes.
    interval = 2

    #: Words of a memory that is made of logic.
    LOGIC_DEPTH = 16

    #: Words that can be fetched and not yet taken; fewer would not let one pass in every cycle.
    FETCHED = ANSWER + 3

    def __init__(self, shape, *, words, lanes, passes, depth, copies=1, reserved=False,
                 protect=False):
        self.shape  = shape
        self.words  = operator.index(words)
        self.lanes  = operator.index(lanes)
        self.passes = operator.index(passes)
        self.depth  = operator.index(depth)
        self.copies = operator.index(copies)
        for name, value in (("Words of a map", words), ("Lanes", lanes), ("Depth", depth),
                            ("Copies", copies)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        self.reserved = reserved
        self.protect  = protect
        super().__init__({
            **({"room": Out(stream.Signature(0))} if reserved else {}),
            "i":      In(stream.Signature(data.ArrayLayout(shape, lanes), always_ready=reserved)),
            "i_sets": In(stream.Signature(branches_layout(passes, lanes * copies))),
            "o":      Out(stream.Signature(shape)),
            "o_sets": Out(stream.Signature(pass_set_layout(passes, copies))),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        # Filling. A word keeps its parity from here to where it is sent.
        parity = Parity(m, self)
        word_width = Shape.cast(self.shape).width
        width = word_width + parity.bits
        # Block memories are slow and far apart. What is no deeper than a memory of logic is put in one
        # by every synthesis for a chip that has such memories; an iCE40 has none, so it is not asked for.
        deep = self.depth * self.words > self.LOGIC_DEPTH
        m.submodules.maps = maps = memory.Memory(
            shape=width * self.lanes, depth=self.depth * self.words, init=[],
            attrs={"ram_style": "block"} if deep else {})
        store   = maps.write_port()
        fetch   = maps.read_port()
        filled  = Signal()
        release = Signal()
        # Branch sets that take room; whether there is any is known a cycle ahead, as all that comes
        # before waits for it.
        held          = Signal(range(self.depth + 1))
        held_next     = Signal(range(self.depth + 1))
        free          = Signal(init=1)
        write_address = Signal(range(self.depth * self.words))
        write_word    = Signal(range(self.words))
        taking        = Signal()
        if self.reserved:
            m.d.comb += [self.room.valid.eq(free), taking.eq(self.room.valid & self.room.ready)]
        else:
            m.d.comb += [self.i.ready.eq(free), taking.eq(filled)]
        m.d.comb += [
            held_next.eq(held + taking - release),
            store.addr.eq(write_address),
            store.data.eq(Cat(parity.stored(Value.cast(word)) for word in self.i.payload)),
            store.en.eq(self.i.valid & self.i.ready),
            filled.eq(store.en & (write_word == self.words - 1)),
        ]
        with m.If(store.en):
            m.d.sync += write_address.eq(
                Mux(write_address == self.depth * self.words - 1, 0, write_address + 1))
            m.d.sync += write_word.eq(Mux(filled, 0, write_word + 1))
        m.d.sync += [held.eq(held_next), free.eq(held_next != self.depth)]

        # Pass sets of the branch sets held or to come; and which of them are not empty, apart, so
        # that the next ones can be looked at while the last map of a branch set is still sent.
        m.submodules.sets = sets = parity.fifo(
            width=len(Value.cast(self.i_sets.payload)), depth=self.depth + 1)
        branch_count = self.lanes * self.copies
        m.submodules.presences = presences = parity.fifo(width=branch_count, depth=self.depth + 1)
        branches = data.View(self.i_sets.payload.shape(), sets.r_data)
        m.d.comb += [
            sets.w_en.eq(self.i_sets.valid),
            sets.w_data.eq(self.i_sets.payload),
            presences.w_en.eq(self.i_sets.valid & sets.w_rdy),
            presences.w_data.eq(Cat(part.any() for part in self.i_sets.payload.sets)),
            self.i_sets.ready.eq(sets.w_rdy),
            sets.r_en.eq(release),
        ]

        # Sending: `present` has the branches of the branch set in progress that are left to send.
        present = Signal(branch_count)
        active  = Signal()
        waiting = Signal(range(self.depth + 1)) # branch sets that are filled, but not yet begun
        load    = Signal()
        m.d.comb += [
            load.eq((~active | release) & (waiting != 0) & presences.r_rdy),
            presences.r_en.eq(load),
        ]
        m.d.sync += waiting.eq(waiting + filled - load)
        branch = Signal(range(branch_count))
        later  = Signal(branch_count)
        lane   = Signal(range(self.lanes))
        choice = Signal(range(self.copies))
        m.d.comb += later.eq(present & (present - 1))
        for index in reversed(range(branch_count)):
            with m.If(present[index]):
                m.d.comb += [
                    branch.eq(index),
                    lane.eq(index // self.copies),
                    choice.eq(index % self.copies),
                ]

        base  = Signal(range(self.depth * self.words))
        word  = Signal(range(self.words))
        issue = Signal()
        begin = Signal()
        end   = Signal()
        room  = Signal()
        m.d.comb += [
            begin.eq(word == 0),
            end.eq(word == self.words - 1),
            room.eq(~self.o_sets.valid),
            release.eq(issue & end & (later == 0)),
        ]
        with m.If(issue):
            m.d.sync += word.eq(Mux(end, 0, word + 1))
            with m.If(end):
                m.d.sync += present.eq(later)
        with m.If(release):
            m.d.sync += [
                active.eq(0),
                base.eq(Mux(base == (self.depth - 1) * self.words, 0, base + self.words)),
            ]
        with m.If(load):
            m.d.sync += [active.eq(1), present.eq(presences.r_data)]
        with m.If(self.o_sets.ready):
            m.d.sync += self.o_sets.valid.eq(0)
        with m.If(room):
            m.d.sync += [
                self.o_sets.valid.eq(issue & begin),
                self.o_sets.payload.set.eq(branches.sets[branch]),
                self.o_sets.payload.choice.eq(choice),
                self.o_sets.payload.last.eq(branches.last & (later == 0)),
            ]

        # Reading never stalls: a word is fetched only when the queue has room for it, and whether it
        # has is known a cycle ahead. A block memory is slow to answer and far from what it answers
        # to, so its words go through two registers before the lane is chosen. Another memory has one
        # for the address instead, which is narrower.
        m.submodules.queue = queue = fifo.SyncFIFO(width=width, depth=self.FETCHED)
        steps = self.ANSWER - 1
        valid = [Signal(name=f"valid_{step}") for step in range(steps)]
        lanes = [Signal(range(self.lanes), name=f"lane_{step}") for step in range(steps)]
        m.d.sync += Cat(valid).eq(Cat(issue, valid))
        m.d.sync += [after.eq(before) for before, after in zip([lane, *lanes], lanes, strict=False)]
        raw   = fetch.data
        for step in range(2 if deep else 1):
            later = Signal.like(raw, name=f"raw_{step}")
            m.d.sync += later.eq(raw)
            raw = later
        address = base + word
        if not deep:
            address = Signal.like(fetch.addr)
            m.d.sync += address.eq(base + word)
        space      = Signal(range(self.FETCHED + 1), init=self.FETCHED)
        space_next = Signal(range(self.FETCHED + 1))
        fetching   = Signal(init=1)
        taken      = Signal()
        # Words in the queue; that there are any is a register of its own, as a whole window waits for it.
        queued      = Signal(range(self.FETCHED + 1))
        queued_next = Signal(range(self.FETCHED + 1))
        some        = Signal()
        m.d.comb += [
            issue.eq(active & fetching & (~begin | room)),
            fetch.addr.eq(address),
            space_next.eq(space - issue + taken),
            queue.w_en.eq(valid[-1]),
            queue.w_data.eq(raw.word_select(lanes[-1], width)),
            queue.r_en.eq(self.o.ready),
            queued_next.eq(queued + valid[-1] - (some & self.o.ready)),
            self.o.valid.eq(some),
            Value.cast(self.o.payload).eq(queue.r_data[:word_width]),
        ]
        parity.check(queue.r_data, some & self.o.ready)
        m.d.sync += [
            taken.eq(self.o.valid & self.o.ready),
            space.eq(space_next), fetching.eq(space_next != 0),
            queued.eq(queued_next), some.eq(queued_next != 0),
        ]
        parity.report()

        return m
