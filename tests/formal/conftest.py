"""The report of the proofs, ``build/verification/formal.json``."""

from sim.report import write_report
from tests.formal.blocks import CASES, WITHOUT
from tests.results import REPORTS, Results, note_of_kept


def pytest_configure(config):
    Results("tests/formal/test_proofs.py::test_proof", write).register(config)


def write(results, passed, seconds, path=REPORTS / "formal.json"):
    """Write the report if all proofs have been tried; return the summary of what has been."""
    # A proof that could not be tried, as its solver failed, has recorded nothing.
    proven  = sum(result.get("status") == "proven" for result in results.values())
    summary = f"{proven} of {len(results)} proofs hold"
    if results.keys() != CASES.keys():
        return f"{summary}; {path.name} is of all {len(CASES)} and stays as it is"
    rows, blocks = [], {}
    for name, (block, proof) in CASES.items():
        result = {"status": "not tried", "seconds": None, **results[name]}
        rows.append({"block": f"`{block}`", "property": proof.claim, "status": result["status"],
                     "how": proof.mode, "of": proof.parameters, "s": result["seconds"]})
        blocks.setdefault(block, []).append((proof, result["status"] == "proven"))
    write_report(
        path, target="formal", command="make formal", seconds=seconds, passed=passed, summary=summary,
        tables={"Proofs": rows}, notes=[*(f"Nothing is proven of `{block}`: {reason}."
                                          for block, reason in WITHOUT.items()), *note_of_kept(results)],
        blocks={block: {"proven": _count(proofs)} for block, proofs in blocks.items()},
        proven=proven, properties=len(results), without=WITHOUT)
    return f"{summary}; {path}"


def _count(proofs):
    bounded = sum(proof.bounded and holds for proof, holds in proofs)
    return (f"{sum(holds for _, holds in proofs)} of {len(proofs)}"
            + (f", {bounded} to a depth" if bounded else ""))
