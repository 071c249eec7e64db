"""Explore designs: ``python -m golden.explore lenet5 --over method,passes --metric energy,nll,fps``.

Each combination of options is a point. What it costs is what the compiler states of it
(:mod:`gen.method_costs`, run as a command); how good its answers are is what its golden model, to which the
hardware is equal in every bit, makes of real images. Of all points the *Pareto front* are those of which no
other is at least as good in all metrics and better in one.

Each point is kept in a file of its own, whole or absent, so that a second call goes on where one was
stopped, and more options or metrics add to what there is.
"""

import argparse
import csv
import hashlib
import io
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from gen.command import Parser, UserError, comma_separated, command, whole
from gen.files import replacing, write_json
from gen.progress import Progress
from gen.sources import HELP, classifier_argument
from gen.tools import version
from golden import metrics, tables
from golden.answers import answer
from golden.compiler import CompileError, compiled, run_compiler
from golden.data import check_for, data_set, folder_of, load_for
from golden.figures.drawing import draw, refuse_without_matplotlib
from golden.figures.figure import Figure, Panel, Series
from golden.kept import keep, kept
from golden.methods import asked_methods


__all__ = ["METRICS", "Metric", "front", "main"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a design."""

    title: str
    more: bool = False        #: Whether more of it is better.
    of_answers: bool = False  #: Whether images are needed for it.
    of_cells: bool = False    #: Whether cells must be counted for it.


METRICS = {
    "energy":      Metric("energy of an image, uJ"),
    "fps":         Metric("images per second", more=True),
    "latency":     Metric("latency, cycles, mean"),
    "luts":        Metric("LUT4, estimated", of_cells=True),
    "ff":          Metric("flip-flops, estimated", of_cells=True),
    "bram":        Metric("block memories, estimated", of_cells=True),
    "arrays":      Metric("arrays"),
    "converters":  Metric("ADCs"),
    "random-bits": Metric("random bits of a prediction"),
    "nll":         Metric("NLL", of_answers=True),
    "accuracy":    Metric("accuracy", more=True, of_answers=True),
    "ece":         Metric("ECE", of_answers=True),
}

#: Options that can be explored, and their values unless given. Methods are those that have a checkpoint.
VALUES = {
    "method": (), "passes": (1, 5, 10, 20, 50), "p": (0.1, 0.2, 0.3, 0.4, 0.5), "crossbars": (2, 4, 8),
    "ways": (1, 2), "adcs": ("none", 20, 50, 100), "interval": ("none", 784, 1568, 3136),
    "luts": ("none", 10000, 12000), "schedule": ("shared", "sequential"), "sources": ("model", "layer"),
    "view": ("emulated", "macro"),
}

#: Those that change what the golden model answers.
_ANSWERS = "method", "passes", "p", "crossbars", "ways"


@command("golden.explore", stopped="stopped; the points that were done are kept, and another call goes on")
def main(arguments=None):
    """Explore, print a table, and write it with the front as CSV, JSON and a plot."""
    parser = Parser(prog="golden.explore", description="Compare designs by several metrics, and find those "
                    "that no other is better than.")
    parser.add_argument("source", type=classifier_argument, metavar="NETWORK", help=f"network: {HELP}")
    parser.add_argument("--over", type=_over, nargs="+", required=True, metavar="OPTION[=V,V...]",
        help="options whose values are combined, of " + ", ".join(VALUES) + "; several without values may "
             "have commas between them")
    parser.add_argument("--metric", type=_metrics, default=("energy", "nll"), metavar="M,M...",
        help="figures to compare, of " + ", ".join(METRICS) + "; the first two are those of the plot "
             "(default: energy,nll)")
    parser.add_argument("--data", type=Path,
        help="data folder (default: the 1,000 images of MNIST that come with the project)")
    parser.add_argument("--images", type=whole(1), metavar="N", help="the first N images (default: all)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default: build/explore/NETWORK)")
    args  = parser.parse_args(arguments)
    refuse_without_matplotlib()
    over  = {name: values for names in args.over for name, values in names.items()}
    if "method" in over and not over["method"]:
        over["method"] = asked_methods(parser, args.source, None)
    out   = args.out or Path("build", "explore", args.source.plain.name)
    steps = Progress()
    judge = _Judge(args.source, args.data, args.images)
    steps.step(f"{args.source.plain.name}: points")
    points = [_point(out, args.source, dict(zip(over, values, strict=True)), args.metric, judge)
              for values in steps.bar(list(itertools.product(*over.values())))]
    best   = front([point for point in points if "impossible" not in point], args.metric)
    _write(out, args.source, over, args.metric, points, best, judge)
    print(_table(over, args.metric, points, best))
    print(f"\n{len(best)} of {len(points)} points are on the front; written to {out}")


def front(points: list[dict], names: tuple[str, ...]) -> list[dict]:
    """Return those of ``points`` that no other is better than, by the metrics ``names``."""
    def figures(point):
        return [-point["metrics"][name] if METRICS[name].more else point["metrics"][name] for name in names]

    def better(one, other):
        return all(a <= b for a, b in zip(one, other, strict=True)) and one != other

    return [point for point in points
            if not any(better(figures(other), figures(point)) for other in points)]


def _over(text):
    """Options by name, with their values."""
    name, equals, values = text.partition("=")
    found = ({name: tuple(comma_separated(values))} if equals else
             {each: VALUES.get(each) for each in comma_separated(text)})
    for each in found:
        if each not in VALUES:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(VALUES)}, not {each!r}")
    return found


def _metrics(text):
    names = tuple(comma_separated(text))
    for name in names:
        if name not in METRICS:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(METRICS)}, not {name!r}")
    if len(set(names)) < 2:
        raise argparse.ArgumentTypeError("must be two or more different ones")
    return names


class _Judge:
    """How good the answers of a network are, by the images that it is judged with."""

    def __init__(self, source, data, images):
        self.source, self.data, self.images = source, data, images
        self.known  = {}
        #: What the figures depend on, beside the options.
        self.judged = f"{'sample' if data is None else folder_of(data).resolve()}, {images or 'all'}"

    def figures(self, options: dict) -> dict[str, float]:
        chosen = {name: options[name] for name in _ANSWERS if name in options}
        key    = tuple(chosen.items())
        if key not in self.known:
            typed  = {name: {"method": str, "p": float}.get(name, int)(value)
                      for name, value in chosen.items()}
            network = compiled(self.source.text, **typed)
            if self.data is None:
                sample = data_set(network.data).sample
                if sample is None:
                    raise UserError(f"Network {network.name!r} is for {network.data}, of which no images "
                                    "come with the project; name a folder with --data DIR")
                pixels, labels = sample()
                check_for(network, pixels, labels)
            else:
                pixels, labels = load_for(network, folder_of(self.data))
            found = answer(network, pixels[:self.images], typed.get("passes", 20), golden=tables)
            figures = metrics.classification(found.prediction.mean, labels[:self.images])
            self.known[key] = {"nll": figures["test/cls/NLL"], "accuracy": figures["test/cls/Acc"],
                               "ece": figures["test/cal/ECE"]}
        return self.known[key]


def _point(out, source, options, names, judge):
    """The point of ``options``, with the metrics ``names`` and all that it has beside them; from its file
    as far as it is there."""
    stored = source.checkpoint(options.get("method"))
    asked = {"network": source.text, "options": {name: str(value) for name, value in options.items()},
             "parameters": hashlib.sha256(stored.read_bytes()).hexdigest() if stored.exists() else None,
             "images": judge.judged, "version": version()}
    point = asked | (kept(out / "points", asked) or {"metrics": {}})
    if "impossible" in point or set(names) <= set(point["metrics"]):
        return point
    try:
        if set(names) - set(point["metrics"]) - {name for name in names if METRICS[name].of_answers}:
            point["metrics"] |= _costs(source, options, any(METRICS[name].of_cells for name in names))
        if any(METRICS[name].of_answers for name in names):
            point["metrics"] |= judge.figures(options)
    except CompileError as error:
        point["impossible"] = str(error)
    keep(out / "points", asked, {key: point[key] for key in ("metrics", "impossible") if key in point})
    return point


def _costs(source, options, cells):
    """What the compiler states of a design."""
    output, _ = run_compiler(["gen.method_costs", source.text, *(["--resources"] if cells else []), *(
        f"--{name}={value}" for name, value in options.items())])
    stated   = json.loads(output)
    estimate = stated["estimate"]
    found = {
        "energy":      1e6 * stated["energy"][f"{estimate['schedule']}_j"],
        "fps":         estimate["estimated_throughput_fps"],
        "latency":     estimate["latency_cycles_mean"],
        "arrays":      stated["total"]["arrays"],
        "converters":  stated["total"]["adcs"],
        "random-bits": stated["total"]["random_bits_per_prediction"],
    }
    if cells:
        found |= {name: stated["resources"][key]
                  for name, key in (("luts", "LUT"), ("ff", "FF"), ("bram", "BRAM"))}
    return found


def _table(over, names, points, best):
    """Points by the first metric; a star for those of the front. Impossible ones come last, with the
    reason."""
    possible = sorted((point for point in points if "impossible" not in point),
                      key=lambda point: point["metrics"][names[0]])
    rows  = [[*(point["options"][name] for name in over), *(point["metrics"][name] for name in names),
              "*" if point in best else ""] for point in possible]
    lines = [f"not possible: {' '.join(f'{name}={value}' for name, value in point['options'].items())}: "
             f"{point['impossible']}" for point in points if "impossible" in point]
    return "\n".join([tabulate(rows, [*over, *(METRICS[name].title for name in names), "front"],
                               floatfmt=".5g"), *lines])


def _write(out, source, over, names, points, best, judge):
    """Write ``explore.json``, ``explore.csv`` and ``explore.svg``."""
    possible = [point for point in points if "impossible" not in point]
    write_json(out / "explore.json", {
        "source": "estimate, and compiled golden model", "status": "run", "network": source.plain.name,
        "version": version(), "images": judge.judged,
        "metrics": {name: METRICS[name].title for name in names},
        "points": [{key: point[key] for key in ("options", "metrics", "impossible") if key in point}
                   | {"front": point in best} for point in points]})
    text   = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*over, *names, "front"])
    for point in possible:
        writer.writerow([*(point["options"][name] for name in over),
                         *(repr(point["metrics"][name]) for name in names), int(point in best)])
    with replacing(out / "explore.csv") as file:
        file.write(text.getvalue().encode())
    x, y = (METRICS[name] for name in names[:2])
    drawn = front(best, names[:2])
    def series(points, **options):
        points = sorted(points, key=lambda point: point["metrics"][names[0]])
        x, y = ([point["metrics"][name] for point in points] for name in names[:2])
        return Series(x=x, y=y, **options)

    with replacing(out / "explore.svg") as file:
        file.write(draw(Figure(source.plain.name, [Panel(
            x.title, y.title,
            [series(drawn, label="front", texts=[" ".join(point["options"].values()) for point in sorted(
                drawn, key=lambda point: point["metrics"][names[0]])]),
             series([point for point in possible if point not in drawn], label="others", kind="points")],
            *(_wide([point["metrics"][name] for point in possible]) for name in names[:2]))])))


def _wide(values):
    """Whether an axis of ``values`` is logarithmic."""
    return min(values, default=0) > 0 and max(values) > 20 * min(values)


if __name__ == "__main__":
    raise SystemExit(main())
