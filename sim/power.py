"""The energy that the periphery of a build takes in standard cells, for real images:
``python -m sim.power build/lenet5 --liberty FILE``.

The design is mapped to the cells, and simulated; what each net does in each cycle follows from the waves,
and the energy from the tables of the cells. The mapped netlist is compared with the Verilog in every
flip-flop and cycle.
"""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, command
from gen.energy.report import default_table
from gen.files import refuse_overlap, refuse_unwritable, replacing, write_json
from gen.progress import Progress
from gen.standard_cells.liberty import read_library
from gen.standard_cells.mapping import map_design
from gen.standard_cells.report import standard_cells
from gen.standard_cells.timing import timing
from sim.bit_exact import SimulationError, simulate
from sim.design import Design
from sim.inputs import images_of
from sim.standard_cells.energy import Energy, energies
from sim.standard_cells.gates import count, evaluate, pack
from sim.standard_cells.operations import counts_of, per_operation, table_text
from sim.standard_cells.waves import read_waves


__all__ = ["main", "power"]


#: Cycles whose waves are written at most: those of LeNet-5 take 17 kB each.
CYCLES_MAX = 100_000

#: Images that are measured unless asked otherwise.
IMAGES = 4

LEFT_OUT = (
    "Signals change once a cycle at most: glitches are not seen. Wires are those of the model of the "
    "library, if it has one; buffers of the clock, arrays, and memories that are counted in bits take "
    "nothing here.")


def power(directory: Path, liberty: Path | str, images: np.ndarray, *, measured=IMAGES, gating=True,
          memory_cells=False, steps=None) -> dict:
    """Return the energy of the periphery in standard cells for each of so many images ``measured``.

    The images before them fill the pipeline, and are taken from ``images`` too. The window is from the last
    word of the result before to that of the last one.

    Parameters
    ----------
    directory
        Folder of a build; its T and its clock are those of the figures.
    liberty
        File of standard cells.
    images : uint8 array (N, H, W)
        Images; again from the first if there are too few.
    gating
        Gate the clocks of flip-flops that share an enable, if the library has a cell for it.
    memory_cells
        Make memories of flip-flops that are counted in bits otherwise.
    steps
        Where to report progress: five steps.

    Raises
    ------
    SimulationError
        If the waves would be too long, or the netlist differs from the Verilog.
    LibraryError, ToolFailed, DesignError, SimulatorFailed, SimulatorMissing
        As where they are raised.
    """
    steps, library = steps or Progress(), read_library(liberty)
    design  = Design(directory)
    reports = {name: json.loads((directory / "report" / f"{name}.json").read_text())
               for name in ("estimate_network_performance", "energy")}
    interval = reports["estimate_network_performance"]["interval_cycles"]
    filling  = math.ceil(design.latency / interval)
    cycles   = (filling + measured) * interval + design.latency
    if cycles > CYCLES_MAX:
        raise SimulationError(f"Waves of about {cycles:,.0f} cycles are too long, at most {CYCLES_MAX:,} "
                              "can be; ask for fewer --images, or build with a shorter --interval")
    steps.step(f"map to cells of {library.name}")
    netlist = map_design(directory, design.manifest, library, design.clock_mhz, steps, gating=gating,
                         memory_cells=memory_cells)
    slopes  = timing(netlist)
    sent    = np.resize(images, (filling + measured, *images.shape[1:]))
    simulated = simulate(directory, sent, waves=True, steps=steps)
    steps.step("read waves")
    scope, waves = "harness.dut.", directory / "sim_waves" / "dump.vcd"
    wanted = {f"{scope}{name}": len(nets) for name, nets in netlist.signals.items()}
    found  = read_waves(waves, "harness.clk", wanted)
    waves.unlink()
    steps.step("evaluate gates")
    values = evaluate(netlist, {name.removeprefix(scope): bits for name, bits in found.items()})
    if values.mismatches or not simulated["bit_exact"]:
        raise SimulationError(f"Netlist differs from the Verilog in {values.mismatches:,} of "
                              f"{values.compared:,} bits of flip-flops, and the Verilog from the golden "
                              f"model in {simulated['mismatches']:,} results; this is a fault of SpinCIM")
    window = _window(netlist, values, design, measured)
    blocks = energies(netlist, slopes, values, window, 1e-6 / design.clock_mhz)
    return _report(design, netlist, slopes, blocks, values, count(window), measured, reports["energy"])


def _window(netlist, values, design, measured):
    """The cycles from the end of a result to that of the last one, so many images later."""
    last = next(field["offset"] for field in design.results if field["name"] == "last")
    bits = [values.nets[net] for net in (*netlist.outputs["results__valid"],
                                         *netlist.inputs["results__ready"],
                                         netlist.outputs["results__payload"][last])]
    words  = bits[0] & bits[1] & bits[2] & values.all
    ends   = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))
    cycles = np.arange(values.cycles)
    return pack((cycles > ends[-1 - measured]) & (cycles <= ends[-1]))


