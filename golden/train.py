"""Train a network: ``python -m golden.train lenet5 --method sub-set --data DIR``.

A method is how a network makes its random choices (:mod:`golden.methods`). Methods ``scale-dropout`` and
``spinbayes`` have recipes of their own, :mod:`golden.training.scale_dropout` and
:mod:`golden.training.bayes`; baselines are in floating point (:mod:`golden.training.baselines`); all others
begin with one deterministic network (:mod:`golden.training.tune`).
A training that was stopped goes on with the same command (:mod:`golden.training.journal`).

No training selects anything by the test images: it is tested once, when the checkpoint is written. The
recipes themselves, and which level is the lowest, were developed with test errors in sight.
"""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from gen import methods
from gen.command import Parser, UserError, comma_separated, command, whole
from gen.files import refuse_unwritable
from gen.ir import MaskChoice
from gen.methods import WAYS_OF, asked_of, choose, count_of
from gen.progress import Progress
from gen.sources import HELP, classifier_argument, is_file, source_argument
from gen.tools import install_hint
from golden.methods import BASELINES, shipped


__all__ = ["METHODS", "Method", "main"]


@dataclass(frozen=True)
class Method:
    """What the command has to know of the training of a method, without torch."""

    recipes: tuple[str, ...] = ("tune",)   #: The first is the default.
    options: tuple[str, ...] = ("base",)   #: Options that not all methods have.


#: Those of a training of their own.
_OWN = {
    "scale-dropout": Method(("spread", "paper"), options=()),
    "spinbayes":     Method(("bayes",),
                            options=("crossbars", "weight_bits", "ways", "ways_of", "arrays")),
    "ensemble":      Method(options=("base", "crossbars")),
    **{method: Method(("float",), options=()) for method in BASELINES},
}


def _method(name):
    """What is known of a method from what it chooses, unless it is trained in its own way."""
    if name in _OWN:
        return _OWN[name]
    chosen = methods.METHODS[name]
    return Method(options=("base", *["crossbars"] * (chosen.count > 1),
                           *["masked"] * (chosen.choice is MaskChoice)))


METHODS = {name: _method(name) for name in (*methods.METHODS, *BASELINES)}

#: Options for which the checkpoint that comes with the project is not replaced.
OWN = ("epochs", "teacher_epochs", "teacher", "seed", "recipe", "crossbars", "weight_bits", "ways",
       "ways_of", "masked", "arrays", "device", "compile")


