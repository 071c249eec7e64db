"""The compiler, run as a command.

The golden model shares with the hardware what a network is (:mod:`gen.ir`, :mod:`gen.graph`) and its
parameters, but no arithmetic, so no other part of the compiler is imported.
"""

import os
import subprocess
import sys
from pathlib import Path

from gen.command import UserError
from gen.ir import Network, load


__all__ = ["CompileError", "compiled", "run_compiler"]


class CompileError(UserError):
    """The compiler refused the network; the message is the compiler's."""


def compiled(name: str, checkpoint: Path | None = None, passes: int | None = 20, seed: int = 1, *,
             crossbars: int | None = None, ways: int = 1, ways_of: str = "ring",
             masked: str | None = None, p: float | None = None, method: str | None = None,
             masks: str | None = None, random_layers: str | None = None, clock_mhz: float | None = None,
             set_ns: float | None = None, reset_ns: float | None = None) -> Network:
    """Return the network ``name``, or that of this file (:mod:`gen.sources`), as ``python -m gen.compile``
    prints it.

    Warnings of the compiler go to standard error.

    Raises
    ------
    CompileError
        If the compiler refuses its arguments or the checkpoint.
    """
    command = ["gen.compile", name, f"--seed={seed}"]
    for option, value in (("passes", passes), ("masks", masks), ("checkpoint", checkpoint),
                          ("crossbars", crossbars), ("ways", ways), ("ways-of", ways_of),
                          ("masked", masked), ("random-layers", random_layers), ("p", p),
                          ("method", method), ("clock-mhz", clock_mhz), ("set-ns", set_ns),
                          ("reset-ns", reset_ns)):
        if value is not None:
            command.append(f"--{option}={value}")
    output, said = run_compiler(command)
    print(said, end="", file=sys.stderr)
    return load(output)


def run_compiler(command: list[str]) -> tuple[str, str]:
    """Run a command of :mod:`gen` by its module, whatever lies in the working folder; return its output and
    what it says on standard error.

    Raises
    ------
    CompileError
        If it fails, with the last line that it said.
    """
    folders = [str(Path(__file__).parent.parent)]
    if os.environ.get("PYTHONPATH"):
        folders.append(os.environ["PYTHONPATH"])
    # -P: modules are not looked for in the working folder, where there may be a file gen.py.
    run = subprocess.run([sys.executable, "-P", "-m", *command], capture_output=True, text=True,
                         env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)})
    if run.returncode:
        lines = run.stderr.strip().splitlines() or ["the compiler failed without a word"]
        raise CompileError(lines[-1].removeprefix(f"{command[0]}: "))
    return run.stdout, run.stderr
