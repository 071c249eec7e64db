"""What is found by playing random cases: what each records, how one that fails is kept, and the report."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from case import Case, save
from features import features
from play import Outcome, play
from strategy import generate, shrink

from sim.report import write_report
from tests.results import note_of_kept


__all__ = ["EVERY", "draw", "keep", "kind", "record", "write"]


#: Of so many cases one is emitted as Verilog and simulated by Verilator.
EVERY = 25


def draw(seed: int, index: int) -> Case:
    """Return the case ``index`` of ``seed``, which follows from both and the version of the project."""
    return simulate_by(generate(_number(seed, index)), index)


def _number(seed, index):
    return seed * 1_000_000 + index


def simulate_by(case: Case, index: int) -> Case:
    """Return ``case`` with the simulator of the number ``index``: one of :data:`EVERY` is simulated as
    Verilog, in turn with arrays in memory and at the pins, of several latencies, unless it has a fault and
    there is nothing to simulate."""
    turn, rest = divmod(index, EVERY)
    if case.fault is not None or rest != EVERY - 1:
        return replace(case, simulator="amaranth")
    target = case.target
    if turn % 2:
        target = replace(target, view="macro", array_ns=8.0 * (1 + turn % 5))
    return replace(case, simulator="verilator", target=target)


def record(case: Case, outcome: Outcome) -> dict:
    """Return what the report says of a case."""
    return {"kind": outcome.kind, "message": outcome.message, "simulator": case.simulator,
            "features": features(outcome.played) if outcome.played else [], "totals": outcome.totals}


def kind(message: str) -> str:
    """Return ``message`` without the names and numbers of its case."""
    message = re.sub(r"'[^']*'", "'...'", message)
    message = re.sub(r"[\[(][-\d., e+infa]*[\])]", "(...)", message)
    return re.sub(r"-?\b\d[\d.]*(e[-+]?\d+)?|\b(nan|inf)\b", "#", message)


def keep(path: Path, seed: int, index: int, case: Case, outcome: Outcome):
    """Save in ``path`` the smallest case that hypothesis finds from the failing ``case`` on that fails
    with the same kind of message; return what comes of it."""
    outcomes = {case: outcome}

    def fails(other):
        other = simulate_by(other, index)
        if other not in outcomes:
            outcomes[other] = play(other)
        return outcomes[other].kind == "failed" and kind(outcomes[other].message) == kind(outcome.message)

    case = simulate_by(shrink(_number(seed, index), fails), index)
    save(case, path, kind="equal", message=outcomes[case].message, detail=outcomes[case].detail)
    return outcomes[case]


def write(path: Path, cases: int, seed: int, results: dict[str, dict], passed: bool, seconds: float) -> str:
    """Write the report if all ``cases`` of ``seed`` were played; return the summary of those that were.

    ``results`` are those of :func:`record`, by the number of the case; one that could not be played has
    none.
    """
    kinds   = Counter(result.get("kind", "failed") for result in results.values())
    totals  = sum((Counter(result.get("totals", {})) for result in results.values()), Counter())
    summary = (f"{kinds['equal']} of {len(results)} networks equal the golden model, {kinds['refused']} "
               f"refused, {kinds['failed']} failed")
    if len(results) != cases:
        return f"{summary}; {path.name} is of whole runs and stays as it is"

    def count(title, names):
        return [{title: name, "cases": number} for name, number in Counter(names).most_common()]

    known    = [result for result in results.values() if result]
    failures = [{"case": int(index), "message": result.get("message"), "file": result.get("file")}
                for index, result in results.items() if result.get("kind", "failed") == "failed"]
    tables   = {
        "Features of the networks that are equal":
            sorted(count("feature", (name for result in known for name in result["features"])),
                   key=lambda row: row["feature"]),
        "Refused": count("message", (kind(result["message"]) for result in known
                                     if result["kind"] == "refused")),
    }
    if failures:
        tables["Failed"] = sorted(failures, key=lambda failure: failure["case"])
    write_report(
        path, target="regress", command=f"make regress CASES={cases} SEED={seed}", seconds=seconds,
        passed=passed, summary=summary, tables=tables, notes=[
            f"Every bit of every result was compared, of {totals['images']:,} images and "
            f"{totals['passes']:,} passes. Where all images have as many passes and nothing waits at the "
            f"ports, so were the cycles: of {totals['estimates_equal']:,} networks. A refusal is one line "
            "that names what a build cannot take.", *note_of_kept(results)],
        cases=cases, seed=seed, equal=kinds["equal"], refused=kinds["refused"], failed=kinds["failed"],
        simulated_by=Counter(result["simulator"] for result in known if result["kind"] == "equal"),
        **{name: totals[name] for name in ("images", "passes", "cycles", "estimates_equal")})
    return f"{summary}; {path}"
