"""Tolerance of converters to device spread: ``python -m golden.cell_study lenet5_spinbayes``.

For each spread of the junctions (:class:`golden.device.cell.Devices`), the study counts the wrong codes of
the converters, and judges a network whose sums are sums of such codes.
"""

import io
from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, UserError, command, whole
from gen.files import refuse_unwritable, write_json
from gen.ir import JUNCTIONS, Network
from gen.progress import Progress
from gen.sources import HELP, classifier_argument
from golden.compiler import compiled
from golden.data import check_for, load_sample
from golden.device.cell import (
    Chip,
    Devices,
    convert,
    differences,
    error_rate,
    largest_spread,
    program,
    references,
)
from golden.head import join
from golden.network import batches, predict
from golden.random.generator import choices


__all__ = ["main", "network_figures", "read_figures", "study"]


SPREADS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
STUCK   = (1e-4, 1e-3, 1e-2)

#: Images whose codes are compared one by one; of all images, only the predictions are.
JUDGED = 20

#: Simulated reads per batch, so that memory is bounded.
CHUNK = 20_000

#: Probability of a wrong code up to which a converter counts as correct.
RATE = 1e-6


class _Judge:
    """Stands in for a chip, and counts its codes and those that differ from the codes of a nominal chip."""

    def __init__(self, chip: Chip, nominal: Chip):
        self.chip, self.nominal = chip, nominal
        self.count = self.wrong = 0

    def sums(self, layer, array, levels, active=None):
        for plane in range(layer.input_bits):
            lines = (levels >> plane & 1).astype(np.float32)
            for codes, right in zip(self.chip.codes(layer, array, lines, active),
                                    self.nominal.codes(layer, array, lines, active), strict=True):
                self.count += codes.size
                self.wrong += int((codes != right).sum())
        return self.chip.sums(layer, array, levels, active)


