"""Do the tests of each block fail when its netlist is wrong? ``python tests/mutation/mutate.py``.

For each block of ``hdl/`` the designs that its tests in ``tests/hdl`` simulate become netlists, with
mutants made by Yosys (``mutate``): a bit of a cell's port inverted, stuck, or inverted when another one
is 0 or 1. The tests then run on each mutant (:mod:`plugin`). It is *caught* where an assertion of a test
fails; a run that takes more than four times the cycles, and 2000 more, counts as one that does not end.
Registers and memories that are written hold anything when a run begins, and there is one cycle of reset.

A mutant that no test catches is compared with the design (:mod:`equivalence`): proven equal at every
port for any number of cycles, seen at a port, or neither within a bound. The score of a block is the
share of caught mutants among those that are neither proven equal nor, where nothing is proven, known to
do nothing (:mod:`judge`).
"""

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


# It runs without an install too, and so do its workers.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gen.command import interruptible
from gen.files import write_json
from gen.progress import Progress


ROOT = Path(__file__).resolve().parents[2]

COMMAND = "make mutation"


#: Why there are no mutants of some blocks.
WITHOUT = {
    "register_parity": "a pass over other blocks: its tests, and `make faults`, flip bits inside of them",
    "parity": "its tests, and `make faults`, flip bits inside of a design, which a netlist does not show",
}


def blocks():
    """Files of hdl/ that have tests, and mutants."""
    return sorted(path.stem for path in (ROOT / "hdl").rglob("*.py") if path.stem not in WITHOUT
                  and list((ROOT / "tests" / "hdl").rglob(f"test_{path.stem}.py")))


def stamp(files, block, args):
    """Changes with the contents of ``files`` and with what is asked of ``block``."""
    state = hashlib.sha256(f"{block} {args.mutants} {args.seed} {args.designs}".encode())
    for path in files:
        state.update(f"{path} ".encode() + ((ROOT / path).read_bytes() if (ROOT / path).exists() else b""))
    return state.hexdigest()


def used():
    """Files of the project that have been imported: what the result of a block follows from."""
    files = {Path(module.__file__).resolve() for module in list(sys.modules.values())
             if getattr(module, "__file__", None)}
    return sorted(str(path.relative_to(ROOT)) for path in files
                  if path.is_relative_to(ROOT) and path.is_file() and "site-packages" not in path.parts)


