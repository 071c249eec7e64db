import json
import re
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

import sim.run
from gen.build import build_network
from gen.ir import Input, Layer, Network, Normalization, Target, dump, load
from golden.data import gaussian_noise, load_sample
from golden.evaluate import over_passes
from golden.metrics import classification, detection
from golden.random import choices
from sim.design import Design
from sim.run import SimulationError, main


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A network of few channels for images of MNIST, built for three passes."""
    rng = np.random.default_rng(0)
    layers = (Layer("conv", 28, 28, 1, (4, 4), 3, stride=4, pool=2),
              Layer("last", 3, 3, 3, (3, 3), 10))
    network = Network("tiny", Input(28, 28, (128,)), tuple(replace(
        layer,
        arrays=(tuple(int(word) for word in rng.integers(0, 1 << layer.fan_in, layer.outputs)),),
        normalization=Normalization(*map(tuple, rng.uniform(0.5, 2, (6, layer.outputs)).tolist())))
        for layer in layers))
    folder = tmp_path_factory.mktemp("build") / "tiny"
    build_network(network, Target(passes=3, passes_max=4), folder)
    return folder


@pytest.fixture(scope="module")
def simulated(tiny, simulate):
    """The same, with its simulator."""
    images, _ = load_sample()
    simulate(tiny, images[:1])
    return tiny


def run(capsys, *arguments):
    status = main(list(map(str, arguments)))
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if not re.match(r"\[\d+/\d+\] ", line)]
    return status, captured.out, lines


def fails(capsys, *arguments):
    """Run the command, which must fail in one line; return the line."""
    status, out, lines = run(capsys, *arguments)
    assert (status, out, len(lines)) == (2, "", 1), lines
    return lines[0]


def test_command(simulated, capsys):
    status, out, lines = run(capsys, simulated, "--images", 40, "--maps")
    assert (status, lines) == (0, [])
    report = json.loads((simulated / "report" / "rtlsim_performance.json").read_text())
    assert (report["source"], report["status"]) == ("simulated", "run")
    assert (report["images"], report["passes"], report["schedule"]) == (40, 3, "shared")
    assert report["bit_exact"] is True
    assert report["interval_cycles"] == 784
    assert not report["alarm"]
    assert {line.split()[0] for line in out.splitlines()} == {
        name for name, value in report.items() if value != {}}
    assert not list((simulated / "report").glob("*.tmp"))


@pytest.mark.parametrize("outside", [["gaussian", "noisy-mnist"], ["gaussian", "noisy-mnist", "all"]])
def test_outside(simulated, capsys, monkeypatch, tmp_path, outside):
    """Figures of sets that need no data folder, and why there are none of the others."""
    monkeypatch.delenv("SPINCIM_DATA", raising=False)
    out = tmp_path / "below" / "run_tiny.json"
    options = [word for name in outside for word in ("--outside", name)]

    status, _, lines = run(capsys, simulated, "--images", 30, *options, "--verification", out)

    assert (status, lines) == (0, [])
    report = json.loads(out.read_text())
    assert (report["target"], report["status"]) == ("testset", "run")
    assert report["command"] == " ".join(
        ["python -m sim.run", str(simulated), "--images 30", *options, "--verification", str(out)])
    assert report["shards"] == 3 and report["mismatches"] == 0
    for name in ("gaussian", "noisy-mnist"):
        figures = report["outside"].pop(name)
        assert figures.pop("status") == "run" and figures.pop("images") == 30
        assert set(figures) == {"ood/AUROC", "ood/AUPR", "ood/FPR95", "quantile/flagged"}
        assert all(0 <= value <= 1 for value in figures.values())
    reason = ("No data folder is given; name one with --data DIR or SPINCIM_DATA=DIR, or make one with: "
              "python -m golden.data fetch DIR")
    assert report["outside"] == ({name: {"status": "not_run", "reason": reason} for name in (
        "fashion-mnist", "notmnist")} if "all" in outside else {})


def test_missing_set_that_is_named(tiny, capsys, monkeypatch):
    monkeypatch.delenv("SPINCIM_DATA", raising=False)
    assert fails(capsys, tiny, "--outside", "all", "--outside", "notmnist").startswith(
        "sim.run: No data folder is given; ")


def test_figures_are_those_of_the_golden_model(simulated, simulate):
    """Every bit is equal, so the golden model gives the same figures from the images alone."""
    images, labels = load_sample()
    network = load((simulated / "ir.json").read_text())
    noise = gaussian_noise(60)
    drawn = choices(network.generator, 160, 3)
    inside, outside = over_passes(network, images[:100], drawn[:100]), over_passes(
        network, noise, drawn[100:])

    report = simulate(simulated, images[:100], labels[:100], outside={"gaussian": noise}, size=17)

    figures = report["outside"]["gaussian"]
    assert {name: figures[name] for name in detection(inside.entropy, outside.entropy)} == (
        detection(inside.entropy, outside.entropy))
    assert figures["quantile/flagged"] == outside.flagged.mean()
    assert report["quantile/flagged"] == inside.flagged.mean()
    assert {name: report[name] for name in classification(inside.mean, labels[:100])} == (
        classification(inside.mean, labels[:100]))


def test_command_from_another_folder(simulated, capsys, monkeypatch):
    """The folder of a design is named from where the command runs, as in the README."""
    monkeypatch.chdir(simulated.parent)

    status, out, lines = run(capsys, simulated.name, "--images", 2)

    assert (status, lines) == (0, [])
    assert re.search(r"^bit_exact +True$", out, re.M)


@pytest.fixture
def tampered(simulated, tmp_path):
    """A copy whose golden model is another than what was built."""
    folder = tmp_path / "tampered"
    shutil.copytree(simulated, folder)

    def tamper(index, **changes):
        network = load((folder / "ir.json").read_text())
        layer = network.layers[index]
        banks = tuple(replace(bank, **{name: change(getattr(bank, name))
                                       for name, change in changes.items()}) for bank in layer.banks)
        layers = list(network.layers)
        layers[index] = replace(layer, banks=banks)
        (folder / "ir.json").write_text(dump(replace(network, layers=tuple(layers))))
        return folder

    return tamper


@pytest.mark.parametrize("index, changes", [
    (1, {"offset": lambda old: (old[0] + 200, *old[1:])}),
    (0, {"invert": lambda old: (1 - old[0], *old[1:])}),
])
def test_wrong_golden_model_is_found(tampered, capsys, index, changes):
    folder = tampered(index, **changes)
    status, out, _ = run(capsys, folder, "--images", 20, "--maps")
    report = json.loads((folder / "report" / "rtlsim_performance.json").read_text())
    assert status == 1
    assert report["bit_exact"] is False
    assert report["mismatches"] > 0 and report["map_mismatches"] > 0


def test_maps_find_what_results_hide(tampered, capsys):
    """A channel that is constant in the golden model changes maps, whatever the results."""
    folder = tampered(0, threshold=lambda old: (0, *old[1:]))
    status, _, _ = run(capsys, folder, "--images", 20, "--maps")
    report = json.loads((folder / "report" / "rtlsim_performance.json").read_text())
    assert status == 1 and report["map_mismatches"] > 0


def test_other_seed_is_found(simulated, tmp_path, capsys):
    """Random bits of another stream are not those that were drawn."""
    folder = tmp_path / "seed"
    shutil.copytree(simulated, folder)
    network = load((folder / "ir.json").read_text())
    (folder / "ir.json").write_text(dump(replace(
        network, generator=replace(network.generator, seeds=(2,)))))
    assert run(capsys, folder, "--images", 40)[0] == 1


def test_missing_folder(tmp_path, capsys):
    assert fails(capsys, tmp_path / "nowhere") == (
        f"sim.run: Folder {tmp_path}/nowhere has no manifest.json; "
        f"make it with: python -m gen.build --layers lenet5")


def test_missing_network(tiny, tmp_path, capsys):
    shutil.copy(tiny / "manifest.json", tmp_path)
    assert fails(capsys, tmp_path) == (
        f"sim.run: Folder {tmp_path} has no ir.json; "
        f"make it with: python -m gen.build --layers lenet5")


@pytest.mark.parametrize("text, message", [
    ("no JSON", "cannot be read (Expecting value: line 1 column 1 (char 0))"),
    ("{}", "lacks 'top'"),
    ('{"top": "accelerator"}', "lacks 'pixels'"),
])
def test_damaged_manifest(tiny, tmp_path, capsys, text, message):
    (tmp_path / "ir.json").touch()
    (tmp_path / "manifest.json").write_text(text)
    assert fails(capsys, tmp_path) == (f"sim.run: Manifest of {tmp_path} {message}; "
                                       f"make it with: python -m gen.build --layers lenet5")


@pytest.mark.parametrize("arguments, message", [
    (["--passes", "0"], "Passes must be from 1 to 4 (T_max of this build), not 0"),
    (["--passes", "5"], "Passes must be from 1 to 4 (T_max of this build), not 5"),
    (["--images", "0"], "Images must be from 1 to 1000, not 0; the whole test set needs --data"),
    (["--images", "1001"],
     "Images must be from 1 to 1000, not 1001; the whole test set needs --data"),
    (["--duty", "0"], "Duty must be above 0 and at most 1, not 0.0"),
    (["--duty", "1.5"], "Duty must be above 0 and at most 1, not 1.5"),
    (["--duty", "nan"], "Duty must be above 0 and at most 1, not nan"),
    (["--jobs", "0"], "Jobs must be at least 1, not 0"),
    (["--waves", "--coverage"], "Waves and coverage take different simulators; ask for one of them"),
    (["--data", "/nowhere"], "Data folder /nowhere does not exist; make one with: "
                             "python -m golden.data fetch DIR"),
])
def test_wrong_argument(tiny, capsys, arguments, message):
    assert fails(capsys, tiny, *arguments) == f"sim.run: {message}"


def test_images_of_another_size(tiny):
    with pytest.raises(SimulationError, match="^Images must be 28 x 28, not 27 x 28$"):
        sim.run.simulate(tiny, np.zeros((1, 27, 28), np.uint8))


def test_broken_verilog(tiny, tmp_path, capsys):
    folder = tmp_path / "broken"
    shutil.copytree(tiny, folder, ignore=shutil.ignore_patterns("sim_build"))
    (folder / "rtl" / "accelerator.v").write_text("module accelerator(; endmodule")
    assert fails(capsys, folder) == (
        f"sim.run: Verilator failed; see {folder}/sim_build/build.log")


def test_design_that_hangs(simulated, capsys, monkeypatch):
    """Here it is not given the cycles that it needs: the harness gives up and says when. That is not kept
    for a result."""
    monkeypatch.setattr(sim.run, "_cycle_limit", lambda *args: 300)
    for _ in range(2):
        line = fails(capsys, simulated, "--images", 2)
        assert re.fullmatch(rf"sim\.run: Design in {simulated} gave no result for 300 cycles \(at cycle "
                            r"3\d\d\); look at the waves with --waves", line)


@pytest.mark.parametrize("package", ["verilator", "cocotb_tools"])
def test_missing_simulator(tiny, tmp_path, capsys, monkeypatch, package):
    folder = tmp_path / "tiny"
    shutil.copytree(tiny, folder, ignore=shutil.ignore_patterns("sim_build"))
    monkeypatch.setitem(sys.modules, package, None)
    line = fails(capsys, folder)
    assert line == (f"sim.run: Package {package!r} is not installed; install it with: "
                    f"pip install -e '.[sim]'")


def test_missing_compiler(tiny, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "tiny"
    shutil.copytree(tiny, folder, ignore=shutil.ignore_patterns("sim_build"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fails(capsys, folder) == (
        "sim.run: Program 'c++' is not installed; on Debian, install it with: apt-get install g++ "
        "make perl")


def test_pins_come_from_the_manifest(tiny, random_network, tmp_path):
    assert list(Design(tiny).pins()) == []
    network = random_network(3, hidden=0)
    build_network(network, Target(rng="mtj", mtj_currents=(7,), mtj_bits=6, view="macro",
                                  array_rows=32), tmp_path / "out")
    pins = {name: (width, driven) for name, width, driven in Design(tmp_path / "out").pins()}
    assert {name: pins[name] for name in pins if name.startswith("mtj")} == {
        "mtj__set": (1, False), "mtj__read": (1, False), "mtj__reset": (1, False),
        "mtj__current": (6, False), "mtj__sense": (1, True)}
    assert any(re.fullmatch(r"last__\d+__codes", name) and driven
               for name, (_, driven) in pins.items())
