# amaranth: UnusedElaboratable=no
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gen.compile import compile_network
from gen.images import array_images, weight_files, write_images
from gen.ir import ArrayChoice, Comparison, Layer, Target, Tile
from gen.lower import lower
from gen.weights import pack
from hdl.checks.parity import with_parity
from hdl.layer.array import EmulatedArray
from hdl.layer.crossbar import Crossbar


TARGET = Target(array_rows=16, array_columns=4)

#: A memory of scales that does not matter.
SCALES = SimpleNamespace(rows=lambda: [1, 2], row_width=3)


@pytest.fixture
def written(random_network, tmp_path):
    network = compile_network(random_network(3, hidden=2), TARGET)
    write_images(network, lower(network, TARGET), tmp_path)
    return network, tmp_path


def read_hex(path):
    return [int(line, 16) for line in path.read_text().splitlines()]


def test_one_file_per_array_and_layer(written):
    network, folder = written
    assert {path.name for path in folder.iterdir()} == {
        name for layer in network.layers for name in (
            f"{layer.name}_scales.hex",
            *(f"{layer.name}_array_{number}.hex" for number in range(len(layer.tiles))))}


@pytest.mark.parametrize("method", ["scale-dropout", "spinbayes"])
def test_images_are_described(random_network, random_spinbayes, tmp_path, method):
    """Together they hold each weight of each array once, and the files have the rows that they should."""
    network = {"scale-dropout": random_network, "spinbayes": random_spinbayes}[method](4, hidden=2)
    target  = replace(TARGET, array_columns=max(8, *(layer.columns_per_weight for layer in network.layers)),
                      view="macro", array_ns=33.0)
    network = compile_network(network, target)
    accelerator = lower(network, target)
    described   = array_images(network, accelerator)
    write_images(network, accelerator, tmp_path)
    for layer in network.layers:
        shape = described[f"layer_{layer.name}"]
        held  = np.zeros((layer.crossbars, layer.fan_in, layer.outputs), int)
        for image in shape["images"]:
            inputs, outputs = (range(first, last + 1)
                               for first, last in (image["inputs"], image["outputs"]))
            held[np.ix_([image["crossbar"]], inputs, outputs)] += 1
            assert {row // shape["rows"] for row in inputs} == {image["tile"]}
            assert len(read_hex(tmp_path / image["file"].removeprefix("rtl/"))) == (
                layer.rows_per_weight * len(inputs))
        assert (held == 1).all()
        assert shape["latency_cycles"] == 5 # 33 ns at 125 MHz
        assert (shape["rows_per_read"], shape["columns_per_read"]) == (
            layer.folding.rows_per_read, layer.folding.columns_per_read)


def test_arrays_hold_weights_and_complements(written):
    """What is read back from all arrays of a layer are its weights."""
    network, folder = written
    for layer in network.layers:
        weights = np.full((layer.fan_in, layer.outputs), -1)
        for number, tile in enumerate(layer.tiles):
            rows = read_hex(folder / f"{layer.name}_array_{number}.hex")
            cells = np.array([[row >> column & 1 for column in range(len(tile.columns))]
                              for row in rows])
            assert (cells[0::2] ^ cells[1::2] == 1).all()
            weights[np.ix_(tile.rows, tile.columns)] = cells[0::2]
        assert weights.tolist() == [[weight >> row & 1 for weight in layer.arrays[0]]
                                    for row in range(layer.fan_in)]


@pytest.mark.parametrize("seed", range(5))
def test_multilevel_cells_hold_weights(random_spinbayes, tmp_path, seed):
    """The levels of all cells of the positive bit lines less those of the negative are the weights of
    each array, no cell has more than four junctions, and those of a side differ by one at most."""
    target = Target(array_rows=16, array_columns=128)
    network = compile_network(random_spinbayes(seed, hidden=2), target)
    engine = SimpleNamespace(muxes=[SCALES], crossbar=SimpleNamespace(files=()))
    write_images(network, SimpleNamespace(engines=[engine] * 3), tmp_path)
    for layer in network.layers:
        arrays = len(layer.tiles) * layer.crossbars
        assert len(list(tmp_path.glob(f"{layer.name}_array_*.hex"))) == arrays
        if layer.weight_bits == 1:
            continue
        for crossbar, columns in enumerate(layer.arrays):
            held = np.full((layer.fan_in, layer.outputs), 99)
            for number, tile in enumerate(layer.tiles, start=crossbar * len(layer.tiles)):
                lines = (tmp_path / f"{layer.name}_array_{number}.hex").read_text().splitlines()
                cells = np.array([[int(digit, 16) for digit in reversed(line)] for line in lines])
                cells = cells.reshape(len(tile.rows), len(tile.columns), 2, -1)
                assert cells.shape[3] == layer.cells_per_side and cells.max() <= 4
                assert np.ptp(cells, axis=3).max() <= 1
                held[np.ix_(tile.rows, tile.columns)] = cells[..., 0, :].sum(-1) - cells[..., 1, :].sum(-1)
            size = 1 << layer.weight_bits
            fields = [[column >> row * layer.weight_bits & size - 1 for column in columns]
                      for row in range(layer.fan_in)]
            assert (held % size).tolist() == fields
            assert abs(held).max() < size // 2


def test_scales_hold_every_word(written):
    network, folder = written
    for layer in network.layers:
        columns = layer.folding.columns_per_read
        if isinstance(layer.banks[0][0], Comparison):
            bits = (layer.fan_in + 1).bit_length()
            words = [[-(-(threshold + layer.fan_in) // 2) | invert << bits for threshold, invert in
                      zip(bank.threshold, bank.invert, strict=True)] for bank in layer.banks[0]]
            width = bits + 1
            rows = read_hex(folder / f"{layer.name}_scales.hex")
            assert len(rows) == layer.folding.column_groups
            for channel in range(layer.outputs):
                for bank in range(2):
                    word = rows[channel // columns] >> (bank * columns + channel % columns) * width
                    assert word & (1 << width) - 1 == words[bank][channel]


def test_lines_have_one_width(written):
    """As ``$readmemh`` expects of a memory that is all filled."""
    _, folder = written
    for path in folder.iterdir():
        assert len({len(line) for line in path.read_text().splitlines()}) == 1


@pytest.mark.parametrize("protect", [False, True])
@pytest.mark.parametrize("fan_in, columns, rows, rows_per_read, columns_per_read, weight_bits, arrays", [
    (20, 40, 10, 10, 1, 1, 1),
    (21, 19, 8, 3, 2, 1, 1),    # the last of everything is short
    (11, 7, 11, 2, 3, 1, 4),
    (21, 19, 8, 3, 2, 4, 1),
    (9, 5, 4, 1, 5, 2, 8),
    (13, 6, 13, 4, 4, 8, 4),
])
def test_words_of_weights(tmp_path, fan_in, columns, rows, rows_per_read, columns_per_read, weight_bits,
                          arrays, protect):
    """The files hold the words of each row tile in the order of their addresses, with their parity."""
    rng  = np.random.default_rng(0)
    most = 2**(weight_bits - 1) - 1
    weights = tuple(pack(
        rng.choice([-1, 1], (columns, fan_in)) if weight_bits == 1 else
        rng.integers(-most, most + 1, (columns, fan_in)), weight_bits) for _ in range(arrays))
    choices = () if arrays == 1 else (ArrayChoice("layer", tuple(range(arrays))),)
    layer = Layer("layer", 1, 1, fan_in, (1, 1), columns, choices=choices, weight_bits=weight_bits,
                  arrays=weights, tiles=(Tile(range(fan_in), range(columns)),))
    crossbar = Crossbar(weights, fan_in, tile_rows=rows, rows_per_read=rows_per_read,
                        columns_per_read=columns_per_read, weight_bits=weight_bits, protect=protect,
                        file="layer_weights")
    engine = SimpleNamespace(crossbar=crossbar, muxes=[SCALES])
    write_images(SimpleNamespace(layers=[layer]), SimpleNamespace(engines=[engine]), tmp_path)

    assert len(crossbar.files) == len(list(tmp_path.glob("layer_weights_*.hex"))) == -(-fan_in // rows)
    width = rows_per_read * columns_per_read * weight_bits
    for tile, file in enumerate(crossbar.files):
        words = EmulatedArray(crossbar.geometry, crossbar.tile_weights(tile)).words()
        assert read_hex(tmp_path / file) == [
            with_parity(word, width) if protect else word for word in words]
        assert {len(line) for line in (tmp_path / file).read_text().splitlines()} == {
            -(-(width + protect) // 4)}


def test_weight_files(random_spinbayes, weights_in_files):
    """Those of each row tile that has a memory; few words are decoded by logic."""
    target = replace(TARGET, array_columns=64, interval=100_000)
    with weights_in_files():
        network     = compile_network(random_spinbayes(14, hidden=2), target)
        accelerator = lower(network, target)
    assert [engine.crossbar.tiles for engine in accelerator.engines] == [2, 1, 3]
    words = [engine.crossbar.geometry.words for engine in accelerator.engines]
    assert weight_files(accelerator) == {"macro": "SPINCIM_RTL", "files": [
        f"rtl/{layer.name}_weights_{tile}.hex" for layer, engine, count in zip(
            network.layers, accelerator.engines, words, strict=True) if count > 16
        for tile in range(engine.crossbar.tiles)]}


def test_no_words_of_weights(random_spinbayes, weights_in_files):
    """Of a network that is small, and of arrays at the pins."""
    target = replace(TARGET, array_columns=64)
    assert weight_files(lower(compile_network(random_spinbayes(14, hidden=2), target), target)) == {
        "macro": "SPINCIM_RTL", "files": []}
    target = replace(target, view="macro")
    with weights_in_files():
        accelerator = lower(compile_network(random_spinbayes(14, hidden=2), target), target)
    assert weight_files(accelerator)["files"] == []
