"""Division of a long simulation into shards, each a run of the simulator, whose results are kept.

The random stream is one over all images, so the generator of the design, which starts at its seed, skips
as many draws as the images before would have taken (:mod:`sim.verilator.harness`). What comes out is that
of one run. A junction at the pins draws what it likes: there each shard has one of its own. Health tests
of the random bits begin anew with each shard, and so do cycles.

A shard is a folder whose name is the hash of all that its results depend on: the simulator with its
Verilog and options, the bench, images, passes, gaps, and place in the stream. It bears that name only when
it is whole, so a run that was interrupted goes on, and nothing of another build is taken for this
one's. What the design answered is kept; the comparison with the golden model is always made.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.design import Design
from sim.verilator import harness, simulator


__all__ = ["Shard", "divide", "shard_size"]


BENCH = "sim.verilator.benches.accelerator"

#: Cycles that a shard takes at most, about: some seconds, so that little is lost when it is stopped and
#: starting the simulator, which takes one, matters little.
CYCLES = 1_000_000

#: Images that a shard has at least, so that a mean of cycles is one.
LEAST = 20

#: What the results of a shard depend on beside the simulator, its input and its arguments.
_BENCH_FILES = [Path(__file__).parent / "benches" / "accelerator.py",
                Path(__file__).parents[2] / "golden" / "device" / "junction.py"]


def shard_size(design: Design) -> int:
    """Return the images of a shard of ``design``."""
    return max(LEAST, CYCLES // design.latency)


def divide(counts, size: int) -> Iterator[range]:
    """Yield the images of each shard, as numbers in the stream of all sets of ``counts`` images.

    No shard has images of two sets.
    """
    first = 0
    for count in counts:
        for start in range(first, first + count, size):
            yield range(start, min(start + size, first + count))
        first += count


@dataclass(frozen=True, slots=True)
class Shard:
    """Images that one run of the simulator takes, and where its results are kept.

    Parameters
    ----------
    images : uint8 array (N, H, W)
        The images.
    simulated : str
        What identifies the simulator, as :func:`sim.verilator.simulator.build` returns it.
    variables, plusargs
        What the bench and the harness are told.
    """

    images: np.ndarray
    simulated: str
    variables: dict
    plusargs: tuple

    def folder(self, work: Path) -> Path:
        """Return where the results are, if they are, for a simulator in ``work``."""
        key = hashlib.sha256(self.simulated.encode())
        for path in _BENCH_FILES:
            key.update(path.read_bytes())
        key.update(json.dumps([self.variables, self.plusargs, self.images.shape]).encode())
        key.update(np.ascontiguousarray(self.images, dtype=np.uint8).tobytes())
        return work / "shards" / key.hexdigest()[:24]

    def run(self, work: Path, *, waves=False, processes=None):
        """Simulate in ``work``, as one of ``processes``, and leave the results in the folder.

        Raises
        ------
        SimulatorFailed
            If the simulator fails.
        """
        folder  = self.folder(work)
        partial = folder.with_suffix(simulator.PARTIAL)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        (partial / harness.IMAGES).write_bytes(
            np.ascontiguousarray(self.images, dtype=np.uint8).tobytes())
        simulator.run(harness.TOP, BENCH, work, partial, variables=self.variables,
                      plusargs=self.plusargs, waves=waves, log=partial / "simulate.log",
                      processes=processes)
        (partial / harness.IMAGES).unlink()
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
