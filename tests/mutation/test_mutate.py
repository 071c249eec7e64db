# amaranth: UnusedElaboratable=no

import json
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.pass_sets.mask_bank import MaskBank


HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def siblings():
    sys.path.insert(0, str(HERE))
    import equivalence
    import netlist
    yield netlist, equivalence
    sys.path.remove(str(HERE))


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


def test_outcomes(siblings, tmp_path):
    """``a & b | a`` is ``a``: what happens to ``b`` is seen nowhere, what happens to ``a`` is."""
    netlist, equivalence = siblings
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


def test_memories(siblings, tmp_path):
    """All mutants of queues can be made: those that Yosys dies of are none."""
    netlist, _ = siblings
    dut     = MaskBank([1], 2)
    mask    = dut.masks[0]
    design  = netlist.describe(dut, [dut.images.valid, dut.images.payload, dut.bits.valid, dut.bits.payload,
                                     mask.valid, mask.ready, mask.payload])
    mutants = netlist.make_mutants(design, "mask_bank", 2000, 1, tmp_path)
    ports   = {mutant["port"] for mutant in mutants if "storage" in mutant["cell"]}
    assert {"WR_EN", "WR_ADDR", "RD_ADDR", "RD_DATA"} <= ports
    assert "RD_EN" not in ports


def test_a_block(tmp_path):
    """From the netlist of a block to the file of results: its tests catch what can be seen."""
    subprocess.run([sys.executable, HERE / "mutate.py", "--blocks", "arbiter", "--mutants", "6",
                    "--designs", "1", "--results", tmp_path], check=True, capture_output=True)
    result = json.loads((tmp_path / "mutation.json").read_text())
    block  = result["blocks"]["arbiter"]
    assert block["mutants"] == 6
    assert block["caught"] + block["proven_unseen"] == 6
    assert block["caught_by"] == {"test_enables_the_chosen_array": block["caught"]}
    assert "word_packer" in result["not_run"]
    # What it follows from, and nothing else of the project.
    files = json.loads((tmp_path / "mutation" / "arbiter.json").read_text())["files"]
    assert {"hdl/layer/arbiter.py", "sim/component.py", "tests/hdl/layer/test_arbiter.py"} <= set(files)
    assert not {"sim/verification.py", "tests/mutation/judge.py"} & set(files)


@pytest.mark.parametrize("outcome, port, bit, design, explained, score", [
    ("unknown", "A", 3, "test_plain[2]", 1, 1.0), ("unknown", "B", 3, "test_plain[2]", 0, 0.9),
    ("unknown", "A", 4, "test_plain[2]", 0, 0.9), ("unknown", "A", 3, "test_other", 0, 0.9),
    ("visible", "A", 3, "test_plain[2]", 0, 0.9)])
def test_reasons(siblings, outcome, port, bit, design, explained, score):
    """One explains what it names, unless it is seen at a port."""
    from judge import judge
    lines = (HERE.parents[1] / "hdl" / "layer" / "pool.py").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "import operator" in text)
    survivor = {"outcome": outcome, "port": port, "bit": bit, "mode": "inv", "design": design,
                "src": [f"/hdl/layer/pool.py:{line}"], "reason": "not known"}
    reasons = [{"line": "import op", "ports": ["A"], "bits": [3], "modes": ["inv"],
                "tests": "test_plain", "reason": "known"}]
    result = judge({"mutants": 11, "proven_unseen": 1, "caught": 9, "survivors": [survivor]},
                   reasons)
    assert (result["explained"], result["score"]) == (explained, score)
    assert result["survivors"][0]["reason"] == ("known" if explained else "not known")
