"""Area and clock of an emitted design in standard cells, for ``report/standard_cells.json``."""

import json
from pathlib import Path

from gen.standard_cells.liberty import Library
from gen.standard_cells.mapping import map_design
from gen.standard_cells.netlist import Netlist
from gen.standard_cells.timing import Timing, timing


__all__ = ["LEFT_OUT", "NETLIST", "standard_cells", "write_standard_cells"]


#: The netlist, in the folder of a build.
NETLIST = "cells/netlist.v"

#: What the figures do not hold.
LEFT_OUT = (
    "Nothing is placed: wires are those of the model of the library, if it has one, and there are no "
    "buffers of the clock, nor of signals from block to block. Emulated arrays are left out. Memories that "
    "are written and whose read takes a cycle are counted in bits: they have no area, no delay and no "
    "energy here.")


def write_standard_cells(directory: Path, library: Library, clock_mhz: float, steps) -> dict:
    """Map the design in ``directory`` to ``library``, write the netlist to :data:`NETLIST`, and return its
    report. It takes one of ``steps``.

    Raises
    ------
    LibraryError, ToolFailed
        If the library cannot be used, or Yosys fails.
    """
    steps.step(f"map to cells of {library.name}")
    manifest = json.loads((directory / "manifest.json").read_text())
    netlist  = map_design(directory, manifest, library, clock_mhz, steps)
    path     = directory / NETLIST
    path.parent.mkdir(exist_ok=True)
    path.write_text(netlist.verilog())
    return standard_cells(netlist, timing(netlist), clock_mhz)


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
        "arrays_left_out": len(netlist.arrays),
        "clock_mhz": clock_mhz,
        "fmax_mhz": fmax,
        "timing_met": None if fmax is None else fmax >= clock_mhz,
        "path": [{"block": block, "cell": cell, "pin": pin, "ns": round(time * 1e9, 4)}
                 for block, cell, pin, time in slowest.path],
        "memories": {name: bits for name, (_, bits, *_) in netlist.memories.items()},
        "blocks": blocks,
    }
