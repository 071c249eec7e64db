"""What T passes cost if differences between maps are computed: ``python -m golden.differences lenet5``.

A sum is linear in the map that enters. So a map that differs from another one of the same image, its
*reference*, in d rows of a crossbar needs d *row updates* in place of a read of all rows: each adds to all
columns what the row gives now, less what it gave, and the sums are the same integers. Maps of the passes of
an image differ little, so many maps may cost little more than one. This counts how much: of a trained
network, on real images. No hardware computes so here; the accelerator reads all rows for each map, once
for all passes that share it.

Which map is the reference is known before the maps are. What leaves a layer with the first bank refers to
what leaves it with the same bank and the sums of the reference of the map that entered; what leaves it with
another bank, to that with the first one of the same sums. Additions at joins are not counted.

An engine that takes its rows from several *banks of rows*, one row of each in a cycle, is as slow as the
bank that has most of the rows that differ, and takes a cycle for each position at least. Rows go round the
banks: row r is in bank r mod B.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, UserError, command, whole
from gen.files import refuse_unwritable, write_json
from gen.graph import graph_of
from gen.ir import Join, Layer, Network
from gen.methods import METHODS
from gen.progress import Progress
from gen.sources import HELP, source_argument
from golden.compiler import compiled
from golden.data import check_for, data_set, folder_of, load_for
from golden.network import Evaluated, batches, evaluated
from golden.random.generator import choices


__all__ = ["Work", "changed", "main", "of_network", "referred"]


#: Images of a batch at most: maps of deep networks and the rows that differ are large.
BATCH = 10


@dataclass(frozen=True, slots=True)
class Work:
    """What the passes of an image cost in a layer, as means over images. The unit of ``updates`` and
    ``cycles`` is what the one map of a single pass costs."""

    layer: str
    products: int  #: Products of a weight and an input in a single pass.
    maps: float    #: Runs: different maps that enter, with the arrays or masks that they meet.
    whole: float   #: Those of them without a reference, for which all rows are read.
    differs: float #: Share of rows, over all positions, in which the others differ from their references.
    updates: float #: Rows of the former and row updates of the latter.
    cycles: float  #: Cycles of an engine with several banks of rows.


@command("golden.differences")
def main(arguments=None):
    """Count row updates, and print them layer by layer."""
    parser = Parser(prog="golden.differences",
                    description="Count what T passes cost if only differences between maps are computed.")
    parser.add_argument("source", type=source_argument, metavar="NETWORK", help=f"network: {HELP}")
    parser.add_argument("--method", choices=METHODS,
        help="what is random in it (default: what its name ends with)")
    parser.add_argument("--data", type=Path, metavar="DIR",
        help="data folder (default: the images of its data set that come with the project, if there are)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE",
        help="trained parameters (default: those that come with the project, or with the file of the "
             "network)")
    parser.add_argument("--passes", type=whole(1), default=20, metavar="T",
        help="passes of a prediction (default: %(default)s)")
    parser.add_argument("--images", type=whole(1), default=20, metavar="N",
        help="first N test images (default: %(default)s)")
    parser.add_argument("--banks", type=whole(1), default=16, metavar="B",
        help="banks of rows (default: %(default)s)")
    parser.add_argument("--seed", type=whole(1), default=1, help="what the random bits follow from "
        "(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    args = parser.parse_args(arguments)
    if args.json:
        refuse_unwritable(args.json)
    steps = Progress()
    steps.step(f"compile {args.source.text}")
    network = compiled(args.source.text, args.checkpoint, args.passes, args.seed, method=args.method)
    sample  = None if args.data else data_set(network.data).sample
    images, labels = sample() if sample else load_for(network, folder_of(args.data))
    check_for(network, images, labels)
    if args.images > len(images):
        raise UserError(f"Images must be from 1 to {len(images):,}, not {args.images:,}")
    images = images[:args.images]
    steps.step(f"{network.name}: {len(images)} images, T = {args.passes}")
    rows  = of_network(network, images, args.passes, args.banks, steps)
    total = in_all(rows)
    if args.json:
        write_json(args.json, {"network": network.name, "status": "run", "images": len(images),
                               "passes": args.passes, "banks": args.banks,
                               "layers": [asdict(row) for row in rows], "total": total})
    print(f"{network.name}, {len(images)} images, T = {args.passes}; work in that of one pass")
    print(_table(rows, total, args.banks))


def of_network(network: Network, images: np.ndarray, passes: int, banks: int,
               steps: Progress) -> list[Work]:
    """Return the work of each layer of a compiled ``network``, for ``passes`` passes of uint8 ``images``
    (N, H, W)."""
    found = {layer.name: np.zeros(5) for layer in network.layers}
    size = min(BATCH, next(batches(network, len(images), passes)).stop)
    for start in steps.bar(range(0, len(images), size)):
        part = slice(start, min(start + size, len(images)))
        bits = choices(network.generator, part.stop - start, passes, start)
        for node, reference in referred(network, evaluated(network, images[part], bits)):
            if isinstance(node.node, Layer):
                found[node.node.name] += _counts(node, reference, banks)
    rows = []
    for layer in network.layers:
        places = math.prod(layer.positions) * layer.groups
        maps, whole_maps, differing, updates, cycles = found[layer.name]
        rows.append(Work(
            layer.name, places * layer.fan_in * layer.group_outputs, maps / len(images),
            whole_maps / len(images), differing / max(1, maps - whole_maps), updates / len(images),
            cycles / len(images)))
    return rows


def in_all(rows: list[Work]) -> dict:
    """Return the work of all layers, in that of one pass, by name: of all maps, of row updates, and of
    cycles where an engine has the same share of a layer's columns everywhere."""
    products = np.array([row.products for row in rows])
    return {name: float(products @ [getattr(row, name) for row in rows] / products.sum())
            for name in ("maps", "updates", "cycles")}


