"""Cycles of an accelerator, map by map: when each is read, stored and sent.

Nothing here simulates logic. A map takes one step in each block, which states its latency and how much it
holds. A step begins once the map, its pass set, its random bits and room for its results are there; when
that is is known, as each map is followed down to the results before the next one.
"""

import itertools
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from hdl.accelerator import Accelerator
from hdl.random.mask_store import MaskStore


__all__ = ["Timeline", "timeline"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """When images enter and leave, in cycles from the first pixel of the first image."""

    first_pixels: tuple[int, ...] #: Cycle in which the first pixel of each image is taken.
    results: tuple[int, ...]      #: Cycle in which the last word of each result is taken.
    maps: tuple[int, ...]         #: Maps that each engine has run for the last image.
    leaves: int                   #: Leaves of the last image.
    waits: bool                   #: Whether a layer has waited for room, or for an array, a mask or random
                                  #: bits, or logits for room in the softmax.

    @property
    def interval(self) -> float:
        """Cycles from image to image of images that are all alike: those between the last two, or if a
        layer waits, which it may do for some images and not for others, the mean of the later half."""
        return self.mean_interval if self.waits else self.results[-1] - self.results[-2]

    @property
    def mean_interval(self) -> float:
        """Mean cycles from image to image over the later half: the start-up is over."""
        # Where nothing waits, images come as fast as the first layer takes them, and the pixels say it
        # without what latencies differ by.
        later = (self.results if self.waits else self.first_pixels)[len(self.results) // 2:]
        mean  = (later[-1] - later[0]) / (len(later) - 1)
        # What latencies differ by must not make it shorter than any image takes to come in.
        return max(mean, min(after - before for before, after in itertools.pairwise(self.first_pixels)))

    @property
    def latency(self) -> int:
        """Cycles from the first pixel of the first image to the end of its result."""
        return self.results[0]


def timeline(accelerator: Accelerator, outcomes: np.ndarray) -> Timeline:
    """Follow images back to back from reset on, with the ``outcomes`` of all choices, int (N, T, L, 2)
    (:func:`gen.outcomes.outcomes_of`). Results are taken as they come."""
    count, passes = outcomes.shape[:2]
    bank    = _MaskBank(accelerator, passes)
    head    = _Head(accelerator)
    engines = [None] * len(accelerator.engines)
    edges, joins = [], {}
    behind  = head

    def engine(number, edge, beside=()):
        """When the layer ``number`` reads, with ``edge`` behind it."""
        store = accelerator.mask_stores.get(accelerator.names[number])
        engines[number] = _Engine(accelerator.engines[number], edge, bank, store and store.latency, beside)
        edges.append(edge)
        return engines[number]

    def beside(branch):
        """The first block of a branch, which ends in its join."""
        trunk = accelerator.trunk
        parts = [outcomes[..., number, kind] for number, kind in itertools.product(
            trunk[trunk.index(branch.first):trunk.index(branch.last) + 2], (0, 1))]
        # Not before the first of these layers, nor behind the sums of that behind the join.
        parts = parts[1:-1]
        *inner, last = branch.layers or (None,)
        held = accelerator.branch_edges[branch.name] if last is None else accelerator.edges[last]
        end  = joins[branch.name].branch = _BranchEnd(held, parts, bank, None)
        if last is None:
            edges.append(end)
            return _Beside(end)
        block = engine(last, end)
        for number in reversed(inner):
            block = engine(number, _Edge(accelerator.edges[number], [], bank, block))
        return block

    for index, number in reversed([*enumerate(accelerator.trunk)]):
        name, edge = accelerator.names[number], accelerator.edges[number]
        following  = accelerator.trunk[index + 1:][:1]
        for branch in reversed(accelerator.branches):
            if branch.last == number:
                behind = joins[branch.name] = _Join(accelerator.joins[branch.name], behind)
        split = [outcomes[..., number, 1]]
        if name in accelerator.array_edges:
            edges.append(_Edge(accelerator.array_edges[name], [outcomes[..., following[0], 0]], bank,
                               behind))
            behind = _Store(edges[-1])
        elif following:
            split.append(outcomes[..., following[0], 0])
        if edge.mixer:
            behind = _Mixer(edge.mixer, bank, accelerator.mix_stores[name].latency, behind)
        following_edge = _Edge(edge, split, bank, behind)
        if edge.mixer:
            behind.edge = following_edge
        behind = engine(number, following_edge, [
            beside(branch) for branch in accelerator.branches if branch.first == number])
    numbers = np.broadcast_to(np.arange(passes), (count, passes))
    for edge, split in ((accelerator.first_edge, outcomes[..., 0, 0]),
                        (accelerator.sequential_edge, numbers)):
        if edge is not None:
            edges.append(_Edge(edge, [split], bank, behind))
            behind = _Store(edges[-1])

    pixel_input = accelerator.pixel_input
    entered, announced, firsts = 0, [], []
    for image in range(count):
        # An image waits until the mask bank and the first block have taken the one ``AHEAD`` places before.
        first = max([entered, *(taken[image - pixel_input.AHEAD] + 1 for taken in (bank.begun, announced)
                                if image >= pixel_input.AHEAD and taken),
                     *(one + pixel_input.announcement for one in firsts[-1:])])
        firsts.append(first)
        offered = first + pixel_input.announcement
        bank.draw(image, offered)
        before = [len(engine.ends) for engine in engines]
        leaves = len(head.read)
        taken, times = behind.enter(first + accelerator.binarizer.latency, offered, image,
                                    (1 << passes) - 1, True)
        announced.append(taken)
        entered = times[-1]
    return Timeline(tuple(firsts), tuple(head.results),
                    tuple(len(engine.ends) - runs for engine, runs in zip(engines, before, strict=True)),
                    len(head.read) - leaves,
                    head.front.waited or any(edge.waited for edge in edges))


class _MaskBank:
    """When the masks of each image are there (:class:`hdl.random.mask_bank.MaskBank`)."""

    def __init__(self, accelerator, passes):
        self.bank  = accelerator.mask_bank
        self.begun = [] # cycles in which images are taken
        self.there = [] # cycles from which masks are there
        self.masks = [] # cycles in which the last edge has taken its masks of an image
        self.words = [] # cycles in which the last layer has been told the last pass of an image
        if self.bank is not None:
            source = accelerator.rng, accelerator.points
            self.turns   = self.bank.requests(passes, *source)
            self.latency = self.bank.latency(passes, *source)
            self._asked  = -self.turns

    def draw(self, image, offered):
        """An image is announced."""
        self.masks.append(0)
        self.words.append(0)
        if self.bank is None:
            self.there.append(0)
            return
        # An image is begun when all stores have room for its words. Its masks are handed out when all
        # queues have had room for a cycle, and are there a cycle later.
        masks = self.masks[image - self.bank.AHEAD] if image >= self.bank.AHEAD else -1
        words = self.words[image - MaskStore.IMAGES] if image >= MaskStore.IMAGES else -1
        begun = max([offered, words + 1, *self.there[-1:]])
        self._asked = max(begun + 1, self._asked + self.turns)
        self.begun.append(begun)
        self.there.append(max(self._asked + self.latency, masks + 3))


@dataclass
class _Edge:
    """When maps are sent (:class:`hdl.pass_sets.edge.Edge`)."""

    edge: object
    split: list[np.ndarray]      # outcomes (images, passes) of each choice that divides pass sets
    bank: _MaskBank
    behind: object               # the block that takes the maps
    waited: bool = False
    released: list = field(default_factory=list) # cycle in which each branch set has been fetched
    written: list = field(default_factory=list)  # cycle in which the pass sets of each are stored
    _taken: deque = None                         # cycles in which the last words were taken
    _loaded: list = field(default_factory=list)  # cycle in which the pass sets of each are divided
    _parted: int = -1                            # cycle in which the last part of a set was made
    _fetched: int = -1                           # cycle in which the last word was fetched
    _set_taken: int = -2                         # cycle in which the last pass set was taken

    def __post_init__(self):
        self.buffer = self.edge.buffer
        self._taken = deque(maxlen=self.buffer.FETCHED + 1)

    def room(self):
        """Cycle from which there is room for the next branch set."""
        number = len(self.released)
        return self.released[number - self.buffer.depth] + 1 if number >= self.buffer.depth else 0

    def take_set(self, offered, image, last):
        """A pass set is offered; return when it is taken."""
        number, depth = len(self.written), self.buffer.depth
        taken = max([offered, *self.written[-1:], self.bank.there[image] if self.edge.drawn else 0])
        written = max([taken + self.edge.split.latency, *(one + 1 for one in self.written[-1:])])
        if number > depth:
            left = self._loaded if self.buffer.merged else self.released
            written = max(written, left[number - depth - 1] + 1)
        self.written.append(written)
        if self.edge.drawn and last:
            self.bank.masks[image] = max(self.bank.masks[image], taken)
        return taken

    def put(self, filled, image, members, last):
        """The last word of a branch set is stored in the cycle ``filled``: send its maps."""
        sends = self._sends(filled + self.buffer.sequencer.latency, self._divided(filled), image, members,
                            last)
        try:
            sent = next(sends)
            while True:
                sent = sends.send(self.behind.enter(*sent))
        except StopIteration:
            pass

    def _divided(self, filled):
        """Cycle in which the pass sets of a branch set are there; of one whose equal masks are merged, in
        which the first row can be asked for."""
        sequencer = self.buffer.sequencer
        if self.buffer.merged:
            self._loaded.append(max(self.written[-1] + sequencer.asking - 1, self._parted))
            return self._loaded[-1]
        divided = self.written[-1] + sequencer.latency
        self.waited |= divided > filled + sequencer.latency
        return divided

    def _sends(self, ready, divided, image, members, last):
        """Yield for each map of a branch set what the block behind is told, and take what this returns."""
        sequencer = self.buffer.sequencer
        parts = _divide(members, [came_to[image] for came_to in self.split], self.buffer.merged)
        ahead, words = self.buffer.FETCHED, self.buffer.sent
        for number, part in enumerate(parts):
            if self.buffer.merged:
                # The row of a part is asked for when the part before is made, and the bits are drawn.
                asked = max(self._loaded[-1] + 1, self._parted + 1, self.bank.there[image])
                self.waited |= asked + sequencer.ROW > max(ready - 1, self._fetched, self._set_taken)
                self._parted = max(asked + sequencer.ROW, self._fetched)
                divided = self._parted + 1
            fetch = max(ready, divided, self._fetched + 1, self._set_taken + 1)
            if len(self._taken) >= ahead:
                # A word is fetched two cycles after there was room for it.
                fetch = max(fetch, self._taken[-ahead] + 2)
            self._set_taken, times = yield (
                fetch + self.buffer.word_fetcher.latency, fetch + 1, image, part,
                last and number + 1 == len(parts))
            self._taken.extend(times)
            self._fetched = fetch + words - 1
            if len(self._taken) > ahead:
                self._fetched = max(self._fetched, self._taken[-1 - ahead] + 2)
        self.released.append(self._fetched)


class _BranchEnd(_Edge):
    """When maps of a branch are sent to its join, which takes them as those of the trunk come."""

    def __post_init__(self):
        super().__post_init__()
        self._stored = deque() # branch sets that are not yet sent
        self._sent   = None    # the map that is sent next, of the first of them

    def put(self, filled, image, members, last):
        ready = filled + self.buffer.sequencer.latency
        self._stored.append(self._sends(ready, self._divided(filled), image, members, last))

    def sends(self):
        """Return what the join is told of the next map."""
        if self._sent is None:
            self._sent = next(self._stored[0])
        return self._sent

    def sent(self, taken, times):
        """The join has taken the pass set of this map and its last words."""
        try:
            self._sent = self._stored[0].send((taken, times))
        except StopIteration:
            self._sent = None
            self._stored.popleft()


class _Beside:
    """When the words of maps are stored beside the layer that they enter too."""

    def __init__(self, edge):
        self.edge = edge

    def take_set(self, offered, image, last):
        return self.edge.take_set(offered, image, last)

    def first_word(self):
        return self.edge.room()


class _Join:
    """When maps of trunk and branch are joined (:class:`hdl.pass_sets.join.Join`)."""

    def __init__(self, join, behind):
        self.join   = join
        self.behind = behind
        self.branch = None # the edge at the end of the branch
        self._left  = 0    # cycle in which the last word of the last map has left

    def enter(self, arrival, offered, image, members, last):
        """A map of the trunk arrives; return when its pass set and its last words are taken."""
        beside, told, _, others, _ = self.branch.sends()
        assert others == members, "trunk and branch send maps in the same order"
        first = max(arrival, beside, self._left)
        taken, left = self.behind.enter(first + self.join.latency, max(offered, told), image, members, last)
        self._left = left[-1]
        # A word is taken as the one before leaves.
        times = [first, *left[:-1]]
        self.branch.sent(taken, times)
        return taken, times


class _Store:
    """When the words of maps are stored in an edge that they can wait in front of."""

    def __init__(self, edge):
        self.edge  = edge
        self._free = 0

    def enter(self, arrival, offered, image, members, last):
        """A map arrives; return when its pass set and its last words are taken."""
        taken = self.edge.take_set(offered, image, last)
        words = self.edge.buffer.words
        start = max(arrival, self._free, self.edge.room())
        self._free = start + words
        self.edge.put(start + words - 1, image, members, last)
        return taken, range(max(start, self._free - 2 * self.edge.buffer.FETCHED), self._free)


class _Engine:
    """When maps are read (:class:`hdl.engine.Engine`)."""

    def __init__(self, engine, edge, bank, store, beside=()):
        self.engine  = engine
        self.edge    = edge
        self.bank    = bank
        self.store   = store  # latency of the store of its masks, if inputs are masked
        self.beside  = beside # first blocks of the branches whose maps enter them as they enter this
        self.ends    = []     # cycles in which the last reads of maps are issued
        self._queued = []     # cycles in which arrays and masks of maps are in their queue
        self._free   = 0
        cycles = engine.word_cycles
        #: Cycles from each word to the next.
        self.gaps = np.diff(cycles)
        #: Number of the word with which the first position is complete, or that comes before.
        self.begins = bisect_right(cycles, engine.first_read - engine.line_buffer.latency) - 1

    def enter(self, arrival, offered, image, members, last):
        """The first word of a map arrives and its pass set is offered; return when the set is taken, and
        when its last words are."""
        engine, edge = self.engine, self.edge
        taken = self.take_set(offered, image, last)
        if self.beside:
            taken = max(taken, *(block.take_set(offered, image, last) for block in self.beside))
            return taken, self._enter_beside(arrival, image, members, last)
        start = max(arrival - engine.word_cycles[0], self._free)
        read  = start + engine.first_read
        wait  = self._wait(read)
        self._free = start + wait + engine.map_cycles
        self.ends.append(start + wait + engine.final_read)
        edge.put(start + wait + engine.last_read + engine.latency, image, members, last)
        # Words that come with or before the first position do not wait.
        ahead = engine.first_read - engine.line_buffer.latency
        return taken, [start + cycle + (wait if cycle > ahead else 0)
                       for cycle in engine.word_cycles[-2 * edge.buffer.FETCHED:]]

    def take_set(self, offered, image, last):
        """A pass set is offered; return when it is taken."""
        queue, number = self.engine.choices, len(self.ends)
        if queue:
            room = self.ends[number - queue.AHEAD] + 1 if number >= queue.AHEAD else 0
            if self.store is None:
                offered = max(offered, room)
            else:
                # The store serves requests in order, so one that waits holds up the next.
                offered = max([offered, self.bank.there[image], *self._queued[-1:]])
        taken  = self.edge.take_set(offered, image, last)
        queued = taken
        if self.store is not None:
            queued = max(taken + self.store, room)
            if last:
                self.bank.words[image] = max(self.bank.words[image], taken)
        self._queued.append(queued)
        return taken

    def first_word(self):
        """Cycle from which the first word of the next map is taken."""
        return self._free + self.engine.word_cycles[0]

    def _wait(self, read):
        """Cycles that the first read of a map, which could be in the cycle ``read``, waits."""
        queue = self.engine.choices
        wait  = max(0, self.edge.room() - read, self._queued[-1] + queue.latency - read if queue else 0)
        self.edge.waited |= wait > 0
        return wait

    def _enter_beside(self, arrival, image, members, last):
        """As :meth:`enter` where words enter branches as well: each as all take it."""
        engines = [self, *(block for block in self.beside if isinstance(block, _Engine))]
        first = max(arrival, self.first_word(), *(block.first_word() for block in self.beside))
        words = first + np.concatenate([[0], np.cumsum(np.max([each.gaps for each in engines], axis=0))])
        reads = {}
        for each in sorted(engines, key=lambda each: each.begins):
            offset = each.engine.first_read - each.engine.word_cycles[each.begins]
            read   = int(words[each.begins]) + offset
            wait   = each._wait(read)
            reads[each] = read + wait
            words[each.begins + 1:] += wait
        for block in self.beside:
            if block in reads:
                block._read_beside(reads[block], words, image, members, last)
            else:
                block.edge.put(int(words[-1]), image, members, last)
        self._read_beside(reads[self], words, image, members, last)
        return [int(word) for word in words[-2 * self.edge.buffer.FETCHED:]]

    def _read_beside(self, first_read, words, image, members, last):
        """A map is read from the cycle ``first_read`` on, of ``words`` that come in these cycles."""
        engine, cycles = self.engine, self.engine.word_cycles

        def at(cycle, latency=0):
            """When what a map that never waits does in ``cycle`` is done."""
            number = bisect_right(cycles, cycle - latency) - 1
            return max(int(words[number]) + cycle - cycles[number], first_read + cycle - engine.first_read)

        self._free = at(engine.map_cycles)
        self.ends.append(at(engine.final_read, engine.line_buffer.latency))
        self.edge.put(at(engine.last_read, engine.line_buffer.latency) + engine.latency, image, members,
                      last)


class _Mixer:
    """When maps are mixed (:class:`hdl.pass_sets.mixer.Mixer`)."""

    def __init__(self, mixer, bank, store, behind):
        self.mixer   = mixer
        self.edge    = None  # which the mixer is a part of
        self.bank    = bank
        self.store   = store # latency of the store of what passes have drawn
        self.behind  = behind
        self._queued = []    # cycles in which what the passes of maps have drawn is in the queue
        self._left   = []    # cycles in which the last words of maps are taken

    def enter(self, arrival, offered, image, members, last):
        """The first word of a map arrives and its pass set is offered; return when the set is taken, and
        when its last words are."""
        number, ahead = len(self._left), self.mixer.AHEAD
        asked  = max([offered, self.bank.there[image], *self._queued[-1:]])
        queued = max(asked + self.store, self._left[number - ahead] + 1 if number >= ahead else 0)
        self._queued.append(queued)
        if last:
            self.bank.words[image] = max(self.bank.words[image], asked)
        first, known = max([arrival, *(left + 1 for left in self._left[-1:])]), queued + self.mixer.latency
        self.edge.waited |= known > first
        taken, times = self.behind.enter(max(first, known), offered, image, members, last)
        self._left.append(times[-1])
        return max(taken, asked), times


class _Head:
    """When leaves go through softmax, or what stands in its place, and averaging block
    (:mod:`hdl.head`)."""

    def __init__(self, accelerator):
        self.front     = (_Numbers(accelerator.averaging.classes) if accelerator.regression else
                          _Softmax(accelerator.to_average))
        self.averaging = accelerator.averaging
        self.results   = [] # cycles in which the last words of results are
        self.read      = [] # cycles in which the pass sets of leaves leave their queue
        # After reset all votes are cleared.
        self._busy     = self.averaging.classes * self.averaging.positions + self.averaging.COUNT - 1

    def enter(self, arrival, offered, image, members, last):
        """The first logit of a leaf arrives; return when its pass set is taken, and when its logits are."""
        averaging, classes = self.averaging, self.averaging.classes
        taken, times = offered, []
        if len(self.read) >= averaging.AHEAD:
            taken = max(taken, self.read[-averaging.AHEAD] + 1)
        known = taken + averaging.COUNT
        follows = classes + (averaging.between + classes * averaging.interval + 1 if last else 0)
        left, seen = averaging.positions, {}
        while left:
            logits, begin = self.front.enter(arrival, max(self._busy, known))
            times += logits
            self._busy = begin + follows
            left -= 1
            if left > 16: # the last positions are followed, for the times of their logits
                first, *others = state = self.front.state
                alike  = tuple(cycle - first for cycle in others)
                places, before = seen.setdefault(alike, (left, first))
                # What was alike before comes again and again, with as many cycles between.
                if rounds := (left - 16) // (places - left) if places > left else 0:
                    later = rounds * (first - before)
                    self.front.state = [cycle + later for cycle in state]
                    self._busy += later
                    left -= rounds * (places - left)
        self.read.append(begin + classes + averaging.DRAIN)
        # Its totals are to be stored, and the passes of the next leaf counted.
        self._busy += averaging.overhead - (averaging.between if last else 0)
        if last:
            self.results.append(begin + classes - 1 + averaging.latency
                                + (classes - 1) * averaging.interval)
        return taken, times


class _Numbers:
    """When the numbers of positions go through a register (:class:`hdl.head.offset_binary.OffsetBinary`).
    Otherwise as :class:`_Softmax`."""

    def __init__(self, outputs):
        self.outputs = outputs
        self.waited  = False
        self.state   = [-1] # cycle in which the last word has left the register

    def enter(self, arrival, ready):
        taken = max(arrival, *self.state)
        begin = max(taken + 1, ready)
        self.waited |= begin > arrival + 1
        times = [taken, *range(begin, begin + self.outputs - 1)]
        self.state = [begin + self.outputs - 1]
        return times, begin


class _Softmax:
    """When the logits of positions go through the softmax (:class:`hdl.head.softmax.Softmax`).

    Logits wait for the largest of their position, their differences go through a pipeline, exponentials
    wait for their sum to be divided. Any queue may be full, and the pipeline stands still while what is at
    its end waits.
    """

    def __init__(self, softmax):
        self.classes    = softmax.relative.classes
        self.relative   = softmax.relative
        self.power      = softmax.power
        self.normalizer = softmax.normalizer
        # Of each queue the cycles in which words have left it, as many as it has room for.
        self._logits, self._exponentials, self._sums, self._reciprocals = (
            deque([-1] * depth, depth) for depth in (
                self.relative.room, self.normalizer.room, self.normalizer.AHEAD, self.normalizer.AHEAD))
        self.waited  = False      # whether logits have waited
        self._taken  = -1         # cycle in which the last logit was taken
        self._raised = -1         # that in which the last difference has entered the pipeline
        self._waits  = deque([(-1, -1)] * 8, 8) # from when to when the pipeline has stood still
        self._found  = deque([-1] * len(self.normalizer.dividers), len(self.normalizer.dividers))
                                  # cycles in which the last reciprocals of the dividers were stored
        self._begun  = -1         # that in which the first probability of the last position was taken

    def enter(self, arrival, ready):
        """The first logit of a position arrives, whose probabilities can be taken from the cycle ``ready``
        on; return when its logits are taken, and when its first probability is."""
        times, there = self._collect(arrival)
        begin = max(there, ready)
        self._leave(begin)
        return times, begin

    def _collect(self, arrival):
        """When the logits of a position are taken, and when its first probability is there."""
        times = []
        self._taken = max(self._taken, arrival - 1)
        for left in itertools.islice(self._logits, self.classes):
            self.waited |= left > self._taken
            self._taken  = max(self._taken, left) + 1
            times.append(self._taken)
        read = max(self._taken + self.relative.latency - 1, self._raised)
        there = self._moves(read + 1, self.power.latency)[-1] + 1
        added = max(there, self._sums[0] + 1)
        for left in itertools.islice(self._exponentials, self.classes):
            added = max(added, left + 1)
            if added > there:
                self._waits.append((there, added))
            there = added = added + 1
        *raised, self._raised = self._moves(read + 1, self.classes)
        self._logits += [read, *raised]
        divided = max(added, self._found[0] + 1)
        self._sums.append(divided)
        found = max(divided + self.normalizer.DIVISION - 1, self._reciprocals[0] + 1, self._found[-1] + 1)
        self._found.append(found)
        return times, found + 1 + self.normalizer.STEPS

    @property
    def state(self):
        """All cycles that those which follow depend on; when the pipeline stood still before is none."""
        return [self._taken, self._raised, self._begun, *self._found, *self._logits, *self._exponentials,
                *self._sums, *self._reciprocals,
                *(max(cycle, self._raised) for cycle in itertools.chain(*self._waits))]

    @state.setter
    def state(self, cycles):
        self._taken, self._raised, self._begun, *cycles = cycles
        rest = iter(cycles)
        for queue in (self._found, self._logits, self._exponentials, self._sums, self._reciprocals):
            queue.extend(list(itertools.islice(rest, queue.maxlen)))
        self._waits.extend(list(zip(rest, rest, strict=True)))

    def _leave(self, begin):
        """The first probability of the position is taken in the cycle ``begin``."""
        # Until then as many exponentials have left their queue as there are steps behind it.
        steps = self.normalizer.STEPS
        first = max(self._found[-1], self._reciprocals[-1], self._begun - 1) + 1
        self._exponentials += (first + place if place < steps else begin - steps + place
                               for place in range(self.classes))
        self._reciprocals.append(self._exponentials[-1])
        self._begun = begin

    def _moves(self, cycle, count):
        """Return the first ``count`` cycles from ``cycle`` on in which the pipeline moves."""
        found = []
        for begin, end in self._waits:
            if cycle < end:
                found += range(cycle, begin)
                cycle  = end
        return [*found, *range(cycle, cycle + count)][:count]


def _divide(members, split, merged):
    """Parts of a pass set that are not empty, by the outcomes (T,) of each choice for its passes; those of
    the last choice vary fastest, or if equal masks are ``merged`` the part of the highest pass is first."""
    parts = {}
    while members:
        lowest = members & -members
        number = lowest.bit_length() - 1
        key = tuple(int(came_to[number]) for came_to in split)
        parts[key] = parts.get(key, 0) | lowest
        members ^= lowest
    order = (lambda key: (key[:-1], -parts[key].bit_length())) if merged else None
    return [parts[key] for key in sorted(parts, key=order)]
