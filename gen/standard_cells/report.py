"""Area and clock of an emitted design in standard cells, for ``report/standard_cells.json``."""

import json
from pathlib import Path

from gen.standard_cells.liberty import Library
from gen.standard_cells.mapping import map_design
from gen.standard_cells.netlist import Netlist
from gen.standard_cells.timing import Timing, timing


__all__ = ["LEFT_OUT", "NETLIST", "sentence", "standard_cells", "write_standard_cells"]


#: The netlist, in the folder of a build.
NETLIST = "cells/netlist.v"

#: What the figures do not hold.
LEFT_OUT = (
    "Nothing is placed: wires are those of the model of the library, if it has one, and there are no "
    "buffers of the clock, nor of signals from block to block. Emulated arrays are left out. Memories that "
    "are counted in bits have no area, no delay and no energy here; with --memory-cells they are cells.")


def write_standard_cells(directory: Path, library: Library, clock_mhz: float, steps, *,
                         memory_cells=False) -> dict:
    """Map the design in ``directory`` to ``library``, write the netlist to :data:`NETLIST`, and return its
    report; with ``memory_cells`` as :func:`gen.standard_cells.mapping.map_design` has it. It takes one of
    ``steps``.

    Raises
    ------
    LibraryError, ToolFailed
        If the library cannot be used, or Yosys fails.
    """
    steps.step(f"map to cells of {library.name}")
    manifest = json.loads((directory / "manifest.json").read_text())
    netlist  = map_design(directory, manifest, library, clock_mhz, steps, memory_cells=memory_cells)
    path     = directory / NETLIST
    path.parent.mkdir(exist_ok=True)
    path.write_text(netlist.verilog())
    return standard_cells(netlist, timing(netlist), clock_mhz)


def sentence(report: dict) -> str:
    """Return the figures of a report in a line."""
    clock = "no path" if report["fmax_mhz"] is None else f"{report['fmax_mhz']:.0f} MHz"
    beside = f"{report['memory_bits']:,} bits of memory beside; " if report["memory_bits"] else ""
    return (f"{report['area_um2']:,.0f} um2, {report['cells']:,} cells, {report['flip_flops']:,} of them "
            f"flip-flops; {beside}{clock}; "
            f"{report['library']['name']}")


def standard_cells(netlist: Netlist, slowest: Timing, clock_mhz: float) -> dict:
    """Return the report of a netlist: areas in the unit of the library, which is um^2 as a rule, by block;
    its flip-flops and the bits of its memories; and the clock that its slowest path allows."""
    blocks = {path: {"file": file, "area_um2": 0.0, "cells": 0, "flip_flops": 0, "memory_bits": 0}
              for path, file in netlist.blocks.items()}
    for instance in netlist.instances:
        block = blocks[instance.block]
        block["area_um2"] += instance.cell.area
        block["cells"]    += 1
        block["flip_flops"] += instance.cell.clocked_on is not None
    for path, bits, *_ in netlist.memories.values():
        blocks[path]["memory_bits"] += bits
    library, total = netlist.library, {key: sum(block[key] for block in blocks.values()) for key in
                                       ("area_um2", "cells", "flip_flops", "memory_bits")}
    fmax = None if slowest.path_s is None else 1e-6 / slowest.path_s
    return {
        "source": "synthesized", "status": "run", "left_out": LEFT_OUT,
        "library": {"name": library.name, "sha256": library.sha256, "voltage_v": library.voltage,
                    "temperature_c": library.temperature, "wire_load": library.wire_load or None},
        **total,
        "gated_clocks": len(netlist.gates_of_clocks()),
        "arrays_left_out": len(netlist.arrays),
        "clock_mhz": clock_mhz,
        "fmax_mhz": fmax,
        "timing_met": None if fmax is None else fmax >= clock_mhz,
        "path": [{"block": block, "cell": cell, "pin": pin, "ns": round(time * 1e9, 4)}
                 for block, cell, pin, time in slowest.path],
        "memories": {name: bits for name, (_, bits, *_) in netlist.memories.items()},
        "blocks": blocks,
    }
