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

    A line of scales is one row of :class:`hdl.layer.scale_mux.ScaleMux`. All read as ``$readmemh`` does.
    """
    for layer, engine in zip(network.layers, accelerator.engines, strict=True):
        for name, crossbar, tile in _arrays(layer):
            weights = unpack(layer, crossbar)[tile.columns.start:tile.columns.stop,
                                              tile.rows.start:tile.rows.stop].T
            _write(directory / name, _binary_rows(weights) if layer.weight_bits == 1 else
                   _multilevel_rows(weights, layer.cells_per_side))
        mux = engine.scale_mux
        _write(directory / f"{identifier(layer.name)}_scales.hex",
               [f"{row:0{-(-mux.row_width // 4)}x}" for row in mux.rows()])


def _arrays(layer):
    """Yield file, crossbar and tile of each array of ``layer``."""
    for number, (crossbar, tile) in enumerate(itertools.product(range(layer.crossbars), layer.tiles)):
        yield f"{identifier(layer.name)}_array_{number}.hex", crossbar, tile


def _binary_rows(weights):
    """Lines of the cells of ``weights``, int (inputs, outputs)."""
    cells  = np.stack([weights > 0, weights <= 0], axis=1).reshape(-1, weights.shape[1])
    packed = np.packbits(cells, axis=1, bitorder="little")[:, ::-1]
    digits = -(-weights.shape[1] // 4)
    return [row.tobytes().hex()[-digits:] for row in packed]


def _multilevel_rows(weights, cells):
    sides = np.stack([np.maximum(weights, 0), np.maximum(-weights, 0)], axis=-1)
    levels = sides[..., None] // cells + (np.arange(cells) < sides[..., None] % cells)
    assert levels.max() <= JUNCTIONS
    digits = (levels.reshape(len(weights), -1)[:, ::-1] + ord("0")).astype(np.uint8)
    return [row.tobytes().decode() for row in digits]


def _write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
