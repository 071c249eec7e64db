"""Build an accelerator: ``python -m gen.build --layers lenet5``."""

import argparse
import io
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from gen.checkpoint import SHIPPED, CheckpointError, read
from gen.compile import compile_network
from gen.constraints import constraints
from gen.costs import costs
from gen.crossbar_map import crossbar_map
from gen.emit import emit, fields
from gen.estimate import estimate_layers, estimate_network
from gen.images import array_images, write_images
from gen.ir import Network, Target, dump
from gen.lower import lower
from gen.networks import NETWORKS, with_arrays
from gen.output import OutputError, folder
from gen.progress import Steps
from gen.synth import SynthesisError, count_cells, synthesize
from gen.tools import ToolMissing
from gen.verify import ImpossibleTarget, MalformedNetwork


__all__ = ["BuildError", "build", "build_network"]


#: What the name of a network ends with, by the method that it was trained for.
METHODS = {"scale-dropout": "", "spinbayes": "_spinbayes"}


class BuildError(Exception):
    """A build that cannot be made, with the way out in its message."""


def named(name: str, method: str = "scale-dropout", crossbars: int | None = None,
          ways: int = 1) -> Network:
    """Return the network ``name`` for ``method``, with ``crossbars`` arrays per layer if given, of
    which a pass takes the mean of ``ways``.

    Raises
    ------
    BuildError
        If there is none, or it does not choose arrays.
    """
    whole = name if name.endswith(METHODS[method]) else name + METHODS[method]
    if whole not in NETWORKS:
        raise BuildError(f"Network {whole!r} is unknown; choose one of: {', '.join(NETWORKS)}")
    try:
        return with_arrays(NETWORKS[whole], crossbars, ways)
    except ValueError as error:
        raise BuildError(str(error)) from None


def build(network: Network | str, target: Target, out: Path, *, checkpoint=None, synth=None,
          steps=None) -> dict:
    """Write an accelerator for ``network``, or that of this name, to the folder ``out``; return its
    reports.

    ``checkpoint`` is a path, that of the shipped one unless given; ``synth`` is ``"ecp5"`` or None.
    ``steps`` says how far it is, in eight steps and three more with ``synth``.
    """
    if isinstance(network, str):
        network = named(network)
    steps = steps or Steps(11 if synth else 8, stream=io.StringIO())
    steps.step("checkpoint")
    others = [read(path, other) for other, path in _others(network)]
    network = read(checkpoint or SHIPPED / f"{network.name}.npz", network)
    return build_network(network, target, out, synth=synth, steps=steps, others=others)


def _others(network):
    """The same layers for the other methods, and their checkpoints, as far as there are any."""
    base = network.name
    for ending in METHODS.values():
        base = base.removesuffix(ending) if ending else base
    for ending in METHODS.values():
        path = SHIPPED / f"{base}{ending}.npz"
        if base + ending in NETWORKS and base + ending != network.name and path.exists():
            yield NETWORKS[base + ending], path


def build_network(network: Network, target: Target, out: Path, *, synth=None, steps=None,
                  others=()) -> dict:
    """Write an accelerator for ``network``, which has its parameters; otherwise as :func:`build`, with
    a step less. Its costs are compared with those of ``others``."""
    steps = steps or Steps(10 if synth else 7, stream=io.StringIO())
    with folder(out) as directory:
        steps.step("compile")
        network = compile_network(network, target)
        (directory / "ir.json").write_text(dump(network) + "\n")
        (directory / "config.json").write_text(_json({"network": network.name, **asdict(target)}))
        compared = [network, *(compile_network(other, target) for other in others)]
        steps.step("map to arrays")
        reports = {
            "crossbar_map": crossbar_map(network, target),
            "method_costs": {"source": "estimate", "status": "run",
                             "methods": [costs(each, target) for each in compared]},
        }
        steps.step("lower")
        accelerator = lower(network, target)
        steps.step("estimate")
        reports["estimate_layer_cycles"] = {
            "source": "estimate", "status": "run", "passes": target.passes,
            "layers": estimate_layers(accelerator, target.passes)}
        reports["estimate_network_performance"] = estimate_network(
            accelerator, target.passes, target.clock_mhz)
        steps.step("emit Verilog")
        emit(accelerator, "accelerator", directory, **_contents(network, target, accelerator),
             estimated_latency_cycles=reports["estimate_network_performance"]["latency_cycles"])
        steps.step("memory images and constraints")
        write_images(network, accelerator, directory / "rtl")
        constraints(target.clock_mhz, directory / "constraints")
        if synth:
            reports["synth_ecp5"] = synthesize(
                directory, target.clock_mhz, reports["estimate_network_performance"], steps)
            steps.step("periphery of each method")
            for method, each in zip(reports["method_costs"]["methods"], compared, strict=True):
                method["periphery"] = _periphery(each, target, directory)
        else:
            not_run = {"source": "synthesized", "status": "not_run",
                       "reason": "not asked for; add --synth ecp5"}
            reports["synth_ecp5"] = not_run
            for method in reports["method_costs"]["methods"]:
                method["periphery"] = not_run
        steps.step("report")
        (directory / "report").mkdir()
        for report, contents in reports.items():
            (directory / "report" / f"{report}.json").write_text(_json(contents))
    return reports


