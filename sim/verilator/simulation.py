"""The one way in which an emitted design is simulated: what the harness and the bench are told, and what
they leave."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.progress import Progress
from sim.compare.results import Results, read
from sim.design import Design
from sim.processes import Processes
from sim.verilator import harness, simulator
from sim.verilator.counters import counters
from sim.verilator.work import work_folder


__all__ = ["DUTY_STEPS", "Program", "Simulation", "compiled"]


#: Gaps are drawn with so many steps of probability from 0 to 1.
DUTY_STEPS = 256

BENCH = "sim.verilator.benches.accelerator"

#: Source files of what runs beside the Verilog.
_BENCH_FILES = [Path(__file__).parent / "benches" / "accelerator.py",
                Path(__file__).parents[2] / "golden" / "device" / "junction.py"]

#: File of the bits that are played at the pins.
_PLAYED = "played.txt"


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled simulator, while this process may use it."""

    folder: Path #: Where it is, and where it runs.
    key: str     #: A hash of its Verilog, options and tools.
    waves: bool  #: Whether it writes waves.


@contextmanager
def compiled(design: Design, steps: Progress, *, waves=False, coverage=False,
             counting=False) -> Iterator[Program]:
    """Compile the simulator of ``design``, unless the one at hand is the same, and yield it. Until the
    block ends no other process uses it. ``counting``: it counts what blocks do
    (:mod:`sim.verilator.counters`).

    Raises
    ------
    DesignError
        If the folder of the design cannot be written.
    SimulatorMissing
        If a program that simulation needs is not installed.
    SimulatorFailed
        If the simulator cannot be compiled.
    """
    # A simulator that writes waves is another one, down to its run-time library.
    if counting:
        design.need_one_instance("What blocks do is counted")
    name = ("sim_waves" if waves else "sim_coverage" if coverage else
            "sim_counting" if counting else "sim_build")
    with work_folder(design, name, steps) as folder:
        steps.step("build simulator")
        (folder / harness.PINS).write_text(
            harness.pins(design) + (counters(design) if counting else ""))
        models = [harness.MODEL] if design.arrays else []
        key = simulator.build([*design.sources, *models, harness.HARNESS], harness.TOP, folder,
                              *harness.options(design), beside=[folder / harness.PINS], waves=waves,
                              coverage=coverage, log=folder / "build.log")
        yield Program(folder, key, waves)


def cycle_limit(design: Design, passes: int) -> int:
    """Return the cycles without a result that say that ``design`` hangs: a multiple of the latest image of
    those that the estimate has drawn, for so many passes."""
    return 4 * design.latency * (1 + passes // design.passes)


class Simulation:
    """Images that are sent through a design back to back, and how.

    Parameters
    ----------
    design : Design
        The design.
    images : uint8 array (N, H, W)
        The images.
    passes : int
        T of each image.
    first : int
        Images before these in the random stream: an emulated generator, which starts at its seed, skips as
        many draws as they would have taken.
    maps : bool
        Write every map and pass set that leaves a layer, too.
    duty : float
        Probability that a pixel is offered, and that a result is accepted, in a cycle; in steps of 1/256.
    seed : int
        Seed of the first junction at the pins; others have those that follow.
    played : bool array, optional
        Bits that are given at the pins in place of those of junctions, again and again.

    Raises
    ------
    DesignError
        If half a period of the clock is less than a picosecond, or a memory image is missing.
    """

    def __init__(self, design: Design, images: np.ndarray, passes: int, *, first=0, maps=False, duty=1.0,
                 seed=1, played=None):
        self.design, self.passes, self.first, self.maps = design, passes, first, maps
        self.images = np.ascontiguousarray(images, dtype=np.uint8)
        self.cycle_limit = cycle_limit(design, passes)
        self._played = None if played is None else "".join(str(int(bit)) for bit in played)
        told = {"half_ps": harness.half_period_ps(design), "images": len(images), "passes": passes,
                "duty": round(DUTY_STEPS * duty), "idle_limit": round(self.cycle_limit / duty**2)}
        self.environment = {}
        if design.manifest["rng"] == "mtj":
            times = {name: design.manifest["mtj"][name] for name in ("set_ns", "read_ns", "reset_ns")}
            self.environment["MTJ"] = json.dumps({
                "sources": design.manifest["random_sources"], "bits_file": harness.BITS, "seed": seed,
                "played": None if played is None else _PLAYED, **times})
        else:
            sources = max(1, design.manifest["random_sources"]) # none, if nothing is drawn
            told["skip"] = first * design.network.generator.bits(passes) // sources # of each of them
        if design.cells:
            # They are read as the simulator starts; to the harness this says nothing.
            told["cells"] = design.cells
        self.plusargs = [f"+{name}={value}" for name, value in told.items()]
        if maps:
            self.plusargs.append("+trace")

    @property
    def key(self) -> str:
        """A hash of all that the results depend on beside the simulator."""
        told = json.dumps([self.environment, self.plusargs, self._played, self.images.shape])
        key  = hashlib.sha256(told.encode())
        for path in _BENCH_FILES:
            key.update(path.read_bytes())
        key.update(self.images)
        return key.hexdigest()

    def write_images(self, path: Path):
        """Write the pixels as the simulator reads them."""
        path.write_bytes(self.images)

    def run(self, program: Program, folder: Path, processes: Processes | None = None):
        """Simulate as one of ``processes``, and leave what is written in ``folder``, which bears its name
        only when it is whole.

        Raises
        ------
        SimulatorFailed
            If the simulator fails, or a pulse at the pins is wrong.
        """
        partial = folder.with_suffix(simulator.PARTIAL)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        self.write_images(partial / harness.IMAGES)
        if self._played is not None:
            (partial / _PLAYED).write_text(self._played)
        simulator.run(harness.TOP, BENCH, program.folder, partial, variables=self.environment,
                      plusargs=self.plusargs, waves=program.waves, log=partial / "simulate.log",
                      processes=processes)
        (partial / harness.IMAGES).unlink()
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)

    def results(self, folder: Path) -> Results:
        """Return what the design has answered in ``folder``.

        Raises
        ------
        SimulatorFailed
            If a result did not come; nothing is left in ``folder`` then.
        """
        results = read(folder / harness.RESULTS, self.design)
        if isinstance(results, int):
            shutil.rmtree(folder)
            raise simulator.SimulatorFailed(
                f"Design in {self.design.directory} gave no result for {self.cycle_limit} cycles (at cycle "
                f"{results}); look at the waves with: python -m sim.run {self.design.directory} --waves")
        return results

    def drawn(self, folder: Path) -> np.ndarray:
        """Return the bits that were read from the junctions, bool (N,), in the order in which the design
        has asked for them."""
        sources = [np.frombuffer((folder / harness.BITS.format(source)).read_bytes(), np.uint8) == ord("1")
                   for source in range(self.design.manifest["random_sources"])]
        # They are asked in turn; each has drawn as many bits as the others, or one more.
        return np.stack([bits[:min(map(len, sources))] for bits in sources], axis=1).ravel()

    def answer(self, program: Program) -> tuple[Results, np.ndarray | None]:
        """Simulate; return the results, and the bits of junctions, if there are any at the pins. No file is
        kept.

        Raises
        ------
        SimulatorFailed
            As :meth:`run` and :meth:`results`.
        """
        folder = program.folder / "runs" / "once"
        self.run(program, folder)
        results = self.results(folder)
        drawn   = self.drawn(folder) if self.design.manifest["rng"] == "mtj" else None
        shutil.rmtree(folder)
        return results, drawn