def referred(network: Network, nodes: Iterator[Evaluated]) -> Iterator[tuple[Evaluated, np.ndarray]]:
    """Yield each of ``nodes``, which are those of :func:`golden.network.evaluated`, and the run that each
    run of it refers to, int (R,): one that has read the same array. -1 where there is none."""
    sources, of_maps = graph_of(network).sources, {}
    for node in nodes:
        before = of_maps.get(sources[node.node.name][0]) # of the trunk, at a join
        if before is None:
            before = np.full(len(node.entering), -1)
        if isinstance(node.node, Join):
            # The branch has no choices, so each map of the trunk meets one.
            assert (node.runs[:, 0] == np.arange(len(before))).all()
            of_maps[node.node.name] = before
            yield node, before
        else:
            entered = node.runs[:, 0]
            # What leaves refers to what leaves the nearest run, whichever array that has read.
            of_maps[node.node.name] = _leaving(node, _nearest(before, entered, np.zeros_like(entered)))
            yield node, _nearest(before, entered, node.runs[:, 1])


def _nearest(before, entered, array):
    """Return of each run, of map ``entered`` and ``array``, the first other one with the same array: of
    the same map, or of that which its map refers to by ``before``, and so on."""
    first = _first(zip(entered.tolist(), array.tolist(), strict=True))
    found = np.full(len(entered), -1)
    for run, (of_map, read) in enumerate(zip(entered.tolist(), array.tolist(), strict=True)):
        if first[of_map, read] == run:
            of_map = int(before[of_map])
            while of_map >= 0 and (of_map, read) not in first:
                of_map = int(before[of_map])
        if of_map >= 0:
            found[run] = first[of_map, read]
    return found


def _leaving(node, nearest):
    """Return the map that each map refers to which leaves the runs of ``node``, of which each has
    ``nearest`` for a reference."""
    made  = list(zip(node.run.tolist(), (bank.tobytes() for bank in node.banks), strict=True))
    index = {key: number for number, key in enumerate(made)}
    first = _first(node.run.tolist())
    found = np.full(len(made), -1)
    for number, (run, bank) in enumerate(made):
        if first[run] != number:
            found[number] = first[run]
        elif (other := int(nearest[run])) >= 0:
            found[number] = index.get((other, bank), first[other])
    return found


def _first(keys):
    """Return where each of ``keys`` is first."""
    first = {}
    for number, key in enumerate(keys):
        first.setdefault(key, number)
    return first


def changed(node: Evaluated, run: int, reference: int) -> np.ndarray:
    """Return which rows differ, at each position, between two runs of a layer: bool (positions, groups,
    fan-in). A masked input has neither of its word lines up, whatever it is."""
    layer = node.node
    one, other = (_windows(layer, node.entering[node.runs[each, 0]]) for each in (run, reference))
    if node.masks is None:
        return one != other
    inputs = np.arange(layer.inputs).reshape(-1, layer.groups, layer.group_channels)
    inputs = inputs.swapaxes(0, 1).reshape(layer.groups, layer.fan_in)
    here, there = (node.masks[each][inputs % node.masks.shape[1]] for each in (run, reference))
    return np.where(here & there, one != other, here | there)


def _windows(layer, x):
    """The levels that ``layer`` takes of a map (H, W, C) at each position, (positions, groups, fan-in)."""
    x = np.pad(x, (*((border, border) for border in layer.padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, layer.kernel, axis=(0, 1))
    windows = windows[::layer.stride[0], ::layer.stride[1]].transpose(0, 1, 3, 4, 2)
    windows = windows.reshape(-1, math.prod(layer.kernel), layer.groups, layer.group_channels)
    return windows.transpose(0, 2, 1, 3).reshape(len(windows), layer.groups, layer.fan_in)


def _counts(node, reference, banks):
    """Return the sums over the runs of ``node`` of what :class:`Work` has: runs, those without a reference,
    share of the rows that differ, row updates, cycles."""
    layer = node.node
    of_bank = -(-layer.fan_in // banks)
    found = np.zeros(5)
    for run, other in enumerate(reference.tolist()):
        if other < 0:
            found += 1, 1, 0, 1, 1
            continue
        rows  = changed(node, run, other)
        share = rows.mean()
        rows  = np.pad(rows, ((0, 0), (0, 0), (0, of_bank * banks - layer.fan_in)))
        slow  = rows.reshape(*rows.shape[:2], of_bank, banks).sum(2).max(2)
        found += 1, 0, share, share, slow.clip(1).mean() / of_bank
    return found


def _table(rows, total, banks):
    """The table of ``rows`` and ``total``, as text."""
    lines = [{"layer": row.layer, "share of products %": f"{100 * row.products / products:.1f}",
              "maps": f"{row.maps:.2f}", "rows that differ %": f"{100 * row.differs:.1f}",
              "row updates": f"{row.updates:.2f}", f"cycles, banks: {banks}": f"{row.cycles:.2f}"}
             for products in [sum(row.products for row in rows)] for row in rows]
    lines.append({"layer": "all", "maps": f"{total['maps']:.2f}", "row updates": f"{total['updates']:.2f}",
                  f"cycles, banks: {banks}": f"{total['cycles']:.2f}"})
    return tabulate(lines, headers="keys", disable_numparse=True)


if __name__ == "__main__":
    raise SystemExit(main())
