"""Run an emitted accelerator for what comes out, without saying what should."""

import json
from pathlib import Path

import numpy as np

from sim import harness, simulator
from sim.design import Design


__all__ = ["Run", "build", "run"]


class Run:
    """What a design made of N images.

    Attributes
    ----------
    results : dict
        Fields of the result record by name: int64 (N, K), or (N,) of those of the last word.
    alarm : bool
        The health tests at the end.
    bits : bool array or None
        The bits that were read from the junction at the pins, in order.
    """

    def __init__(self, design: Design, lines: list[str], bits):
        words = [int(line.split()[2], 16) for line in lines if line[0] == "r"]
        self.results = {}
        for field in design.results:
            values = np.array([word >> field["offset"] & (1 << field["width"]) - 1 for word in words],
                              dtype=np.int64).reshape(-1, design.classes)
            self.results[field["name"]] = values
        for name in ("prediction", "reject", "passes"):
            self.results[name] = self.results[name][:, -1]
        self.alarm = any(line.split() == ["a", "1"] for line in lines)
        self.bits  = bits


def build(directory: Path) -> Design:
    """Compile the simulator of the design in ``directory``.

    Raises
    ------
    DesignError
        If the folder is not the output of a build.
    RuntimeError
        If the simulator cannot be compiled.
    """
    design = Design(directory)
    work = _work(design)
    work.mkdir(exist_ok=True)
    harness.write(design, work / "harness.sv")
    simulator.build([*design.sources, work / "harness.sv"], harness.TOP, work, log=work / "build.log")
    return design


def run(design: Design, images: np.ndarray, passes: int, *, seed: int = 1, played=None) -> Run:
    """Send uint8 ``images`` (N, H, W) back to back through a design that :func:`build` has compiled.

    A junction at the pins starts from ``seed``, or gives the bits ``played``, again and again.

    Raises
    ------
    RuntimeError
        If the simulator fails, a pulse at the pins is wrong, or a result does not come.
    """
    work = _work(design)
    names = {name: work / f"{name}.{end}" for name, end in (
        ("images", "bin"), ("results", "txt"), ("bits", "txt"), ("played", "txt"))}
    names["images"].write_bytes(np.ascontiguousarray(images, dtype=np.uint8).tobytes())
    for name in ("results", "bits"):
        names[name].unlink(missing_ok=True)
    variables = {"PERIOD_PS": str(2 * round(5e5 / design.manifest["clock_mhz"]))}
    if design.manifest["rng"] == "mtj":
        junction = {"sources": 1, "bits_file": str(names["bits"]), "seed": seed, **{
            name: design.manifest["mtj"][name] for name in ("set_ns", "read_ns", "reset_ns")}}
        if played is not None:
            names["played"].write_text("".join("01"[bool(bit)] for bit in played))
            junction["played"] = str(names["played"])
        variables["MTJ"] = json.dumps(junction)
    limit = 4 * design.latency * (1 + passes // design.manifest["passes"])
    simulator.run(harness.TOP, "sim.benches.accelerator", work, variables=variables, plusargs=[
        f"+images={len(images)}", f"+passes={passes}", "+duty=256", f"+idle_limit={limit}",
        f"+image_file={names['images']}", f"+result_file={names['results']}",
    ], log=work / "simulate.log")
    lines = names["results"].read_text().splitlines()
    if any(line.startswith("h") for line in lines):
        raise RuntimeError(f"Design in {design.directory} gave no result for {limit} cycles; see it with: "
                           f"python -m sim.run {design.directory} --waves")
    bits = None
    if design.manifest["rng"] == "mtj":
        bits = np.array(list(names["bits"].read_text())) == "1"
    return Run(design, lines, bits)


def _work(design):
    return design.directory.resolve() / "sim_free"
