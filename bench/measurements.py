"""What the figures of docs/results.md are measured by: commands, and what was kept of their reports.

The reports of each command are kept in one file of ``build/results``, with the command, the version that it
measured, and how long it took.
"""

import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gen.command import UserError
from gen.files import write_json
from gen.tools import checked_out


__all__ = ["KEPT", "MEASUREMENTS", "Measurement", "MeasurementError", "kept", "measure"]


#: Where reports are kept, and the designs that they are of, from the root of a checkout.
KEPT, DESIGNS = "build/results", "build/designs"


class MeasurementError(UserError):
    """A command that ended without its reports, or a file that holds none."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A command, and the reports that it writes."""

    name: str
    command: str             #: As a user types it in the root of a checkout; DIR is the data folder.
    reports: tuple[str, ...] #: JSON files that it writes.
    asked: bool = False      #: Takes many minutes, and runs only if it is asked for.

    @property
    def needs_data(self) -> bool:
        return "DIR" in self.command.split()


def _build(name, options, **more):
    reports = ("estimate_network_performance", "crossbar_map", "method_costs", "synth_ecp5")
    return Measurement(f"build_{name}", f"python -m gen.build {options} --out {DESIGNS}/{name}",
                       tuple(f"{DESIGNS}/{name}/report/{report}.json" for report in reports), **more)


def _evaluate(network):
    report = f"{KEPT}/reports/evaluate.json"
    return Measurement(f"evaluate_{network}",
                       f"python -m golden.evaluate {network} --data DIR --json {report}", (report,))


def _simulate(design, options, name=None):
    return Measurement(f"simulate_{name or design}", f"python -m sim.run {DESIGNS}/{design} {options}",
                       (f"{DESIGNS}/{design}/report/rtlsim_performance.json",))


#: All that is measured, by name, in the order in which it runs: a design is built before it is simulated.
MEASUREMENTS = {one.name: one for one in (
    _build("lenet5", "--layers lenet5"),
    _build("lenet5_sequential", "--layers lenet5 --schedule sequential"),
    _build("lenet5_wide", "--layers lenet5_wide"),
    _build("lenet5_wide_sequential", "--layers lenet5_wide --schedule sequential"),
    _build("lenet5_spinbayes", "--layers lenet5 --method spinbayes"),
    _build("lenet5_spinbayes_sequential", "--layers lenet5 --method spinbayes --schedule sequential"),
    _build("lenet5_4bit_spinbayes", "--layers lenet5_4bit --method spinbayes"),
    _build("lenet5_4bit_spinbayes_sequential",
           "--layers lenet5_4bit --method spinbayes --schedule sequential"),
    _build("lenet5_ecp5", "--layers lenet5 --synth ecp5", asked=True),
    _evaluate("lenet5"),
    _evaluate("lenet5_wide"),
    _evaluate("lenet5_spinbayes"),
    _evaluate("lenet5_4bit_spinbayes"),
    _simulate("lenet5", "--images 1000 --passes 1", "lenet5_one_pass"),
    _simulate("lenet5", "--images 10000 --data DIR --ood all"),
    _simulate("lenet5_sequential", "--images 50"),
    _simulate("lenet5_wide", "--images 100"),
    _simulate("lenet5_spinbayes", "--images 500 --data DIR"),
    _simulate("lenet5_4bit_spinbayes", "--images 100 --data DIR"),
    Measurement("predictions", f"python -m bench.predictions --json {KEPT}/reports/predictions.json",
                (f"{KEPT}/reports/predictions.json",)),
    _build("lenet5_instances", "--layers lenet5 --fps 1000000 --passes-max 20"),
    _simulate("lenet5_instances", "--images 10000 --data DIR"),
)}


def measure(one: Measurement, data: Path | None = None):
    """Run a command, which takes its images from the folder ``data``, and keep its reports.

    Raises
    ------
    MeasurementError
        If it fails, with the last line that it said; what was kept before stays.
    """
    words  = [str(data) if word == "DIR" else word for word in shlex.split(one.command)]
    before = [_written(path) for path in one.reports]
    Path(KEPT, "reports").mkdir(parents=True, exist_ok=True)
    measured, start = checked_out(), time.monotonic()
    run = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=False)
    now = [_written(path) for path in one.reports]
    # A simulation that differs from the golden model ends with 1, and its report says so.
    if run.returncode not in (0, 1) or any(
            new in (None, old) for old, new in zip(before, now, strict=True)):
        said = (run.stderr.strip() or run.stdout.strip() or "it said nothing").splitlines()[-1]
        raise MeasurementError(f"{one.command} failed (status {run.returncode}): {said}")
    write_json(_file(one), {
        "command": one.command,
        "version": measured,
        "seconds": round(time.monotonic() - start, 1),
        "reports": {Path(path).stem: json.loads(Path(path).read_text()) for path in one.reports},
    })


def kept() -> dict[str, dict]:
    """Return what was kept of the measurements, by name; what another command has measured is left out.

    Raises
    ------
    MeasurementError
        If a file cannot be read.
    """
    found = {}
    for name, one in MEASUREMENTS.items():
        try:
            record = json.loads(_file(one).read_text())
            if record["command"] == one.command:
                found[name] = {key: record[key] for key in ("command", "version", "seconds", "reports")}
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            raise MeasurementError(f"File {_file(one)} holds no measurement; remove it, and {name} is "
                                   "measured again") from None
    return found


def _file(one):
    return Path(KEPT, f"{one.name}.json")


def _written(path):
    """When a file was written, in nanoseconds; None if there is none."""
    return Path(path).stat().st_mtime_ns if Path(path).exists() else None
