"""Registers that a multiplier takes in, and those that it cannot."""

import copy
import json
from pathlib import Path

import pytest

from gen.fpga import FPGAS
from gen.multipliers import absorb_registers
from gen.tools import ToolFailed
from gen.yosys import run_yosys


#: A product of registers, in a register, one of whose operands is read elsewhere too.
DESIGN = """module design(input clk, rst, en, input [5:0] a, b, output [5:0] seen, output reg [11:0] p);
  reg [5:0] first, second;
  assign seen = first;
  {process}
endmodule
"""

#: Bodies of a process, by what is usual or not about the registers.
PROCESSES = {
    "plain": "always @(posedge clk) begin first <= a; second <= b; p <= first * second; end",
    "reset": """always @(posedge clk) if (rst) begin first <= 0; second <= 0; p <= 0; end
                else begin first <= a; second <= b; p <= first * second; end""",
    "enable": "always @(posedge clk) if (en) begin first <= a; second <= b; p <= first * second; end",
    "reset and enable": """always @(posedge clk) if (rst) begin first <= 0; second <= 0; p <= 0; end
                           else if (en) begin first <= a; second <= b; p <= first * second; end""",
    "one side": """always @(posedge clk) begin first <= a; second <= b; end
                   always @(posedge clk) if (rst) p <= 0; else if (en) p <= first * second;""",
    "signed": """always @(posedge clk) if (rst) begin first <= 0; second <= 0; p <= 0; end
                 else begin first <= a; second <= b; p <= $signed(first) * $signed(second); end""",
}

#: A register; and a multiplier with its registers, which CLK, CE and RST of one number each work.
MODEL = """module TRELLIS_FF(input CLK, LSR, CE, DI, M, output reg Q);
  parameter GSR = "DISABLED", CEMUX = "1", CLKMUX = "CLK", LSRMUX = "LSR", SRMODE = "", REGSET = "RESET";
  initial Q = 0;
  always @(posedge CLK) if (LSR) Q <= 0; else if (CEMUX == "1" || CE) Q <= DI;
endmodule
module MULT18X18D({ports}, input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, CLK0, CLK1, CLK2, CLK3,
    CE0, CE1, CE2, CE3, RST0, RST1, RST2, RST3, {bits});
  parameter REG_INPUTA_CLK = "NONE", REG_INPUTB_CLK = "NONE", REG_OUTPUT_CLK = "NONE";
  parameter REG_INPUTA_CE = "CE0", REG_INPUTB_CE = "CE0", REG_OUTPUT_CE = "CE0";
  parameter REG_INPUTA_RST = "RST0", REG_INPUTB_RST = "RST0", REG_OUTPUT_RST = "RST0";
  parameter RESETMODE = "SYNC", GSR = "ENABLED";
  wire [17:0] a = {{{a}}}, b = {{{b}}};
  reg [17:0] held_a = 0, held_b = 0;
  reg [35:0] held_p = 0;
  wire [17:0] x = REG_INPUTA_CLK == "NONE" ? a : held_a, y = REG_INPUTB_CLK == "NONE" ? b : held_b;
  wire [35:0] product = {{{{18{{SIGNEDA & x[17]}}}}, x}} * {{{{18{{SIGNEDB & y[17]}}}}, y}};
  assign {{{p}}} = REG_OUTPUT_CLK == "NONE" ? product : held_p;
  always @(posedge CLK0) begin
    if (RST0) held_a <= 0; else if (CE0) held_a <= a;
    if (RST0) held_b <= 0; else if (CE0) held_b <= b;
  end
  always @(posedge CLK1) if (RST1) held_p <= 0; else if (CE1) held_p <= product;
endmodule
"""


def pins(side, count):
    return [f"{side}{number}" for number in range(count)]


def model():
    inputs, outputs = [*pins("A", 18), *pins("B", 18), *pins("C", 18)], pins("P", 36)
    join = ", ".join
    return MODEL.format(ports="input " + join(inputs), bits="output " + join(outputs),
                        a=join(pins("A", 18)[::-1]), b=join(pins("B", 18)[::-1]),
                        p=join(outputs[::-1]))


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """The netlist of each process, by Yosys."""
    folder = tmp_path_factory.mktemp("mapped")
    (folder / "proof").mkdir()
    commands = []
    for number, process in enumerate(PROCESSES.values()):
        (folder / f"design{number}.v").write_text(DESIGN.format(process=process))
        commands += ["design -reset", f"read_verilog design{number}.v",
                     f"{FPGAS['ecp5'].synthesis} -top design", f"write_json {number}.json"]
    run_yosys(commands, folder, Path("proof"))
    return {name: (folder / f"design{number}.v", json.loads((folder / f"{number}.json").read_text()))
            for number, name in enumerate(PROCESSES)}


def kinds(netlist):
    return [cell["type"] for cell in netlist["modules"]["design"]["cells"].values()]