def run_block(block, count, seed, designs, work):
    """Make mutants of one block and run its tests on them; return the result as a dict."""
    import equivalence
    import plugin
    import pytest

    with contextlib.suppress(ModuleNotFoundError):
        import torch
        torch.set_num_threads(1) # threads do not survive a fork
    started = time.monotonic()

    def report(*words):
        print(*words, file=sys.stderr, flush=True)

    work.mkdir(parents=True, exist_ok=True)
    mutation = plugin.Mutation(block, count=count, seed=seed, configs=designs, directory=work,
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
    total  = sum(len(config.mutants) for config in mutation.chosen)
    unseen = sum(survivor["outcome"] == "equivalent" for survivor in survivors)
    number = sum(caught.values())
    ends = [mutant.get("how") for config in mutation.chosen for mutant in config.mutants]
    return {
        "mutants": total,
        "caught": number,
        "caught_by": caught,
        "caught_by_no_end": ends.count("no end"),
        "caught_by_error": ends.count("error"),
        "proven_unseen": unseen,
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


def _worker(args):
    result = run_block(args.worker, args.mutants, args.seed, args.designs,
                       args.results / "mutation" / args.worker)
    result["files"] = used()
    result["stamp"] = stamp(result["files"], args.worker, args)
    write_json(args.results / "mutation" / f"{args.worker}.json", result)


def _finished(block, args):
    """Result of an earlier run of the same block, tests and options, with its score, or None."""
    # Here, as what a worker finds does not follow from it.
    from judge import judge, reasons

    path = args.results / "mutation" / f"{block}.json"
    if path.exists():
        result = json.loads(path.read_text())
        if result["stamp"] == stamp(result.get("files", []), block, args):
            return judge(result, reasons(block))
    return None


def _run_workers(todo, args, steps):
    """Run a process per block, so many at a time; return the blocks that failed."""
    running, failed, waiting = {}, [], list(todo)
    logs = args.results / "mutation"
    logs.mkdir(parents=True, exist_ok=True)

    def ended():
        while running or waiting:
            while waiting and len(running) < args.jobs:
                block = waiting.pop(0)
                log = (logs / f"{block}.log").open("w")
                running[block] = subprocess.Popen(
                    [sys.executable, __file__, "--worker", block, "--mutants", str(args.mutants),
                     "--seed", str(args.seed), "--designs", str(args.designs),
                     "--results", str(args.results)],
                    cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
            for block, process in list(running.items()):
                if process.poll() is not None:
                    del running[block]
                    if process.returncode:
                        failed.append(block)
                    yield block
            time.sleep(0.2)

    try:
        for block in steps.bar(ended(), len(todo)):
            result = _finished(block, args)
            print(_line(block, result) if result else
                  f"{block:20} failed; see {logs / block}.log", flush=True)
    finally:
        for process in running.values():
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    return failed


def _line(block, result):
    score = "-" if result["score"] is None else f"{100 * result['score']:.1f} %"
    outcomes = [survivor["outcome"] for survivor in result["survivors"]]
    # Of the survivors: proven equal, seen at a port, neither.
    return (f"{block:20} {result['mutants']:4} mutants {result['caught']:4} caught "
            f"{outcomes.count('equivalent'):3} equal {outcomes.count('visible'):3} seen "
            f"{outcomes.count('unknown'):3} open {score:>8} {result['seconds']:6.0f} s")


@interruptible()
def main(arguments=None):
    """Return 0 if every block reaches the score that is asked for, 1 if not, 2 if one cannot be run."""
    parser = argparse.ArgumentParser(prog="mutate.py", description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=30, help="per block (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of their choice (default: %(default)s)")
    parser.add_argument("--designs", type=int, default=3,
        help="of a block, whose netlists share them, at most (default: %(default)s)")
    parser.add_argument("--blocks", nargs="+", choices=blocks(), metavar="BLOCK",
        help="files of hdl/ (default: all that have tests)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--again", action="store_true",
        help="do not take up results of an earlier run, even if nothing has changed since")
    parser.add_argument("--score", type=float, default=0.95,
        help="share to be caught (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "verification",
        help="folder of mutation.json (default: build/verification)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = sys.argv[1:] if arguments is None else arguments
    args  = parser.parse_args(given)
    args.results = args.results.resolve()
    if not hasattr(os, "fork"):
        print("mutate: This system cannot fork processes, which mutants are; run it on Linux or macOS",
              file=sys.stderr)
        return 2
    if args.worker:
        return _worker(args)

    started, steps = time.monotonic(), Progress()
    wanted = args.blocks or blocks()
    todo = [block for block in wanted if args.again or _finished(block, args) is None]
    for block in wanted:
        if block not in todo:
            print(_line(block, _finished(block, args)), flush=True)
    steps.step(f"{args.mutants} mutants of each of {len(todo)} blocks, seed {args.seed}")
    try:
        failed = _run_workers(todo, args, steps)
    except KeyboardInterrupt:
        print("mutate: stopped; blocks that are done are kept", file=sys.stderr)
        return 130
    results = {block: result for block in blocks() if (result := _finished(block, args))}
    for result in results.values():
        del result["stamp"], result["files"]
    write_json(args.results / "mutation.json", {
        "target": "mutation", "status": "run",
        "command": COMMAND + (f' ARGS="{" ".join(given)}"' if given else ""),
        "seconds": round(time.monotonic() - started, 1),
        "block_seconds": round(sum(result["seconds"] for result in results.values()), 1),
        "mutants_per_block": args.mutants, "designs_per_block": args.designs, "seed": args.seed,
        "not_run": [block for block in blocks() if block not in results],
        "without": WITHOUT,
        "blocks": results,
    })
    low = [block for block in wanted if block in results and results[block]["score"] is not None
           and results[block]["score"] < args.score]
    print(f"mutate: below {args.score:.0%}: {', '.join(low) or 'none'}; "
          f"results in {args.results / 'mutation.json'}")
    return 2 if failed else 1 if low else 0


if __name__ == "__main__":
    raise SystemExit(main())
