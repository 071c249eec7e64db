"""The compiler, run as a command: the golden model shares the parameters of the hardware, not its code."""

import os
import subprocess
import sys
from pathlib import Path

from gen.command import UserError
from gen.ir import Network, load


__all__ = ["CompileError", "compiled"]


class CompileError(UserError):
    """The compiler refused the network; the message is the compiler's."""


def compiled(name: str, checkpoint: Path | None = None, passes: int = 20, seed: int = 1, *,
             crossbars: int | None = None, ways: int = 1, ways_of: str = "ring",
             masked: str | None = None, p: float | None = None) -> Network:
    """Return the network ``name`` as ``python -m gen.compile`` prints it.

    Warnings of the compiler go to standard error.

    Raises
    ------
    CompileError
        If the compiler refuses its arguments or the checkpoint.
    """
    command = [sys.executable, "-m", "gen.compile", name, f"--passes={passes}", f"--seed={seed}"]
    for option, value in (("checkpoint", checkpoint), ("crossbars", crossbars), ("ways", ways),
                          ("ways-of", ways_of), ("masked", masked), ("p", p)):
        if value is not None:
            command.append(f"--{option}={value}")
    folders = [str(Path(__file__).parent.parent)]
    if os.environ.get("PYTHONPATH"):
        folders.append(os.environ["PYTHONPATH"])
    run = subprocess.run(command, capture_output=True, text=True,
                         env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)})
    if run.returncode:
        lines = run.stderr.strip().splitlines() or ["the compiler failed without a word"]
        raise CompileError(lines[-1].removeprefix("gen.compile: "))
    print(run.stderr, end="", file=sys.stderr)
    return load(run.stdout)
