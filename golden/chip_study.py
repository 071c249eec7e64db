"""Robustness of methods to the devices of a chip: ``python -m golden.chip_study lenet5 --over flips``.

Many chips are drawn, each with devices of its own (:class:`golden.device.cell.Devices`), and each is
judged by the golden model: accuracy, likelihood, and how well its entropy tells images that are out of
distribution. What the papers draw of it are Figs. 5 and 6 of Inverted Normalization with Stochastic Affine
Transformations: mean and deviation of 100 chips against the strength of a fault.
"""

import argparse
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, comma_separated, command, whole
from gen.files import write_json
from gen.ir import Network, dump, load
from gen.methods import name_of
from gen.progress import Progress
from gen.sources import HELP, classifier_argument
from gen.tools import version
from golden import metrics
from golden.compiler import compiled
from golden.data import DataError, check_for, data_set, folder_of, load_for
from golden.device.cell import Chip, Devices
from golden.figures.drawing import refuse_without_matplotlib
from golden.figures.figure import Figure, Panel, Series, write
from golden.head import join
from golden.kept import keep, kept
from golden.methods import asked_methods
from golden.network import batches, predict
from golden.random.generator import choices
from golden.workers import results


__all__ = ["FAULTS", "chip_figures", "main"]


#: Faults, what their strength is, and the strengths that are judged unless others are given.
FAULTS = {
    "flips":  ("bits of weights that are flipped", (0, 0.02, 0.05, 0.1, 0.15, 0.2)),
    "spread": ("deviation of the logarithm of a conductance", (0, 0.02, 0.05, 0.1, 0.2, 0.3)),
    "stuck":  ("junctions that cannot be written", (0, 0.01, 0.05, 0.1, 0.2)),
    "drift":  ("conductance that all junctions have lost", (0, 0.005, 0.01, 0.02, 0.05)),
    "noise":  ("deviation of the error of a converter, in steps", (0, 0.2, 0.5, 1, 2)),
}

#: Chips that one job judges: few, so that little is lost when it is stopped.
CHIPS = 5

#: Figures of a chip: what they are called, and their factor there.
_FIGURES = {"accuracy": ("accuracy, %", 100), "nll": ("NLL", 1), "auroc": ("AUROC, %", 100)}


def chip_figures(network: Network, devices: Devices, seed: int, images: np.ndarray, labels: np.ndarray,
                 ood: Sequence[np.ndarray], passes: int) -> dict[str, float]:
    """Return accuracy, NLL, and the mean AUROC of the sets ``ood``, of the chip ``seed`` of a compiled
    ``network``.

    The random bits are those of the generator, and so are the same for all chips. AUROC is by predictive
    entropy, against ``images``; without ``ood`` there is none.
    """
    chip, first = Chip(network, devices, seed), 0
    means = []
    for pixels in (images, *ood):
        parts = [predict(network, pixels[part], choices(
            network.generator, part.stop - part.start, passes, first + part.start), chip=chip)[0]
            for part in batches(network, len(pixels), passes)]
        means.append(join(parts).mean)
        first += len(pixels)
    figures = metrics.classification(means[0], labels)
    found   = {"accuracy": figures["test/cls/Acc"], "nll": figures["test/cls/NLL"]}
    inside, *outside = map(metrics.predictive_entropy, means)
    if outside:
        found["auroc"] = float(np.mean([metrics.detection(inside, each)["ood/AUROC"] for each in outside]))
    return found


def _judge(text, asked, images, labels, ood):
    """The figures of some chips; ``text`` is the compiled network."""
    network = load(text)
    return asked, [chip_figures(network, Devices(**asked["devices"]), seed, images, labels, ood,
                                asked["passes"]) for seed in range(*asked["chips"])]


