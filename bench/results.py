"""Write docs/results.md: ``python -m bench.results --data DIR``, or ``make results DATA=DIR``.

Each figure of the page is read from a report that a command has written, and the page names that command.
Only commands of which nothing is kept are run (:mod:`bench.measurements`). A figure that nothing has
measured is "not run" in the page.
"""

import textwrap
from pathlib import Path

from tabulate import tabulate

from bench.measurements import MEASUREMENTS, MeasurementError, kept, measure
from gen.command import Parser, command
from gen.files import refuse_unwritable, replacing
from gen.progress import Progress


__all__ = ["main", "page"]


NOT_RUN = "not run"

#: Sets that no network was trained on, as reports name them, whose figures share a row.
UNSEEN = "fashion-mnist", "notmnist"

_NUMBERS = {name: number for number, name in enumerate(MEASUREMENTS, 1)}


def page(found: dict[str, dict], reasons: dict[str, str]) -> str:
    """Return the page.

    Parameters
    ----------
    found : dict
        What was measured, by name of the measurement (:func:`bench.measurements.kept`).
    reasons : dict
        Why others were not, as far as that is known.
    """
    figures = _Figures(found)
    lines = [
        "# Results", "",
        "Each figure was measured by the command whose number stands in its row. The commands are",
        "listed below each table, with the version of SpinCIM that was measured. A figure that nothing",
        f'has measured is "{NOT_RUN}". This page is written by `python -m bench.results`; do not edit it.',
        "Terms are in the [glossary](glossary.md), and [reading the results](reading-results.md) says",
        "what each figure means.",
        "",
    ]
    for section in (_scale_dropout, _spinbayes, _methods, _ecp5, _predictions):
        title, said, heads, rows = section(figures)
        used = sorted({name for *_, names in rows for name in names}, key=_NUMBERS.get)
        cells = [[*texts, ", ".join(str(_NUMBERS[name]) for name in names)] for *texts, names in rows]
        lines += [
            f"## {title}", "", *said, "",
            *tabulate(cells, [*heads, "by"], "github", disable_numparse=True).splitlines(), "",
            *(line for name in used for line in _source(name, found, reasons)), "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _source(name, found, reasons):
    """Lines that say which command a number stands for."""
    said = (f"version {found[name]['version']}, {found[name]['seconds'] / 60:.1f} minutes" if name in found
            else f"{NOT_RUN}: {reasons.get(name, 'nothing is kept of it')}")
    return textwrap.wrap(f"- **{_NUMBERS[name]}** `{MEASUREMENTS[name].command}` ({said})", 100,
                         subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _percent(value):
    return NOT_RUN if value is None else f"{100 * value:.2f} %"


def _number(value, form=","):
    return NOT_RUN if value is None else f"{value:{form}}"


def _loss(value):
    return _number(value, ".4f")


def _all(values, show=_percent):
    """Several values in one cell."""
    return NOT_RUN if all(value is None for value in values) else ", ".join(map(show, values))


class _Figures:
    """Values of the reports that were kept, and None for those that were not."""

    def __init__(self, found):
        self.found = found

    def of(self, name, report, *keys):
        return _at(self.found, name, "reports", report, *keys)

    def judged(self, network, *keys):
        """Of ``golden.evaluate``, for a prediction."""
        return self.of(f"evaluate_{network}", "evaluate", "prediction", *keys)

    def quality(self, key, *kinds, show=_percent):
        """A cell of a row: a figure of each of these kinds of prediction."""
        return lambda network: _all([self.judged(network, kind, key) for kind in kinds], show)

    def rejected(self, network, *keys):
        """The share of images that the reject rule refuses."""
        return self.judged(network, "passes", *keys, "quantile/rejected")

    def unseen(self, network, *keys):
        return [self.judged(network, "passes", name, *keys) for name in UNSEEN]

    def estimate(self, design, key):
        return self.of(f"build_{design}", "estimate_network_performance", key)

    def simulated(self, name, key):
        return self.of(f"simulate_{name}", "rtlsim_performance", key)

    def interval(self, design, key="interval_cycles", simulation=None):
        """Cycles from image to image: as simulated, or else as estimated, which it then says."""
        cycles = self.simulated(simulation or design, "interval_cycles")
        if cycles is not None:
            return _number(cycles, ",.0f")
        cycles = self.estimate(design, key)
        return NOT_RUN if cycles is None else f"{cycles:,.0f} (estimate)"

    def equal(self, name):
        """Images whose results equal the golden model in every bit, of all that were simulated."""
        report = self.of(f"simulate_{name}", "rtlsim_performance")
        if report is None:
            return NOT_RUN
        total = report["images"] + sum(
            ood["images"] for ood in report.get("ood", {}).values() if ood["status"] == "run")
        return f"{total - report['mismatches']:,} of {total:,}"

    def costs(self, network, *keys):
        """What a build says that its own network costs."""
        methods = self.of(f"build_{network}", "method_costs", "methods") or []
        return _at(next((method for method in methods if method["network"] == network), {}), *keys) or None


def _at(value, *keys):
    """What is at these keys of dictionaries in each other, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _row(networks, title, cell, *names, paper=None):
    """A row with a cell for each network; ``names`` are of measurements, with ``{}`` for the network."""
    names = dict.fromkeys(name.format(network) for name in names for network in networks)
    return (title, *map(cell, networks), *([] if paper is None else [paper]),
            [name for name in names if name in MEASUREMENTS])


def _scale_dropout(figures):
    networks = "lenet5", "lenet5_wide"
    quality, rejected, unseen = figures.quality, figures.rejected, figures.unseen

    def row(title, cell, *names):
        return _row(networks, title, cell, *names)

    return "LeNet-5 with Scale-Dropout, MNIST", [
        "Accuracy, calibration and detection are those of 10,000 test images of each set. *All scales",
        "kept* is one pass without randomness, a point estimate; *exact* is the mean over all masks,",
        "weighted by their probability, which more and more passes tend to.",
    ], ["figure", *(f"`{network}`" for network in networks)], [
        *(row(f"{title}, {kinds}", quality(f"test/{key}", *names, show=show), "evaluate_{}")
          for title, key, show in (("accuracy", "cls/Acc", _percent), ("NLL", "cls/NLL", _loss),
                                   ("ECE", "cal/ECE", _percent))
          for kinds, names in (("T = 20", ["passes"]),
                               ("all scales kept; exact", ["all_kept", "exact"]))),
        row("Brier score, T = 20", quality("test/cls/Brier", "passes", show=_loss), "evaluate_{}"),
        row("AUROC of entropy: Fashion-MNIST, notMNIST",
            lambda net: _all(unseen(net, "entropy", "ood/AUROC")), "evaluate_{}"),
        row("AUROC of mutual information: the same",
            lambda net: _all(unseen(net, "mutual_information", "ood/AUROC")), "evaluate_{}"),
        row("rejected of MNIST", lambda net: _percent(rejected(net)), "evaluate_{}"),
        row("rejected of Fashion-MNIST, notMNIST",
            lambda net: _all([rejected(net, name) for name in UNSEEN]), "evaluate_{}"),
        row("cycles from image to image, T = 1", lambda net: figures.interval(
            net, "interval_cycles_one_pass", f"{net}_one_pass"), "simulate_{}_one_pass", "build_{}"),
        row("cycles from image to image, T = 20", figures.interval, "simulate_{}", "build_{}"),
        row("the same, passes one after another", lambda net: figures.interval(f"{net}_sequential"),
            "simulate_{}_sequential", "build_{}_sequential"),
        row("the same, seven instances side by side", lambda net: figures.interval(
            f"{net}_instances", "interval_cycles_mean"), "simulate_{}_instances", "build_{}_instances"),
        row("latency, T = 20: mean, largest of 200 images", lambda net: _all(
            [figures.estimate(net, f"latency_cycles_{kind}") for kind in ("mean", "largest")],
            lambda value: _number(value, ",.0f")), "build_{}"),
        row("images per second at 125 MHz, T = 20", lambda net: _number(
            figures.estimate(net, "estimated_throughput_fps"), ",.0f"), "build_{}"),
        row("arrays of 256 x 256", lambda net: _number(
            figures.of(f"build_{net}", "crossbar_map", "total", "arrays")), "build_{}"),
        row("images of all sets equal to the golden model in every bit", figures.equal, "simulate_{}"),
        row("the same, with several instances", lambda net: figures.equal(f"{net}_instances"),
            "simulate_{}_instances"),
    ]


def _spinbayes(figures):
    networks = "lenet5_spinbayes", "lenet5_4bit_spinbayes"
    quality, rejected = figures.quality, figures.rejected
    paper = figures.of("evaluate_lenet5_spinbayes", "evaluate", "paper") or {}

    def row(title, cell, *names, paper=""):
        return _row(networks, title, cell, *names, paper=paper)

    def refused(name, title):
        return row(f"rejected of {title}", lambda net: _percent(rejected(net, name)), "evaluate_{}",
                   paper=_percent(paper.get(f"{name} quantile/rejected")))

    def bits(network):
        layers = figures.costs(network, "layers")
        return layers and max(layer["choice_bits"] for layer in layers.values())

    return "LeNet-5 with SpinBayes, MNIST", [
        "N = 8 crossbars per layer, weights of Q = 4 bits, T = 10 passes; 10,000 test images of each set.",
        "The column *paper* is what SpinBayes states in its Tables 1, 3 and 5. It states neither mean nor",
        "deviation of its noise, so its two rows of noise are not the same experiment (`golden/data.py`",
        "says what ours is).",
    ], ["figure", "sign activations", "4-bit activations", "paper"], [
        row("accuracy, T = 10", quality("test/cls/Acc", "passes"), "evaluate_{}",
            paper=_percent(paper.get("test/cls/Acc"))),
        row("NLL, T = 10", quality("test/cls/NLL", "passes", show=_loss), "evaluate_{}"),
        row("ECE, T = 10", quality("test/cal/ECE", "passes"), "evaluate_{}"),
        row("accuracy of one pass", quality("test/cls/Acc", "one_pass"), "evaluate_{}"),
        row("NLL of one pass", quality("test/cls/NLL", "one_pass", show=_loss), "evaluate_{}"),
        row("rejected of MNIST", lambda net: _percent(rejected(net)), "evaluate_{}"),
        refused("gaussian", "Gaussian noise"),
        refused("noisy-mnist", "noisy MNIST"),
        refused("fashion-mnist", "Fashion-MNIST"),
        row("AUROC of entropy: Fashion-MNIST, notMNIST",
            lambda net: _all(figures.unseen(net, "entropy", "ood/AUROC")), "evaluate_{}"),
        row("cycles from image to image, T = 10", lambda net: figures.interval(
            net, "interval_cycles_mean"), "simulate_{}", "build_{}"),
        row("the same, passes one after another", lambda net: figures.interval(
            f"{net}_sequential", "interval_cycles_mean"), "build_{}_sequential"),
        row("arrays of 256 x 256", lambda net: _number(
            figures.of(f"build_{net}", "crossbar_map", "total", "arrays")), "build_{}"),
        row("five-level cells in use", lambda net: _number(figures.costs(net, "total", "cells")),
            "build_{}"),
        row("random bits of a prediction", lambda net: _number(
            figures.costs(net, "total", "random_bits_per_prediction")), "build_{}"),
        row("random bits of a layer's choice", lambda net: _number(bits(net)), "build_{}", paper="3"),
        row("images of all sets equal to the golden model in every bit", figures.equal, "simulate_{}"),
    ]


def _methods(figures):
    heads = ["method", "T", "arrays", "cells", "bits of a choice", "random bits", "array reads",
             "reads without sharing"]
    rows = []
    for method in figures.of("build_lenet5", "method_costs", "methods") or []:
        total = method["total"]
        bits  = max(layer["choice_bits"] for layer in method["layers"].values())
        rows.append((method["method"], *map(_number, (
            method["passes"], total["arrays"], total["cells"], bits, total["random_bits_per_prediction"],
            round(total["reads_shared"]), total["reads_sequential"])), ["build_lenet5"]))
    return "What a method costs for the layers of LeNet-5", [
        "Estimates for one prediction of T passes. A read is one activation of word lines; *without",
        "sharing*, each pass is computed on its own.",
    ], heads, rows or [("all", *[NOT_RUN] * (len(heads) - 1), ["build_lenet5"])]


def _ecp5(figures):
    name   = "build_lenet5_ecp5"
    report = figures.of(name, "synth_ecp5") or {}

    def row(title, cells):
        return (title, *(_number(cells.get(kind)) for kind in ("LUT", "FF", "BRAM", "DSP")), [name])

    said = ["Place and route of the design for a Lattice LFE5U-85F, speed grade 6, T up to 32. The",
            "arrays are emulated in logic. Cells of single blocks are counted before routing."]
    if report:
        said += [f"The clock reaches {report['fmax_mhz']:.2f} MHz ({report['clock_mhz']:g} MHz asked for),",
                 f"which is {report['estimated_throughput_fps']:,.0f} images per second."]
    return "LeNet-5 with Scale-Dropout on an ECP5", said, ["block", "LUT4", "FF", "BRAM", "DSP"], [
        row("whole design, routed", report),
        *(row(f"`{block}`", cells) for block, cells in report.get("blocks", {}).items()),
    ]


def _predictions(figures):
    networks = "lenet5", "resnet20"

    def row(title, name, form=".1f"):
        return _row(networks, title, lambda net: _number(
            figures.of("predictions", "predictions", net, name), form), "predictions")

    return "How fast the golden model is", [
        "Predictions of T = 20 by one core, measured in turn in one process: the rate is that of a",
        "machine, ratios mean more. By tables (`golden/tables.py`) the result is that of the reference in",
        "every bit. `resnet20` has random weights. MC-Dropout is that of torch-uncertainty, with its own",
        "LeNet, on the CPU.",
    ], ["figure", *(f"`{network}`" for network in networks)], [
        row("predictions per second of CPU time, by tables", "tables", ",.0f"),
        row("by tables / reference", "tables/reference"),
        row("by tables / MC-Dropout", "tables/mc_dropout"),
    ]


def _parse(arguments):
    parser = Parser(prog="bench.results",
                    description="Measure what is missing, and write the page of results.")
    parser.add_argument("--data", type=Path, metavar="DIR",
        help="data folder; what needs one is not run without it (see golden.data)")
    parser.add_argument("--synth", action="store_true", help="place and route for the ECP5 too")
    parser.add_argument("--again", action="store_true", help="run all commands, whatever is kept of them")
    parser.add_argument("--no-run", action="store_true", help="run nothing, and write what is kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"), metavar="FILE",
        help="page to write (default: %(default)s)")
    return parser.parse_args(arguments)


@command("bench.results", stopped="stopped; what was measured is kept, and the page is as it was")
def main(arguments=None):
    """Measure, and write the page; return 1 if a command failed."""
    args = _parse(arguments)
    refuse_unwritable(args.out)
    found, reasons, failed, steps = kept(), {}, 0, Progress()
    for name, one in MEASUREMENTS.items():
        if args.no_run or name in found and not args.again:
            continue
        if one.needs_data and args.data is None:
            reasons[name] = "it needs --data DIR"
        elif one.asked and not args.synth:
            reasons[name] = "it runs with --synth"
        else:
            steps.step(one.command)
            try:
                measure(one, args.data)
            except MeasurementError as error:
                failed += 1
                reasons[name] = "it failed"
                steps.say(str(error))
    found = kept()
    with replacing(args.out) as file:
        file.write(page(found, reasons).encode())
    print(f"{args.out}: of {len(found)} of {len(MEASUREMENTS)} commands; {failed} failed now")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
