"""The report of flipped bits: what becomes of them per class, with and without protection."""

from pathlib import Path

from sim.bit_flips import CLASSES, OUTCOMES
from sim.report import write_report


__all__ = ["CASES", "CHECKED", "PROTECTION", "shares", "write"]


#: Names of builds without and with protection.
PROTECTION = {"unprotected": False, "protected": True}

#: Each run of flips: its network, and its build.
CASES = {f"{network}-{build}": (network, build) for network in ("lenet5", "lenet5_spinbayes")
         for build in PROTECTION}

#: Classes of which protection sees every flip: no result is wrong, and none missing, without a flag.
CHECKED = ("thresholds", "logit words", "weights", "maps", "line buffers", "memories of the head",
           "state machines", "counters and flags")

#: Classes that no chip has, or that only the checks have; shares of all bits leave them out.
_LEFT_OUT = ("array registers", "checks")


def shares(classes: dict[str, dict]) -> dict[str, float]:
    """Return the share of each outcome where any bit of ``classes`` flips, each as likely as the others."""
    counted = {name: row for name, row in classes.items() if name not in _LEFT_OUT}
    bits = sum(row["bits"] for row in counted.values())
    return {outcome: sum(row["bits"] * row[outcome] / row["flips"] for row in counted.values()) / bits
            for outcome in (*OUTCOMES, "silent_other_class")}


def write(folder: Path, options, results: dict[str, dict], passed: bool, seconds: float) -> str:
    """Write a report for each network of which all builds were run; return a line on what was found.

    ``results`` are those of :func:`sim.bit_flips.inject`, by the names in :data:`CASES`.
    """
    lines = []
    command = (f"make faults FAULTS={options.flips} FAULTS_SPINBAYES={options.flips_spinbayes} "
               f"SEED={options.seed}")
    if options.cost == "place":
        command += ' ARGS="--cost place"'
    for network in dict.fromkeys(network for network, _ in CASES.values()):
        builds = {build: results[name] for name, (of, build) in CASES.items()
                  if of == network and results.get(name)}
        silent = [f"{_percent(shares(result['classes'])['silent'])} {build}"
                  for build, result in builds.items()]
        if not builds:
            continue
        summary = f"{network}: {', '.join(silent)}, of flipped bits give a wrong result without a flag"
        lines.append(summary)
        if builds.keys() != PROTECTION.keys():
            continue
        tables = {f"{build}: {result['flips']:,} flips, one in each run of {result['images']} images at "
                  f"T = {result['passes']}": _rows(result) for build, result in builds.items()}
        if all("cells" in result for result in builds.values()):
            tables["Cells on an ECP5"] = [{"build": build} | _cells(result["cells"])
                                          for build, result in builds.items()]
        path = folder / ("faults.json" if network == "lenet5" else f"faults_{network}.json")
        write_report(
            path, target="faults", command=command, summary=summary, tables=tables,
            seconds=sum(result["seconds"] for result in builds.values()),
            passed=all(result["missed"] == 0 for result in builds.values()),
            notes=["The last line weighs each class with its bits, and leaves out: "
                   f"{', '.join(_LEFT_OUT)}. With protection, no flip of these may be silent or hang "
                   f"without a flag: {', '.join(CHECKED)}."],
            seed=options.seed, builds=builds)
        lines[-1] += f"; {path}"
    return "\n".join(lines)


def _rows(result):
    rows = [{"what flips": name, "bits": row["bits"], "flips": row["flips"],
             **{outcome.replace("_", ", "): _percent(row[outcome], row["flips"])
                for outcome in (*OUTCOMES, "silent_other_class")}}
            for name in CLASSES if (row := result["classes"].get(name))]
    return [*rows, {"what flips": "any bit", "bits": None, "flips": None,
                    **{outcome.replace("_", ", "): _percent(share)
                       for outcome, share in shares(result["classes"]).items()}}]


def _cells(cells):
    """Cells as they were packed, and the clock; or those of all blocks, where nothing was placed."""
    if "fmax_mhz" in cells:
        return {kind: cells[kind] for kind in ("LUT", "FF", "BRAM", "DSP")} | {"MHz": cells["fmax_mhz"]}
    return {kind: sum(block[kind] for block in cells.values()) for kind in ("LUT", "FF", "BRAM", "DSP")}


def _percent(part, whole=1):
    return f"{part / whole:.1%}".replace("%", " %")