def _periphery(network, target, directory):
    """Cells of all that is around the arrays of ``network``, which are pins here, for an ECP5."""
    target = replace(target, view="macro")
    accelerator = lower(network, target)
    with tempfile.TemporaryDirectory(dir=directory) as work:
        emit(accelerator, "accelerator", Path(work), **_contents(network, target, accelerator))
        try:
            return {"source": "synthesized", "status": "run", **count_cells(Path(work))}
        except SynthesisError as error:
            return {"source": "synthesized", "status": "not_run", "reason": str(error)}


def _contents(network, target, accelerator):
    return {
        "network": network.name,
        "pixels": network.input.height * network.input.width,
        "classes": network.layers[-1].outputs,
        "layers": [{"name": layer.name, "block": block}
                   for layer, block in zip(network.layers, accelerator.engine_names, strict=True)],
        "arrays": array_images(network, accelerator),
        "logit": {"width": accelerator.engines[-1].logit.width, "signed": True},
        "results": fields(accelerator.results.payload.shape()),
        "passes": target.passes,
        "passes_max": target.passes_max,
        "schedule": target.schedule,
        "clock_mhz": target.clock_mhz,
        "view": target.view,
        "rng": target.rng,
        "random_sources": len(network.generator.seeds),
        "protect": target.protect,
        "mtj": {"set_ns": target.set_ns, "read_ns": target.read_ns, "reset_ns": target.reset_ns,
                "currents": list(target.mtj_currents)},
        "blocks": list(accelerator.blocks),
    }


def _json(contents):
    return json.dumps(contents, indent=1) + "\n"


