"""Write a component as Verilog, with a manifest that says what was written."""

import json
import re
from pathlib import Path

from amaranth.back import verilog
from amaranth.hdl import Const, Fragment, Shape, Value
from amaranth.lib import data
from amaranth.lib.wiring import In

from gen.tools import yosys
from hdl.layer.weight_memory import WeightMemory


__all__ = ["emit", "fields", "ports"]


#: What ``verilator -Wall`` says of any Verilog that Yosys writes, and why it may.
_ACCEPTED = {
    "DECLFILENAME":   "all modules are in one file",
    "UNUSEDSIGNAL":   "every signal of the source has its name here, for waves, whether or not it is read",
    "PROCASSINIT":    "a register begins with the value that reset gives it",
    "WIDTHEXPAND":    "an assignment has one operator, whose operands are extended as they should",
    "WIDTHTRUNC":     "and whose result is cut as it should",
    "CASEINCOMPLETE": "what a case may assign has a value before it",
}


def emit(component, name: str, directory: Path, **contents) -> dict:
    """Write ``name.v`` to ``directory / "rtl"`` and ``manifest.json`` to ``directory``.

    The manifest is all that a test bench, a synthesis run or a driver may know of the design: the
    name, direction, width and sign of every port, as a tree (``interface``) and as they are in Verilog
    (``ports``), the file of ``hdl/`` that each Verilog module comes from (``modules``), and ``contents``.
    It is also returned. The Verilog gives no warning with ``verilator -Wall``: its first lines say which
    it turns off, and why. Files of weights that it reads (:class:`hdl.layer.weight_memory.WeightMemory`)
    are for :func:`gen.images.write_images` to write.
    """
    (directory / "rtl").mkdir(parents=True, exist_ok=True)
    source = Path("rtl", f"{name}.v")
    fragment = Fragment.get(component, None)
    modules  = dict(_modules(fragment, name))
    verilog  = _verilog(fragment, name, ports(component))
    if WeightMemory.MODULE in verilog:
        verilog += WeightMemory.VERILOG
        modules[WeightMemory.MODULE] = "weight_memory"
    (directory / source).write_text(_clean(verilog))
    manifest = {
        "generator": "spincim",
        "top": name,
        "sources": [source.as_posix()],
        "clock": "clk",
        "reset": "rst",
        **component.metadata.as_json(),
        "ports": [{"name": port, "direction": direction, "width": len(value)}
                  for port, (value, direction) in _flatten(component)],
        "modules": modules,
        **contents,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def ports(component) -> dict:
    """Return the ports of ``component`` for Amaranth's back ends, by name.

    What has no bits is no port, nor what its signature makes constant, such as the readiness of a
    stream that is always ready. Directions (None) follow from what drives a port.
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
    """Yield the name of each Verilog module below, and the stem of the file in hdl/ that describes it.

    A component of a library, such as a queue, belongs to the block that it is in.
    """
    for origin in fragment.origins or ():
        package, *_, stem = type(origin).__module__.split(".")
        if package == "hdl":
            block = stem
    yield name, block
    for index, (below, own, _) in enumerate(fragment.subfragments):
        if type(below) is Fragment: # and no memory
            yield from _modules(below, f"{name}.{own or f'U${index}'}", block)


def _verilog(fragment, name, ports):
    with yosys():
        return _clean(verilog.convert(fragment, name=name, ports=ports, emit_src=False,
                                      strip_internal_attrs=True))


def _clean(text):
    """Leave out what has no bits, which would be ``[-1:0]`` and so have two, and turn off the warnings
    that are accepted."""
    off   = [f"/* verilator lint_off {kind} */ // {reason}\n" for kind, reason in _ACCEPTED.items()]
    empty = r"^(  \(\*.*\*\)\n)*  (wire|reg) (signed )?\[-1:0\] .*;\n"
    return "".join(("/* verilator lint_save */\n", *off, re.sub(empty, "", text, flags=re.MULTILINE),
                    "/* verilator lint_restore */\n"))
