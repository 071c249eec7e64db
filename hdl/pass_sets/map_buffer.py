# amaranth: UnusedElaboratable=no
"""Buffer behind a layer: stores the maps of all lanes and sends each map once per pass set."""

import operator

from amaranth import *
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.part_sequencer import PartSequencer
from hdl.pass_sets.pass_split import branches_layout, fetch_layout, pass_set_layout
from hdl.pass_sets.resize import sent_words
from hdl.stream import counter, delayed, moves


__all__ = ["BranchSequencer", "MapBuffer", "WordFetcher", "WordStore"]


class WordStore(wiring.Component):
    """Write the words of branch sets to the memory, and count the branch sets that have a place there.

    Parameters
    ----------
    shape, words, lanes, depth, by_credit, protect
        See :class:`MapBuffer`.

    Members
    -------
    i, credit
        See :class:`MapBuffer`.
    address, data, enable : Out(range(depth * words)), Out(lanes * (width + parity)), Out(1)
        Write port of the memory: a word of each lane, with its parity.
    filled : Out(1)
        The last word of a branch set is written in this cycle.
    release : In(1)
        A branch set has been sent: its place is free.
    """

    def __init__(self, shape, *, words, lanes, depth, by_credit, protect):
        self.words     = words
        self.depth     = depth
        self.by_credit = by_credit
        self.protect   = protect
        members = {
            "i":       In(stream.Signature(data.ArrayLayout(shape, lanes), always_ready=by_credit)),
            "address": Out(range(depth * words)),
            "data":    Out(lanes * (Shape.cast(shape).width + bool(protect))),
            "enable":  Out(1),
            "filled":  Out(1),
            "release": In(1),
        }
        if by_credit:
            members["credit"] = Out(stream.Signature(0))
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()

        # Places that are taken, by a credit or by a stored branch set. Whether another place is free is
        # known a cycle ahead, as the handshakes of all blocks before depend on it.
        taken      = Signal(range(self.depth + 1))
        taken_next = Signal(range(self.depth + 1))
        free       = Signal(init=1)
        take       = Signal()
        if self.by_credit:
            m.d.comb += [self.credit.valid.eq(free), take.eq(moves(self.credit))]
        else:
            m.d.comb += [self.i.ready.eq(free), take.eq(self.filled)]
        m.d.comb += taken_next.eq(taken + take - self.release)
        m.d.sync += [taken.eq(taken_next), free.eq(taken_next != self.depth)]

        address, _   = counter(m, self.depth * self.words, self.enable, name="write_address")
        _, last_word = counter(m, self.words, self.enable, name="write_word")
        parity = Parity(m, self)
        m.d.comb += [
            self.address.eq(address),
            self.data.eq(Cat(parity.stored(Value.cast(word)) for word in self.i.payload)),
            self.enable.eq(moves(self.i)),
            self.filled.eq(self.enable & last_word),
        ]

        return m


