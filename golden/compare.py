"""Compare the methods on one network: ``python -m golden.compare lenet5 --data DIR``.

Each method that has a checkpoint is compiled, and its golden model, to which the hardware is equal in
every bit, predicts the test images of MNIST and the sets that are out of distribution for it. Costs and
cycles are those that the compiler states of the same design. Baselines of floating point
(:mod:`golden.training.baselines`) predict the same images; they have no hardware, and so no cost is stated.
Where the papers have figures of this network, these stand beside ours.
"""

import html
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, command, whole
from gen.files import refuse_overlap, refuse_unwritable, replacing, write_json
from gen.ir import Head
from gen.methods import name_of
from gen.networks import NETWORKS
from gen.progress import Progress
from gen.sources import Source, classifier_argument, is_file
from golden import metrics, tables
from golden.answers import answer
from golden.compiler import compiled, run_compiler
from golden.data import check_for, data_set, folder_of, load_for
from golden.head import average
from golden.methods import BASELINES, asked_methods
from golden.predictors import PASSES_OF_METHOD, Predictor, checkpoint_of, predictor
from golden.scores import Scores, scores_of


__all__ = ["PAPER", "compare", "main"]


#: What the papers have for LeNet-5 on MNIST. Accuracy, and the share of Fashion-MNIST that is flagged:
#: SpinBayes, Tables 1 and 3, where SpinBayes has weights and activations of 4 bits, and the baselines
#: of 32. Energy in microjoules of a prediction of 10 passes: NeuSpin; Scale-Dropout, Table VIII;
#: SpinBayes, Table 5. For Scale-Dropout and the sub-set they have no accuracy on MNIST.
PAPER = {
    "scale-dropout": {"energy_uj": 0.18},
    "spinbayes": {"accuracy": 0.9923, "flagged/fashion-mnist": 1.0, "energy_uj": 0.26},
    "sub-set": {"energy_uj": 0.30},
    "mc-dropout": {"accuracy": 0.9923},
    "mc-dropconnect": {"accuracy": 0.9943},
}


def compare(sources: list[tuple[Source, str]], folder: Path, *, passes: int | None = None,
            images: int | None = None, cells: bool = False, steps: Progress | None = None) -> list[dict]:
    """Return one row of figures for each of ``sources``.

    Parameters
    ----------
    sources : list
        Networks, each with its method. All are of the same data set.
    folder : Path
        Data folder, with the data set of the network and what there is of sets that are out of
        distribution.
    passes : int or None
        T of all methods; by default that of each method in the papers.
    images : int or None
        How many images of each set, the first ones; by default all.
    cells : bool
        Count the cells of the periphery, too.

    Raises
    ------
    CheckpointError, CompileError
        If a method has no checkpoint, or the compiler refuses it.
    DataError
        If the data set is missing or damaged.
    UserError
        If a method is a baseline, and there is no torch.
    """
    steps = steps or Progress()
    first, _ = sources[0]
    data  = data_set(first.plain.data)
    pixels, labels = (each[:images] for each in load_for(first.plain, folder))
    sets  = {name: load(folder)[0][:images] for name, load in data.ood.items() if (folder / name).is_dir()}
    rows  = []
    for source, method in sources:
        check_for(source.plain, pixels, labels)
        name  = name_of(source.plain.name, method)
        count = PASSES_OF_METHOD.get(method, 20) if passes is None else passes
        if method in BASELINES:
            steps.step(f"{name}: read")
            scores, stated = _baseline(predictor(source, method, count, steps)), None
        else:
            steps.step(f"{name}: compile, estimate")
            stated = _costs(source, method, count, cells)
            scores = _model(compiled(source.text, passes=count, method=method or None), count)
        steps.step(f"{name}: {len(pixels):,} images, and {sum(map(len, sets.values())):,} out of "
                   "distribution")
        judged, before, found = scores(pixels, 0), len(pixels), {}
        for kind, outside in sets.items():
            found[kind] = scores(outside, before)
            before += len(outside)
        paper = None if is_file(source.text) else PAPER.get(method)
        rows.append(_row(source, method, count, judged, labels, found, stated, paper))
    return rows


