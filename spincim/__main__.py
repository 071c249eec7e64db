"""The commands of SpinCIM under one name: ``spincim build --layers lenet5``.

Each is the command ``python -m`` of a module, and takes its options. But it is found whatever lies in the
working folder, where a file ``gen.py`` would stand before the package of that name.
"""

import importlib
import os
import signal
import sys


#: Module of each command, and what it does.
COMMANDS = {
    "build":    ("gen.build", "Verilog and reports of a network"),
    "block":    ("gen.block", "a block alone: Verilog, test bench, ports and timing, cells"),
    "report":   ("gen.report", "make the page of a build again, from its reports"),
    "sim":      ("sim.run", "simulate what was built, and compare each bit with the golden model"),
    "power":    ("sim.power", "energy of the periphery in standard cells, for real images"),
    "train":    ("golden.train", "train a network, and write its checkpoint"),
    "evaluate": ("golden.evaluate", "accuracy and uncertainty of a network, by the golden model"),
    "plot":     ("golden.plot", "draw the figures of the papers, of a network at hand"),
    "chips":    ("golden.chip_study", "judge methods on chips with faulty devices"),
    "explore":  ("golden.explore", "compare designs by several metrics, and find the best of them"),
    "compare":  ("golden.compare", "compare methods, or checkpoints, with each other"),
}

USAGE = "usage: spincim COMMAND ...\n\n" + "".join(
    f"  {name:9} {text} (python -m {module})\n" for name, (module, text) in COMMANDS.items()) + (
    "\nspincim COMMAND --help says what a command takes.\n")


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return its exit status."""
    if arguments is None:
        arguments = sys.argv[1:]
        # Interrupted while modules are still imported, it ends without a traceback; as in gen/__init__.py.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    name, *others = arguments or [""]
    if name in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if name == "--version":
        from gen.tools import version
        print(f"spincim {version()}")
        return 0
    if name not in COMMANDS:
        what = f"command {name!r} is unknown" if name else "no command is named"
        print(f"spincim: {what}; choose one of: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    return importlib.import_module(COMMANDS[name][0]).main(others)


if __name__ == "__main__":
    # python -m puts the working folder before all others.
    if sys.path[0] == os.getcwd() != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):
        del sys.path[0]
    raise SystemExit(main())
