"""The report of mutants, of all blocks whose results are kept."""

import re
from pathlib import Path

from sim.report import write_report
from tests.mutation.judge import judge, reasons
from tests.mutation.measure import BLOCKS, DESIGNS, MUTANTS, SEED, WITHOUT, kept


__all__ = ["SCORE", "describe", "write"]


#: Share of the mutants of a block that must be caught.
SCORE = 0.95


def write(folder: Path, path: Path) -> str:
    """Write the report of the results in ``folder``; return a line that says what it is."""
    results = {block: judge(result, reasons(block)) for block in BLOCKS if (result := kept(block, folder))}
    missing = [block for block in BLOCKS if block not in results]
    low     = [block for block, result in results.items()
               if result["score"] is not None and result["score"] < SCORE]
    caught  = sum(result["caught"] for result in results.values())
    seen    = sum(map(_judged, results.values()))
    summary = (f"{caught} of {seen} mutants caught; below {100 * SCORE:.0f} %: "
               f"{', '.join(low) or 'no block'}")
    write_report(
        path, target="mutation", command="make mutation", passed=not low, summary=summary,
        seconds=sum(result["seconds"] for result in results.values()),
        tables={
            "Mutants": [{"block": f"`{block}`", "mutants": result["mutants"], "caught": result["caught"],
                         "by an error": result["caught_by_error"],
                         "by no end": result["caught_by_no_end"],
                         "proven equal": result["proven_unseen"], "explained": result["explained"],
                         "s": result["seconds"]} for block, result in results.items()],
            "Survivors that are not proven equal": [
                {"block": f"`{block}`", "cell from": _place(survivor), "port": survivor["port"],
                 "why it is harmless, or how far it was looked": survivor["reason"]}
                for block, result in results.items() for survivor in result["survivors"]
                if survivor["outcome"] != "equivalent"]},
        notes=[f"{MUTANTS} mutants of each block, seed {SEED}. A mutant is caught when an assertion of a "
               "test of the block fails. The score leaves out mutants that are proven equal or, where "
               "nothing is proven, explained.",
               *(f"There are no mutants of `{block}`: {reason}." for block, reason in WITHOUT.items())],
        partial=f"there are no results of {', '.join(missing)}" if missing else None,
        blocks={block: {"mutants caught": f"{result['caught']} of {_judged(result)}",
                        "score": _percent(result["score"])}
                for block, result in results.items()},
        mutants_per_block=MUTANTS, designs_per_block=DESIGNS, seed=SEED, not_run=missing, without=WITHOUT,
        results={block: {name: value for name, value in result.items() if name not in ("files", "stamp")}
                 for block, result in results.items()})
    return f"{summary}; {path}"


def describe(block: str, result: dict) -> str:
    """Return a line about the judged ``result`` of ``block``."""
    outcomes = [survivor["outcome"] for survivor in result["survivors"]]
    return (f"{block}: {result['mutants']} mutants, {result['caught']} caught, "
            f"{outcomes.count('equivalent')} proven equal, {outcomes.count('visible')} seen at a port, "
            f"{outcomes.count('unknown')} open; score {_percent(result['score']) or '-'}")


def _judged(result):
    """Mutants that should be caught."""
    return result["mutants"] - result["proven_unseen"] - result["explained"]


def _percent(score):
    return None if score is None else f"{100 * score:.1f} %"


def _place(survivor):
    return ", ".join(re.sub(r"^.*site-packages/|^/", "", place)
                     for place in survivor["src"]) or survivor["cell"]