def _model(network, passes) -> Callable[[np.ndarray, int], Scores]:
    """Return a function that scores images by the golden model of ``network``. It takes the images, and how
    many were scored before them."""
    return lambda images, before: scores_of(answer(network, images, passes, before, golden=tables))


def _baseline(predicted: Predictor) -> Callable[[np.ndarray, int], Scores]:
    """Return a function like that of :func:`_model` for a network in floating point."""
    def scores(images, before):
        probabilities = predicted(images, before)
        mean = probabilities.mean(1)
        # The rule of the head, which has probabilities in units of 2 ** -16.
        rejected = average(65536 * probabilities, Head()).reject
        return Scores(mean, probabilities.var(1).sum(-1), metrics.predictive_entropy(mean),
                      metrics.mutual_information(probabilities), rejected)
    return scores


def _row(source, method, passes, judged, labels, found, stated, paper):
    figures = metrics.classification(judged.mean, labels)
    row = {
        **({"file": source.text} if source.held is not None else {}),
        "method": method,
        "source": "compiled golden model" if stated else "floating point",
        "passes": passes,
        "accuracy": figures["test/cls/Acc"],
        "nll": figures["test/cls/NLL"],
        "ece": figures["test/cal/ECE"],
        "flagged/test": float(judged.rejected.mean()),
    }
    for name, scores in found.items():
        row[f"auroc/{name}"]   = metrics.detection(judged.entropy, scores.entropy)["ood/AUROC"]
        row[f"flagged/{name}"] = float(scores.rejected.mean())
    row |= {name: stated and read(stated) for name, read in _STATED.items()}
    return row | {"paper": {"source": "quoted", **paper} if paper else None}


def _costs(source, method, passes, cells):
    """What the compiler, run as a command, says that a network costs."""
    output, _ = run_compiler(["gen.method_costs", source.text, f"--passes={passes}",
                              *([f"--method={method}"] if method else []), *(["--cells"] if cells else [])])
    return json.loads(output)


#: Figures of the hardware, and where they are in what the compiler says.
_STATED = {
    "random_bits":      lambda stated: stated["total"]["random_bits_per_prediction"],
    "arrays":           lambda stated: stated["total"]["arrays"],
    "cells":            lambda stated: stated["total"]["cells"],
    "banks":            lambda stated: stated["total"]["banks"],
    "reads_shared":     lambda stated: stated["total"]["reads_shared"],
    "reads_one_by_one": lambda stated: stated["total"]["reads_sequential"],
    "interval_cycles":  lambda stated: stated["estimate"]["interval_cycles_mean"],
    "latency_cycles":   lambda stated: stated["estimate"]["latency_cycles_mean"],
    "lut4":             lambda stated: stated.get("periphery", {}).get("LUT"),
    "flip_flops":       lambda stated: stated.get("periphery", {}).get("FF"),
}

#: Columns of the table: what they are called, and how a row is read.
_COLUMNS = {
    "method":       lambda row: (": ".join(row[name] or "of its own" for name in ("file", "method")
                                           if name in row)
                                + " (float)" * (row["source"] == "floating point")),
    "T":            lambda row: row["passes"],
    "accuracy %":   lambda row: f"{100 * row['accuracy']:.2f}",
    "NLL":          lambda row: f"{row['nll']:.4f}",
    "ECE %":        lambda row: f"{100 * row['ece']:.2f}",
    "AUROC":        lambda row: _each(row, "auroc"),
    "flagged %":    lambda row: _each(row, "flagged"),
    "random bits":  lambda row: _whole(row["random_bits"]),
    "arrays":       lambda row: _whole(row["arrays"]),
    "cells":        lambda row: _whole(row["cells"]),
    "array reads":  lambda row: _whole(row["reads_shared"]),
    "one by one":   lambda row: _whole(row["reads_one_by_one"]),
    "cycles":       lambda row: _whole(row["interval_cycles"]),
    "LUT4":         lambda row: _whole(row["lut4"]),
    "paper":        lambda row: _paper(row["paper"]),
}


def _whole(value):
    return "-" if value is None else f"{value:,.0f}"


def _each(row, kind):
    """Figures of each set that is out of distribution, in per cent."""
    return " / ".join(f"{100 * value:.1f}" for name, value in row.items()
                      if name.startswith(f"{kind}/") and name != "flagged/test") or "-"


