"""An accelerator at a serial line, simulated: the logic behind the pins of a board, its line a
pseudoterminal."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gen.progress import Progress
from sim.design import Design, DesignError
from sim.verilator import harness, simulator
from sim.verilator.work import work_folder


__all__ = ["virtual_board"]


@contextmanager
def virtual_board(directory: Path | str, *, hits: float = 0.0, seed: int = 1,
                  steps: Progress) -> Iterator[str]:
    """Simulate the module at the serial line of the build in ``directory``, as fast as it goes, until the
    block ends; yield the name of the pseudoterminal.

    Phase-locked loop and pads are left out. Each byte of the line, in either direction, is lost, doubled or
    has a bit inverted with the probability ``hits``; which ones follows from ``seed``. What became of the
    line is in ``sim_board/line.txt`` then: cycles, bytes, and how many were hit.

    Raises
    ------
    DesignError
        If there is no serial line.
    FolderError, SimulatorFailed, SimulatorMissing
        As :func:`sim.verilator.simulation.compiled`.
    """
    design = Design(directory)
    bus    = design.manifest["bus"]
    if not bus or bus["kind"] != "uart":
        raise DesignError(f"Design in {directory} has no serial line; build it with --board or --bus uart")
    sources = [Path(__file__).with_name("board.cpp"), *design.sources,
               *(design.directory / source for source in bus["sources"])]
    with work_folder(design, "sim_board", steps) as folder:
        steps.step("build simulator of the board")
        # It runs in the folder where it is made.
        options = "-MAKEFLAGS", "OPT_GLOBAL=-O0", *harness.options(design, Path(".."))
        simulator.compile_once(sources, bus["top"], folder, *options, log=folder / "build.log")
    command = [folder / bus["top"], str(bus["clock_hz"]), str(bus["baud"]), str(hits), str(seed)]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            name = process.stdout.readline().strip()
            if not name:
                raise simulator.SimulatorFailed(f"Simulator {command[0]} gives no pseudoterminal")
            yield name
        finally:
            process.stdin.close()
            (folder / "line.txt").write_text(process.stdout.read())
