"""Judge the compiled golden model: ``python -m golden.evaluate lenet5 --data DIR``.

Up to three predictions are compared: the mean of T passes with the random bits of the generator; a point
estimate, which is one pass with all scales kept (Scale-Dropout) or else the first pass alone; and the exact
mean over all combinations of random bits, to which the mean of T passes converges, unless there are too
many (SpinBayes, networks of many layers).

The network may be one of a file, too (:mod:`gen.sources`). The images are those of the data set of the
network (:mod:`golden.data`) and of sets that are out of distribution for it, or a user's own
(:mod:`golden.images`): ``python -m golden.evaluate lenet5 --input digits.npz --out answers.csv`` writes the
prediction for each image (:mod:`golden.answers`). With a user's images no set is judged that is out of
distribution: for those of MNIST it is known what is, for a user's it is not.
"""

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, comma_separated, command
from gen.files import refuse_overlap, refuse_unwritable, write_json
from gen.ir import Network, Target
from gen.methods import METHODS, WAYS_OF, method_for
from gen.progress import Progress
from gen.sources import HELP, is_file, source_argument
from golden import tables
from golden.answers import answer_passes, check_path, columns_help, join_answers, write_answers
from golden.compiler import compiled
from golden.data import DataError, DataSet, data_set, folder_of, load_for
from golden.images import Images, read_images
from golden.network import combination_count, turns
from golden.random.generator import choices
from golden.regression import judge_numbers
from golden.scores import (
    Scores,
    error_between,
    error_of_mean,
    join_scores,
    over_combinations,
    over_passes,
    report,
    scores_of,
    single_pass,
)


__all__ = ["PAPER", "main"]


#: Figures of SpinBayes for LeNet-5 on MNIST, by the names of ours.
PAPER = {
    "source": "quoted: SpinBayes, Tables 1 and 3",
    "test/cls/Acc": 1 - 0.0077,
    "gaussian quantile/rejected": 1.0,
    "noisy-mnist quantile/rejected": 0.9921,
    "fashion-mnist quantile/rejected": 1.0,
}

#: Most combinations of random bits whose exact mean is computed: more take longer than all the rest.
EXACT = 64

#: Figures that are no percentage.
PLAIN = ("test/cls/NLL", "test/cls/Brier", "entropy_nats", "mutual_information_nats", "test/reg/RMSE",
         "test/reg/MAE", "deviation")