def _parse(arguments):
    parser = Parser(prog="golden.train", description="Train a network and write its checkpoint. A training "
                    "that was stopped goes on with the same command, from FILE.training.")
    parser.add_argument("source", type=source_argument, metavar="NETWORK",
        help=f"network to train, of a file only its layers: {HELP}")
    parser.add_argument("--method", choices=METHODS, metavar="NAME",
        help="how the network makes its random choices: %(choices)s (default: what the name of the "
             "network ends with, or scale-dropout)")
    parser.add_argument("--data", type=Path, metavar="DIR",
        help="data folder (default: the variable SPINCIM_DATA); see golden.data")
    parser.add_argument("--out", type=Path, metavar="FILE",
        help="checkpoint to write (default: the one that comes with the project, or of the name of a .toml "
             "file and beside it)")
    parser.add_argument("--epochs", type=whole(1), metavar="N",
        help="epochs of the first stage of the network itself (default: by network)")
    parser.add_argument("--teacher-epochs", type=whole(0), metavar="N",
        help="epochs of its teacher, a float network; 0 for no teacher (default: 8; recipes paper and "
             "float have none)")
    parser.add_argument("--teacher", type=classifier_argument, metavar="NETWORK",
        help="learn the logits of this trained network, with nothing dropped, in place of those of a float "
             f"one: {HELP}")
    parser.add_argument("--seed", type=whole(1), default=1, metavar="N",
        help="start of all random numbers (default: %(default)s)")
    parser.add_argument("--recipe", choices=dict.fromkeys(
            recipe for method in METHODS.values() for recipe in method.recipes), metavar="NAME",
        help="how to train: %(choices)s (default: spread, bayes, tune or float, by method)")
    parser.add_argument("--base", type=Path, metavar="FILE",
        help="keep the deterministic network that other methods begin with in this file, or take it from "
             "there; for methods of recipe tune")
    parser.add_argument("--crossbars", type=whole(2), metavar="N",
        help="arrays or banks that each layer chooses from, for methods that have several (default: by "
             "method)")
    parser.add_argument("--weight-bits", type=whole(2, 8), metavar="Q",
        help="bits of a weight, for method spinbayes (default: 4)")
    parser.add_argument("--ways", type=whole(1), metavar="n",
        help="crossbars whose mean a pass takes, for the same method (default: 1)")
    parser.add_argument("--ways-of", choices=WAYS_OF,
        help="sets of so many crossbars that a pass chooses from: those of consecutive ones, or any "
             "(SpinBayes, eq. 4) (default: ring)")
    parser.add_argument("--masked", metavar="LAYERS",
        help="layers whose inputs are dropped, for methods that drop inputs: names with commas between "
             "(default: by method)")
    parser.add_argument("--arrays", type=Path, metavar="FILE",
        help="take the crossbars of this checkpoint, and only measure the batch normalization anew, for "
             "the same method")
    parser.add_argument("--threads", type=whole(1), default=1, metavar="N",
        help="processor cores; the rounding depends on it (default: %(default)s)")
    parser.add_argument("--device", default="cpu", metavar="NAME",
        help="where to train, as torch calls it: cpu, cuda, cuda:1, ... (default: %(default)s)")
    parser.add_argument("--compile", action="store_true",
        help="let torch compile the network first, which takes minutes and a compiler of C++, and makes "
             "the steps of deep networks faster; the rounding depends on it")
    options = parser.parse_args(arguments)
    plain, held = options.source.plain, options.source.held
    if not (options.method or options.source.method):
        parser.error(f"network {plain.name!r} has choices of its own, which cannot be trained; name a "
                     "method with --method")
    options.method = options.method or options.source.method
    method = METHODS[options.method]
    if plain.head.regression and options.method in BASELINES:
        parser.error(f"method {options.method!r} is for classes, and network {plain.name!r} is a "
                     "regression; take another --method")
    if plain.joins and options.method in BASELINES:
        parser.error(f"method {options.method!r} is for chains of layers, and network {plain.name!r} has "
                     "joins; take another --method")
    if why := methods.untrained(plain, options.method):
        parser.error(f"{why}; take another --method")
    if options.compile and not shutil.which(compiler := os.environ.get("CXX", "g++")):
        parser.error(f"--compile needs a compiler of C++, and {compiler!r} is not installed; leave it out, "
                     "or name one in the variable CXX")
    if options.recipe not in (None, *method.recipes):
        parser.error(f"recipe {options.recipe!r} is not for method {options.method!r}, but "
                     + _either(method.recipes))
    recipe = options.recipe or method.recipes[0]
    for flag, asked in ("--teacher-epochs", options.teacher_epochs), ("--teacher", options.teacher):
        if asked is not None and (recipe in ("paper", "float") or options.arrays):
            parser.error(f"{flag} is not for recipe 'paper' or 'float', or --arrays, which have no teacher")
        if asked and (plain.answer_shape or plain.head.regression):
            what = "has numbers" if plain.head.regression else "has an answer for each position"
            parser.error(f"{flag} is not for network {plain.name!r}, which {what}: its teacher has one "
                         "class for an image")
    if options.teacher:
        _check_teacher(parser, options.teacher, plain, options.teacher_epochs)
    for name in dict.fromkeys(name for every in METHODS.values() for name in every.options):
        if getattr(options, name) and name not in method.options:
            users = [other for other, own in METHODS.items() if name in own.options]
            parser.error(f"{_flag(name)} is not for method {options.method!r}, but for {_either(users)}")
    if held is not None and options.method == options.source.method:
        _as_held(options, method, held)
    if options.method not in BASELINES:
        try:
            options.network = choose(
                plain, options.method, options.crossbars, options.ways or 1, options.ways_of or "ring",
                options.masked and comma_separated(options.masked))
        except ValueError as error:
            parser.error(str(error))
    if options.out is None and is_file(options.source.text):
        if held is not None:
            parser.error(f"name the checkpoint to write with --out FILE; {options.source.text} is not "
                         "replaced unless it is named there")
        options.out = options.source.checkpoint(options.method)
    if options.out is None:
        if any(getattr(options, name) != parser.get_default(name) for name in OWN):
            *flags, last = map(_flag, OWN)
            parser.error(f"with {', '.join(flags)} or {last}, the checkpoint that comes with the project "
                         "is not replaced; name another with --out FILE")
        options.out = shipped(plain.name, options.method)
    options.recipe = recipe
    return options


