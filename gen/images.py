"""Memory images: the contents of the arrays and of the scale memories of a chip."""

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
    """Return the entry ``arrays`` of the manifest, from which a test bench emulates the arrays.

    By the name of the block of a layer it has how the row tiles of the layer are read
    (:class:`hdl.layer.array.ArrayGeometry`; ``rows`` are the inputs of a row tile), the cycles from a read
    to its codes, and ``images``: for each array the file in ``rtl/`` (:func:`write_images`), the
    ``crossbar`` and row ``tile`` of the array, and the ``inputs`` and ``outputs`` of the layer whose
    weights the array holds, as ``[first, last]``.
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
    """Return the entry ``weights`` of the manifest: the ``files`` from which the Verilog reads weights, and
    the Verilog ``macro`` that must be the path of their folder, ``rtl/``
    (:class:`hdl.layer.weight_memory.WeightMemory`)."""
    return {"macro": WeightMemory.MACRO,
            "files": [f"rtl/{file}" for engine in accelerator.engines for file in engine.crossbar.files]}


def write_images(network: Network, accelerator: Accelerator, directory: Path):
    """Write ``<layer>_array_<n>.hex`` per array, ``<layer>_scales.hex`` per layer, and for emulated arrays
    of a large network the files of :func:`weight_files`; ``<layer>`` is the
    :func:`gen.names.identifier` of the layer.

    The arrays of a layer are numbered tile by tile, those of crossbar 0 first.
    A line of an array is one row of cells, column 0 in the least significant digit:

    - With binary weights a cell is a bit, 1 for the state of low resistance; input ``i`` of the tile
      has row ``2 i`` for its word line and row ``2 i + 1`` for the complementary one, which holds the
      complement (Scale-Dropout, Fig. 3).
    - With weights of more bits a cell is a hexadecimal digit, the number of its junctions that are
      parallel, 0 to 4 (SpinBayes, 3.4). Output ``j`` of the tile has the columns of its positive bit
      lines, then as many of its negative bit lines; a magnitude is divided among the cells of its sign as
      evenly as can be, and the first cells get the remainder.

    A line of scales is a row of :class:`hdl.layer.scale_mux.ScaleMux`; of inverted normalization those of
    gains, then those of offsets (:class:`hdl.layer.instance_norm.InstanceNorm`). A line of
    ``<layer>_weights_<row tile>.hex`` a word of :class:`hdl.layer.array.EmulatedArray`. All files have the
    format of ``$readmemh``.
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
        (directory / f"{identifier(layer.name)}_scales.hex").write_text("".join(
            f"{row:0{-(-mux.row_width // 4)}x}\n" for mux in engine.muxes for row in mux.rows()))


def _arrays(layer):
    """Yield file, crossbar and tile of each array of ``layer``."""
    for number, (crossbar, tile) in enumerate(itertools.product(range(layer.crossbars), layer.tiles)):
        yield f"{identifier(layer.name)}_array_{number}.hex", crossbar, tile


def _binary_rows(weights):
    """Return the lines of an array of binary ``weights``, int (inputs, outputs), as characters
    (lines, digits)."""
    return _digits(np.stack([weights > 0, weights <= 0], axis=1).reshape(-1, weights.shape[1]))


def _words(crossbar, weights, tile):
    """Return the lines of row tile ``tile`` of a crossbar with ``weights``, int (outputs, inputs), as
    characters (lines, digits): the words of :meth:`hdl.layer.array.EmulatedArray.words`, with their parity
    if the crossbar is protected."""
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
    """Return rows of bits as hexadecimal characters (rows, digits); the first bit is the least
    significant."""
    count  = -(-rows.shape[1] // 4)
    packed = np.packbits(rows, axis=1, bitorder="little")[:, ::-1]
    return np.frombuffer(packed.tobytes().hex().encode(), np.uint8).reshape(len(rows), -1)[:, -count:]


def _multilevel_rows(weights, cells):
    sides = np.stack([np.maximum(weights, 0), np.maximum(-weights, 0)], axis=-1)
    levels = sides[..., None] // cells + (np.arange(cells) < sides[..., None] % cells)
    assert levels.max() <= JUNCTIONS
    return (levels.reshape(len(weights), -1)[:, ::-1] + ord("0")).astype(np.uint8)


def _write(path, digits, more=False):
    """Write characters (lines, digits) to a file, or append them if these are ``more`` of its lines."""
    with path.open("ab" if more else "wb") as file:
        file.write(np.pad(digits, ((0, 0), (0, 1)), constant_values=ord("\n")).tobytes())
