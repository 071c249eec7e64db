"""Run an emitted accelerator for what comes out, without saying what should."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.compare.results import read
from sim.design import Design
from sim.verilator import harness, simulator
from sim.verilator.work import work_folder


__all__ = ["Run", "build", "run"]


#: Folder inside that of a design.
_WORK = "sim_free"


@dataclass(frozen=True, slots=True)
class Run:
    """What a design made of N images."""

    results: dict       #: Fields of the result record by name: int64 (N, K), or (N,) of the last word.
    alarm: bool         #: The health tests at the end.
    bits: np.ndarray | None #: bool, the bits that were read from the junction at the pins, in order.


def build(directory: Path) -> Design:
    """Compile the simulator of the design in ``directory``.

    Raises
    ------
    DesignError
        If the folder is not the output of a build.
    SimulatorFailed
        If the simulator cannot be compiled.
    """
    design = Design(directory)
    with work_folder(design, _WORK) as work:
        harness.write(design, work / "harness.sv")
        simulator.build([*design.sources, work / "harness.sv"], harness.TOP, work,
                        *harness.options(design), log=work / "build.log")
    return design


def run(design: Design, images: np.ndarray, passes: int, *, seed: int = 1, played=None) -> Run:
    """Send uint8 ``images`` (N, H, W) back to back through a design that :func:`build` has compiled.

    A junction at the pins starts from ``seed``, or gives the bits ``played``, again and again.

    Raises
    ------
    SimulatorFailed
        If the simulator fails, a pulse at the pins is wrong, or a result does not come.
    """
    variables = {}
    if design.manifest["rng"] == "mtj":
        variables["MTJ"] = {
            "sources": design.manifest["random_sources"], "bits_file": harness.BITS, "seed": seed,
            **{name: design.manifest["mtj"][name] for name in ("set_ns", "read_ns", "reset_ns")}}
        if played is not None:
            variables["MTJ"]["played"] = "played.txt"
        variables["MTJ"] = json.dumps(variables["MTJ"])
    limit = 4 * design.latency * (1 + passes // design.manifest["passes"])
    plusargs = [f"+half_ps={harness.half_period_ps(design)}", f"+images={len(images)}",
                f"+passes={passes}", "+duty=256", f"+idle_limit={limit}"]
    with work_folder(design, _WORK) as work:
        folder = work / "runs" / f"run{simulator.PARTIAL}" # nothing of it is kept for the next one
        folder.mkdir(parents=True)
        (folder / harness.IMAGES).write_bytes(np.ascontiguousarray(images, dtype=np.uint8).tobytes())
        if played is not None:
            (folder / "played.txt").write_text("".join("01"[bool(bit)] for bit in played))
        simulator.run(harness.TOP, "sim.verilator.benches.accelerator", work, folder, variables=variables,
                      plusargs=plusargs, log=folder / "simulate.log")
        results = read(folder / harness.RESULTS, design)
        if isinstance(results, int):
            raise simulator.SimulatorFailed(
                f"Design in {design.directory} gave no result for {limit} cycles; see it with: "
                f"python -m sim.run {design.directory} --waves")
        bits = None
        if design.manifest["rng"] == "mtj":
            bits = np.frombuffer((folder / harness.BITS.format(0)).read_bytes(), np.uint8) == ord("1")
    answered = results.prediction
    return Run({"sum": answered.sums, "square": answered.squares, "votes": answered.votes,
                "confident": answered.confident, "prediction": answered.prediction,
                "reject": answered.reject, "passes": answered.passes}, results.alarm, bits)
