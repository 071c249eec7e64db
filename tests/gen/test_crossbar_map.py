import json
from dataclasses import replace

import pytest

from gen.checkpoint import read
from gen.compile import compile_network
from gen.crossbar_map import crossbar_map
from gen.ir import Target
from gen.methods import network_of


TARGET = Target()


def test_lenet5(tmp_path, write_checkpoint):
    write_checkpoint(tmp_path / "checkpoint.npz", network_of("lenet5"))
    network = compile_network(read(tmp_path / "checkpoint.npz", network_of("lenet5")), TARGET)
    report = crossbar_map(network, TARGET)
    assert json.loads(json.dumps(report)) == report
    assert [array["layer"] for array in report["arrays"]] == [
        "conv1", "conv2", "conv2", "fc1", "fc1", "fc2", "fc3"]
    assert report["arrays"][2] == {
        "layer": "conv2", "crossbar": 0, "array": 2, "rows": [0, 149], "columns": [0, 15],
        "inputs": [75, 149], "outputs": [0, 15],
        "cells_used": 2 * 75 * 16, "cells_total": 65536, "fill": 2400 / 65536}
    assert report["total"] == {
        "arrays": 7, "weights": 44490, "cells_used": 88980, "cells_total": 7 * 65536,
        "fill": 88980 / (7 * 65536)}
    assert report["quoted_arrays"]["value"] == 10
    assert report["quoted_arrays"]["source"] == "quoted: Scale-Dropout, VII-C"


@pytest.mark.parametrize("seed", range(10))
def test_holds_each_weight(random_network, seed):
    target = Target(array_rows=16, array_columns=3)
    network = compile_network(random_network(seed), target)
    report = crossbar_map(network, target)
    held = {layer.name: set() for layer in network.layers}
    for number, array in enumerate(report["arrays"]):
        assert array["array"] == number
        assert array["rows"][1] < 16 and array["columns"][1] < 3 and 0 < array["fill"] <= 1
        held[array["layer"]] |= {(i, j)
                                 for i in range(array["inputs"][0], array["inputs"][1] + 1)
                                 for j in range(array["outputs"][0], array["outputs"][1] + 1)}
    weights = [layer.fan_in * layer.outputs for layer in network.layers]
    assert list(map(len, held.values())) == weights
    assert report["total"]["weights"] == sum(weights)


def test_spinbayes(tmp_path, write_checkpoint):
    """Eight arrays to choose from; 4 columns by 1 row of cells for a weight of 4 bits."""
    shape = network_of("lenet5_spinbayes")
    write_checkpoint(tmp_path / "checkpoint.npz", shape)
    network = read(tmp_path / "checkpoint.npz", shape)
    slow    = replace(TARGET, interval=100_000)
    report  = crossbar_map(compile_network(network, slow), slow)
    # fc1 has 120 outputs of 4 columns, so it takes two arrays, fc2 as well.
    layers = ["conv1", "conv2", "fc1", "fc1", "fc2", "fc2", "fc3"]
    assert [array["layer"] for array in report["arrays"]] == [
        name for layer in ("conv1", "conv2", "fc1", "fc2", "fc3")
        for name in 8 * [name for name in layers if name == layer]]
    assert report["arrays"][19] == {
        "layer": "fc1", "crossbar": 1, "array": 19, "rows": [0, 255], "columns": [0, 4 * 56 - 1],
        "inputs": [0, 255], "outputs": [64, 119],
        "cells_used": 256 * 224, "cells_total": 65536, "fill": 0.875}
    assert report["total"]["arrays"] == 56
    assert report["total"]["weights"] == 8 * 44490
    assert report["total"]["cells_used"] == 32 * 44490
    # In time, four inputs of the first layer are in an array each.
    spread = crossbar_map(compile_network(network, TARGET), TARGET)
    first  = [array for array in spread["arrays"] if array["layer"] == "conv1"]
    assert len(first) == 8 * 19 and first[18]["rows"] == [0, 2]
    assert all(array["rows"] == [0, 3] and array["inputs"] == [4 * number, 4 * number + 3]
               for number, array in enumerate(first[:18]))
    assert spread["total"]["cells_used"] == 32 * 44490


@pytest.mark.parametrize("seed", range(10))
def test_holds_each_weight_of_each_crossbar(random_spinbayes, seed):
    target = Target(array_rows=16, array_columns=128)
    network = compile_network(random_spinbayes(seed), target)
    report = crossbar_map(network, target)
    for layer in network.layers:
        for crossbar in range(layer.crossbars):
            cells = sum(array["cells_used"] for array in report["arrays"]
                        if (array["layer"], array["crossbar"]) == (layer.name, crossbar))
            assert cells == layer.cells_per_weight * layer.fan_in * layer.outputs
    for array in report["arrays"]:
        assert array["rows"][1] < 16 and array["columns"][1] < 128 and 0 < array["fill"] <= 1


def test_needs_tiles():
    with pytest.raises(ValueError,
                       match="^Layer 'conv1' has no tiles; compile the network first$"):
        crossbar_map(network_of("lenet5"), TARGET)
