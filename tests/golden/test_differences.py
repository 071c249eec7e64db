"""Sums of all maps follow from row updates alone, and these are counted one by one."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from gen.checkpoint import with_parameters
from gen.checkpoint_file import write_file
from gen.compile import compile_network
from gen.ir import Input, Join, Layer, Network, Target
from gen.methods import choose
from gen.options import trained
from gen.progress import Progress
from gen.random_parameters import random_parameters
from golden.data import load_sample
from golden.differences import changed, in_all, main, of_network, referred
from golden.network import evaluated, layer_sums, layer_weights
from golden.random.generator import choices


PASSES = 12


def shipped(name, method):
    return compile_network(trained({"network": name, "method": method}), Target(passes=PASSES))


def masked_groups():
    """A network that masks the channels of a depthwise layer, and of one of two groups."""
    network = choose(Network("groups", Input(7, 6, (128,)), (
        Layer("first", 7, 6, 1, (3, 3), 6), Layer("depthwise", 5, 4, 6, (3, 3), 6, padding=1, groups=6),
        Layer("halves", 5, 4, 6, (2, 2), 4, groups=2), Layer("last", 4, 3, 4, (4, 3), 3))),
        "spatial-spindrop")
    return compile_network(with_parameters(network, random_parameters(network, 3)), Target(passes=PASSES))


def with_images(network, count):
    """``network``, random images for it, and random bits."""
    images = np.random.default_rng(1).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)
    return network, images, choices(network.generator, count, PASSES)


def entering(layer, x, kept):
    """What each row of ``layer`` gets at each position, int (positions, groups, fan-in): of a map (H, W, C)
    and the groups of inputs that are kept; by a loop over positions."""
    rows, columns = layer.padding
    x = np.pad(x.astype(np.int64), ((rows, rows), (columns, columns), (0, 0)))
    found = []
    for row, column in itertools.product(*map(range, layer.positions)):
        top, left = row * layer.stride[0], column * layer.stride[1]
        window = x[top:top + layer.kernel[0], left:left + layer.kernel[1]]
        found.append([window[..., group * layer.group_channels:(group + 1) * layer.group_channels].ravel()
                      for group in range(layer.groups)])
    found = np.array(found)
    if layer.weight_bits == 1:
        found = 2 * found - (2**layer.input_bits - 1)
    if kept is None:
        return found
    # The mask is that of a kernel of all channels.
    mask = kept[np.arange(layer.inputs) % len(kept)].reshape(*layer.kernel, layer.channels)
    return found * np.array([of_group.ravel() for of_group in np.split(mask, layer.groups, axis=-1)])


@pytest.mark.parametrize("make", [
    lambda request: shipped("lenet5", "scale-dropout"), lambda request: shipped("lenet5", "sub-set"),
    lambda request: shipped("lenet5", "spindrop"), lambda request: shipped("lenet5", "spatial-spindrop"),
    lambda request: shipped("lenet5", "scale-dropout-element"), lambda request: shipped("unet", None),
    lambda request: compile_network(request.getfixturevalue("mixed_network")(), Target(passes=PASSES)),
    lambda request: compile_network(request.getfixturevalue("random_spinbayes")(3, 2),
                                    Target(passes=PASSES)),
    lambda request: masked_groups(),
], ids=["scale-dropout", "banks", "masks", "masked channels", "banks of channels", "joins", "mixed",
        "arrays", "masked groups"])
def test_sums_follow_from_row_updates(make, request):
    network, images, bits = with_images(make(request), 2)
    compared = 0
    for node, reference in referred(network, evaluated(network, images, bits)):
        if isinstance(node.node, Join):
            continue
        layer = replace(node.node, pool=(1, 1)) # sums are linear before a pool
        for run, other in enumerate(reference.tolist()):
            (entered, array), kept = node.runs[run], None if node.masks is None else node.masks[[run]]
            sums = layer_sums(layer, node.entering[[entered]], array, kept=kept)[0]
            if other < 0:
                continue
            assert node.runs[other, 1] == array
            kept = None if node.masks is None else node.masks[[other]]
            from_whole = layer_sums(layer, node.entering[node.runs[other, :1]], array, kept=kept)[0]
            now, before = (entering(layer, node.entering[node.runs[each, 0]],
                                    None if node.masks is None else node.masks[each])
                           for each in (run, other))
            rows = changed(node, run, other)
            assert (rows == (now != before)).all()
            weights = sum(layer_weights(layer, each) for each in layer.array_sets[array])
            weights = weights.reshape(layer.groups, layer.group_outputs, layer.fan_in)
            updates = np.einsum("pgf,gof->pgo", np.where(rows, now - before, 0), weights)
            assert (sums == from_whole + updates.reshape(sums.shape)).all()
            compared += 1
    assert compared > 10


@pytest.mark.parametrize("make", [
    lambda request: shipped("lenet5", "scale-dropout"), lambda request: shipped("unet", None),
    lambda request: shipped("lenet5", "spindrop"),
    lambda request: compile_network(request.getfixturevalue("mixed_network")(), Target(passes=PASSES)),
], ids=["scale-dropout", "joins", "masks", "mixed"])
def test_references(make, request):
    """They are of the same image; where one array is read, one run of each image has none; and whoever
    follows them comes to a run that has none."""
    network, images, bits = with_images(make(request), 3)
    places = {}
    for node, reference in referred(network, evaluated(network, images, bits)):
        of_run = np.zeros(len(node.runs), int)
        of_run[node.run[node.place]] = np.repeat(np.arange(len(images)), PASSES)
        assert (of_run[reference] == of_run)[reference >= 0].all()
        for image in range(len(images)):
            alone  = (reference[of_run == image] < 0).sum()
            arrays = 1 if isinstance(node.node, Join) else len(set(node.runs[of_run == image, 1].tolist()))
            assert alone == 1 if arrays == 1 else alone >= arrays
        for run in range(len(reference)):
            seen = set()
            while reference[run] >= 0:
                assert run not in seen
                seen.add(run)
                run = reference[run]
        places[node.node.name] = node.place
    assert len(places) == len(network.layers) + len(network.joins)


def test_counts():
    """Rows and cycles of each layer, by loops over runs, positions and rows."""
    network, images, bits = with_images(shipped("lenet5", "scale-dropout"), 2)
    banks = 16
    rows = {row.layer: row for row in of_network(network, images, PASSES, banks, Progress())}
    for node, reference in referred(network, evaluated(network, images, bits)):
        layer, row = node.node, rows[node.node.name]
        positions = layer.positions[0] * layer.positions[1]
        whole = -(-layer.fan_in // banks)
        updates = cycles = differ = 0
        for run, other in enumerate(reference.tolist()):
            if other < 0:
                updates += positions * layer.fan_in
                cycles  += positions * whole
                continue
            for position in changed(node, run, other)[:, 0]:
                of_bank = [0] * banks
                for number in np.flatnonzero(position):
                    of_bank[number % banks] += 1
                updates += sum(of_bank)
                differ  += sum(of_bank)
                cycles  += max(1, *of_bank)
        assert row.maps * 2 == len(reference) and row.whole * 2 == (reference < 0).sum()
        assert row.products == positions * layer.fan_in * layer.outputs
        assert row.updates * 2 == pytest.approx(updates / (positions * layer.fan_in), rel=1e-12)
        assert row.cycles * 2 == pytest.approx(cycles / (positions * whole), rel=1e-12)
        share = differ / (positions * layer.fan_in) / max(1, (reference >= 0).sum())
        assert row.differs == pytest.approx(share, rel=1e-12)


def test_differences_of_a_trained_network_are_small():
    """All combinations of LeNet-5 cost little more than one pass, where prefixes alone cost 1.7."""
    rows  = of_network(shipped("lenet5", "scale-dropout"), load_sample()[0][:20], 100, 16, Progress())
    total = in_all(rows)
    assert 1.65 < total["maps"] < 1.8
    assert 1 < total["updates"] < 1.05
    assert total["updates"] < total["cycles"] < 1.15


def test_images_of_another_size(tmp_path, capsys):
    network = choose(Network("mine", Input(8, 8, (128,)), (
        Layer("layer", 8, 8, 1, (8, 8), 10),)), "scale-dropout")
    write_file(tmp_path / "mine.npz", network, random_parameters(network, 1))
    assert main([str(tmp_path / "mine.npz")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(
        "golden.differences: Network 'mine' takes images of 8 x 8, and those of MNIST are 28 x 28; ")


def test_more_images_than_there_are(capsys):
    assert main(["lenet5", "--images", "1001"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "golden.differences: Images must be from 1 to 1,000, not 1,001")


def test_command(tmp_path, capsys):
    path = tmp_path / "figures.json"
    assert main(["lenet5", "--images", "3", "--passes", "8", "--json", str(path)]) == 0
    figures = json.loads(path.read_text())
    assert (figures["images"], figures["passes"], figures["banks"]) == (3, 8, 16)
    assert [row["layer"] for row in figures["layers"]] == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "lenet5, 3 images, T = 8; work in that of one pass"
    for row, line in zip(figures["layers"], printed[3:], strict=False):
        assert line.split()[0] == row["layer"] and line.split()[2] == f"{row['maps']:.2f}"
    assert printed[-1].split() == ["all", *(f"{figures['total'][name]:.2f}"
                                            for name in ("maps", "updates", "cycles"))]
