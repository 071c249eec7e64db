"""Designs whose weights are in files beside the Verilog."""

import json

import pytest

from gen.build import build_network
from gen.checkpoint import with_parameters
from gen.ir import Input, Layer, Network, Target
from gen.methods import choose
from gen.random_parameters import random_parameters
from sim.bit_flips import inject
from sim.coverage import Coverage
from sim.design import Design, DesignError
from tests.images import images_for


@pytest.fixture(scope="module")
def chosen(random_spinbayes, weights_in_files, tmp_path_factory):
    """A design of arrays to choose from, of binary and of other weights, all in files of several row
    tiles."""
    network = random_spinbayes(14, 2)
    folder  = tmp_path_factory.mktemp("build") / "a folder"
    columns = max(layer.columns_per_weight for layer in network.layers)
    with weights_in_files():
        build_network(network, Target(array_rows=16, array_columns=columns, passes=5, passes_max=8,
                                      interval=100_000), folder)
    return folder


@pytest.fixture(scope="module")
def dropout(weights_in_files, tmp_path_factory):
    """A protected design with weights in files in its first layer, and in logic in its last; and images."""
    network = choose(Network("network", Input(8, 8, (128,)), (
        Layer("wide", 8, 8, 1, (4, 4), 20, stride=4), Layer("last", 2, 2, 20, (2, 2), 3))), "scale-dropout")
    network = with_parameters(network, random_parameters(network, 0))
    folder = tmp_path_factory.mktemp("build") / "dropout"
    with weights_in_files():
        build_network(network, Target(array_rows=24, passes=5, passes_max=8, interval=100_000,
                                      protect=True), folder)
    return folder, images_for(network, 6)


def files(folder):
    return json.loads((folder / "manifest.json").read_text())["weights"]["files"]


def test_every_bit(chosen, check_maps, monkeypatch, tmp_path):
    """From any folder, all that the Verilog answers is right."""
    assert len(files(chosen)) == 6
    monkeypatch.chdir(tmp_path)
    check_maps(chosen, 6)


@pytest.mark.long
def test_coverage_of_what_reads_them(dropout, check_maps):
    coverage = Coverage()
    check_maps(dropout[0], 6, coverage=coverage)
    block = coverage.blocks()["weight_memory"]
    assert block["line"]["covered"] == block["line"]["total"] > 0
    assert block["not_covered"] == []


def test_files_are_of_the_build(dropout):
    """The next build replaces them."""
    folder, _ = dropout
    assert files(folder) == ["rtl/wide_weights_0.hex", "rtl/wide_weights_1.hex"]
    assert set(files(folder)) < set(json.loads((folder / "manifest.json").read_text())["files"])


@pytest.mark.long
def test_weights_that_are_wrong_are_seen(dropout, simulate, rewrite):
    """As of a build that has gone wrong; and nothing that was kept is taken for the right ones."""
    folder, images = dropout
    name  = files(folder)[1]
    right = (folder / name).read_text()
    wrong = right.translate(str.maketrans("0123456789abcdef", "fedcba9876543210"))
    for text, equal in ((wrong, False), (right, True)):
        assert simulate(rewrite(folder, {name: text}), images, coverage=Coverage())["bit_exact"] == equal


def test_missing_file(dropout, copied):
    folder = copied(dropout[0])
    (folder / "rtl" / "wide_weights_1.hex").unlink()
    with pytest.raises(DesignError) as error:
        Design(folder)
    assert str(error.value) == (f"Folder {folder} has no rtl/wide_weights_1.hex that can be read (No such "
                                "file or directory); make one with: python -m gen.build --layers NETWORK "
                                "--out DIR")


@pytest.mark.long
def test_flipped_bits_of_files_are_seen(dropout, monkeypatch, tmp_path):
    """Bits of the files flip like any others, with those of parity, and none does so in silence."""
    folder, images = dropout
    monkeypatch.chdir(tmp_path)
    weights = inject(folder, images[:3], flips=60)["classes"]["weights"]
    assert weights["bits"] == 2 * 20 * (8 + 1) # of two row tiles of eight rows
    assert weights["detected"] + weights["flagged"] > 0
    assert weights["silent"] == weights["hang"] == 0
