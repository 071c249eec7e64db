"""A cache of what simulations have answered.

A long simulation is divided into shards, each a run of the simulator. The random stream is one over all
images (``first`` of :class:`sim.verilator.simulation.Simulation`), so the answers are those of a single
run. Junctions at the pins have no such stream: those of each shard have other seeds. Health tests of the
random bits begin anew with each shard, and so do cycles.

Answers are cached under a hash of all their inputs: the simulator with its Verilog and options, the bench,
images, passes, gaps, and place in the random stream. So a run that was interrupted goes on, and a result of
another build is never used. The comparison with the golden model is always made.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sim.design import Design
from sim.processes import Processes
from sim.verilator.simulation import Program, Simulation


__all__ = ["cached", "divide", "place", "shard_size"]


#: Cycles that a shard takes at most, about. They take some seconds: little is lost when a shard is stopped,
#: and the second in which a simulator starts matters little.
CYCLES = 1_000_000

#: Images that a shard has at least, so that their cycles have a mean.
LEAST = 20


def shard_size(design: Design) -> int:
    """Return the images of a shard of ``design``."""
    return max(LEAST, CYCLES // design.latency)


def divide(counts: Iterable[int], size: int) -> Iterator[range]:
    """Yield the images of each shard, as numbers in the stream of all sets of ``counts`` images.

    No shard has images of two sets.
    """
    first = 0
    for count in counts:
        for start in range(first, first + count, size):
            yield range(start, min(start + size, first + count))
        first += count


def place(program: Program, simulation: Simulation) -> Path:
    """Return the folder of the answers to ``simulation``, which is there if they are."""
    key = hashlib.sha256(f"{program.key} {simulation.key}".encode())
    return program.folder / "shards" / key.hexdigest()[:24]


def cached(program: Program, simulation: Simulation, processes: Processes) -> tuple[Path, bool]:
    """Return the folder of the answers to ``simulation``, and whether they come from an earlier run, which
    they do not where waves are written.

    Raises
    ------
    SimulatorFailed
        If the simulator fails.
    """
    folder = place(program, simulation)
    if folder.exists() and not program.waves:
        os.utime(folder) # the last one that was used
        return folder, True
    simulation.run(program, folder, processes)
    return folder, False
