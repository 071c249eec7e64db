# amaranth: UnusedElaboratable=no
"""Mutants of all blocks, with the marker ``mutation``; otherwise some of one block, and the report."""

import json
import os
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.comparator import Comparator
from hdl.layer.scale_mux import comparison_layout
from hdl.random.mask_bank import MaskBank
from tests.mutation import equivalence, netlist, report
from tests.mutation.judge import judge, reasons
from tests.mutation.measure import BLOCKS, WITHOUT, kept, measure
from tests.mutation.report import SCORE, describe, write
from tests.results import REPORTS, ROOT


@pytest.mark.mutation
@pytest.mark.parametrize("block", BLOCKS)
def test_block(block):
    """The result of a block is kept in ``build/verification/mutation``."""
    assert hasattr(os, "fork"), ("This system cannot fork processes, which mutants are; run it on Linux or "
                                 "macOS")
    result = judge(measure(block, REPORTS / "mutation"), reasons(block))
    print(f"\n{describe(block, result)}")
    assert result["mutants"], "A block without logic of its own has none: say so in WITHOUT"
    assert result["score"] is None or result["score"] >= SCORE


class Sample(wiring.Component):
    """One word of delay, with logic of which some does nothing."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(2)), "o": Out(stream.Signature(1))})

    def elaborate(self, platform):
        m = Module()
        a, b = self.i.payload
        both = Signal()
        m.d.comb += both.eq(a & b) # line of `both`
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(both | a)]
        return m


def test_outcomes(tmp_path):
    """``a & b | a`` is ``a``: what happens to ``b`` is seen nowhere, what happens to ``a`` is."""
    dut = Sample()
    names = {"i__valid": dut.i.valid, "i__ready": dut.i.ready, "i__payload": dut.i.payload,
             "o__valid": dut.o.valid, "o__ready": dut.o.ready, "o__payload": dut.o.payload}
    design = netlist.describe(dut, list(names.values()))
    # As if the component were a file of hdl/.
    design.text = design.text.replace(f"/tests/mutation/{Path(__file__).name}:", "/hdl/sample.py:")
    mutants = netlist.make_mutants(design, "sample", 1000, 1, tmp_path)
    source  = Path(__file__).read_text().splitlines()
    line    = next(number for number, text in enumerate(source, 1) if "line of `both`" in text)
    outcomes = {}
    for number, mutant in enumerate(mutants, 1):
        if f"/hdl/sample.py:{line}" in mutant["src"] and mutant["mode"] in ("const0", "inv"):
            key = mutant["mode"], mutant["port"]
            outcomes[key] = equivalence.compare(
                design.ports, {f"p{at}": name for at, name in enumerate(names)}, {}, number,
                tmp_path)[0]
    assert outcomes[("const0", "B")] == "equivalent"    # b
    assert outcomes[("inv", "Y")] == "visible"          # of the whole


def test_memories(tmp_path):
    """All mutants of queues can be made: those that Yosys dies of are none."""
    dut     = MaskBank([1], [0], 2)
    mask    = dut.masks[0]
    design  = netlist.describe(dut, [dut.images.valid, dut.images.payload, dut.bits.valid, dut.bits.payload,
                                     mask.valid, mask.ready, mask.payload])
    mutants = netlist.make_mutants(design, "mask_bank", 2000, 1, tmp_path)
    ports   = {mutant["port"] for mutant in mutants if "storage" in mutant["cell"]}
    assert {"WR_EN", "WR_ADDR", "RD_ADDR", "RD_DATA"} <= ports
    assert "RD_EN" not in ports


def test_shared_logic(tmp_path):
    """What :mod:`hdl.stream` makes in a block is mutated with it."""
    dut     = Comparator(comparison_layout(range(4), 1), unsigned(2), lanes=1, columns=1)
    design  = netlist.describe(dut, [Value.cast(value) for _, _, value in dut.signature.flatten(dut)])
    mutants = netlist.make_mutants(design, "comparator", 1000, 1, tmp_path)
    places  = {place.split(":")[0] for mutant in mutants for place in mutant["src"]}
    assert {"/hdl/stream.py", "/hdl/layer/comparator.py"} <= places


@pytest.mark.long
def test_caught(tmp_path):
    """From the netlist of a block to its result: its tests catch what can be seen."""
    result = measure("arbiter", tmp_path, mutants=6, designs=1)
    assert result["mutants"] == 6 == result["caught"] + result["proven_unseen"]
    assert result["caught_by"] == {"test_enables_the_chosen_array": result["caught"]}
    # What it follows from, and nothing else of the project.
    assert {"hdl/layer/arbiter.py", "sim/component.py", "tests/hdl/layer/test_arbiter.py",
            "tests/mutation/netlist.py"} <= set(result["files"])
    assert not {"sim/verification.py", "tests/mutation/judge.py"} & set(result["files"])

    assert kept("arbiter", tmp_path, mutants=6, designs=1) == result
    assert kept("arbiter", tmp_path, mutants=7, designs=1) is None
    path = tmp_path / "arbiter.json"
    path.write_text(json.dumps(result | {"files": result["files"][1:]})) # as if a file were another
    assert kept("arbiter", tmp_path, mutants=6, designs=1) is None


def test_what_cannot_be_measured(tmp_path):
    with pytest.raises(RuntimeError, match=rf"^Mutants of nothing cannot be measured; see "
                                           rf"{tmp_path}/nothing.log$"):
        measure("nothing", tmp_path)
    assert "ValueError" in (tmp_path / "nothing.log").read_text()


def test_every_block_is_named():
    """There are mutants of each block, or it is said why not."""
    assert set(BLOCKS) | set(WITHOUT) == {path.stem for path in (ROOT / "hdl").rglob("*.py")} - {"__init__"}


@pytest.mark.parametrize("outcome, port, bit, design, explained, score", [
    ("unknown", "A", 3, "test_plain[2]", 1, 1.0), ("unknown", "B", 3, "test_plain[2]", 0, 0.9),
    ("unknown", "A", 4, "test_plain[2]", 0, 0.9), ("unknown", "A", 3, "test_other", 0, 0.9),
    ("visible", "A", 3, "test_plain[2]", 0, 0.9)])
def test_reasons(outcome, port, bit, design, explained, score):
    """One explains what it names, unless it is seen at a port."""
    lines = (ROOT / "hdl" / "layer" / "pool.py").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "import operator" in text)
    survivor = {"outcome": outcome, "port": port, "bit": bit, "mode": "inv", "design": design,
                "src": [f"/hdl/layer/pool.py:{line}"], "reason": "not known"}
    reasons = [{"line": "import op", "ports": ["A"], "bits": [3], "modes": ["inv"],
                "tests": "test_plain", "reason": "known"}]
    result = judge({"mutants": 11, "proven_unseen": 1, "caught": 9, "survivors": [survivor]},
                   reasons)
    assert (result["explained"], result["score"]) == (explained, score)
    assert result["survivors"][0]["reason"] == ("known" if explained else "not known")


def make_result(caught):
    """As it is kept, of 31 mutants: one is proven equal, one seen nowhere within some cycles."""
    survivor = {"src": [], "cell": "cell", "port": "A", "bit": 0, "mode": "inv", "design": "test_some"}
    return {"mutants": 31, "proven_unseen": 1, "caught": caught, "caught_by_error": 0,
            "caught_by_no_end": 0, "seconds": 2.0, "survivors": [
                survivor | {"outcome": "equivalent", "reason": "no port ever differs"},
                survivor | {"outcome": "unknown", "reason": "no port differs within 9 cycles"}]}


@pytest.mark.parametrize("caught, missing, passed", [(29, 0, True), (27, 0, False), (29, 1, True)])
def test_report(monkeypatch, tmp_path, caught, missing, passed):
    """A block below the score fails the target; one without a result leaves it in part."""
    results = {block: make_result(29) for block in BLOCKS[missing:]} | {
        BLOCKS[-1]: make_result(caught)}
    monkeypatch.setattr(report, "kept", lambda block, folder: results.get(block))
    path = tmp_path / "mutation.json"
    line = write(tmp_path, path)
    assert line.endswith(f"below 95 %: {'no block' if caught == 29 else BLOCKS[-1]}; {path}")
    found = json.loads(path.read_text())
    assert (found["passed"], found["seconds"]) == (passed, 2.0 * len(results))
    assert found.get("partial") == (f"there are no results of {BLOCKS[0]}" if missing else None)
    assert found["blocks"][BLOCKS[-1]]["mutants caught"] == f"{caught} of 30"
    assert len(found["tables"]["Survivors that are not proven equal"]) == len(results)
    assert describe("pool", judge(make_result(29), [])) == (
        "pool: 31 mutants, 29 caught, 1 proven equal, 0 seen at a port, 1 open; score 96.7 %")
