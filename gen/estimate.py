"""Cycles of an accelerator, added up from the latencies that its components state.

Nothing here simulates logic: a map is one step of a recurrence. The sums are nevertheless exact, as
tests assert, for as long as no buffer is ever full; whether that holds is part of the answer.
"""

from dataclasses import dataclass

import numpy as np

from hdl.accelerator import Accelerator


__all__ = ["Timeline", "branching", "estimate_layers", "estimate_network", "timeline"]


#: Images after which the interval has settled.
_IMAGES = 6


@dataclass(frozen=True, slots=True)
class Timeline:
    """When images enter and leave, in cycles from the first pixel of the first image."""

    first_pixels: tuple[int, ...] #: Cycle in which the first pixel of each image is taken.
    results: tuple[int, ...]      #: Cycle in which the last word of each result is taken.
    maps: tuple[int, ...]         #: Maps that each engine has run for the last image.
    leaves: int                   #: Leaves of the last image.
    exact: bool                   #: No buffer can have been full, so the cycles are exact.

    @property
    def interval(self) -> int:
        """Cycles between the last two images."""
        return self.results[-1] - self.results[-2]

    @property
    def latency(self) -> int:
        """Cycles from the first pixel of the first image to the end of its result."""
        return self.results[0]


def branching(layers: int, passes: int) -> np.ndarray:
    """Return keep bits, bool (passes, layers), that give every layer the most maps it can have."""
    return (np.arange(passes)[:, None] >> np.arange(layers) & 1).astype(bool)


def timeline(accelerator: Accelerator, keep: np.ndarray) -> Timeline:
    """Follow images back to back from reset on, with the keep bits ``keep``, bool (N, T, L).

    Results are taken as they come. Random bits are assumed to be there when they are needed.
    """
    first, exact = accelerator.engines[0], True
    arrivals, maps = [], []   # cycle in which each map has its first word ready; its image, pass set
    entered, free  = [0], 0
    if accelerator.sequential:
        pixels, replay = accelerator.source.pixels, accelerator.replay
        stored, released = [], []
        for image in range(len(keep)):
            # Two images are held, so a third is stored when the first is read for the last time.
            stored.append(max(1 if image == 0 else stored[-1] + pixels,
                              released[image - 2] + 1 if image > 1 else 0))
            entered.append(stored[-1] + pixels - 1)
            for number in range(keep.shape[1]):
                arrivals.append(stored[-1] + pixels - 1 + replay.latency)
                maps.append((image, 1 << number))
                start = max(arrivals[-1] - first.word_cycles[0], free)
                free  = start + first.map_cycles
            # The last word is read when the one before it moves on.
            released.append(start + first.word_cycles[-2])
    else:
        for image in range(len(keep)):
            arrivals.append(entered[-1] + 1)
            start = max(arrivals[-1] - first.word_cycles[0], free)
            free  = start + first.map_cycles
            entered.append(start + first.word_cycles[-1])
            maps.append((image, (1 << keep.shape[1]) - 1))
    counts = []
    engines = accelerator.engines
    for index, engine in enumerate(engines):
        # Maps of an engine behind another one come out of a map buffer.
        apart = engines[index - 1].buffer.interval if index else 1
        starts = _serve(arrivals, max(engine.map_cycles, apart), engine.word_cycles[0])
        counts.append(sum(image == len(keep) - 1 for image, _ in maps))
        mask = [sum(int(bit) << number for number, bit in enumerate(bits))
                for bits in keep[:, :, index]]
        after_arrivals, after_maps, ends = [], [], []
        for start, (image, passes_in) in zip(starts, maps, strict=True):
            ready = start + engine.last_read + engine.latency
            branches = [part for part in (passes_in & ~mask[image], passes_in & mask[image]) if part]
            after_arrivals += [ready] * len(branches)
            after_maps += [(image, part) for part in branches]
            ends.append(len(after_maps))
        # A branch set is written from `written` on; by then the one `depth` before must be sent.
        if index + 1 < len(engines):
            after, lead = engines[index + 1].map_cycles, engines[index + 1].word_cycles[0]
            after = max(after, engine.buffer.interval)
        else:
            after, lead = accelerator.softmax.interval, 0
        served = _serve(after_arrivals, after, lead)
        for number in range(engine.buffer.depth, len(ends)):
            begins = starts[number] + engine.latency - engine.buffer.latency
            exact &= served[ends[number - engine.buffer.depth] - 1] + after <= begins
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
    exact &= all(begins[number - softmax.held] <= entered_head[number]
                 for number in range(softmax.held, len(begins)))
    return Timeline(tuple(entered[:-1]), tuple(results), tuple(counts),
                    sum(image == len(keep) - 1 for image, _ in maps), bool(exact))


def estimate_layers(accelerator: Accelerator, passes: int) -> dict:
    """Return for each layer its cycles per map and, with the most maps that T passes can make, per
    image (the keys of FINN's report of the same name)."""
    counts = _most(accelerator, passes).maps
    return {name: {"cycles_per_map": engine.map_cycles, "maps_per_image": maps,
                   "max_cycles": maps * engine.map_cycles}
            for name, engine, maps in zip(
                accelerator.names, accelerator.engines, counts, strict=True)}


def estimate_network(accelerator: Accelerator, passes: int, clock_mhz: float) -> dict:
    """Return interval, latency and throughput with the most maps that T passes can make."""
    most, one = _most(accelerator, passes), _most(accelerator, 1)
    layers = estimate_layers(accelerator, passes)
    slowest = max(layers, key=lambda name: layers[name]["max_cycles"])
    random_cycles = accelerator.mask_bank.interval(passes, accelerator.rng)
    interval = max(most.interval, random_cycles)
    return {
        "source": "estimate",
        "status": "run",
        "exact": most.exact and one.exact and random_cycles <= most.interval,
        "passes": passes,
        "schedule": "sequential" if accelerator.sequential else "shared",
        "interval_cycles": interval,
        "interval_cycles_one_pass": one.interval,
        "latency_cycles": most.latency,
        "latency_cycles_one_pass": one.latency,
        "critical_path_cycles": sum(layer["max_cycles"] for layer in layers.values()),
        "max_cycles": layers[slowest]["max_cycles"],
        "max_cycles_node_name": slowest,
        "random_cycles_per_image": random_cycles,
        "leaves_per_image": most.leaves,
        "clock_mhz": clock_mhz,
        "estimated_throughput_fps": clock_mhz * 1e6 / interval,
        "estimated_latency_ns": most.latency * 1e3 / clock_mhz,
    }


def _most(accelerator, passes):
    keep = branching(len(accelerator.engines), passes)
    return timeline(accelerator, np.broadcast_to(keep, (_IMAGES, *keep.shape)))


def _serve(arrivals, cycles, lead=0):
    """Begin of service of each arrival by a server that takes ``cycles`` for each, in order; what
    arrives is needed ``lead`` cycles later."""
    starts, free = [], 0
    for arrival in arrivals:
        starts.append(max(arrival - lead, free))
        free = starts[-1] + cycles
    return starts
