# amaranth: UnusedElaboratable=no
"""Designs with their arrays at the pins, where models stand whose cells are the memory images."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gen.build import build_network
from gen.ir import Target
from golden.device.junction import write_codes
from sim.design import Design, DesignError
from sim.verilator.simulator import SimulatorFailed
from tests.images import images_for


@pytest.fixture(scope="module")
def make(random_network, random_spinbayes, tmp_path_factory):
    """A function that builds a random network with small arrays; it returns the folder, and images."""
    def make(method, seed, hidden=2, **options):
        network = {"scale-dropout": random_network, "spinbayes": random_spinbayes}[method](seed, hidden)
        columns = max(8, *(layer.columns_per_weight for layer in network.layers))
        target  = Target(array_rows=16, array_columns=columns, passes=5, passes_max=8, view="macro")
        folder  = tmp_path_factory.mktemp("macro") / "network"
        build_network(network, replace(target, **options), folder)
        return folder, images_for(network, 6)

    return make


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def folded(make):
    """Tiles of several row and column groups, and a slow macro."""
    return make("scale-dropout", 5, array_ns=40.0, interval=2000, protect=True)


@pytest.mark.long
def test_folded(folded, check_maps):
    folder, _ = folded
    layers = manifest(folder)["arrays"].values()
    assert all(layer["latency_cycles"] == 5 for layer in layers)
    assert max(image["tile"] for layer in layers for image in layer["images"]) > 0
    for duty in (1.0, 0.5):
        check_maps(folder, 6, duty=duty)


@pytest.mark.long
def test_slowest_array(make, simulate):
    """The longest read that a target may have: Verilator does not unroll that many cycles."""
    folder, images = make("scale-dropout", 5, hidden=0, array_ns=1024 * 8.0)
    assert all(layer["latency_cycles"] == 1024 for layer in manifest(folder)["arrays"].values())
    assert simulate(folder, images[:2])["bit_exact"]


@pytest.mark.long
def test_arrays_to_choose_from(make, check_maps):
    folder, _ = make("spinbayes", 6, array_ns=8.0, rng="mtj", **write_codes((0.5,) * 6, Target()))
    layers = manifest(folder)["arrays"].values()
    assert [layer["latency_cycles"] for layer in layers] == [1] * 3
    assert [max(image["crossbar"] for image in layer["images"]) for layer in layers] == [1, 3, 7]
    assert all(layer["weight_bits"] > 1 for layer in layers)
    for duty in (1.0, 0.5):
        check_maps(folder, 6, duty=duty)


def test_cells_that_are_wrong_are_seen(folded, simulate, rewrite):
    """The models read what is written into the arrays, and nothing else."""
    folder, images = folded
    name  = manifest(folder)["arrays"]["layer_last"]["images"][0]["file"]
    right = (folder / name).read_text()
    wrong = right.translate(str.maketrans("0123456789abcdef", "fedcba9876543210"))
    for text, equal in ((wrong, False), (right, True)):
        assert simulate(rewrite(folder, {name: text}), images)["bit_exact"] == equal


@pytest.mark.long
def test_codes_hold_for_one_cycle(folded, simulate, rewrite, copied):
    """A macro that answers in another cycle than the design expects is not got away with."""
    folder, images = folded
    other = copied(folder)
    arrays = manifest(folder)["arrays"]
    arrays["layer_last"]["latency_cycles"] += 1
    assert not simulate(rewrite(other, arrays=arrays), images)["bit_exact"]


@pytest.mark.long
def test_active_rows_are_there(folded, simulate, rewrite, copied):
    """An array with a row less than the design has active stops the simulation, which says why."""
    folder, images = folded
    other    = copied(folder)
    contents = manifest(folder)
    image    = contents["arrays"]["layer_last"]["images"][0]
    first, last = image["inputs"]
    image["inputs"] = [first, last - 1]
    text = "".join((other / image["file"]).read_text().splitlines(keepends=True)[:2 * (last - first)])
    rewrite(other, {image["file"]: text}, arrays=contents["arrays"])
    with pytest.raises(SimulatorFailed, match=r"^Simulation failed \(exit status .*\); see ") as raised:
        simulate(other, images)
    log = Path(str(raised.value).partition("see ")[2])
    assert f"Error: rows are active of which an array holds {last - first} only: " in log.read_text()


def test_missing_image(folded, copied):
    folder, _ = folded
    other = copied(folder)
    name  = manifest(folder)["arrays"]["layer_last"]["images"][0]["file"]
    (other / name).unlink()
    with pytest.raises(DesignError, match=re.escape(
            f"Folder {other} has no {name} that can be read (No such file or directory); make one with: ")):
        Design(other)


@pytest.mark.long
def test_any_folder(make, check_maps, tmp_path):
    """A folder of any name: none of it is seen by make, which splits paths, by Verilog or by a shell."""
    built, _ = make("scale-dropout", 4, hidden=0)
    folder = tmp_path / "my designs, 'é' \"$x\" \\n #1 %d;&(:) {} *" / ("long" * 60) / ("long" * 60) / "x"
    shutil.copytree(built, folder, ignore=shutil.ignore_patterns("sim_*"))
    check_maps(folder, 6)
