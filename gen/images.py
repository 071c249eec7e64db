"""Memory images: what is written into the arrays and the scale memories of a chip."""

import itertools
import operator
from pathlib import Path

import numpy as np

from gen.ir import JUNCTIONS, Network
from gen.names import identifier
from gen.weights import unpack
from hdl.accelerator import Accelerator
from hdl.layer.weight_memory import WeightMemory


__all__ = ["array_images", "weight_files", "write_images"]


def array_images(network: Network, accelerator: Accelerator) -> dict:
    """Return what a bench must know to stand in for the arrays, for the manifest.

    For each layer, by the name of its block, how its row tiles are read
    (:class:`hdl.layer.array.ArrayGeometry`), ``rows`` being the inputs of one, and after how many cycles
    codes come; and in ``images`` of each array the file in ``rtl/`` (:func:`write_images`), its
    ``crossbar`` and row ``tile``, and the ``inputs`` and ``outputs`` of the layer that it holds, as
    ``[first, last]``.
    """
    arrays = {}
    for layer, name, engine in zip(
            network.layers, accelerator.engine_names, accelerator.engines, strict=True):
        shape = engine.crossbar.geometry
        arrays[name] = {
            "rows": shape.rows,
            "rows_per_read": shape.rows_per_read,
            "columns_per_read": shape.columns_per_read,
            "weight_bits": shape.weight_bits,
            "cells_per_side": layer.cells_per_side,
            "latency_cycles": engine.crossbar.latency,
            "images": [{
                "file": f"rtl/{name}",
                "crossbar": crossbar,
                "tile": tile.rows.start // shape.rows,
                "inputs": [tile.rows.start, tile.rows.stop - 1],
                "outputs": [tile.columns.start, tile.columns.stop - 1],
            } for name, crossbar, tile in _arrays(layer)],
        }
    return arrays


def weight_files(accelerator: Accelerator) -> dict:
    """Return the ``files`` that the Verilog reads weights from, and the ``macro`` that names their folder,
    ``rtl/``, to what reads it, for the manifest; see :class:`hdl.layer.weight_memory.WeightMemory`."""
    return {"macro": WeightMemory.MACRO,
            "files": [f"rtl/{file}" for engine in accelerator.engines for file in engine.crossbar.files]}


def write_images(network: Network, accelerator: Accelerator, directory: Path):
    """Write ``<layer>_array_<n>.hex`` per array and ``<layer>_scales.hex`` per layer, which is named as
    :func:`gen.names.identifier` has it; and what :func:`weight_files` names, for emulated arrays of a large
    network.

    The arrays of a layer are numbered through its tiles, those of the first crossbar to choose first.
    A line of an array is one row of cells, column 0 in the least significant digit:

    - With binary weights a cell is a bit, 1 for the state of low resistance; input ``i`` of the tile
      has row ``2 i`` for its word line and row ``2 i + 1`` for the complementary one, which holds the
      complement (Scale-Dropout, Fig. 3).
    - With weights of more bits a cell is a hexadecimal digit, the number of its junctions that are
      parallel, 0 to 4 (SpinBayes, 3.4). Output ``j`` of the tile has the columns of its positive bit
      lines, then as many of its negative ones; a magnitude is divided among the cells of its side as
      evenly as can be, the first ones getting what is left over.

    A line of scales is one row of :class:`hdl.layer.scale_mux.ScaleMux`, and one of
    ``<layer>_weights_<row tile>.hex`` a word of :class:`hdl.layer.array.EmulatedArray`. All read as
    ``$readmemh`` does.
    """
    for layer, engine in zip(network.layers, accelerator.engines, strict=True):
        for crossbar, arrays in itertools.groupby(_arrays(layer), operator.itemgetter(1)):
            weights = unpack(layer, crossbar)
            for name, _, tile in arrays:
                held = weights[tile.columns.start:tile.columns.stop, tile.rows.start:tile.rows.stop].T
                _write(directory / name, _binary_rows(held) if layer.weight_bits == 1 else
                       _multilevel_rows(held, layer.cells_per_side))
            for tile, file in enumerate(engine.crossbar.files):
                _write(directory / file, _words(engine.crossbar, weights, tile), more=crossbar > 0)
        mux = engine.scale_mux
        (directory / f"{identifier(layer.name)}_scales.hex").write_text(
            "".join(f"{row:0{-(-mux.row_width // 4)}x}\n" for row in mux.rows()))


def _arrays(layer):
    """Yield file, crossbar and tile of each array of ``layer``."""
    for number, (crossbar, tile) in enumerate(itertools.product(range(layer.crossbars), layer.tiles)):
        yield f"{identifier(layer.name)}_array_{number}.hex", crossbar, tile


def _binary_rows(weights):
    """Lines of the cells of ``weights``, int (inputs, outputs), as characters (lines, digits)."""
    return _digits(np.stack([weights > 0, weights <= 0], axis=1).reshape(-1, weights.shape[1]))


def _words(crossbar, weights, tile):
    """Lines of the words of a row tile, of an array with ``weights``, int (outputs, inputs), as
    :meth:`hdl.layer.array.EmulatedArray.words` has them; with their parity."""
    shape  = crossbar.geometry
    bits   = shape.weight_bits
    held   = weights[:, tile * shape.rows:(tile + 1) * shape.rows]
    fields = held[..., None] > 0 if bits == 1 else held[..., None] >> np.arange(bits) & 1
    padded = np.zeros((shape.column_groups * shape.columns_per_read, shape.row_groups * shape.rows_per_read,
                       bits), bool)
    padded[:held.shape[0], :held.shape[1]] = fields
    words = padded.reshape(shape.column_groups, shape.columns_per_read, shape.row_groups, -1)
    words = words.swapaxes(1, 2).reshape(shape.column_groups * shape.row_groups, -1)
    if crossbar.protect:
        words = np.column_stack([words, np.logical_xor.reduce(words, axis=1)])
    return _digits(words)


def _digits(rows):
    """Rows of bits as hexadecimal characters (rows, digits); the first bit is the least significant."""
    count  = -(-rows.shape[1] // 4)
    packed = np.packbits(rows, axis=1, bitorder="little")[:, ::-1]
    return np.frombuffer(packed.tobytes().hex().encode(), np.uint8).reshape(len(rows), -1)[:, -count:]


def _multilevel_rows(weights, cells):
    sides = np.stack([np.maximum(weights, 0), np.maximum(-weights, 0)], axis=-1)
    levels = sides[..., None] // cells + (np.arange(cells) < sides[..., None] % cells)
    assert levels.max() <= JUNCTIONS
    return (levels.reshape(len(weights), -1)[:, ::-1] + ord("0")).astype(np.uint8)


def _write(path, digits, more=False):
    """Write characters (lines, digits), behind those that are there if there are ``more``."""
    with path.open("ab" if more else "wb") as file:
        file.write(np.pad(digits, ((0, 0), (0, 1)), constant_values=ord("\n")).tobytes())