@command("golden.evaluate")
def main(arguments=None):
    """Evaluate a network, and print what it is worth."""
    parser = Parser(
        prog="golden.evaluate", description="Judge the compiled golden model.",
        epilog=columns_help(simulated=False), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=source_argument, metavar="NETWORK",
        help=f"network to judge: {HELP}")
    parser.add_argument("--method", choices=METHODS,
        help="what is random in it (default: what its name ends with)")
    parser.add_argument("--data", type=Path, help="data folder (default: SPINCIM_DATA)")
    parser.add_argument("--input", type=Path, metavar="FILE",
        help="images of your own in place of data sets, and of those that are out of distribution: .npz "
             "(arrays images, labels), .npy, IDX, PNG, or a folder of PNGs")
    parser.add_argument("--labels", type=Path, metavar="FILE",
        help="their labels, if they are not in --input: .npy, .txt with a number per line, or IDX")
    parser.add_argument("--out", type=Path, metavar="FILE",
        help="write the prediction for each image of --input, or of the data set, to FILE: .csv or .npz")
    parser.add_argument("--passes", type=int,
        help="stochastic forward passes (default: those of the paper of the method; all combinations, with "
             "--masks all)")
    masks = next(field for field in fields(Target) if field.name == "masks")
    parser.add_argument("--masks", choices=masks.metadata["choices"], default=masks.default,
        help=f"{masks.metadata['help']} (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1,
        help="start of the pseudo-random stream (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path,
        help="trained parameters (default: those that come with the project, or with the file of the "
             "network)")
    parser.add_argument("--crossbars", type=int, metavar="N",
        help="arrays or banks that each layer chooses from, for methods that have several "
             "(default: by method)")
    parser.add_argument("--ways", type=int, default=1, metavar="n",
        help="arrays whose mean a pass takes, for methods that choose arrays (default: %(default)s)")
    parser.add_argument("--ways-of", choices=WAYS_OF, default="ring",
        help="sets of so many arrays that a pass chooses from: those of consecutive ones, or any "
             "(SpinBayes, eq. 4) (default: %(default)s)")
    parser.add_argument("--masked", metavar="LAYERS",
        help="layers whose inputs are dropped, for methods that drop inputs: names with commas between "
             "(default: by method)")
    parser.add_argument("--random-layers", metavar="LAYERS",
        help="layers that choose at random, as of gen.build (default: all)")
    parser.add_argument("--p", type=float, metavar="P",
        help="dropout probability of all layers, for methods that have one (default: as trained)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    args = parser.parse_args(arguments)
    figures = _evaluate(args)
    if args.json:
        write_json(args.json, figures)
    print(_table(figures))


def _evaluate(args) -> dict:
    asked     = args.source.network(args.method, args.crossbars, args.ways, args.ways_of,
                                    args.masked and comma_separated(args.masked))
    spinbayes = asked.method == "spinbayes"
    passes    = method_for(asked).passes if args.passes is None and args.masks != "all" else args.passes
    if args.labels and not args.input:
        raise DataError("Labels belong to images of your own; name these with --input FILE")
    if args.data and args.input:
        raise DataError("Images are those of --data or of --input; leave one of them out")
    steps = Progress()
    folder = None if args.input else folder_of(args.data)
    refuse_overlap([args.out, args.json], [args.input, args.labels, args.checkpoint])
    if args.out:
        check_path(args.out, asked.answer_shape)
    if args.json:
        refuse_unwritable(args.json) # a wrong path is refused before the work, not after
    steps.step(f"compile {asked.name}")
    network = compiled(args.source.text, args.checkpoint, passes, args.seed, crossbars=args.crossbars,
                       ways=args.ways, ways_of=args.ways_of, masked=args.masked, p=args.p,
                       method=args.method, masks=args.masks, random_layers=args.random_layers)
    if passes is None:
        passes = turns(network)
    judged = (read_images(args.input, network, args.labels) if args.input else
              Images(*load_for(network, folder)))
    name_judged = "input" if args.input else network.data
    if network.head.regression:
        steps.step(f"{name_judged}, {len(judged)} images")
        prediction, answered = judge_numbers(network, judged.pixels, judged.labels, passes, steps)
        if args.out:
            write_answers(args.out, answered, judged)
        return _about(args, network, passes) | {
            "images": {name_judged: len(judged)}, "prediction": prediction}

    sets = ({} if args.input else
            _ood_sets(data_set(network.data), judged.pixels, folder, noise=spinbayes))
    methods, first, answers = _methods(network), 0, {}
    scores = {method: {} for method in ("passes", *methods)}
    for name, pixels in {name_judged: judged.pixels, **sets}.items():
        if isinstance(pixels, str):
            steps.step(f"{name}: {pixels}")
            for of_set in scores.values():
                of_set[name] = pixels
            continue
        steps.step(f"{name}, {len(pixels)} images")
        batch_answers, parts = [], {method: [] for method in methods}
        for batch in steps.bar(list(tables.batches(network, len(pixels), passes))):
            images = pixels[batch]
            bits = choices(network.generator, len(images), passes, first + batch.start)
            batch_answers.append(answer_passes(network, images, bits, golden=tables))
            for method, run in methods.items():
                parts[method].append(run(images, bits))
        first += len(pixels)
        answers[name] = join_answers(batch_answers)
        scores["passes"][name] = scores_of(answers[name])
        for method in methods:
            scores[method][name] = join_scores(parts[method])

    error = None
    if "exact" in scores:
        error = error_of_mean(scores["passes"][name_judged], scores["exact"][name_judged])
    elif network.generator.points:
        steps.step(f"{name_judged}, with other shifts")
        error = error_between(scores["passes"][name_judged], join_scores([
            over_passes(network, judged.pixels[batch], choices(
                network.generator, batch.stop - batch.start, passes, first + batch.start), golden=tables)
            for batch in steps.bar(list(tables.batches(network, len(judged.pixels), passes)))]))
    figures = _about(args, network, passes) | {
        "images": {name: len(found.mean) for name, found in scores["passes"].items()
                   if isinstance(found, Scores)},
        "prediction": {method: report(of_set.pop(name_judged), judged.labels, of_set)
                       for method, of_set in scores.items()},
    }
    if error:
        figures["mean"] = error
    if args.input:
        figures["input"] = str(args.input)
    if spinbayes:
        figures |= {"crossbars": network.layers[0].crossbars, "ways": network.layers[0].ways,
                    "ways_of": args.ways_of}
    if spinbayes and network.data == "mnist" and not args.input and not is_file(args.source.text):
        figures["paper"] = PAPER
    if args.out:
        write_answers(args.out, answers[name_judged], judged)
    return figures


def _about(args, network, passes):
    """What figures are of."""
    return {
        "network": network.name,
        "source": "compiled golden model",
        "status": "run",
        "passes": passes,
        "masks": args.masks,
        "random_layers": args.random_layers,
        "seed": args.seed,
    }


def _ood_sets(data: DataSet, images: np.ndarray, folder: Path, *,
              noise: bool) -> dict[str, np.ndarray | str]:
    """Return the sets by name that are out of distribution for ``data``: pixels, or the reason why a set is
    not there. With ``noise``, those that are made from ``images`` are among them."""
    sets = {name: make(images) for name, make in data.ood_noise.items()} if noise else {}
    for name, load_images in data.ood.items():
        if (folder / name).is_dir():
            sets[name], _ = load_images(folder)
        else:
            sets[name] = f"Data folder {folder / name} does not exist"
    return sets


def _methods(network: Network) -> dict[str, Callable[[np.ndarray, np.ndarray], Scores]]:
    """Return by name the predictions that are compared with that of all passes: how to score images
    (N, H, W), given the random bits (N, T, W) of their passes."""
    name, single = single_pass(network)
    methods = {name: lambda images, bits: over_passes(network, images, single(bits), golden=tables)}
    if 1 < combination_count(network) <= EXACT:
        methods["exact"] = lambda images, bits: over_combinations(network, images, golden=tables)
    return methods


def _table(figures: dict) -> str:
    """Return the figures as text: a row per figure, a column per prediction, and one for the paper."""
    titles = {"passes": f"T = {figures['passes']}", "all_kept": "all kept", "exact": "exact",
              "one_pass": "T = 1"}
    columns = {titles[name]: _rows(prediction) for name, prediction in figures["prediction"].items()}
    lines, passes = [], figures["prediction"]["passes"]
    for name, figure in passes.items():
        if isinstance(figure, dict) and figure["status"] == "not_run":
            lines.append(f"{name}: not run. {figure['reason']}")
    if "mean" in figures:
        error, effective = figures["mean"]["rms_error"], figures["mean"]["effective_passes"]
        lines.insert(0, "T_eff: the mean has no error" if effective is None else
                     f"T_eff: the mean has the error of {effective:.3g} random passes, {error:.2g} in a "
                     "probability")
    if "paper" in figures:
        columns["paper"] = figures["paper"]
        lines.append(f"paper: {figures['paper']['source'].removeprefix('quoted: ')}")
    images = figures["images"]
    judged = next(iter(images)) # those that the network is for come first
    count  = f"{images[judged]} images" + (f" of {data_set(judged).title}" if judged != "input" else "")
    cells  = [[row, *(_cell(column, row) for column in columns.values())] for row in _rows(passes)]
    table  = tabulate(cells, ["", *columns], disable_numparse=True,
                      colalign=("left", *["right"] * len(columns)))
    return "\n".join([f"{figures['network']}, {count}, compiled golden model", table, *lines])


def _rows(prediction: dict) -> dict[str, float]:
    """Return the figures of a prediction by the name of their row."""
    rows = {}
    for name, figure in prediction.items():
        if not isinstance(figure, dict):
            rows[name] = figure
        elif figure["status"] == "run":
            for score in ("entropy", "mutual_information"):
                for metric, value in figure[score].items():
                    rows[f"{name} {metric}, {score.removeprefix('mutual_')}"] = value
            rows[f"{name} quantile/rejected"] = figure["quantile/rejected"]
    return rows


def _cell(column, row):
    if row not in column:
        return ""
    return f"{column[row]:.4f}" if row in PLAIN else f"{100 * column[row]:.2f} %"


if __name__ == "__main__":
    raise SystemExit(main())
