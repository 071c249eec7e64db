"""Write a component as Verilog, with a manifest that describes the ports and modules of the Verilog."""

import json
import re
from pathlib import Path

from amaranth.back import verilog
from amaranth.hdl import Const, Fragment, Shape, Value
from amaranth.lib import data
from amaranth.lib.wiring import In

from gen.tools import yosys
from hdl.layer.weight_memory import WeightMemory


__all__ = ["clean", "emit", "fields", "listed", "ports", "write_verilog"]


#: Warnings of ``verilator -Wall`` that any Verilog of Yosys causes, and why they are harmless.
_ACCEPTED = {
    "DECLFILENAME":   "all modules are in one file",
    "UNUSEDSIGNAL":   "every signal of the source has its name here, for waves, whether or not it is read",
    "PROCASSINIT":    "a register begins with the value that reset gives it",
    "WIDTHEXPAND":    "an assignment has one operator, and extension of its operands is meant",
    "WIDTHTRUNC":     "an assignment has one operator, and truncation of its result is meant",
    "CASEINCOMPLETE": "a signal that a case assigns has a default value before the case",
}


def emit(component, name: str, directory: Path, *, folder="rtl", part=None, **contents) -> dict:
    """Write ``name.v`` to ``directory / folder`` and ``manifest.json`` to ``directory``.

    The manifest, which is also returned, is all that a test bench, a synthesis run or a driver may know of
    the design: the name, direction, width and sign of every port, as a tree (``interface``) and as in the
    Verilog (``ports``), the file of ``hdl/`` that each Verilog module comes from (``modules``), and
    ``contents``. The Verilog gives no warning with ``verilator -Wall``: its first lines turn off the
    harmless ones, with the reason of each. Files of weights that the Verilog reads
    (:class:`hdl.layer.weight_memory.WeightMemory`) are written by :func:`gen.images.write_images`.
    A ``part``, a component and its name, of which there are instances in ``component``, has a file of its
    own.
    """
    written = [write_verilog(of, module, directory, folder=folder)
               for of, module in ([part] if part else []) + [(component, name)]]
    manifest = {
        "generator": "spincim",
        "top": name,
        "sources": [source for source, _ in written],
        "clock": "clk",
        "reset": "rst",
        **component.metadata.as_json(),
        "ports": listed(component),
        "modules": {module: file for _, modules in written for module, file in modules.items()},
        **contents,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def write_verilog(component, name: str, directory: Path, accepted=None, *,
                  folder="rtl") -> tuple[str, dict]:
    """Write ``name.v`` to ``directory / folder``; return its path from ``directory``, and ``modules`` as
    the manifest of :func:`emit` has them. More warnings are ``accepted``, each with the reason."""
    (directory / folder).mkdir(parents=True, exist_ok=True)
    source   = Path(folder, f"{name}.v")
    fragment = Fragment.get(component, None)
    modules  = dict(_modules(fragment, name))
    verilog  = _verilog(fragment, name, ports(component))
    if WeightMemory.MODULE in verilog:
        verilog += WeightMemory.VERILOG
        modules[WeightMemory.MODULE] = "weight_memory"
    (directory / source).write_text(clean(verilog, accepted))
    return source.as_posix(), modules


def listed(component) -> list[dict]:
    """Return name, direction and width of each port of ``component`` in Verilog; of an input also its
    ``init``, unless that is 0."""
    return [{"name": port, "direction": direction, "width": len(value),
             **({"init": value.init} if direction == "in" and value.init else {})}
            for port, (value, direction) in _flatten(component)]


def ports(component) -> dict:
    """Return the ports of ``component`` for Amaranth's back ends, by name.

    A member of no bits is no port, nor is a member that the signature makes constant, such as the ready of
    a stream that is always ready. The directions are None: Amaranth finds them from the drivers.
    """
    return {name: (value, None) for name, (value, _) in _flatten(component)}


def _flatten(component):
    """Yield name, value and direction of each port in Verilog."""
    for path, member, value in component.signature.flatten(component):
        value = Value.cast(value)
        if len(value) and not isinstance(value, Const):
            yield "__".join(map(str, path)), (value, "in" if member.flow == In else "out")


def fields(layout: data.Layout) -> list[dict]:
    """Describe the fields of a payload: name, offset of the lowest bit, width and sign."""
    return [{"name": name, "offset": field.offset, "width": Shape.cast(field.shape).width,
             "signed": Shape.cast(field.shape).signed} for name, field in layout]


def _modules(fragment, name, block=None):
    """Yield the name of each Verilog module of ``fragment``, and the stem of the file in hdl/ that
    describes the module.

    A component of a library, such as a queue, counts for the block that contains it.
    """
    for origin in fragment.origins or ():
        package, *_, stem = type(origin).__module__.split(".")
        if package == "hdl":
            block = stem
    yield name, block
    for index, (below, own, _) in enumerate(fragment.subfragments):
        if type(below) is Fragment: # an instance of a memory is no module
            yield from _modules(below, f"{name}.{own or f'U${index}'}", block)


def _verilog(fragment, name, ports):
    with yosys():
        return clean(verilog.convert(fragment, name=name, ports=ports, emit_src=False,
                                      strip_internal_attrs=True))


def clean(text: str, accepted: dict | None = None) -> str:
    """Remove from Verilog of Yosys signals of no bits, which it declares as ``[-1:0]``, of two bits, and
    turn off the harmless warnings and those ``accepted``.

    Each process that is all logic reads a constant, so that it runs as simulation begins. Yosys makes it a
    variable, to which Icarus Verilog gives its value before any process waits for that; it becomes a net.
    """
    off   = [f"/* verilator lint_off {kind} */ // {reason}\n"
             for kind, reason in (_ACCEPTED | (accepted or {})).items()]
    empty = r"^(  \(\*.*\*\)\n)*  (wire|reg) (signed )?\[-1:0\] .*;\n"
    text  = re.sub(empty, "", text, flags=re.MULTILINE)
    text  = re.sub(r"^  reg (\\\$auto\$verilog_backend\S+ ) = 0;", r"  wire \1 = 1'h0;", text,
                   flags=re.MULTILINE)
    return "".join(("/* verilator lint_save */\n", *off, text, "/* verilator lint_restore */\n"))