class BranchSequencer(wiring.Component):
    """Choose which map is sent next: one branch after another, of one branch set after another.

    A *branch* is one pass set of a branch set, with the lane whose map belongs to it; branches with an
    empty pass set are skipped. Which pass sets are not empty is stored in a second queue, so that the
    next branch set can begin in the cycle in which the last word of the previous one is fetched.

    Latency is ``latency`` cycles from the last word of a branch set to the fetch of its first word.

    Parameters
    ----------
    words, lanes, passes, depth, next_arrays, apart, resize, protect
        See :class:`MapBuffer`.

    Members
    -------
    i_sets, o_sets
        See :class:`MapBuffer`.
    filled : In(1)
        The last word of a branch set is written in this cycle.
    release : Out(1)
        The last word of a branch set is fetched in this cycle.
    fetch : Out(stream.Signature(fetch_layout(depth * words, lanes)))
        Words to fetch. The first one of a map waits until ``o_sets`` is empty.
    error : Out(1)
        1 for a cycle after a pass set has lost its parity. Only with ``protect``.
    """

    latency = 2

    def __init__(self, *, words, lanes, passes, depth, next_arrays, apart, resize=None, protect):
        self.apart       = apart
        self.resize      = resize
        self.words       = words
        self.lanes       = lanes
        self.depth       = depth
        self.next_arrays = next_arrays
        self.protect     = protect
        super().__init__({
            "i_sets":  In(stream.Signature(branches_layout(passes, lanes * (1 if apart else next_arrays)))),
            "filled":  In(1),
            "release": Out(1),
            "fetch":   Out(stream.Signature(fetch_layout(depth * words, lanes))),
            "o_sets":  Out(stream.Signature(pass_set_layout(passes, next_arrays))),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        # Pass sets of the branch sets that are stored or will be, and which of them are not empty.
        parity   = Parity(m, self)
        branches = self.lanes * self.next_arrays
        if self.apart:
            # Bit t of a set is the branch of pass t alone.
            kept, members = self.i_sets.payload.last, Value.cast(self.i_sets.payload.sets)
        else:
            kept    = Value.cast(self.i_sets.payload)
            members = Cat(passes.any() for passes in self.i_sets.payload.sets)
        m.submodules.sets = sets = parity.fifo(width=len(kept), depth=self.depth + 1)
        m.submodules.presences = presences = parity.fifo(width=branches, depth=self.depth + 1)
        m.d.comb += [
            sets.w_en.eq(self.i_sets.valid),
            sets.w_data.eq(kept),
            presences.w_en.eq(self.i_sets.valid & sets.w_rdy),
            presences.w_data.eq(members),
            self.i_sets.ready.eq(sets.w_rdy),
            sets.r_en.eq(self.release),
        ]

        # The branch set in progress, and its branches that are not yet sent.
        active  = Signal()
        present = Signal(branches)
        ready   = Signal(range(self.depth + 1)) # branch sets that are stored, but not begun
        begin   = Signal()
        base    = Signal(range(self.depth * self.words))
        m.d.comb += [
            begin.eq((~active | self.release) & (ready != 0) & presences.r_rdy),
            presences.r_en.eq(begin),
        ]
        m.d.sync += ready.eq(ready + self.filled - begin)
        with m.If(self.release):
            m.d.sync += [
                active.eq(0),
                base.eq(Mux(base == (self.depth - 1) * self.words, 0, base + self.words)),
            ]

        # The branch in progress is the lowest one that is left, of which one word after another is fetched.
        branch    = Signal(range(branches))
        choice    = Signal(range(self.next_arrays))
        remaining = Signal(branches) # after it
        fetched   = moves(self.fetch)
        word, first_word, last_word = sent_words(m, self.words, self.resize, fetched)
        for index in reversed(range(branches)):
            with m.If(present[index]):
                m.d.comb += [
                    branch.eq(index),
                    choice.eq(index % self.next_arrays),
                    self.fetch.payload.lane.eq(index // self.next_arrays),
                ]
        m.d.comb += [
            remaining.eq(present & (present - 1)),
            self.fetch.valid.eq(active & (~first_word | ~self.o_sets.valid)),
            self.fetch.payload.address.eq(base + word),
            self.release.eq(fetched & last_word & (remaining == 0)),
        ]
        with m.If(fetched & last_word):
            m.d.sync += present.eq(remaining)
        with m.If(begin):
            m.d.sync += [active.eq(1), present.eq(presences.r_data)]

        # Its pass set is offered as its first word is fetched.
        if self.apart:
            pass_set, last = 1 << choice, sets.r_data
        else:
            stored = data.View(self.i_sets.payload.shape(), sets.r_data)
            pass_set, last = stored.sets[branch], stored.last
        with m.If(self.o_sets.ready):
            m.d.sync += self.o_sets.valid.eq(0)
        with m.If(~self.o_sets.valid):
            m.d.sync += [
                self.o_sets.valid.eq(fetched & first_word),
                self.o_sets.payload.set.eq(pass_set),
                self.o_sets.payload.choice.eq(choice),
                self.o_sets.payload.last.eq(last & (remaining == 0)),
            ]
        parity.report_at_once()

        return m


class WordFetcher(wiring.Component):
    """Read words from the memory into a queue, from which they are sent.

    The pipeline from the memory to the queue never stalls: a word is only fetched while the queue has
    space for all words that are under way.

    Latency is ``latency`` cycles, throughput one word per cycle.

    Parameters
    ----------
    shape, lanes, protect
        See :class:`MapBuffer`.
    words : int
        Words of the memory.
    block_memory : bool
        Whether the memory is a block memory, which is slow to answer and placed far from the logic.

    Members
    -------
    i : In(stream.Signature(fetch_layout(words, lanes)))
        Words to fetch.
    address, data : Out(range(words)), In(lanes * (width + parity))
        Read port of the memory, which answers in the next cycle: a word of each lane, with its parity.
    o : Out(stream.Signature(shape))
        Words.
    error : Out(1)
        1 for a cycle after a word has lost its parity. Only with ``protect``.
    """

    latency = 4

    #: Words that can be fetched and not yet taken; fewer would not give a word in every cycle.
    CAPACITY = latency + 3

    def __init__(self, shape, *, words, lanes, block_memory, protect):
        self.width        = Shape.cast(shape).width
        self.block_memory = block_memory
        self.protect      = protect
        super().__init__({
            "i":       In(stream.Signature(fetch_layout(words, lanes))),
            "address": Out(range(words)),
            "data":    In(lanes * (self.width + bool(protect))),
            "o":       Out(stream.Signature(shape)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity  = Parity(m, self)
        width   = self.width + parity.bits
        fetched = moves(self.i)

        # Two registers, beside that of the memory: behind a block memory, before the lane is selected. With
        # a memory of logic the first of them holds the address instead, which is narrower than the words.
        m.d.comb += self.address.eq(delayed(m, self.i.payload.address, 0 if self.block_memory else 1,
                                            name="address"))
        words = delayed(m, self.data, 2 if self.block_memory else 1, name="words")
        lane  = delayed(m, self.i.payload.lane, self.latency - 1, name="lane")
        valid = Signal(self.latency - 1)
        m.d.sync += valid.eq(Cat(fetched, valid))

        m.submodules.queue = queue = fifo.SyncFIFO(width=width, depth=self.CAPACITY)
        # Whether there is space for another word, and whether there is any word to send, are registers:
        # the handshakes of all blocks on either side depend on them.
        space       = Signal(range(self.CAPACITY + 1), init=self.CAPACITY)
        space_next  = Signal(range(self.CAPACITY + 1))
        fetching    = Signal(init=1)
        taken       = Signal()
        queued      = Signal(range(self.CAPACITY + 1))
        queued_next = Signal(range(self.CAPACITY + 1))
        not_empty   = Signal()
        m.d.comb += [
            self.i.ready.eq(fetching),
            space_next.eq(space - fetched + taken),
            queue.w_en.eq(valid[-1]),
            queue.w_data.eq(words.word_select(lane, width)),
            queue.r_en.eq(self.o.ready),
            queued_next.eq(queued + valid[-1] - moves(self.o)),
            self.o.valid.eq(not_empty),
            Value.cast(self.o.payload).eq(queue.r_data[:self.width]),
        ]
        m.d.sync += [
            taken.eq(moves(self.o)),
            space.eq(space_next), fetching.eq(space_next != 0),
            queued.eq(queued_next), not_empty.eq(queued_next != 0),
        ]
        parity.check(queue.r_data, moves(self.o))
        parity.report_at_once()

        return m


class MapBuffer(wiring.Component):
    """Store the maps of all lanes of a layer, then send each map once for each non-empty pass set.

    The maps of the lanes come side by side, word by word; together they are a *branch set*. Its pass
    sets come on a separate stream, before or after its words. Each lane has one pass set per array of
    the next layer: that of the passes which have chosen this array there; the map of the lane is sent
    once for each of them that is not empty. Lanes are sent from the first to the last, without a gap
    between maps. The pass set of a map is offered as the first word of the map is fetched.

    Three parts share a memory of ``depth`` branch sets, a ring. :class:`WordStore` writes words to it,
    :class:`BranchSequencer`, or :class:`hdl.pass_sets.part_sequencer.PartSequencer` where passes with equal
    masks are to share a map, decides which map is sent next and asks for its words, and
    :class:`WordFetcher` reads these. Two strobes keep them in step: ``filled`` when a branch set is
    stored, ``release`` when it has been sent.

    Flow control of ``i`` is by back-pressure, or with ``by_credit`` by credits: words cannot wait, and
    the sender takes one credit for each branch set before its first word.

    Latency is ``latency`` cycles from the last word of a branch set to the first word that is sent.
    Throughput is one word per cycle on both sides; with a depth of 2, filling can wait a cycle per
    map for the place that sending frees.

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
        Branch sets in the memory, at least 1; with two or more, one is stored while one is sent.
    next_arrays : int
        Arrays of the next layer.
    apart : bool
        Whether passes never share a map of the next layer: each lane has one pass set, and its map is sent
        once for each pass of it, with the number of the pass in place of that of an array. Then
        ``next_arrays`` is the number of passes; a :exc:`ValueError` is raised otherwise.
    parts : int
        Parts of the pass set of a lane, in order, for each of which its map is sent as if it were a lane; a
        :exc:`ValueError` is raised for several with several lanes.
    merged : bool
        Whether passes that go ``apart`` share a map where their masks are equal, with the number of the
        highest one.
    resize : hdl.pass_sets.resize.Resize or None
        The order in which the words of a map are sent, if this is larger than what is stored; a
        :exc:`ValueError` is raised unless that has ``words`` words.
    by_credit : bool
        Whether the sender of words takes credits.
    protect : bool
        Check the parity of words and pass sets.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(shape, lanes)))
        Words of all lanes.
    i_sets : In(stream.Signature(branches_layout(passes, lanes * next_arrays)))
        Pass sets of each branch set, those of a lane side by side, or one for each lane if ``apart``; at
        least one of them must not be empty.
    o : Out(stream.Signature(shape))
        Words of the maps that are sent.
    o_sets : Out(stream.Signature(pass_set_layout(passes, next_arrays)))
        Pass set of each map that is sent, and the array of the next layer that computes it.
    credit : Out(stream.Signature(0))
        Credits, each for one branch set. Only with ``by_credit``.
    rows : Out(rows_signature(passes))
        Which passes have equal masks. Only if ``merged``.
    error : Out(1)
        1 for a cycle after a word or a pass set has lost its parity. Only with ``protect``.
    """

    latency = BranchSequencer.latency + WordFetcher.latency

    #: Least cycles from one map to the next: a pass set is taken before the next one is offered.
    interval = 2

    #: Words of the largest memory that is made of logic.
    LOGIC_DEPTH = 16

    #: Words that can be fetched and not yet taken.
    FETCHED = WordFetcher.CAPACITY

    def __init__(self, shape, *, words, lanes, passes, depth, next_arrays=1, apart=False, merged=False,
                 parts=1, resize=None, by_credit=False, protect=False):
        self.words       = operator.index(words)
        self.lanes       = operator.index(lanes)
        self.passes      = operator.index(passes)
        self.depth       = operator.index(depth)
        self.next_arrays = operator.index(next_arrays)
        for name, value in (("Words of a map", words), ("Lanes", lanes), ("Depth", depth),
                            ("Arrays of the next layer", next_arrays)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        if apart and next_arrays != passes:
            raise ValueError(f"Passes that are sent apart must be {passes}, not {next_arrays!r}")
        if merged and not apart:
            raise ValueError("Passes whose equal masks are merged must be sent apart")
        if resize is not None and resize.height * resize.width != words:
            raise ValueError(f"Words of a map that is resized must be {resize.height * resize.width}, "
                             f"not {words!r}")
        #: Words of a map that is sent.
        self.sent      = words if resize is None else resize.words
        self.merged    = merged
        self.by_credit = by_credit
        self.protect   = protect
        if parts > 1 and lanes > 1:
            raise ValueError(f"Lanes must be 1 for several parts, not {lanes!r}")
        self.block_memory = depth * words > self.LOGIC_DEPTH
        self.word_store = WordStore(shape, words=words, lanes=lanes, depth=depth, by_credit=by_credit,
                                    protect=protect)
        order = {"words": words, "lanes": lanes * parts, "passes": passes, "depth": depth,
                 "resize": resize, "protect": protect}
        self.sequencer = (PartSequencer(**order) if merged else
                          BranchSequencer(next_arrays=next_arrays, apart=apart, **order))
        self.word_fetcher = WordFetcher(shape, words=depth * words, lanes=lanes,
                                        block_memory=self.block_memory, protect=protect)
        members = {
            "i":      In(self.word_store.i.signature.flip()),
            "i_sets": In(self.sequencer.i_sets.signature.flip()),
            "o":      Out(self.word_fetcher.o.signature),
            "o_sets": Out(self.sequencer.o_sets.signature),
            **({"rows": Out(self.sequencer.rows.signature)} if merged else {}),
            **error_port(protect),
        }
        if by_credit:
            members = {"credit": Out(self.word_store.credit.signature), **members}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()

        m.submodules.word_store       = store     = self.word_store
        m.submodules[f"{'part' if self.merged else 'branch'}_sequencer"] = sequencer = self.sequencer
        m.submodules.word_fetcher     = fetcher   = self.word_fetcher
        # A small memory is made of logic by every synthesis for a chip that has memories of logic. An iCE40
        # has only blocks, so logic is not requested.
        m.submodules.maps = maps = memory.Memory(
            shape=len(store.data), depth=self.depth * self.words, init=[],
            attrs={"ram_style": "block"} if self.block_memory else {})
        write = maps.write_port()
        read = maps.read_port()
        m.d.comb += [
            write.addr.eq(store.address),
            write.data.eq(store.data),
            write.en.eq(store.enable),
            read.addr.eq(fetcher.address),
            fetcher.data.eq(read.data),
            sequencer.filled.eq(store.filled),
            store.release.eq(sequencer.release),
        ]
        connect(m, flipped(self.i), store.i)
        if self.by_credit:
            connect(m, store.credit, flipped(self.credit))
        connect(m, flipped(self.i_sets), sequencer.i_sets)
        if self.merged:
            connect(m, sequencer.rows, flipped(self.rows))
        m.d.comb += [
            fetcher.i.valid.eq(sequencer.fetch.valid),
            fetcher.i.payload.address.eq(sequencer.fetch.payload.address),
            fetcher.i.payload.lane.eq(sequencer.fetch.payload.lane if self.lanes > 1 else 0),
            sequencer.fetch.ready.eq(fetcher.i.ready),
        ]
        connect(m, fetcher.o, flipped(self.o))
        connect(m, sequencer.o_sets, flipped(self.o_sets))
        parity = Parity(m, self)
        parity.watch(sequencer, fetcher)
        parity.report()

        return m
