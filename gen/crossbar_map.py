"""Report which array holds which weights."""

import itertools

from gen.ir import Network, Target


__all__ = ["crossbar_map"]


#: Arrays that a paper assumes for LeNet-5 with Scale-Dropout; it does not say how its layers share
#: them. SpinBayes states no number.
QUOTED_ARRAYS = {
    "value": 10,
    "network": "LeNet-5",
    "array_rows": 256,
    "array_columns": 256,
    "source": "quoted: Scale-Dropout, VII-C",
}


def crossbar_map(network: Network, target: Target) -> dict:
    """Return the arrays of ``network`` and how full they are, for ``report/crossbar_map.json``.

    Each array has its ``layer``, the ``crossbar`` of it that it belongs to (from 0, where the choice is
    an array), its ``array`` number (counted through the network), the ``rows`` and ``columns`` of the
    array that are in use, the ``inputs`` and ``outputs`` of the layer that they hold, all as
    ``[first, last]``, and its ``cells_used``, ``cells_total`` and ``fill``, a fraction.

    A binary weight of input i and output j of a tile takes two complementary cells, rows 2 i and
    2 i + 1 of column j. One of more bits takes, in row i, the C columns from C j on
    (:attr:`gen.ir.Layer.columns_per_weight`): those of its positive bit lines, then of its negative.

    Raises
    ------
    ValueError
        If a layer has no tiles.
    """
    cells_total = target.array_rows * target.array_columns
    arrays, weights = [], 0
    for layer in network.layers:
        if not layer.tiles:
            raise ValueError(f"Layer {layer.name!r} has no tiles; compile the network first")
        weights += layer.crossbars * layer.fan_in * layer.outputs
        for crossbar, tile in itertools.product(range(layer.crossbars), layer.tiles):
            rows = layer.rows_per_weight * len(tile.rows)
            columns = layer.columns_per_weight * len(tile.columns)
            arrays.append({
                "layer": layer.name,
                "crossbar": crossbar,
                "array": len(arrays),
                "rows": [0, rows - 1],
                "columns": [0, columns - 1],
                "inputs": [tile.rows.start, tile.rows.stop - 1],
                "outputs": [tile.columns.start, tile.columns.stop - 1],
                "cells_used": rows * columns,
                "cells_total": cells_total,
                "fill": rows * columns / cells_total,
            })
    cells_used = sum(array["cells_used"] for array in arrays)
    return {
        "source": "estimate",
        "status": "run",
        "network": network.name,
        "array_rows": target.array_rows,
        "array_columns": target.array_columns,
        "arrays": arrays,
        "total": {
            "arrays": len(arrays),
            "weights": weights,
            "cells_used": cells_used,
            "cells_total": len(arrays) * cells_total,
            "fill": cells_used / (len(arrays) * cells_total),
        },
        "quoted_arrays": QUOTED_ARRAYS,
    }
