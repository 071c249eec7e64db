import json
from pathlib import Path

import pytest

import hdl
import sim.coverage_study
from gen.build import build_network
from gen.ir import Target, load
from gen.tools import version
from sim.coverage import Coverage, table
from sim.coverage_study import main
from sim.design import Design
from sim.report import read_report
from tests.images import images_for


VERILOG = """\
module accelerator(clk);
  always @(posedge clk)
    if (\\$auto$verilog_backend.cc:1 ) begin end
    if (advance) begin
endmodule
"""


@pytest.fixture
def design(rewrite, tmp_path):
    """A design of two modules, of which only text and names are looked at."""
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "accelerator.v").write_text(VERILOG)
    (tmp_path / "manifest.json").write_text(json.dumps(dict.fromkeys((
        "top", "pixels", "positions", "schedule", "results", "ports", "view", "passes",
        "passes_max", "clock_mhz", "estimated_latency_cycles", "colours", "instances",
        "pixels_per_word", "unit", "zero")) | {
            "generator_version": version(), "classes": 10, "layers": [], "interface": {"members": {}},
            "sources": ["rtl/accelerator.v"], "files": {},
            "weights": {"macro": "FOLDER", "files": []},
            "modules": {"accelerator": "accelerator", "accelerator.a.b": "reader", "memory": "array"}}))
    return Design(rewrite(tmp_path))


def point(page, line, what, count):
    return (f"C '\x01f\x02build/rtl/accelerator.v\x01l\x02{line}\x01n\x023\x01t\x02line"
            f"\x01page\x02v_{page}\x01o\x02{what}\x01S\x02{line}\x01h\x02harness.dut' {count}\n")


def covered(design, *runs):
    coverage = Coverage()
    for number, points in enumerate(runs):
        path = design.directory / f"{number}.dat"
        path.write_text("# SystemC::Coverage-3\n" + "".join(points))
        coverage.add(path, design)
    return coverage.blocks()


def counts(block):
    return {kind: (points["covered"], points["total"]) for kind, points in block.items()
            if kind != "not_covered"}


def test_points_are_counted_by_block(design):
    blocks = covered(design, [
        point("line/accelerator", 2, "block", 9), point("branch/accelerator.a.b", 4, "if", 0),
        point("branch/accelerator.a.b", 4, "else", 9), point("toggle/accelerator.a.b", 1, "clk:0->1", 0)])
    assert set(blocks) == {"accelerator", "reader"}
    assert counts(blocks["accelerator"]) == {"line": (1, 1), "branch": (0, 0), "toggle": (0, 0)}
    assert counts(blocks["reader"]) == {"line": (0, 0), "branch": (1, 2), "toggle": (0, 1)}
    assert blocks["reader"]["not_covered"] == ["accelerator.a.b: if of 'if (advance) begin'"]
    assert blocks["accelerator"]["not_covered"] == []


def test_runs_add_up(design):
    """A point that any run, or the same port on another side, has covered is one covered point."""
    one, other = (point("branch/accelerator", 4, "if", count) for count in (0, 3))
    for runs in ([[one], [other]], [[one, other]]):
        assert counts(covered(design, *runs)["accelerator"])["branch"] == (1, 1)


def test_a_module_with_parameters(design):
    """Verilator names it with a number for each set of parameters; they are one block."""
    blocks = covered(design, [point(f"line/memory__pi{number}", 2, "block", 3 * number)
                              for number in range(2)])
    assert set(blocks) == {"array"} and counts(blocks["array"])["line"] == (1, 2)


def test_what_does_not_count(design):
    """The harness, and what Yosys has put in."""
    assert covered(design, [point("line/harness", 2, "block", 1),
                            point("branch/accelerator", 3, "if", 0)]) == {}


def test_table(design):
    lines = table(covered(design, [point("line/accelerator", 2, "block", 9)])).splitlines()
    assert lines[0].split() == ["block", "line", "branch", "toggle"]
    assert lines[2].split() == ["accelerator", "1", "of", "1", "(100.0", "%)", "-", "-"]


@pytest.mark.long
def test_command(random_network, tmp_path, monkeypatch, capsys):
    """A small design: every file of hdl/ in it has points, and nearly all lines are covered."""
    folder, out = tmp_path / "network", tmp_path / "below" / "coverage.json"
    build_network(random_network(3, 0), Target(array_rows=32, passes=2, passes_max=4), folder)
    network = load((folder / "ir.json").read_text())
    images  = images_for(network, 6)
    modules = json.loads((folder / "manifest.json").read_text())["modules"]
    monkeypatch.setattr(sim.coverage_study, "RUNS", [("T", 1.0, 6), ("T_max", 0.5, 6)])
    monkeypatch.setattr(sim.coverage_study, "load_sample", lambda: (images, None))

    assert main([str(folder), "--json", str(out), "--jobs", "1"]) == 0

    report = read_report(out)
    assert (report["target"], report["passed"]) == ("coverage", True)
    assert report["command"] == f"python -m sim.coverage_study {folder} --json {out} --jobs 1"
    assert [(run["passes"], run["duty"], run["bit_exact"]) for run in report["tables"]["Runs"]] == [
        (2, 1.0, True), (4, 0.5, True)]
    files = {path.stem for path in Path(hdl.__path__[0]).rglob("*.py")}
    assert set(report["blocks"]) == set(report["points"]) == set(modules.values()) <= files
    lines = [block["line"] for block in report["points"].values()]
    covered, total = (sum(points[name] for points in lines) for name in ("covered", "total"))
    assert covered > 0.9 * total > 100
    assert report["summary"].startswith(f"{100 * covered / total:.1f} % of line points, ")
    reader = report["points"]["reader"]["line"]
    assert report["blocks"]["reader"]["line coverage"] == (
        f"{100 * reader['covered'] / reader['total']:.1f} %")
    assert capsys.readouterr().out.splitlines()[0].startswith("block ")


def test_missing_folder(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == (
        f"sim.coverage_study: Folder {tmp_path}/nowhere has no manifest.json; "
        f"make one with: python -m gen.build --layers NETWORK --out DIR\n")