def _report(design, netlist, slopes, blocks, values, cycles, measured, energy):
    each, total = {path: found.total / measured for path, found in blocks.items()}, Energy()
    for found in blocks.values():
        total.add(found)
    cells = standard_cells(netlist, slopes, design.clock_mhz)
    return {
        "source": "simulated", "status": "run", "left_out": LEFT_OUT,
        "build": design.manifest.get("build", "")[:8],
        "library": cells["library"],
        "passes": design.passes, "schedule": design.schedule, "clock_mhz": design.clock_mhz,
        "images": measured, "cycles": cycles,
        "area_um2": cells["area_um2"], "memory_bits": cells["memory_bits"],
        "fmax_mhz": cells["fmax_mhz"], "gated_clocks": cells["gated_clocks"],
        "flip_flop_bits_compared": values.compared, "mismatches": values.mismatches,
        "energy_j_per_image": sum(each.values()),
        "power_w": total.total / (cycles * 1e-6 / design.clock_mhz),
        "energy_j_per_image_by_kind": {kind: joule / measured for kind, joule in asdict(total).items()},
        "circuits": per_operation(each, netlist.blocks, counts_of(energy)),
        "blocks": {path: {"file": netlist.blocks[path], "energy_j_per_image": joule,
                          "area_um2": cells["blocks"][path]["area_um2"]} for path, joule in each.items()},
    }


@command("sim.power")
def main(arguments=None):
    """Map, simulate, and print what each circuit takes."""
    parser = Parser(prog="sim.power", description="The energy of the periphery in standard cells, for real "
                                                  "images.")
    parser.add_argument("directory", type=Path, metavar="DIR", help="output folder of a build")
    parser.add_argument("--liberty", type=Path, metavar="FILE", required=True,
        help="standard cells: a Liberty file (.lib or .lib.gz)")
    parser.add_argument("--images", type=int, default=IMAGES,
        help="images that are measured, after those that fill the pipeline (default: %(default)s)")
    parser.add_argument("--data", type=Path,
        help="data folder (default: the test images of MNIST that come with the project)")
    parser.add_argument("--input", type=Path, metavar="FILE", help="images of your own, as for sim.run")
    parser.add_argument("--no-gating", action="store_true", help="gate no clocks")
    parser.add_argument("--memory-cells", action="store_true",
        help="make memories of flip-flops, which are counted in bits otherwise: the most that they take")
    parser.add_argument("--table", type=Path, metavar="FILE",
        help="write the energies as a table for gen.build --energy: TOML")
    args = parser.parse_args(arguments)
    if args.images < 1:
        raise SimulationError(f"Images must be 1 at least, not {args.images}")
    path = args.directory / "report" / "power.json"
    design = Design(args.directory)
    design.need_one_instance("Energy in standard cells is")
    images = images_of(design, data=args.data, given=args.input)
    refuse_overlap([args.table, path], [args.liberty, args.input])
    for file in filter(None, (path, args.table)):
        refuse_unwritable(file)
    report = power(args.directory, args.liberty, images.pixels, measured=args.images,
                   gating=not args.no_gating, memory_cells=args.memory_cells, steps=Progress())
    write_json(path, report)
    others = default_table(design.network)
    if args.table:
        conditions = (f"{report['library']['name']}, {report['library']['voltage_v']:g} V, T = "
                      f"{report['passes']}, {report['clock_mhz']:g} MHz; with clock and leakage")
        with replacing(args.table) as file:
            file.write(table_text(
                args.table.stem, f"Periphery of build {report['build']} in cells of "
                f"{report['library']['name']}; arrays and junctions: {others.description}",
                report["circuits"], conditions, others).encode())
    print(_text(report, others))


def _text(report, others):
    """What was found, for a reader."""
    kinds = ", ".join(f"{kind} {joule * 1e9:.2f}" for kind, joule in
                      report["energy_j_per_image_by_kind"].items())
    stated = {circuit.name: circuit.joule for circuit in others.circuits}
    rows = [{"circuit": name, "per": circuit["per"], "nJ/image": circuit["energy_j_per_image"] * 1e9,
             "of them": round(circuit["count_per_image"]), "pJ each": circuit["energy_j"] * 1e12,
             f"pJ by {others.name}": stated[name] * 1e12 if name in stated else None}
            for name, circuit in sorted(report["circuits"].items(),
                                        key=lambda item: -item[1]["energy_j_per_image"])]
    lines = [
        f"cells      {report['library']['name']}, {report['library']['voltage_v']:g} V: "
        f"{report['area_um2']:,.0f} um2, {report['gated_clocks']:,} gated clocks",
        f"netlist    equals the Verilog in {report['flip_flop_bits_compared']:,} bits of flip-flops",
        f"energy     {report['energy_j_per_image'] * 1e9:.2f} nJ an image at T = {report['passes']}, "
        f"{report['power_w'] * 1e3:.2f} mW at {report['clock_mhz']:g} MHz",
        f"of it      {kinds} nJ",
        "", tabulate(rows, "keys", tablefmt="simple", floatfmt=",.4g", intfmt=",", missingval="-")]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