def read_figures(bits: int, rows: int, spread: float, reads: int, seed: int = 0) -> dict:
    """Return the share of wrong codes among simulated reads of ``rows`` weights of ``bits`` bits.

    Each read draws new devices. ``worst``: all weights of the largest magnitude, all lines active.
    ``uniform``: weights drawn uniformly, each line active with probability 0.5. ``worst_estimate`` is the
    estimate of ``worst`` by :func:`golden.device.cell.error_rate`.
    """
    generator = np.random.default_rng(seed)
    most = 2**(bits - 1) - 1
    cells, count = -(-most // JUNCTIONS), references(bits, rows)
    worst = most * (-1) ** (np.arange(rows) % 2) # sums far from both ends, where no code saturates
    wrong = {"worst": 0, "uniform": 0}
    for start in range(0, reads, CHUNK):
        shape = min(CHUNK, reads - start), rows
        uniform = generator.integers(-most, most + 1, shape), generator.integers(0, 2, shape)
        for name, (weights, lines) in (("worst", (np.broadcast_to(worst, shape), 1)),
                                       ("uniform", uniform)):
            programmed = differences(program(weights, cells, Devices(spread), generator))
            codes = convert((programmed * lines).sum(-1), count)
            wrong[name] += int((codes != (weights * lines).sum(-1)).sum())
    return {
        "spread": spread,
        "worst": wrong["worst"] / reads,
        "uniform": wrong["uniform"] / reads,
        "worst_estimate": float(error_rate(worst, cells, spread)),
    }


def network_figures(network: Network, images: np.ndarray, labels: np.ndarray, passes: int,
                    devices: Devices, seed: int = 0) -> dict:
    """Return the effect of ``devices`` on a compiled network: wrong codes, accuracy and rejected images.

    The random bits of the ``passes`` are those of the generator. ``wrong`` is the share of wrong codes
    among the ``reads`` of the first :data:`JUDGED` images, ``changed`` the share of images whose class
    differs from that with exact sums.
    """
    chip = Chip(network, devices, seed)
    judge = _Judge(chip, Chip(network))
    judged = images[:JUDGED]
    predict(network, judged, choices(network.generator, len(judged), passes), chip=judge)
    parts = []
    for part in batches(network, len(images), passes):
        bits = choices(network.generator, part.stop - part.start, passes, part.start)
        parts.append([predict(network, images[part], bits, chip=read)[0] for read in (chip, None)])
    prediction, exact = map(join, zip(*parts, strict=True))
    return {
        "spread": devices.spread,
        "stuck": devices.stuck,
        "seed": seed,
        "reads": judge.count,
        "wrong": judge.wrong / judge.count,
        "accuracy": float((prediction.prediction == labels).mean()),
        "rejected": float(prediction.reject.mean()),
        "changed": float((prediction.prediction != exact.prediction).mean()),
    }


def study(network: Network, images: np.ndarray, labels: np.ndarray, *, passes: int, reads: int,
          seed: int = 0, steps: Progress | None = None) -> dict:
    """Return all figures of ``network``, for its report."""
    steps = steps or Progress(io.StringIO())
    for layer in network.layers:
        if layer.weight_bits == 1:
            raise ValueError(f"Layer {layer.name!r} has binary weights, which golden.chip_study judges; "
                             "this study is of cells of several levels")
    layer = max(network.layers, key=lambda layer: layer.folding.rows_per_read)
    bits, rows = layer.weight_bits, layer.folding.rows_per_read
    limit = largest_spread(bits, rows, RATE)
    steps.step("reads")
    by_read = [read_figures(bits, rows, spread, reads, seed) for spread in steps.bar((limit, *SPREADS))]
    steps.step(f"{len(images)} images, {passes} passes")
    chips = [*(Devices(spread) for spread in SPREADS), *(Devices(stuck=stuck) for stuck in STUCK)]
    by_chip = [network_figures(network, images, labels, passes, devices, seed)
               for devices in steps.bar(chips)]
    return {
        "source": "simulated",
        "status": "run",
        "network": network.name,
        "weight_bits": bits,
        "cells_per_read": rows,
        "references": references(bits, rows),
        "rate": RATE,
        "largest_spread": limit,
        "images": len(images),
        "passes": passes,
        "reads": reads,
        "read": by_read,
        "chip": by_chip,
    }


@command("golden.cell_study")
def main(arguments=None):
    """Study a network, and print what was found."""
    images, labels = load_sample()
    parser = Parser(prog="golden.cell_study",
                    description="Judge converters and networks under device spread.")
    parser.add_argument("source", type=classifier_argument, metavar="NETWORK",
        help=f"network to judge: {HELP}")
    parser.add_argument("--checkpoint", type=Path,
        help="trained parameters (default: those that come with the project)")
    parser.add_argument("--images", type=whole(1, len(images)), default=len(images), metavar="N",
        help="of the test images that come with the project (default: %(default)s)")
    parser.add_argument("--passes", type=whole(1), metavar="T", default=10,
        help="stochastic forward passes (default: %(default)s)")
    parser.add_argument("--reads", type=whole(1), metavar="N", default=1_000_000,
        help="simulated reads per spread (default: %(default)s)")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N",
        help="of the devices (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    args = parser.parse_args(arguments)
    asked = args.source.network()
    if asked.data != "mnist":
        parser.error(f"network {asked.name!r} is not one of MNIST, whose images come with the project")
    check_for(asked, images, labels)
    steps = Progress()
    if args.json:
        refuse_unwritable(args.json)
    steps.step(f"compile {asked.name}")
    network = compiled(args.source.text, args.checkpoint, args.passes, 1)
    try:
        figures = study(network, images[:args.images], labels[:args.images], passes=args.passes,
                        reads=args.reads, seed=args.seed, steps=steps)
    except ValueError as error:
        raise UserError(str(error)) from None
    if args.json:
        write_json(args.json, figures)
    print(_table(figures))


def _table(figures: dict) -> str:
    reads = [{
        "spread": f"{row['spread']:.2%}",
        "worst": f"{row['worst']:.2e}",
        "estimate": f"{row['worst_estimate']:.2e}",
        "uniform": f"{row['uniform']:.2e}",
    } for row in figures["read"]]
    chips = [{
        "spread": f"{row['spread']:.2%}",
        "stuck": f"{row['stuck']:.2%}",
        "wrong": f"{row['wrong']:.2e}",
        "accuracy": f"{row['accuracy']:.2%}",
        "rejected": f"{row['rejected']:.2%}",
        "changed": f"{row['changed']:.2%}",
    } for row in figures["chip"]]
    tables = [tabulate(rows, headers="keys", disable_numparse=True, stralign="right")
              for rows in (reads, chips)]
    return (f"{figures['network']}: weights of {figures['weight_bits']} bits, "
            f"{figures['cells_per_read']} rows in a read, {figures['references']} references\n"
            f"a wrong code in less than {figures['rate']:g} of the reads up to a spread of "
            f"{figures['largest_spread']:.2%}\n\n" + "\n\n".join(tables))


if __name__ == "__main__":
    raise SystemExit(main())