def _paper(quoted):
    if quoted is None:
        return "-"
    words = [f"accuracy {100 * quoted['accuracy']:.2f} %"] if "accuracy" in quoted else []
    words += [f"{quoted['energy_uj']:.2f} uJ at T = 10"] if "energy_uj" in quoted else []
    return ", ".join(words)


def _table(rows, form):
    return tabulate([{name: read(row) for name, read in _COLUMNS.items()} for row in rows], headers="keys",
                    tablefmt=form, disable_numparse=True,
                    colalign=("left", *["right"] * (len(_COLUMNS) - 2), "left"))


def _page(network, rows, sets):
    """The table as a page of its own."""
    title = html.escape(f"Methods on {network}")
    return (f"<!doctype html>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n"
            "<style>body { font-family: sans-serif } td, th { padding: .2em .6em } "
            "tr:nth-child(even) { background: #eee }</style>\n"
            f"<h1>{title}</h1>\n<p>{html.escape(_legend(sets))}</p>\n{_table(rows, 'html')}\n")


def _legend(sets):
    return (f"AUROC by predictive entropy and share flagged: {' / '.join(sets) or 'no set is there'}. "
            "Array reads are those of an image if what passes have in common is read once; one by one, if "
            "each pass reads for itself. Cycles are the mean interval of the shared schedule. A network "
            "that is marked float has no hardware.")


@command("golden.compare")
def main(arguments=None):
    """Compare methods, and print the table."""
    parser = Parser(prog="golden.compare", description="Compare the methods on one network.")
    parser.add_argument("sources", type=classifier_argument, nargs="+", metavar="NETWORK",
        help=f"network without the ending of a method: {', '.join(NETWORKS)}, or a file .toml that "
             "describes one, of which the methods are compared whose checkpoints are beside it; or files "
             ".npz, checkpoints that hold their networks, which are compared with each other")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (default: SPINCIM_DATA)")
    parser.add_argument("--methods", metavar="A,B",
        help=f"methods to compare, of {', '.join(PASSES_OF_METHOD)} (default: all that have a checkpoint)")
    parser.add_argument("--passes", type=whole(1), metavar="T",
        help="stochastic forward passes (default: those of the paper of each method)")
    parser.add_argument("--images", type=whole(1), metavar="N",
        help="first images of each set (default: all)")
    parser.add_argument("--cells", action="store_true",
        help="count the cells of the periphery for an ECP5, too, which takes minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the table to FILE, a page")
    args    = parser.parse_args(arguments)
    sources = _sources(parser, args)
    folder  = folder_of(args.data)
    refuse_overlap([args.json, args.html], [
        *(Path(source.text) for source, _ in sources if is_file(source.text)),
        *(checkpoint_of(*both) for both in sources)])
    for path in filter(None, (args.json, args.html)):
        refuse_unwritable(path)
    rows = compare(sources, folder, passes=args.passes, images=args.images, cells=args.cells,
                   steps=Progress())
    network = ", ".join(dict.fromkeys(source.plain.name for source, _ in sources))
    sets = [name.removeprefix("auroc/") for name in rows[0] if name.startswith("auroc/")]
    if args.json:
        write_json(args.json, {"network": network, "status": "run", "images": args.images,
                               "methods": rows})
    if args.html:
        with replacing(args.html) as file:
            file.write(_page(network, rows, sets).encode())
    print(_table(rows, "simple"))
    print(_legend(sets))


def _sources(parser, args):
    """The networks that are compared, each with the method that is meant."""
    first, *others = args.sources
    if first.held is not None or others:
        for each in args.sources:
            if each.held is None:
                parser.error(f"{each.text} is no checkpoint; compare several that are, or one network")
            if each.plain.data != first.plain.data:
                parser.error(f"{each.text} is of data set {each.plain.data!r}, and {first.text} of "
                             f"{first.plain.data!r}; compare networks of the same")
        if args.methods is not None:
            parser.error("a checkpoint has its method; leave out --methods")
        return [(each, each.method) for each in args.sources]
    return [(first, method) for method in asked_methods(
        parser, first, args.methods, PASSES_OF_METHOD, checkpoint_of)]


if __name__ == "__main__":
    raise SystemExit(main())
