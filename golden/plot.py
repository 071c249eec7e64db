"""Draw the figures of the papers, of a network at hand: ``python -m golden.plot rotation lenet5``.

Each figure is written as a table of its numbers and as a drawing. That of chips with faulty devices
(Inverted Normalization, Figs. 5 and 6) is drawn by ``golden.chip_study``.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.command import Parser, UserError, command, whole
from gen.methods import name_of
from gen.progress import Progress
from gen.sources import HELP, classifier_argument
from golden.compiler import compiled
from golden.data import DataError, check_for, data_set, folder_of, load_for
from golden.figures.calibration import calibration_figure
from golden.figures.drawing import refuse_without_matplotlib
from golden.figures.figure import write
from golden.figures.junctions import switching_figure
from golden.figures.passes import passes_figure
from golden.figures.positions import positions_figure
from golden.figures.posterior import noise_figure, posterior_figure
from golden.figures.samples import samples_figure
from golden.figures.shift import ANGLES, STRENGTHS, rotated, shift_figure, with_noise
from golden.figures.sums import sums_figure
from golden.figures.tree import tree_figure
from golden.head import softmax
from golden.methods import BASELINES, asked_methods
from golden.network import COMBINATIONS_LIMIT, combination_count, path_probabilities, paths
from golden.predictors import PASSES_OF_METHOD, Predictor, checkpoint_of, model, predictor
from golden.random.generator import choices


__all__ = ["FIGURES", "Plot", "main"]


@dataclass(frozen=True, slots=True)
class Plot:
    """What a figure shows, how it is made, and T unless another is asked for."""

    text: str
    make: Callable
    passes: int = 20
    single: bool = False #: Whether it is of one method, by default of the network as it is named.
    #: What it shows answers of, which must be what the network has them for; None if it shows none.
    answers: str | None = "image"


class _Asked:
    """What a user has asked for: methods, images and how many passes."""

    def __init__(self, parser, args, plot):
        self.source, self.args, self.steps = args.source, args, Progress()
        self.passes = args.passes or plot.passes
        if plot.single:
            if args.methods and "," in args.methods:
                parser.error(f"figure {args.figure!r} is of one method; name one with --methods")
            self.methods = [args.methods or args.source.method]
            if args.methods and args.methods not in PASSES_OF_METHOD:
                parser.error(f"method {args.methods!r} is unknown; choose from: "
                             f"{', '.join(PASSES_OF_METHOD)}")
        else:
            self.methods = asked_methods(parser, args.source, args.methods, PASSES_OF_METHOD, checkpoint_of)
        network = args.source.plain
        has = "position" if network.answer_shape else "image"
        if plot.answers not in (None, has):
            others = ", ".join(name for name, other in FIGURES.items() if other.answers in (None, has))
            raise UserError(f"Figure {args.figure!r} is of networks with one answer for each "
                            f"{plot.answers}, and {network.name!r} has one for each {has}; draw one of: "
                            f"{others}")
        self.folder = folder_of(args.data) if args.data else None
        sample = data_set(network.data).sample
        if self.folder is None and sample is None:
            raise DataError(f"No images of {data_set(network.data).title} come with the project; name a "
                            "folder that has it with --data")
        images, labels = load_for(network, self.folder) if self.folder else sample()
        check_for(network, images, labels)
        if args.image >= len(images):
            parser.error(f"argument --image: must be a whole number from 0 to {len(images) - 1}, "
                         f"not {args.image}")
        self.image, self.label = images[args.image], labels[args.image]
        self.images, self.labels = images[:args.images], labels[:args.images]

    def name(self, method=None):
        """The network, with a method if it is of one."""
        return name_of(self.source.plain.name, method) if method else self.source.plain.name

    def predictors(self) -> dict[str, Predictor]:
        found = {}
        for method in self.methods:
            self.steps.step(f"{self.name(method)}: read")
            found[method or "of its own"] = predictor(self.source, method, self.passes, self.steps)
        return found

    def network(self):
        """The compiled network of the one method."""
        method, = self.methods
        if method in BASELINES:
            raise UserError(f"Figure {self.args.figure!r} is of what is compiled, and {method!r} is of "
                            "floating point; name another method with --methods")
        self.steps.step(f"{self.name(method)}: compile")
        return compiled(self.source.text, passes=self.passes, method=method or None)

    def count(self):
        return f"{len(self.images):,} images, T = {self.passes}"


def _shift(asked, what, axis, places, shifted):
    predictors = asked.predictors()
    asked.steps.step(f"{what}: {asked.count()}, {len(places)} steps")
    return shift_figure(f"{asked.name()}, {what}: {asked.count()}", axis, places, shifted, predictors,
                        asked.images, asked.labels, asked.steps.bar)


def _rotation(asked):
    return _shift(asked, "images turned", "degrees", ANGLES, rotated)


def _noise(asked):
    return _shift(asked, "uniform noise added", "strength of uniform noise", STRENGTHS, with_noise)


def _passes(asked):
    predictors = asked.predictors()
    asked.steps.step(f"passes: {asked.count()}")
    return passes_figure(f"{asked.name()}, passes averaged: {len(asked.images):,} images",
                         {name: predicted(asked.images, 0)
                          for name, predicted in asked.steps.bar(predictors.items())}, asked.labels)


def _posterior(asked):
    title = f"{asked.name(asked.methods[0])}, image {asked.args.image}, of class {asked.label}"
    image = asked.image[None]
    if asked.methods[0] in BASELINES:
        predicted, = asked.predictors().values()
        return posterior_figure(title, predicted(image, 0)[0])
    network = asked.network()
    probabilities = model(network, asked.passes)(image, 0)[0]
    if combination_count(network) > COMBINATIONS_LIMIT:
        return posterior_figure(title, probabilities)
    exact = softmax(paths(network, image), network.head)[0] / 65536
    return posterior_figure(title, probabilities, exact, path_probabilities(network))


def _image_noise(asked):
    predicted, = asked.predictors().values()
    return noise_figure(f"{asked.name(asked.methods[0])}, image {asked.args.image}, of class "
                        f"{asked.label}: {asked.passes} passes", asked.image, STRENGTHS, predicted)


def _calibration(asked):
    predicted, = asked.predictors().values()
    sets = {}
    if asked.folder is not None:
        sets = {name: load(asked.folder)[0][:len(asked.images)]
                for name, load in data_set(asked.source.plain.data).ood.items()
                if (asked.folder / name).is_dir()}
    asked.steps.step(f"{asked.count()}; out of distribution: {', '.join(sets) or 'none'}")
    return calibration_figure(f"{asked.name(asked.methods[0])}: {asked.count()}",
                              predicted(asked.images, 0).mean(1), asked.labels,
                              {name: predicted(images, len(asked.images)).mean(1)
                               for name, images in asked.steps.bar(sets.items())})


def _samples(asked):
    predicted, = asked.predictors().values()
    return samples_figure(f"{asked.name(asked.methods[0])}: of {asked.count()}", asked.images,
                          predicted(asked.images, 0), asked.labels)


def _positions(asked):
    network = asked.network()
    asked.steps.step(f"predict: {asked.count()}")
    predicted = model(network, asked.passes)
    # Of a picture at a time, as all passes of all positions are many.
    means = [predicted(asked.images[number:number + 1], number).mean(1)
             for number in asked.steps.bar(range(len(asked.images)))]
    return positions_figure(f"{asked.name(asked.methods[0])}: of {asked.count()}", asked.images,
                            np.concatenate(means), asked.labels)


def _tree(asked):
    network = asked.network()
    return tree_figure(network, choices(network.generator, 1, asked.passes, asked.args.image)[0])


#: Figures by name.
FIGURES = {
    "rotation": Plot("accuracy, NLL and entropy as images are turned (Scale-Dropout, Fig. 6; Inverted "
                     "Normalization, Fig. 7)", _rotation),
    "noise": Plot("the same as noise is added (Inverted Normalization, Fig. 7)", _noise),
    "passes": Plot("accuracy and NLL against T (Scale-Dropout, Fig. 7)", _passes, passes=100),
    "posterior": Plot("class probabilities of an image over passes, and exactly (Scale-Dropout, Fig. 9)",
                      _posterior, passes=1000, single=True),
    "image-noise": Plot("class probabilities of an image as noise is added (Scale-Dropout, Fig. 5)",
                        _image_noise, passes=100, single=True),
    "calibration": Plot("reliability, and entropy in and out of distribution", _calibration, single=True),
    "samples": Plot("images from the most certain to the least, with their class probabilities", _samples,
                    single=True),
    "positions": Plot("pictures with the class and the entropy of each position", _positions, single=True,
                      answers="position"),
    "tree": Plot("the maps that passes share, and so are computed once", _tree, single=True, answers=None),
    "sums": Plot("sums of the first layer with flipped weights (Inverted Normalization, Fig. 1)",
                 lambda asked: sums_figure(asked.network(), asked.images), single=True, answers=None),
    "switching": Plot("switching probability of a junction against current (SpinBayes, Fig. 4)",
                      lambda asked: switching_figure(), single=True, answers=None),
}


@command("golden.plot")
def main(arguments=None):
    """Draw a figure, and say where it is."""
    parser = Parser(
        prog="golden.plot", description="Draw a figure of a network.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="figures:\n" + "\n".join(f"  {name:12} {plot.text}" for name, plot in FIGURES.items()))
    parser.add_argument("figure", choices=FIGURES, metavar="FIGURE", help="one of those below")
    parser.add_argument("source", type=classifier_argument, metavar="NETWORK", help=f"network: {HELP}")
    parser.add_argument("--methods", metavar="A,B",
        help="methods to draw (default: all that have a checkpoint; in figures of one method that of the "
             "network as it is named)")
    parser.add_argument("--passes", type=whole(1), metavar="T",
        help="stochastic forward passes (default: 20; 100 in passes and image-noise, 1000 in posterior)")
    parser.add_argument("--data", type=Path, metavar="DIR",
        help="data folder (default: the 1,000 images of MNIST that come with the project)")
    parser.add_argument("--images", type=whole(1), default=1000, metavar="N",
        help="first images (default: %(default)s)")
    parser.add_argument("--image", type=whole(0), default=0, metavar="N",
        help="number of the image, in figures of one image (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default: build/figures/NETWORK)")
    args  = parser.parse_args(arguments)
    refuse_without_matplotlib()
    plot  = FIGURES[args.figure]
    out   = args.out or Path("build", "figures", args.source.plain.name)
    for path in write(plot.make(_Asked(parser, args, plot)), out / args.figure):
        print(path)


if __name__ == "__main__":
    raise SystemExit(main())
