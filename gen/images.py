"""Memory images: what is written into the arrays and the scale memories of a chip."""

from pathlib import Path

from gen.ir import Network
from hdl.accelerator import Accelerator


__all__ = ["write_images"]


def write_images(network: Network, accelerator: Accelerator, directory: Path):
    """Write ``<layer>_array_<n>.hex`` per array and ``<layer>_scales.hex`` per layer.

    A line of an array is one row of cells, column 0 in the least significant bit, 1 for the state of
    low resistance; input ``i`` of the tile has row ``2 i`` for its word line and row ``2 i + 1`` for
    the complementary one, which holds the complement (Scale-Dropout, Fig. 3). A line of scales is
    one row of :class:`hdl.scale_mux.ScaleMux`. Both read as ``$readmemh`` does.
    """
    for layer, engine in zip(network.layers, accelerator.engines, strict=True):
        for number, tile in enumerate(layer.tiles):
            columns = [layer.weights[column] for column in tile.columns]
            rows = []
            for row in tile.rows:
                bits = sum((weight >> row & 1) << index for index, weight in enumerate(columns))
                rows += [bits, ~bits & (1 << len(columns)) - 1]
            _write(directory / f"{layer.name}_array_{number}.hex", rows, len(columns))
        mux = engine.scale_mux
        _write(directory / f"{layer.name}_scales.hex", list(mux.rows()), mux.row_width)


def _write(path, words, width):
    path.write_text("".join(f"{word:0{-(-width // 4)}x}\n" for word in words))
