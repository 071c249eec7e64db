"""Memory images: what is written into the arrays and the scale memories of a chip."""

import itertools
from pathlib import Path

import numpy as np

from gen.ir import JUNCTIONS, Network
from gen.names import identifier
from gen.weights import unpack
from hdl.accelerator import Accelerator


__all__ = ["array_images", "write_images"]


def array_images(network: Network, accelerator: Accelerator) -> dict:
    """Return what a bench must know to stand in for the arrays, for the manifest.

    For each layer, by the name of its block, how its row tiles are read
    (:class:`hdl.array.ArrayGeometry`), ``rows`` being the inputs of one, and after how many cycles codes
    come; and in ``images`` of each array the file in ``rtl/`` (:func:`write_images`), its ``crossbar`` and
    row ``tile``, and the ``inputs`` and ``outputs`` of the layer that it holds, as ``[first, last]``.
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


def write_images(network: Network, accelerator: Accelerator, directory: Path):
    """Write ``<layer>_array_<n>.hex`` per array and ``<layer>_scales.hex`` per layer, which is named as
    :func:`gen.names.identifier` has it.

    The arrays of a layer are numbered through its tiles, those of the first crossbar to choose first.
    A line of an array is one row of cells, column 0 in the least significant digit:

    - With binary weights a cell is a bit, 1 for the state of low resistance; input ``i`` of the tile
      has row ``2 i`` for its word line and row ``2 i + 1`` for the complementary one, which holds the
      complement (Scale-Dropout, Fig. 3).
    - With weights of more bits a cell is a hexadecimal digit, the number of its junctions that are
      parallel, 0 to 4 (SpinBayes, 3.4). Output ``j`` of the tile has the columns of its positive bit
      lines, then as many of its negative ones; a magnitude is divided among the cells of its side as
      evenly as can be, the first ones getting what is left over.

    A line of scales is one row of :class:`hdl.scale_mux.ScaleMux`. All read as ``$readmemh`` does.
    """
    for layer, engine in zip(network.layers, accelerator.engines, strict=True):
        for name, crossbar, tile in _arrays(layer):
            weights = unpack(layer, crossbar)[tile.columns.start:tile.columns.stop,
                                              tile.rows.start:tile.rows.stop].T
            rows, digits = _binary_rows(weights) if layer.weight_bits == 1 else (
                _multilevel_rows(weights, layer.cells_per_side))
            _write(directory / name, rows, digits)
        mux = engine.scale_mux
        _write(directory / f"{identifier(layer.name)}_scales.hex", list(mux.rows()), -(-mux.row_width // 4))


def _arrays(layer):
    """Yield file, crossbar and tile of each array of ``layer``."""
    for number, (crossbar, tile) in enumerate(itertools.product(range(layer.crossbars), layer.tiles)):
        yield f"{identifier(layer.name)}_array_{number}.hex", crossbar, tile


def _binary_rows(weights):
    rows = []
    for row in weights.tolist():
        bits = sum(1 << column for column, weight in enumerate(row) if weight > 0)
        rows += [bits, ~bits & (1 << len(row)) - 1]
    return rows, -(-weights.shape[1] // 4)


def _multilevel_rows(weights, cells):
    sides = np.stack([np.maximum(weights, 0), np.maximum(-weights, 0)], axis=-1)
    levels = sides[..., None] // cells + (np.arange(cells) < sides[..., None] % cells)
    assert levels.max() <= JUNCTIONS
    levels = levels.reshape(len(weights), -1)
    return [sum(level << 4 * column for column, level in enumerate(row))
            for row in levels.tolist()], levels.shape[1]


def _write(path, words, digits):
    path.write_text("".join(f"{word:0{digits}x}\n" for word in words))