def prove(folder, design, netlist):
    """Prove that the ``netlist`` does what the Verilog file ``design`` does, for all inputs."""
    (folder / "proof").mkdir(exist_ok=True)
    (folder / "design.v").write_text(design.read_text())
    (folder / "model.v").write_text(model())
    # Without Yosys's own models, which are boxes.
    (folder / "netlist.json").write_text(json.dumps({"modules": {"design": netlist["modules"]["design"]}}))
    run_yosys([
        "read_verilog design.v", "prep -top design", "rename design expected", "design -stash expected",
        "read_json netlist.json", "delete =*/t:$scopeinfo", "read_verilog model.v",
        "hierarchy -top design", "proc", "flatten",
        "rename design found", "design -copy-from expected -as expected expected", "async2sync",
        "miter -equiv -flatten -make_assert expected found miter",
        "sat -verify -prove-asserts -tempinduct -set-init-zero -set-def-inputs -maxsteps 6 miter",
    ], folder, Path("proof"))


@pytest.mark.parametrize("name", PROCESSES)
def test_does_the_same(mapped, name, tmp_path):
    """With all registers inside but that which is read elsewhere too, as is proven."""
    design, netlist = mapped[name]
    netlist = copy.deepcopy(netlist)
    assert kinds(netlist).count("TRELLIS_FF") == 24
    assert absorb_registers(netlist["modules"]["design"]) == 24
    assert kinds(netlist).count("TRELLIS_FF") == 6
    prove(tmp_path, design, netlist)


#: A register that is that of a product, and of an operand of the next multiplier.
CHAIN = """module design(input clk, input [4:0] a, input [3:0] b, input [1:0] c, output reg [10:0] q);
  reg [4:0] first;
  reg [3:0] second;
  reg [1:0] third;
  reg [8:0] p;
  always @(posedge clk) begin first <= a; second <= b; third <= c; p <= first * second; q <= p * third; end
endmodule
"""


def test_chain(tmp_path):
    """In whatever order the multipliers come, only one of them takes it."""
    (tmp_path / "chain.v").write_text(CHAIN)
    (tmp_path / "proof").mkdir()
    run_yosys(["read_verilog chain.v", f"{FPGAS['ecp5'].synthesis} -top design", "write_json chain.json"],
              tmp_path, Path("proof"))
    for order in 1, -1:
        netlist = json.loads((tmp_path / "chain.json").read_text())
        module  = netlist["modules"]["design"]
        module["cells"] = dict(list(module["cells"].items())[::order])
        assert kinds(netlist).count("MULT18X18D") == 2
        absorb_registers(module)
        assert kinds(netlist).count("TRELLIS_FF") in (0, 2)
        prove(tmp_path, tmp_path / "chain.v", netlist)


def test_proof_can_fail(mapped, tmp_path):
    """Here an operand is one cycle early."""
    design, netlist = mapped["reset"]
    netlist = copy.deepcopy(netlist)
    absorb_registers(netlist["modules"]["design"])
    next(cell for cell in netlist["modules"]["design"]["cells"].values()
         if cell["type"] == "MULT18X18D")["parameters"]["REG_INPUTB_CLK"] = "NONE"
    with pytest.raises(ToolFailed):
        prove(tmp_path, design, netlist)


def register(netlist, pin):
    """The register at a pin of the multiplier."""
    cells = netlist["modules"]["design"]["cells"].values()
    multiplier = next(cell for cell in cells if cell["type"] == "MULT18X18D")
    net, = multiplier["connections"][pin]
    return multiplier, next(cell for cell in cells if cell["type"] == "TRELLIS_FF"
                            and [net] in (cell["connections"]["Q"], cell["connections"]["DI"]))


@pytest.mark.parametrize("pin, change, held", [
    ("A0", {"parameters": {"REGSET": "SET"}}, 12),
    ("B3", {"parameters": {"SRMODE": "ASYNC"}}, 12),
    ("B3", {"parameters": {"CEMUX": "INV"}}, 12),
    ("A1", {"connections": {"CE": ["0"]}}, 12),
    ("A1", {"connections": {"LSR": [12345]}}, 12),
    ("A1", {"connections": {"CLK": [12345]}}, 12),
    ("A1", {"type": "LUT4"}, 12),
    ("P0", {"parameters": {"CLKMUX": "INV"}}, 12),
    ("P0", {"connections": {"CE": [12345]}}, 12),
])
def test_stays_outside(mapped, pin, change, held):
    """A side with a register that is unlike the others; the other side is held."""
    netlist = copy.deepcopy(mapped["reset and enable"][1])
    _, cell = register(netlist, pin)
    for part, value in change.items():
        cell[part] = cell[part] | value if isinstance(value, dict) else value
    assert absorb_registers(netlist["modules"]["design"]) == held


def test_what_is_read_elsewhere(mapped):
    """A product that goes elsewhere too is not that of a register alone; one of operands whose sign is a
    signal could differ in a cycle."""
    netlist = copy.deepcopy(mapped["reset and enable"][1])
    module  = netlist["modules"]["design"]
    multiplier, _ = register(netlist, "P0")
    module["ports"]["more"] = {"direction": "output", "bits": multiplier["connections"]["P0"]}
    multiplier["connections"]["SIGNEDA"] = [12345]
    before = copy.deepcopy(netlist)
    assert absorb_registers(module) == 0 and netlist == before
