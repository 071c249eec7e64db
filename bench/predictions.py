"""Measure how many predictions the golden model makes: ``python -m bench.predictions``.

Compared are the reference, the same by tables, and what one would take in their place without hardware:
MC-Dropout of torch-uncertainty on the CPU, with its own LeNet, where this package is installed (``pip
install torch-uncertainty lightning torchvision rich jsonargparse``). All run in turn, in one process of one
thread, so that ratios mean something where times do not.
"""

import importlib.util
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, command
from gen.compile import compile_network
from gen.files import refuse_unwritable, write_json
from gen.ir import Network, Target
from gen.options import trained
from golden import network as reference
from golden import tables
from golden.data import load_sample
from golden.random.generator import choices


__all__ = ["main"]


#: Passes of a prediction, and runs of which the fastest counts.
PASSES, RUNS = 20, 5


@command("bench.predictions")
def main(arguments=None):
    """Predict by each of them; print predictions per second of CPU time, and ratios."""
    parser = Parser(prog="bench.predictions", description="Measure how fast the golden model is.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    args = parser.parse_args(arguments)
    if args.json:
        refuse_unwritable(args.json)
    images, _ = load_sample()
    os.environ["OMP_NUM_THREADS"] = "1" # which is read when a process begins
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        figures = {"passes": PASSES} | pool.submit(_measured, images, PASSES, RUNS).result()
    if args.json:
        write_json(args.json, figures)
    print(tabulate([{"network": name} | {of: f"{value:,.4g}" for of, value in rates.items()}
                    for name, rates in figures.items() if name != "passes"], "keys", disable_numparse=True))


def _measured(digits, passes, runs) -> dict[str, dict[str, float]]:
    """Return the rates of each network; how long one takes is hardly up to what it has learnt."""
    colours = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    return {
        "lenet5": _rates(trained({"network": "lenet5"}), digits, passes, runs, _mc_dropout(digits, passes)),
        "resnet20": _rates(trained({"network": "resnet20", "random": 1}), colours, passes, runs),
    }


def _rates(network: Network, images: np.ndarray, passes: int, runs: int, other: Callable | None = None
           ) -> dict[str, float]:
    """Return predictions per second of CPU time, and how many times those of the others the rate by tables
    is; ``other`` predicts the same images in another way."""
    network = compile_network(network, Target(passes=passes))
    bits    = choices(network.generator, len(images), passes)
    ways    = {"reference": lambda: reference.predict(network, images, bits),
               "tables":    lambda: tables.predict(network, images, bits)}
    if other is not None:
        ways["mc_dropout"] = other
    seconds = {name: [] for name in ways}
    for number in range(1 + runs):
        for name, way in ways.items():
            started = time.process_time()
            way()
            if number: # the first time, tables are made
                seconds[name].append(time.process_time() - started)
    rates = {name: len(images) / min(each) for name, each in seconds.items()}
    return rates | {f"tables/{name}": rates["tables"] / rates[name] for name in ways if name != "tables"}


def _mc_dropout(images, passes) -> Callable | None:
    """Return what predicts ``images`` by MC-Dropout of torch-uncertainty; None if it is not installed."""
    if importlib.util.find_spec("torch_uncertainty") is None:
        return None
    import torch
    from torch_uncertainty.methods import mc_dropout
    from torch_uncertainty.models.classification import lenet

    model  = mc_dropout(lenet(1, 10, dropout_rate=0.5), passes).eval()
    pixels = torch.tensor(images[:, None]).float() / 255

    @torch.no_grad()
    def predicted():
        for part in pixels.split(500):
            model(part).softmax(-1).unflatten(0, (passes, -1)).mean(0)

    return predicted


if __name__ == "__main__":
    raise SystemExit(main())
