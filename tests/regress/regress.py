"""Build, simulate and compare random networks, or see them refused: ``make regress CASES=500 SEED=1``."""

import argparse
import io
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from case import save
from features import features
from play import play
from strategy import generate, shrink

from gen.command import interruptible
from gen.files import write_json
from gen.progress import Progress
from sim.processes import cores, end_all


__all__ = ["kind", "regress"]


#: After so many seconds a failing case is as small as it gets; below what hypothesis complains about.
SHRINK_SECONDS = 200


def regress(count: int, seed: int, folder: Path, *, every: int = 25, shrinks: int = 100, jobs: int = 1,
            steps: Progress | None = None) -> dict:
    """Play ``count`` cases, which follow from ``seed`` and the version of the project; save those that
    fail, shrunk, in ``folder``.

    Of the cases without a fault each one whose number ``every`` divides is emitted as Verilog and
    simulated by Verilator, in turn with arrays in memory and at the pins, of several latencies; the
    others by the Amaranth simulator. Shrinking plays a case ``shrinks``
    times at most, and for :data:`SHRINK_SECONDS`. ``jobs`` processes play.

    Returns
    -------
    dict
        The report ``regress.json``.
    """
    steps = steps or Progress(io.StringIO())
    steps.step(f"{count} random networks of seed {seed}")
    started = time.monotonic()
    refused, simulated, covered = Counter(), Counter(), Counter()
    totals, spent, failures = Counter(), Counter(), []

    def made(case, index):
        turn, rest = divmod(index, every)
        if case.fault is not None or rest != every - 1:
            return replace(case, simulator="amaranth")
        outside = {"view": "macro", "array_ns": 8.0 * (1 + turn % 5)} if turn % 2 else {}
        return replace(case, simulator="verilator", target=replace(case.target, **outside))

    # All at first: hypothesis likes the numbers that occur in the modules of the project, of which more
    # may be imported later.
    numbers = range(seed * 1_000_000, seed * 1_000_000 + count)
    cases   = [made(generate(number), index) for index, number in enumerate(numbers)]
    with TemporaryDirectory(prefix="regress.") as work, ProcessPoolExecutor(
            jobs, multiprocessing.get_context("spawn"), _begin, (work,)) as pool:
        futures = {pool.submit(_play, case, work): index for index, case in enumerate(cases)}
        try:
            for future in steps.bar(as_completed(futures), count):
                index = futures[future]
                case, (outcome, seconds) = cases[index], future.result()
                spent[case.simulator] += seconds
                if outcome.kind == "refused":
                    refused[kind(outcome.message)] += 1
                elif outcome.kind == "equal":
                    simulated[case.simulator] += 1
                    covered.update(features(outcome.played))
                    totals.update(outcome.totals)
                else:
                    path = folder / f"seed{seed}_case{index}.json"
                    print(f"regress: case {index} failed ({outcome.message}); shrinking", file=sys.stderr)
                    failures.append(_save(path, numbers[index], index, case, outcome, made,
                                          _runtime(work), shrinks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    failures.sort(key=lambda failure: failure["case"])
    return {
        "target": "regress",
        "command": f"make regress CASES={count} SEED={seed}" + f' ARGS="--every {every}"' * (every != 25),
        "status": "run",
        "seconds": time.monotonic() - started,
        "cases": count,
        "seed": seed,
        "equal": simulated.total(),
        "simulated_by": dict(simulated),
        "seconds_by_simulator": {name: round(value, 1) for name, value in spent.items()},
        **{name: totals[name] for name in ("images", "passes", "cycles", "estimates_equal")},
        "refused": refused.total(),
        "refused_by_message": dict(refused.most_common()),
        "failed": len(failures),
        "failures": failures,
        "features": dict(sorted(covered.items())),
    }


def _begin(work):
    """In a process that plays: what is left behind goes with ``work``."""
    # Who has begun it ends it, and it ends without a word; so does the simulator that it runs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    tempfile.tempdir = work


def _stop(number, frame):
    end_all()
    os._exit(1)


def _runtime(work):
    """Verilator's run-time library of this process."""
    return Path(work, f"runtime{os.getpid()}")


def _play(case, work):
    begin = time.monotonic()
    return play(case, _runtime(work)), time.monotonic() - begin


def kind(message: str) -> str:
    """Return ``message`` without the names and numbers of its case."""
    message = re.sub(r"'[^']*'", "'...'", message)
    message = re.sub(r"[\[(][-\d., e+infa]*[\])]", "(...)", message)
    return re.sub(r"-?\b\d[\d.]*(e[-+]?\d+)?|\b(nan|inf)\b", "#", message)


def _save(path, number, index, case, outcome, made, runtime, shrinks):
    """Shrink a failing case, save it, and return what the report says of it."""
    outcomes, begin = {case: outcome}, time.monotonic()

    def fails(other):
        other = made(other, index)
        if other not in outcomes:
            if time.monotonic() - begin > SHRINK_SECONDS:
                return False
            outcomes[other] = play(other, runtime)
        return outcomes[other].kind == "failed" and kind(outcomes[other].message) == kind(outcome.message)

    # Another case may come of the number by now, and that one need not fail.
    if shrinks and made(generate(number), index) == case:
        case = made(shrink(number, fails, shrinks), index)
    outcome = outcomes.get(case, outcome)
    save(case, path, message=outcome.message, detail=outcome.detail)
    return {"case": index, "message": outcome.message, "file": str(path)}


@interruptible()
def main(arguments=None):
    """Run the cases; return 0, 1 if any failed, or 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="regress", description="Build and simulate random networks.")
    parser.add_argument("--cases", type=int, default=500, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what they follow from (default: %(default)s)")
    parser.add_argument("--every", type=int, default=25, metavar="N",
        help="simulate each Nth as emitted Verilog under Verilator (default: %(default)s)")
    parser.add_argument("--shrinks", type=int, default=100, metavar="N",
        help="plays for shrinking a failing case (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("build/verification"), metavar="DIR",
        help="folder of the report, and of failing cases (default: %(default)s)")
    args = parser.parse_args(arguments)
    try:
        report = regress(args.cases, args.seed, args.out / "regress_failures", every=args.every,
                         shrinks=args.shrinks, jobs=args.jobs, steps=Progress())
    except KeyboardInterrupt:
        print("regress: stopped; cases that failed are saved, the report is as it was", file=sys.stderr)
        return 130
    path = args.out / "regress.json"
    write_json(path, report)
    for failure in report["failures"]:
        print(f"case {failure['case']}: {failure['message']}\n  python tests/regress/replay.py "
              f"{failure['file']}")
    print(f"{report['equal']} of {report['cases']} equal the golden model in every bit "
          f"({report['estimates_equal']} of them in every cycle of the estimate too), {report['refused']} "
          f"refused in one line, {report['failed']} failed; see {path}")
    return 1 if report["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
