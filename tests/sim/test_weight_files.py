"""Designs whose weights are in files beside the Verilog."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from gen.build import build_network
from gen.ir import Input, Layer, Network, Normalization, Target
from gen.methods import choose
from sim.bit_flips import inject
from sim.coverage import Coverage
from sim.design import Design, DesignError


@pytest.fixture(scope="module")
def chosen(random_spinbayes, weights_in_files, tmp_path_factory):
    """A design of arrays to choose from, of binary and of other weights, all in files of several row tiles;
    and images."""
    network = random_spinbayes(14, 2)
    folder  = tmp_path_factory.mktemp("build") / "a folder"
    columns = max(layer.columns_per_weight for layer in network.layers)
    with weights_in_files():
        build_network(network, Target(array_rows=16, array_columns=columns, passes=5, passes_max=8,
                                      interval=100_000), folder)
    return folder, np.random.default_rng(0).integers(
        0, 256, (6, network.input.height, network.input.width), dtype=np.uint8)


@pytest.fixture(scope="module")
def dropout(weights_in_files, tmp_path_factory):
    """A protected design with weights in files in its first layer, and in logic in its last; and images."""
    rng = np.random.default_rng(0)
    layers = (Layer("wide", 8, 8, 1, (4, 4), 20, stride=4), Layer("last", 2, 2, 20, (2, 2), 3))
    network = choose(Network("network", Input(8, 8, (128,)), tuple(replace(
        layer,
        arrays=(tuple(int(word) for word in rng.integers(0, 1 << min(62, layer.fan_in), layer.outputs)),),
        normalizations=(dropped_and_kept(rng.uniform(0.5, 2, (6, layer.outputs)).tolist()),))
        for layer in layers)), "scale-dropout")
    folder = tmp_path_factory.mktemp("build") / "dropout"
    with weights_in_files():
        build_network(network, Target(array_rows=24, passes=5, passes_max=8, interval=100_000,
                                      protect=True), folder)
    return folder, rng.integers(0, 256, (6, 8, 8), dtype=np.uint8)


def dropped_and_kept(values):
    """Normalizations with scales of one, and with all ``values``."""
    kept = Normalization(*map(tuple, values))
    return replace(kept, scale=(1.0,) * len(kept.scale)), kept


def files(folder):
    return json.loads((folder / "manifest.json").read_text())["weights"]["files"]


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "other", ignore=shutil.ignore_patterns("sim_*"))


def test_every_bit(chosen, simulate, monkeypatch, tmp_path):
    """From any folder, all that the Verilog answers is right."""
    folder, images = chosen
    assert len(files(folder)) == 6
    monkeypatch.chdir(tmp_path)
    report = simulate(folder, images, maps=True)
    assert report["bit_exact"] and report["map_mismatches"] == 0


def test_coverage_of_what_reads_them(dropout, simulate):
    folder, images = dropout
    coverage = Coverage()
    report = simulate(folder, images, maps=True, coverage=coverage)
    assert report["bit_exact"] and report["map_mismatches"] == 0
    block = coverage.blocks()["weight_memory"]
    assert block["line"]["covered"] == block["line"]["total"] > 0
    assert block["not_covered"] == []


def test_files_are_of_the_build(dropout):
    """The next build replaces them."""
    folder, _ = dropout
    assert files(folder) == ["rtl/wide_weights_0.hex", "rtl/wide_weights_1.hex"]
    assert set(files(folder)) < set(json.loads((folder / "manifest.json").read_text())["files"])


def test_weights_that_are_wrong_are_seen(dropout, simulate, rewrite):
    """As of a build that has gone wrong; and nothing that was kept is taken for the right ones."""
    folder, images = dropout
    name  = files(folder)[1]
    right = (folder / name).read_text()
    wrong = right.translate(str.maketrans("0123456789abcdef", "fedcba9876543210"))
    for text, equal in ((wrong, False), (right, True)):
        assert simulate(rewrite(folder, {name: text}), images, coverage=Coverage())["bit_exact"] == equal


def test_missing_file(dropout, tmp_path):
    folder = copied(dropout[0], tmp_path)
    (folder / "rtl" / "wide_weights_1.hex").unlink()
    with pytest.raises(DesignError) as error:
        Design(folder)
    assert str(error.value) == (f"Folder {folder} has no rtl/wide_weights_1.hex that can be read (No such "
                                "file or directory); make one with: python -m gen.build --layers NETWORK "
                                "--out DIR")


def test_flipped_bits_of_files_are_seen(dropout, monkeypatch, tmp_path):
    """Bits of the files flip like any others, with those of parity, and none does so in silence."""
    folder, images = dropout
    monkeypatch.chdir(tmp_path)
    weights = inject(folder, images[:3], flips=60)["classes"]["weights"]
    assert weights["bits"] == 2 * 20 * (8 + 1) # of two row tiles of eight rows
    assert weights["detected"] + weights["flagged"] > 0
    assert weights["silent"] == weights["hang"] == 0
