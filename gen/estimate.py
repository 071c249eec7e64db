"""Cycles of an accelerator, added up from the latencies that its components state.

Nothing here simulates logic: a map is one step of a recurrence. The sums are nevertheless exact, as
tests assert, for as long as no buffer is ever full; whether that holds is part of the answer.
"""

from dataclasses import dataclass

import numpy as np

from gen.ir import Network
from gen.outcomes import branching, drawn
from hdl.accelerator import Accelerator


__all__ = ["Timeline", "estimate_layers", "estimate_network", "timeline"]


#: Images after which the interval has settled.
_IMAGES = 6

#: Images of which the mean and the largest figures are stated.
_DRAWN = 200


@dataclass(frozen=True, slots=True)
class Timeline:
    """When images enter and leave, in cycles from the first pixel of the first image."""

    first_pixels: tuple[int, ...] #: Cycle in which the first pixel of each image is taken.
    results: tuple[int, ...]      #: Cycle in which the last word of each result is taken.
    maps: tuple[int, ...]         #: Maps that each engine has run for the last image.
    leaves: int                   #: Leaves of the last image.
    late: int                     #: Cycles by which the random bits of the first image are late.
    exact: bool                   #: No buffer can have been full and no random bit late, so the cycles
                                  #: are exact.

    @property
    def interval(self) -> int:
        """Cycles between the last two images."""
        return self.results[-1] - self.results[-2]

    @property
    def mean_interval(self) -> float:
        """Mean cycles from image to image over the later half: the start-up is over."""
        # Results follow a slower layer than the first; where no buffer is full there is none, and the
        # pixels say it without what latencies differ by.
        later = (self.first_pixels if self.exact else self.results)[len(self.results) // 2:]
        return (later[-1] - later[0]) / (len(later) - 1)

    @property
    def latency(self) -> int:
        """Cycles from the first pixel of the first image to the end of its result."""
        return self.results[0]


def timeline(accelerator: Accelerator, outcomes: np.ndarray) -> Timeline:
    """Follow images back to back from reset on, with the ``outcomes`` of all choices, int (N, T, L, 2)
    (:func:`gen.outcomes.outcomes_of`).

    Results are taken as they come. Where random bits are late the cycles are those of a source that is
    not, and ``exact`` says so.
    """
    count, passes = outcomes.shape[:2]
    arrays, banks = outcomes[..., 0], outcomes[..., 1]
    engines, pixels = accelerator.engines, accelerator.pixel_input.pixels
    first = (_Direct(engines[0]) if accelerator.array_passes is None else
             _Stored(engines[0], accelerator.array_passes.buffer, arrays[..., 0]))
    entered = [0]
    if accelerator.sequential:
        stored, released = [], []
        for image in range(count):
            # Two images are held, so a third is stored when the first is read for the last time.
            stored.append(max(1 if image == 0 else stored[-1] + pixels,
                              released[image - 2] + 1 if image > 1 else 0))
            entered.append(stored[-1] + pixels - 1)
            for number in range(passes):
                _, before_last, _ = first.take(
                    stored[-1] + pixels - 1 + accelerator.first_pass_sets.latency, image, 1 << number)
            # The last word is read when the one before it moves on.
            released.append(before_last)
    else:
        for image in range(count):
            entered.append(first.take(entered[-1] + 1, image, (1 << passes) - 1)[-1])
    arrivals, maps, exact = first.arrivals, first.maps, True
    masks  = _masks(accelerator, entered[:-1], passes)
    counts, late = [], 0
    for index, engine in enumerate(engines):
        # Maps come out of a map buffer, unless they are the images as they come.
        apart = 1 if index == 0 and accelerator.array_passes is None else engine.buffer.interval
        starts = _serve(arrivals, max(engine.map_cycles, apart), engine.word_cycles[0])
        counts.append(sum(image == count - 1 for image, _ in maps))
        split = [banks[..., index]]
        if index + 1 < len(engines):
            split.append(arrays[..., index + 1])
        after_arrivals, after_maps, ends = [], [], []
        for start, (image, members) in zip(starts, maps, strict=True):
            ready = start + engine.last_read + engine.latency
            if index == 0 and masks:
                # When its last word is stored, a map must have been divided; a map that is divided
                # before this engine is stored before it is sent.
                needed = (ready - engine.buffer.latency if accelerator.array_passes is None else
                          first.filled[image * (passes if accelerator.sequential else 1)])
                behind = masks[image] + engine.split.latency - needed
                late   = max(late, behind if image == 0 else 0)
                exact &= behind <= 0
            if engine.groups is not None:
                # Its inputs are masked from the first read on, and counted before.
                exact &= masks[image] + engine.counting < start + engine.word_cycles[0]
                exact &= engine.counting <= 2 + engine.first_read - engine.word_cycles[0]
            branches = _divide(members, [came_to[image] for came_to in split])
            after_arrivals += [ready] * len(branches)
            after_maps += [(image, part) for part in branches]
            ends.append(len(after_maps))
        # A map is read from `begins` on; by then the branch set `depth` before must be sent.
        if index + 1 < len(engines):
            lead, sent = engines[index + 1].word_cycles[0], engines[index + 1].word_cycles[-1] + 1
            after = max(engines[index + 1].map_cycles, engine.buffer.interval)
        else:
            lead, sent = 0, accelerator.softmax.interval
            after = sent
        served = _serve(after_arrivals, after, lead)
        for number in range(engine.buffer.depth, len(ends)):
            begins = starts[number] + engine.first_read
            exact &= served[ends[number - engine.buffer.depth] - 1] + sent <= begins
        arrivals, maps = after_arrivals, after_maps

    softmax, averaging = accelerator.softmax, accelerator.averaging
    classes = averaging.classes
    results, begins, busy = [], [], 0
    entered_head = _serve(arrivals, classes)
    divisions = _serve([start + classes - 1 for start in entered_head], softmax.interval)
    for number, (division, (image, _)) in enumerate(zip(divisions, maps, strict=True)):
        begin = max(busy, division + softmax.latency)
        begins.append(begin)
        busy = begin + classes + averaging.overhead
        if number + 1 == len(maps) or maps[number + 1][0] != image:
            results.append(begin + classes - 1 + averaging.latency
                           + (classes - 1) * averaging.interval)
            busy += classes * averaging.interval + 1
    exact &= all(begins[number - softmax.capacity] <= entered_head[number]
                 for number in range(softmax.capacity, len(begins)))
    return Timeline(tuple(entered[:-1]), tuple(results), tuple(counts),
                    sum(image == count - 1 for image, _ in maps), late, bool(exact))


def estimate_layers(accelerator: Accelerator, network: Network, passes: int) -> dict:
    """Return for each layer its cycles per map and, with the most maps that T passes can make, per
    image (the keys of FINN's report of the same name)."""
    counts = _most(accelerator, network, passes).maps
    return {name: {"cycles_per_map": engine.map_cycles, "maps_per_image": maps,
                   "max_cycles": maps * engine.map_cycles}
            for name, engine, maps in zip(
                accelerator.names, accelerator.engines, counts, strict=True)}


def estimate_network(accelerator: Accelerator, network: Network, passes: int, clock_mhz: float) -> dict:
    """Return interval, throughput and latency for T passes.

    ``interval_cycles`` is that with the most maps that T passes can make, ``interval_cycles_mean`` that of
    ``images_drawn`` images, whose choices are drawn as the network draws them. ``interval`` says which to
    take, as the throughput does, and for what: the first one is ``"exact"`` if it is the same whatever is
    chosen, else it is that of many images ``"at most"``. Where a buffer can be full, which ``exact`` denies
    and which takes time that is not counted, the second one says ``"about"`` what it is.

    The latencies are those of the same images, each by itself; ``latency_exact`` says whether no buffer is
    full then. No figure is the largest that there can be: which choices are slowest is not known.
    """
    most, one = _most(accelerator, network, passes), _most(accelerator, network, 1)
    outcomes = drawn(network, _DRAWN, passes)
    many    = timeline(accelerator, outcomes)
    alone   = [timeline(accelerator, each[None]) for each in outcomes]
    layers  = estimate_layers(accelerator, network, passes)
    slowest = max(layers, key=lambda name: layers[name]["max_cycles"])
    random_cycles = _random_cycles(accelerator, passes)
    interval = max(most.interval, random_cycles)
    mean  = max(many.mean_interval, random_cycles)
    exact = most.exact and one.exact and many.exact and random_cycles <= most.interval
    kind  = "about" if not exact else "exact" if mean == interval else "at most"
    latencies = [each.latency + each.late for each in alone]
    return {
        "source": "estimate",
        "status": "run",
        "exact": exact,
        "passes": passes,
        "schedule": "sequential" if accelerator.sequential else "shared",
        "interval": kind,
        "interval_cycles": interval,
        "interval_cycles_mean": mean,
        "interval_cycles_one_pass": one.interval,
        "images_drawn": _DRAWN,
        "latency_exact": all(each.exact for each in alone),
        "latency_cycles": max(latencies), # FINN's key
        "latency_cycles_mean": sum(latencies) / len(latencies),
        "latency_cycles_largest": max(latencies),
        "latency_cycles_one_pass": one.latency,
        "critical_path_cycles": sum(layer["max_cycles"] for layer in layers.values()),
        "max_cycles": layers[slowest]["max_cycles"],
        "max_cycles_node_name": slowest,
        "random_cycles_per_image": random_cycles,
        "leaves_per_image": most.leaves,
        "clock_mhz": clock_mhz,
        "estimated_throughput_fps": clock_mhz * 1e6 / (mean if kind == "about" else interval),
        "estimated_latency_ns": max(latencies) * 1e3 / clock_mhz,
    }


def _most(accelerator, network, passes):
    outcomes = branching(network, passes)
    return timeline(accelerator, np.broadcast_to(outcomes, (_IMAGES, *outcomes.shape)))


def _divide(members, split):
    """Parts of a pass set that are not empty, by the outcomes (T,) of each choice for its passes; those of
    the last choice vary fastest."""
    parts = {}
    while members:
        lowest = members & -members
        number = lowest.bit_length() - 1
        key = tuple(int(came_to[number]) for came_to in split)
        parts[key] = parts.get(key, 0) | lowest
        members ^= lowest
    return [parts[key] for key in sorted(parts)]


def _random_cycles(accelerator, passes):
    """Cycles in which the random bits of an image are drawn."""
    bank = accelerator.mask_bank
    return 0 if bank is None else bank.interval(passes, accelerator.rng)


def _masks(accelerator, first_pixels, passes):
    """Cycles in which the masks of each image are there, at the latest; none where nothing is drawn."""
    if accelerator.mask_bank is None:
        return []
    there, interval = [-1], _random_cycles(accelerator, passes)
    for first in first_pixels:
        # The first bit is asked for a cycle after the image is announced, or after the masks before.
        request = max(first + accelerator.pixel_input.announcement, there[-1]) + 1
        there.append(request + interval - 1)
    return there[1:]


class _Direct:
    """The first engine, which takes the words of images as they come."""

    def __init__(self, engine):
        self.engine = engine
        self.arrivals, self.maps = [], [] # cycle of the first word of each map; its image and pass set
        self._free = 0

    def take(self, arrival, image, members):
        """Take a map; return the cycles in which its first, last but one, and last word are taken."""
        words, start = self.engine.word_cycles, max(arrival - self.engine.word_cycles[0], self._free)
        self._free = start + self.engine.map_cycles
        self.arrivals.append(arrival)
        self.maps.append((image, members))
        return start + words[0], start + words[max(0, len(words) - 2)], start + words[-1]


class _Stored(_Direct):
    """A first engine that chooses an array, and the buffer that sends it a map once for each."""

    def __init__(self, engine, buffer, arrays):
        super().__init__(engine)
        self.buffer  = buffer
        self.arrays  = arrays # of each image and pass
        self.filled  = [] # cycles in which the last word of each map is stored
        self._stored, self._released = [], []
        self._taken  = []  # cycles in which the engine took the last words
        self._issued = -1  # cycle in which the last word was fetched

    def take(self, arrival, image, members):
        words, ahead, number = self.buffer.words, self.buffer.FETCHED, len(self._stored)
        start = arrival if not number else max(arrival, self._stored[-1] + words)
        if number >= self.buffer.depth:
            start = max(start, self._released[number - self.buffer.depth] + 1)
        self._stored.append(start)
        self.filled.append(start + words - 1)
        # From the last word of a map to the first that is fetched, and from there until it is sent.
        fetch = self.buffer.branch_sequencer.latency
        for part in _divide(members, [self.arrays[image]]):
            # A word is fetched two cycles after there was room for it, one a cycle at most.
            issue = max(start + words - 1 + fetch, self._issued + 1)
            if len(self._taken) >= ahead:
                issue = max(issue, self._taken[-ahead] + 2)
            first, _, _ = super().take(issue + self.buffer.word_fetcher.latency, image, part)
            cycles = self.engine.word_cycles
            taken  = [first - cycles[0] + cycle for cycle in cycles]
            self._taken = [*self._taken[-ahead:], *taken]
            self._issued = issue + words - 1
            if len(self._taken) > ahead:
                self._issued = max(self._issued, self._taken[-1 - ahead] + 2)
        self._released.append(self._issued)
        return start, start + max(0, words - 2), start + words - 1


def _serve(arrivals, cycles, lead=0):
    """Begin of service of each arrival by a server that takes ``cycles`` for each, in order; what
    arrives is needed ``lead`` cycles later."""
    starts, free = [], 0
    for arrival in arrivals:
        starts.append(max(arrival - lead, free))
        free = starts[-1] + cycles
    return starts