@command("golden.chip_study", stopped="stopped; chips that were judged are kept, and another call goes on")
def main(arguments=None):
    """Judge chips, print a table, and write it with a figure for each fault."""
    parser = Parser(prog="golden.chip_study",
                    description="Judge methods on chips with faulty devices.")
    parser.add_argument("source", type=classifier_argument, metavar="NETWORK", help=f"network: {HELP}")
    parser.add_argument("--over", type=_over, nargs="+", required=True, metavar="FAULT[=V,V...]",
        help="faults and their strengths, of: " + "; ".join(
            f"{name}, {what} (default: {','.join(map(str, values))})"
            for name, (what, values) in FAULTS.items()))
    parser.add_argument("--methods", metavar="A,B",
        help="methods to compare (default: all that have a checkpoint)")
    parser.add_argument("--chips", type=whole(2), default=100, metavar="N",
        help="chips of each strength (default: %(default)s)")
    parser.add_argument("--passes", type=whole(1), default=20, metavar="T",
        help="stochastic forward passes (default: %(default)s)")
    parser.add_argument("--data", type=Path, metavar="DIR",
        help="data folder, which sets that are out of distribution are taken from, too (default: the "
             "1,000 images of MNIST that come with the project)")
    parser.add_argument("--images", type=whole(1), default=1000, metavar="N",
        help="first images of each set (default: %(default)s)")
    parser.add_argument("--processes", type=whole(1), metavar="N",
        help="processes at once (default: one for each core)")
    parser.add_argument("--ray", metavar="ADDRESS",
        help="of a Ray cluster that judges the chips in their place, or local for this machine")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default: build/chips/NETWORK)")
    args  = parser.parse_args(arguments)
    refuse_without_matplotlib()
    over  = {name: values for each in args.over for name, values in each.items()}
    out   = args.out or Path("build", "chips", args.source.plain.name)
    steps = Progress()
    methods = asked_methods(parser, args.source, args.methods)
    images, labels, ood = _images(args)
    networks, places, missing = {}, {}, []
    for method in methods:
        steps.step(f"{name_of(args.source.plain.name, method)}: compile")
        networks[method] = dump(compiled(args.source.text, passes=args.passes, method=method or None))
        for fault, values in over.items():
            for strength in values:
                for start in range(0, args.chips, CHIPS):
                    asked = _asked(args, networks[method], method, fault, strength, start, ood)
                    places[method, fault, strength, start] = asked
                    if kept(out / "points", asked) is None:
                        missing.append(asked)
    steps.step(f"{len(methods)} methods, {sum(map(len, over.values()))} strengths, {args.chips} chips")
    jobs = ((networks[asked["method"]], asked, images, labels, list(ood.values())) for asked in missing)
    for asked, found in steps.bar(results(_judge, jobs, args.processes or os.cpu_count() or 1, args.ray),
                                  total=len(missing)):
        keep(out / "points", asked, {"chips": found})
    chips = {}
    for (method, fault, strength, _), asked in places.items():
        chips.setdefault((fault, method, strength), []).extend(kept(out / "points", asked)["chips"])
    rows = [_row(*key, found) for key, found in sorted(
        chips.items(), key=lambda each: (list(over).index(each[0][0]), methods.index(each[0][1])))]
    write_json(out / "chip_study.json", {
        "source": "compiled golden model", "status": "run", "network": args.source.plain.name,
        "version": version(), "images": len(images), "out of distribution": sorted(ood),
        "passes": args.passes, "chips": args.chips, "rows": rows})
    for fault in over:
        write(_figure(args.source.plain.name, fault, [row for row in rows if row["fault"] == fault]),
              out / fault)
    print(_table(rows))
    print(f"\nmean ± deviation of {args.chips} chips, {len(images):,} images, T = {args.passes}; "
          f"figures are in {out}")


def _over(text):
    """Strengths by the name of a fault."""
    name, equals, values = text.partition("=")
    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"must be of {', '.join(FAULTS)}, not {name!r}")
    try:
        strengths = tuple(float(value) for value in comma_separated(values)) if equals else FAULTS[name][1]
        for strength in strengths:
            Devices(**{name: strength})
    except ValueError as error:
        reason = str(error) if "must be" in str(error) else f"must be numbers, not {values!r}"
        raise argparse.ArgumentTypeError(reason) from None
    return {name: tuple(dict.fromkeys(map(float, strengths)))}


def _images(args):
    """Images, labels, and sets that are out of distribution, by name."""
    network = args.source.plain
    if args.data is None:
        sample = data_set(network.data).sample
        if sample is None:
            raise DataError(f"No images of {data_set(network.data).title} come with the project; name a "
                            "folder that has it with --data")
        images, labels = sample()
        ood = {}
    else:
        folder = folder_of(args.data)
        images, labels = load_for(network, folder)
        ood = {name: load(folder)[0][:args.images] for name, load in data_set(network.data).ood.items()
               if (folder / name).is_dir()}
    check_for(network, images, labels)
    return images[:args.images], labels[:args.images], ood


def _asked(args, text, method, fault, strength, start, ood):
    """What the figures of some chips depend on."""
    return {"network": args.source.text, "method": method, "version": version(),
            "parameters": hashlib.sha256(text.encode()).hexdigest(), "devices": {fault: strength},
            "chips": [start, min(start + CHIPS, args.chips)], "passes": args.passes, "images": args.images,
            "data": "sample" if args.data is None else str(folder_of(args.data).resolve()),
            "out of distribution": sorted(ood)}


def _row(fault, method, strength, chips):
    """Mean and deviation of each figure over ``chips``."""
    row = {"fault": fault, "method": method, "strength": strength}
    for name in chips[0]:
        values = [chip[name] for chip in chips]
        row[name] = {"mean": float(np.mean(values)), "deviation": float(np.std(values, ddof=1)),
                     "least": min(values), "largest": max(values)}
    return row


def _figure(network, fault, rows):
    """A panel for each figure, a line for each method: means, with a deviation on both sides."""
    panels = []
    for name, (title, factor) in _FIGURES.items():
        if name not in rows[0]:
            continue
        series = []
        for method in dict.fromkeys(row["method"] for row in rows):
            own  = [row for row in rows if row["method"] == method]
            mean = factor * np.array([row[name]["mean"] for row in own])
            off  = factor * np.array([row[name]["deviation"] for row in own])
            series.append(Series(method or "of its own", [row["strength"] for row in own], mean, mean - off,
                                 mean + off))
        panels.append(Panel(FAULTS[fault][0], title, series))
    return Figure(f"{network}, chips with faulty devices: {fault}", panels)


def _table(rows):
    return tabulate([{
        "fault": row["fault"], "method": row["method"] or "of its own", "strength": f"{row['strength']:g}",
        **{title: f"{factor * row[name]['mean']:.{4 if factor == 1 else 2}f} ± "
                  f"{factor * row[name]['deviation']:.{4 if factor == 1 else 2}f}"
           for name, (title, factor) in _FIGURES.items() if name in row}} for row in rows],
        headers="keys", tablefmt="simple", disable_numparse=True)


if __name__ == "__main__":
    raise SystemExit(main())
