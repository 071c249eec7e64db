"""Interval, throughput and latency of an accelerator, from the cycles of many images."""

import numpy as np

from gen.ir import Network
from gen.outcomes import branching, drawn
from gen.timeline import timeline
from hdl.accelerator import Accelerator


__all__ = ["estimate_layers", "estimate_network"]


#: Images that are followed until the interval is steady: where no layer waits, where buffers fill first.
_IMAGES, _WAITING = 6, 60

#: Images of which the mean and the largest figures are stated.
_DRAWN = 200


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

    ``interval_cycles`` is that with the most maps that T passes can make, ``interval_cycles_mean`` the mean
    of ``images_drawn`` images, whose choices are drawn as the network draws them. ``interval`` is a word
    that says what holds: ``"exact"``, all images take ``interval_cycles``; ``"at most"``, no image takes
    more; ``"about"``, layers or logits wait for room or for random bits (then ``exact`` is false), so an
    image takes ``interval_cycles_mean`` on average. Throughput follows from the one that is named.

    The latencies are those of the same images, each by itself; ``latency_exact`` says that they are
    those of the hardware to the cycle. No figure is the largest that there can be: which choices are
    slowest is not known.
    """
    most, one = _most(accelerator, network, passes), _most(accelerator, network, 1)
    outcomes = drawn(network, _DRAWN, passes)
    many    = timeline(accelerator, outcomes)
    alone   = [timeline(accelerator, each[None]) for each in outcomes]
    layers  = estimate_layers(accelerator, network, passes)
    slowest = max(layers, key=lambda name: layers[name]["max_cycles"])
    every = most, one, many
    exact = not any(each.waits for each in every)
    kind  = "about" if not exact else "exact" if many.mean_interval == most.interval else "at most"
    interval  = many.mean_interval if kind == "about" else most.interval
    latencies = [each.latency for each in alone]
    return {
        "source": "estimate",
        "status": "run",
        "exact": exact,
        "passes": passes,
        "schedule": "sequential" if accelerator.sequential else "shared",
        "interval": kind,
        "interval_cycles": most.interval,
        "interval_cycles_mean": many.mean_interval,
        "interval_cycles_one_pass": one.interval,
        "images_drawn": _DRAWN,
        "latency_exact": True, # several instances wait for each other (gen.instances)
        "latency_cycles": max(latencies), # FINN's key
        "latency_cycles_mean": sum(latencies) / len(latencies),
        "latency_cycles_largest": max(latencies),
        "latency_cycles_one_pass": one.latency,
        "critical_path_cycles": sum(layer["max_cycles"] for layer in layers.values()),
        "max_cycles": layers[slowest]["max_cycles"],
        "max_cycles_node_name": slowest,
        "random_cycles_per_image": _random_cycles(accelerator, passes),
        "leaves_per_image": most.leaves,
        "clock_mhz": clock_mhz,
        "estimated_throughput_fps": clock_mhz * 1e6 / interval,
        "estimated_latency_ns": max(latencies) * 1e3 / clock_mhz,
    }


def _most(accelerator, network, passes):
    outcomes = branching(network, passes)
    short = timeline(accelerator, np.broadcast_to(outcomes, (_IMAGES, *outcomes.shape)))
    return (short if not short.waits else
            timeline(accelerator, np.broadcast_to(outcomes, (_WAITING, *outcomes.shape))))


def _random_cycles(accelerator, passes):
    """Cycles from image to image in which random bits are drawn."""
    bank = accelerator.mask_bank
    return 0 if bank is None else bank.interval(passes, accelerator.rng, accelerator.points)
