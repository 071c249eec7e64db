"""The energy of a small accelerator in standard cells, from the command line."""

import json
import re
import shutil

import pytest

from gen.build import main as build
from gen.energy.table import read_table
from sim.power import main
from tests.gen.standard_cells import library


NETWORK = """\
input = {height = 28, width = 28, thresholds = [128]}
layers = [{kind = "conv", outputs = 3, kernel = 4, stride = 4, pool = 2}, {kind = "linear", outputs = 10}]
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build that was mapped to standard cells, and their file."""
    folder = tmp_path_factory.mktemp("power")
    (folder / "tiny.lib").write_text(library.text(gating=True))
    (folder / "mine.toml").write_text(NETWORK)
    assert build(["--layers", str(folder / "mine.toml"), "--random", "1", "--passes", "3", "--passes-max",
                  "3", "--outputs", "estimate,energy,synth", "--liberty", str(folder / "tiny.lib"),
                  "--out", str(folder / "build")]) == 0
    return folder / "build", folder / "tiny.lib"


@pytest.mark.long
def test_area(built):
    folder, _ = built
    report = json.loads((folder / "report" / "standard_cells.json").read_text())
    assert report["status"] == "run" and report["library"]["name"] == "tiny"
    assert report["arrays_left_out"] == 2 and report["memory_bits"] == sum(report["memories"].values()) > 0
    files = {block["file"] for block in report["blocks"].values()}
    assert {"adder_accumulator", "comparator", "softmax", "totals", "pixel_input"} <= files
    assert "array" not in files
    assert report["area_um2"] == pytest.approx(sum(each["area_um2"] for each in report["blocks"].values()))
    assert json.loads((folder / "config.json").read_text())["liberty"].endswith("tiny.lib")
    page = (folder / "report" / "summary.html").read_text()
    assert "Area of standard cells, by block" in page


@pytest.mark.long
def test_energy(built, tmp_path, capsys):
    """The parts of the energy are the whole, the netlist is the Verilog, and a build takes the table."""
    folder, cells = built
    capsys.readouterr()
    assert main([str(folder), "--liberty", str(cells), "--images", "2", "--table",
                 str(tmp_path / "found.toml")]) == 0
    said   = capsys.readouterr().out
    report = json.loads((folder / "report" / "power.json").read_text())
    area   = json.loads((folder / "report" / "standard_cells.json").read_text())
    assert report["mismatches"] == 0
    assert report["flip_flop_bits_compared"] > 1000 * area["flip_flops"]
    assert report["cycles"] == 2 * json.loads(
        (folder / "report" / "estimate_network_performance.json").read_text())["interval_cycles"]
    total = report["energy_j_per_image"]
    for parts in (report["energy_j_per_image_by_kind"],
                  {path: block["energy_j_per_image"] for path, block in report["blocks"].items()}):
        assert sum(parts.values()) == pytest.approx(total) and min(parts.values()) >= 0
    assert report["power_w"] == pytest.approx(total * 2 / (report["cycles"] * 8e-9))
    # Each flip-flop takes 4 to 6 fJ in a cycle of its clock, beside its pin and the wire; most are gated.
    assert report["gated_clocks"] == area["gated_clocks"] > 10
    clock = report["energy_j_per_image_by_kind"]["clock"] * 2 / report["cycles"] / area["flip_flops"]
    assert 1e-15 < clock < 6e-15
    circuits = report["circuits"]
    emulated = sum(block["energy_j_per_image"] for block in report["blocks"].values()
                   if block["file"] == "pseudo_rng")
    assert emulated > 0 and total - emulated == pytest.approx(
        sum(each["energy_j_per_image"] for each in circuits.values()))
    assert re.search(r"^netlist +equals the Verilog in [\d,]+ bits of flip-flops$", said, re.MULTILINE)

    table = read_table(str(tmp_path / "found.toml"))
    for name, each in circuits.items():
        assert each["energy_j"] * each["count_per_image"] == pytest.approx(each["energy_j_per_image"])
        assert next(circuit.joule for circuit in table.circuits if circuit.name == name) == pytest.approx(
            each["energy_j"])
    assert {"crossbar array", "spintronic RNG"} <= {circuit.name for circuit in table.circuits}


@pytest.mark.long
def test_energy_with_memories(built, tmp_path, capsys):
    """They are held to the Verilog as the rest is, and take energy."""
    folder, cells = built
    found = {}
    for name, more in ("beside", []), ("cells", ["--memory-cells"]):
        assert main([str(folder), "--liberty", str(cells), "--images", "1", *more]) == 0
        found[name] = json.loads((folder / "report" / "power.json").read_text())
    capsys.readouterr()
    bits = found["beside"]["memory_bits"]
    assert bits > 0 and found["cells"]["memory_bits"] == 0
    more = found["cells"]["flip_flop_bits_compared"] - found["beside"]["flip_flop_bits_compared"]
    assert more >= bits * found["beside"]["cycles"] and found["cells"]["mismatches"] == 0
    for key in ("energy_j_per_image", "area_um2"):
        assert found["cells"][key] > found["beside"][key]


def test_memories_without_a_library(tmp_path, capsys):
    assert build(["--layers", "lenet5", "--memory-cells", "--out", str(tmp_path / "build")]) == 2
    assert capsys.readouterr().err.endswith(
        "gen.build: Memories are cells only of a library; name one with --liberty, or leave --memory-cells "
        "out\n")
    assert not (tmp_path / "build").exists()


@pytest.mark.long
@pytest.mark.parametrize("arguments, why", [
    (["--images", "0"], "Images must be 1 at least, not 0"),
    (["--images", "1000"], r"Waves of about [\d,]+ cycles are too long, at most 100,000 can be; ask for"),
    (["--input", "none.npz"], "none.npz"),
    (["--table", "tiny.lib", "--liberty", "tiny.lib"], "tiny.lib"),
])
def test_what_cannot_be_done(built, arguments, why, capsys, monkeypatch, tmp_path):
    folder, cells = built
    shutil.copy(cells, tmp_path / "tiny.lib")
    monkeypatch.chdir(tmp_path)
    status = main([str(folder), "--liberty", str(cells), *arguments])
    error  = capsys.readouterr().err
    assert status != 0 and re.search(why, error) and error.count("\n") == 1


def test_no_cells(tmp_path, capsys, monkeypatch):
    """Where none are named and none are installed, that is said."""
    monkeypatch.setattr("gen.build.find_library", lambda: None)
    assert build(["--layers", "lenet5", "--outputs", "synth", "--out", str(tmp_path / "build")]) != 0
    assert "No standard cells are installed; name a Liberty file with --liberty" in capsys.readouterr().err
    assert not (tmp_path / "build").exists()