def _currents(path, layers):
    """SET current codes of each layer, from a JSON list."""
    if path is None:
        raise BuildError("A build with --rng mtj needs the SET current codes of the layers; make them "
                         "with: python -m golden.currents NETWORK --json FILE, and add --mtj-currents "
                         "FILE")
    try:
        codes = json.loads(path.read_text())["currents"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(f"File {path} has no list 'currents' ({error}); make it with: "
                         f"python -m golden.currents NETWORK --json FILE") from None
    if len(codes) != layers or not all(isinstance(code, int) for code in codes):
        raise BuildError(f"File {path} must have a current code for each of {layers} layers")
    return tuple(codes)


def _parse(arguments):
    default = Target()
    parser = argparse.ArgumentParser(prog="gen.build", description="Build an accelerator.")
    parser.add_argument("--layers", required=True, metavar="NETWORK",
        help=f"network to build: {', '.join(NETWORKS)}")
    parser.add_argument("--method", choices=METHODS, default="scale-dropout",
        help="what is random: spinbayes means the network NETWORK_spinbayes (default: %(default)s)")
    parser.add_argument("--crossbars", type=int, metavar="N",
        help="arrays that each layer chooses from, for spinbayes (default: those of the network)")
    parser.add_argument("--ways", type=int, default=1, metavar="n",
        help="arrays whose mean a pass takes, for spinbayes (default: %(default)s)")
    parser.add_argument("--passes", type=int,
        help="stochastic forward passes T that it is folded for (default: 20; 10 for spinbayes)")
    parser.add_argument("--passes-max", type=int,
        help=f"largest T that it can be asked for (default: {default.passes_max})")
    parser.add_argument("--schedule", choices=("shared", "sequential"), default=default.schedule,
        help="run passes together as pass sets, or one after another (default: %(default)s)")
    parser.add_argument("--interval", type=int,
        help="cycles per image to fold for (default: those of streaming it in)")
    parser.add_argument("--rng", choices=("emulated", "mtj"), default=default.rng,
        help="pseudo-random source, or pins of an MTJ (default: %(default)s)")
    parser.add_argument("--sources", choices=("model", "layer"), default=default.sources,
        help="a random source for the whole model, or for each bit of a layer's choice "
             "(default: %(default)s)")
    parser.add_argument("--mtj-currents", type=Path, metavar="FILE",
        help="SET current codes of the layers, for --rng mtj")
    parser.add_argument("--cells-per-read", type=int, default=default.cells_per_read, metavar="N",
        help="multi-level cells of a bit line that are sensed at once (default: %(default)s)")
    parser.add_argument("--view", choices=("emulated", "macro"), default=default.view,
        help="arrays in memory, or pins of a macro (default: %(default)s)")
    parser.add_argument("--clock-mhz", type=float, default=default.clock_mhz,
        help="clock frequency (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed,
        help="start of the pseudo-random stream (default: %(default)s)")
    parser.add_argument("--protect", action="store_true",
        help="check parity of all that is stored and sequences, for bits that flip in operation")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE",
        help="trained parameters (default: those that come with the project)")
    parser.add_argument("--out", type=Path, metavar="DIR",
        help="folder to write (default: build/NETWORK)")
    parser.add_argument("--synth", choices=("ecp5",), help="place and route for this FPGA")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Build; return 0, or 2 after one line that names a fault and the way out."""
    args = _parse(arguments)
    try:
        network = named(args.layers, args.method, args.crossbars, args.ways)
        out = args.out or Path("build", network.name)
        chosen = any(layer.crossbars > 1 for layer in network.layers)
        passes = args.passes if args.passes is not None else 10 if chosen else Target().passes
        target = Target(
            passes=passes,
            passes_max=(max(passes, Target().passes_max) if args.passes_max is None
                        else args.passes_max),
            schedule=args.schedule, interval=args.interval, rng=args.rng,
            sources=args.sources,
            view=args.view, cells_per_read=args.cells_per_read, clock_mhz=args.clock_mhz, seed=args.seed,
            protect=args.protect)
        if args.rng == "mtj":
            target = replace(target, mtj_currents=_currents(
                args.mtj_currents, len(network.layers)))
        reports = build(network, target, out,
                        checkpoint=args.checkpoint, synth=args.synth,
                        steps=Steps(11 if args.synth else 8))
    except (BuildError, CheckpointError, ImpossibleTarget, MalformedNetwork, OutputError,
            SynthesisError,
            ToolMissing) as error:
        print(f"gen.build: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"gen.build: {error.strerror or error}: {error.filename or out}; choose another "
              f"folder with --out", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("gen.build: stopped, nothing was written", file=sys.stderr)
        return 130
    print(_table(out, reports))
    return 0


def _table(out, reports):
    network, arrays, synth = (reports[name] for name in (
        "estimate_network_performance", "crossbar_map", "synth_ecp5"))
    rows = [
        ("written to", str(out)),
        ("arrays", f"{arrays['total']['arrays']}, {arrays['total']['fill']:.1%} full"),
        ("interval", f"{network['interval_cycles']} cycles at T = {network['passes']}, "
                     f"{network['interval_cycles_one_pass']} at T = 1"),
        ("latency", f"{network['latency_cycles']} cycles at T = {network['passes']}, "
                    f"{network['latency_cycles_one_pass']} at T = 1"),
        ("throughput", f"{network['estimated_throughput_fps']:,.0f} images/s at "
                       f"{network['clock_mhz']:g} MHz"),
    ]
    if synth["status"] == "run":
        rows.append(("ECP5", f"{synth['LUT']} LUT4, {synth['FF']} FF, {synth['BRAM']} BRAM, "
                             f"{synth['fmax_mhz']:.1f} MHz"))
    lines = [f"{name:12} {value}" for name, value in rows]
    lines += ["", f"{'method':14}{'T':>4}{'arrays':>8}{'cells':>11}{'bits/choice':>13}{'random bits':>13}"
                  f"{'array reads':>13}{'one by one':>12}{'LUT4':>8}{'FF':>8}"]
    for method in reports["method_costs"]["methods"]:
        total, around = method["total"], method["periphery"]
        bits  = max(layer["choice_bits"] for layer in method["layers"].values())
        lines.append(f"{method['method']:14}{method['passes']:4}{total['arrays']:8}{total['cells']:11,}"
                     f"{bits:13}{total['random_bits_per_prediction']:13}"
                     f"{total['reads_shared']:13,.0f}{total['reads_sequential']:12,}"
                     f"{around.get('LUT', '-'):>8}{around.get('FF', '-'):>8}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
