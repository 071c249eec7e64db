"""Do the tests of a block fail when its netlist is wrong? ``python -m tests.mutation.measure BLOCK``.

The designs that the tests of a block of ``hdl/`` simulate become netlists, with mutants made by Yosys
(``mutate``): a bit of a cell's port inverted, stuck, or inverted when another one is 0 or 1. The tests then
run on each mutant (:mod:`tests.mutation.plugin`). It is *caught* where an assertion of a test fails; a run
that takes more than four times the cycles, and 2000 more, counts as one that does not end. Registers and
memories that are written hold anything when a run begins, and there is one cycle of reset.

A mutant that no test catches is compared with the design (:mod:`tests.mutation.equivalence`): proven equal
at every port for any number of cycles, seen at a port, or neither within a bound. The score of a block is
the share of caught mutants among those that are neither proven equal nor, where nothing is proven, known to
do nothing (:mod:`tests.mutation.judge`).
"""

import contextlib
import hashlib
import json
import sys
import time
from pathlib import Path

from gen.files import write_json
from sim.processes import Processes


__all__ = ["BLOCKS", "DESIGNS", "MUTANTS", "SEED", "WITHOUT", "kept", "measure"]


ROOT = Path(__file__).resolve().parents[2]

#: Why there are no mutants of some blocks.
WITHOUT = {
    "axi_accelerator": "an assembly without logic of its own, around the Verilog of an accelerator",
    "instances": "an assembly around the Verilog of an accelerator, simulated as a whole",
    "placed": "an instance of a module, without logic",
    "uart_accelerator": "an assembly without logic of its own, around the Verilog of an accelerator",
    "board_top": "pins of a board, without logic",
    "bit_clock": "a part of receiver and transmitter, whose tests measure bits",
    "frames": "numbers, and a component of Amaranth",
    "edge": "an assembly without logic of its own, of blocks that are mutated",
    "register_map": "a table of registers",
    "levels": "a part of blocks that are mutated",
    "parity": "its tests, and `make faults`, flip bits inside of a design, which a netlist does not show",
    "register_parity": "a transform of other blocks: its tests, and `make faults`, flip bits inside of "
                       "them",
    "result": "layouts of words",
    "weight_memory": "an instance of a module that is given as Verilog",
}

#: Files of hdl/ that have tests, and mutants.
BLOCKS = sorted(path.stem for path in (ROOT / "hdl").rglob("*.py") if path.stem not in WITHOUT
                and list((ROOT / "tests" / "hdl").rglob(f"test_{path.stem}.py")))

#: Mutants of a block, the seed of their choice, and designs whose netlists share them at most.
MUTANTS, SEED, DESIGNS = 30, 1, 3


def measure(block: str, folder: Path, mutants: int = MUTANTS, designs: int = DESIGNS) -> dict:
    """Return how many of the mutants of ``block`` its tests catch, and what is known of the others.

    The result is kept in ``folder``. One of before is returned if no file of the project has changed since
    that it follows from.

    Raises
    ------
    RuntimeError
        If the tests of the block fail without a mutant, or a tool fails.
    """
    result = kept(block, folder, mutants, designs)
    if result is None:
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"{block}.log"
        # Alone, as the result follows from all that this process imports.
        if Processes().call([sys.executable, "-m", "tests.mutation.measure", block, str(folder.resolve()),
                             str(mutants), str(designs)], log, cwd=ROOT):
            raise RuntimeError(f"Mutants of {block} cannot be measured; see {log}")
        result = kept(block, folder, mutants, designs)
    return result


def kept(block: str, folder: Path, mutants: int = MUTANTS, designs: int = DESIGNS) -> dict | None:
    """Return the result that :func:`measure` keeps, or None if there is none or it is out of date."""
    path = folder / f"{block}.json"
    if path.exists():
        result = json.loads(path.read_text())
        if result["stamp"] == _stamp(result["files"], block, mutants, designs):
            return result
    return None


def _stamp(files, block, mutants, designs):
    """Changes with the contents of ``files`` and with what is asked of ``block``."""
    state = hashlib.sha256(f"{block} {mutants} {SEED} {designs}".encode())
    for path in files:
        state.update(f"{path} ".encode() + ((ROOT / path).read_bytes() if (ROOT / path).exists() else b""))
    return state.hexdigest()


def _imported():
    """Files of the project that have been imported."""
    files = {Path(module.__file__).resolve() for module in list(sys.modules.values())
             if getattr(module, "__file__", None)}
    return sorted(str(path.relative_to(ROOT)) for path in files
                  if path.is_relative_to(ROOT) and path.is_file() and "site-packages" not in path.parts)


def _run(block, work, count, most):
    """Make ``count`` mutants of at most ``most`` designs of the block, and run its tests on them."""
    import pytest

    from tests.mutation import equivalence, plugin

    with contextlib.suppress(ModuleNotFoundError):
        import torch
        torch.set_num_threads(1) # threads do not survive a fork
    started = time.monotonic()

    def report(*words):
        print(*words, file=sys.stderr, flush=True)

    work.mkdir(parents=True, exist_ok=True)
    mutation = plugin.Mutation(block, count=count, seed=SEED, configs=most, directory=work,
                               runtime=work.parent / "runtime", report=report)
    plugin.install(mutation)
    tests, = (ROOT / "tests" / "hdl").rglob(f"test_{block}.py")
    pytest.main([str(tests), "-q", "--assert=plain",
                 "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--no-summary", "-W", "ignore",
                 "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)], plugins=[mutation])
    if mutation.problems:
        raise RuntimeError("; ".join(mutation.problems[:3]))
    survivors, caught = [], {}
    for config in mutation.chosen:
        for number, mutant in enumerate(config.mutants, 1):
            if "caught_by" in mutant:
                test = mutant["caught_by"].split("[")[0]
                caught[test] = caught.get(test, 0) + 1
                continue
            outcome, value = equivalence.compare(config.design.ports, config.observed,
                                                 config.bounds, number, config.directory)
            report("survivor", number, mutant["src"], outcome, value)
            survivors.append({**mutant, "design": config.items[0].name, "outcome": outcome,
                              **_explain(outcome, value)})
    ends = [mutant.get("how") for config in mutation.chosen for mutant in config.mutants]
    return {
        "mutants": sum(len(config.mutants) for config in mutation.chosen),
        "caught": sum(caught.values()),
        "caught_by": caught,
        "caught_by_no_end": ends.count("no end"),
        "caught_by_error": ends.count("error"),
        "proven_unseen": sum(survivor["outcome"] == "equivalent" for survivor in survivors),
        "designs": [{"first_test": config.items[0].name, "tests": len(config.items),
                     "mutants": len(config.mutants)} for config in mutation.chosen],
        "survivors": survivors,
        "seconds": round(time.monotonic() - started, 1),
    }


def _explain(outcome, value):
    if outcome == "equivalent":
        return {"reason": "no port ever differs: proven for any inputs and any number of cycles"}
    if outcome == "visible":
        return {"reason": f"a port can differ within {value} cycles", "cycle": value}
    return {"reason": f"no port differs within {value} cycles, for any inputs; not proven for "
                      "more", "depth": value}


def main(block, folder, mutants, designs):
    folder, mutants, designs = Path(folder), int(mutants), int(designs)
    result = _run(block, folder / block, mutants, designs)
    files  = _imported()
    write_json(folder / f"{block}.json",
               result | {"files": files, "stamp": _stamp(files, block, mutants, designs)})


if __name__ == "__main__":
    main(*sys.argv[1:])