def _check_teacher(parser, teacher, plain, epochs):
    """Refuse a ``teacher`` that cannot answer for the images of the network ``plain``, or is another one
    than that of so many ``epochs``."""
    if epochs:
        parser.error("--teacher-epochs is for a teacher that is trained first, and --teacher names "
                     "another; leave one out")
    if not teacher.method:
        parser.error(f"teacher {teacher.plain.name!r} has choices of its own, which a float model has not; "
                     "name another one")
    takes = [(network.input.height, network.input.width, network.input.colours, network.classes,
              network.answer_shape) for network in (teacher.plain, plain)]
    if takes[0] != takes[1]:
        parser.error(f"teacher {teacher.plain.name!r} must be for the same images and classes as network "
                     f"{plain.name!r}")


def _as_held(options, method, held):
    """Take from the network of a checkpoint what is not asked for otherwise."""
    of = asked_of(held)
    for name, value in {"crossbars": count_of(held), "ways": of["ways"], "ways_of": of["ways_of"],
                        "masked": of["masked"] and ",".join(of["masked"]),
                        "weight_bits": held.layers[0].weight_bits}.items():
        if name in method.options and getattr(options, name) is None:
            setattr(options, name, value)


def _flag(name):
    return f"--{name.replace('_', '-')}"


def _either(names):
    return " or ".join(map(repr, names))


def _table(results):
    if "test/reg/RMSE" in next(iter(results.values())):
        return tabulate([{"": name, "RMSE": f"{result['test/reg/RMSE']:.4g}",
                          "MAE": f"{result['test/reg/MAE']:.4g}"} for name, result in results.items()],
                        headers="keys", disable_numparse=True, stralign="right", colalign=("left",))
    return tabulate([{
        "": name,
        "accuracy": f"{100 * result['test/cls/Acc']:.2f} %",
        "NLL": f"{result['test/cls/NLL']:.4f}",
        "Brier": f"{result['test/cls/Brier']:.4f}",
        "ECE": f"{100 * result['test/cal/ECE']:.2f} %",
        **({"mean IoU": f"{100 * result['test/seg/mIoU']:.2f} %"} if "test/seg/mIoU" in result else {}),
    } for name, result in results.items()], headers="keys", disable_numparse=True, stralign="right",
        colalign=("left",))


@command("golden.train")
def main(arguments=None):
    """Train a network, and print its accuracy and calibration."""
    options = _parse(arguments)
    try:
        # Not above, so that --help and a wrong argument are answered where there is no torch.
        from golden.training.session import train
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UserError(f"Training needs the package torch; install it with: "
                        f"{install_hint('golden')}") from None
    state = options.out.with_name(f"{options.out.name}.training")
    start = time.monotonic()
    for path in filter(None, (options.out, options.base)):
        refuse_unwritable(path)
    try:
        results = train(options, state, Progress())
    except KeyboardInterrupt as interrupt:
        for path in state, options.base:
            if path and path.exists() and not options.arrays and not interrupt.args:
                raise KeyboardInterrupt(f"stopped; the same command goes on from {path}") from None
        raise
    print(_table(results))
    minutes = (time.monotonic() - start) / 60
    print(f"{options.out}, {options.method}, seed {options.seed}, {minutes:.1f} minutes")


if __name__ == "__main__":
    raise SystemExit(main())
