"""Test the randomness, and what faults of it do: ``python -m sim.randomness``."""

import importlib
import time
from pathlib import Path

from tabulate import tabulate

from gen.command import Parser, UserError, command
from gen.files import refuse_unwritable
from gen.progress import Progress
from gen.tools import install_hint
from sim.random_evidence import PREDICTIONS, gather
from sim.report import write_report
from sim.verilator.work import locked


__all__ = ["main"]


@command("sim.randomness")
def main(arguments=None):
    """Gather the evidence; return 0 when every test passes, 1 when not."""
    parser = Parser(prog="sim.randomness", description="Test the randomness, and what faults of it do.")
    parser.add_argument("--data", type=Path,
        help="data folder (default: SPINCIM_DATA; without it, the 1,000 images that come with the "
             "project, and no others)")
    parser.add_argument("--work", type=Path, default=Path("build/randomness"), metavar="DIR",
        help="folder for the designs (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=Path("build/verification/randomness.json"),
        metavar="FILE", help="file to write (default: %(default)s)")
    args = parser.parse_args(arguments)
    try:
        importlib.import_module("scipy")
    except ModuleNotFoundError:
        raise UserError("Package 'scipy' is not installed; install it with: "
                        f"{install_hint('golden')}") from None
    refuse_unwritable(args.json)
    steps = Progress()
    with locked(args.work, steps, f"wait for another sim.randomness in {args.work} to end",
                "name another with --work DIR"):
        started  = time.monotonic()
        evidence = gather(args.data, args.work, steps)
    tables, summary = make_tables(evidence), summarize(evidence)
    notes = [f"Failed: {name}." for name in evidence["tests"]["failed"]]
    write_report(
        args.json, target="randomness", seconds=time.monotonic() - started, summary=summary, notes=notes,
        command="make randomness" + (" DATA=DIR" if args.data else ""), tables=tables, **evidence)
    print(summary)
    for note in notes:
        print(note)
    for title, rows in tables.items():
        print(f"\n{title}\n\n{tabulate(rows, 'keys', tablefmt='simple', missingval='-')}")
    return 0 if evidence["passed"] else 1


def summarize(evidence: dict) -> str:
    """Return in a sentence what was found."""
    tests, detection = evidence["tests"], evidence["detection"]
    played = len(detection["at_the_pins"])
    return (f"{tests['tests']:,} statistical tests, {len(tests['failed'])} failed; "
            f"{played - len(detection['at_the_pins_disagreeing'])} of {played} bad sources as in the "
            "golden model")


def make_tables(evidence: dict) -> dict[str, list[dict]]:
    """Return the tables of the report by title."""
    tests, detection = evidence["tests"], evidence["detection"]
    tables = {
        "Statistical tests": [{
            "tests": tests["tests"], "failed": len(tests["failed"]),
            "smallest p": tests["smallest_p_value"],
            "chance that good bits fail any": percent(tests["false_alarm_rate"])}],
        "Averages against the exact predictive mean, by enumeration of all choices": [{
            "averages of": name, "images": average["images"],
            "passes of each": average["passes_per_image"],
            "error falls as passes to the": average["slope"],
            "largest error in standard errors": average["largest_error_standard_errors"]}
            for name, average in evidence["averages"].items()],
        f"Health tests: streams that raise the alarm within {detection['predictions']:,} predictions": [{
            "source": name, "alarmed": percent(source["alarmed"]),
            "by SP 800-90B alone": percent(source["alarmed_by_bits_alone"]),
            "half by prediction": source["median_predictions"]}
            for name, source in detection["sources"].items()],
        f"Weakest faults found within {PREDICTIONS:,} predictions": [{
            "fault": name, "by half of the streams": fault["smallest_alarmed_50_percent"],
            "by 99 %": fault["smallest_alarmed_99_percent"]}
            for name, fault in detection["smallest"].items()]}
    for network, effects in evidence["effects"].items():
        images = ", ".join(f"{count:,} of {name}" for name, count in effects["images"].items())
        tables[f"What faults do to {network}, T = {effects['passes']}, {images}"] = [
            _effect(name, row) for name, row in effects["sources"].items()]
    return tables


def _effect(name, row):
    """The row of a source."""
    shown = {"source": name, "alarm in prediction": row["alarm_prediction"],
             "accuracy": percent(row["test/cls/Acc"], 2), "NLL": f"{row['test/cls/NLL']:.4f}",
             "ECE": percent(row["test/cal/ECE"], 2), "rejected": percent(row["quantile/rejected"]),
             "Fashion-MNIST rejected": None, "AUROC": None}
    ood = row.get("fashion-mnist", {"status": "not_run"})
    if ood["status"] == "run":
        shown["Fashion-MNIST rejected"] = percent(ood["quantile/rejected"])
        shown["AUROC"] = percent(ood["entropy"]["ood/AUROC"])
    return shown


def percent(share: float, digits: int = 1) -> str:
    """Return ``share`` in per cent."""
    return f"{100 * share:.{digits}f} %"


if __name__ == "__main__":
    raise SystemExit(main())
