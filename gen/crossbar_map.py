"""The crossbar map: the array, the rows and the columns that hold each weight."""

import itertools

from gen.ir import Network, Target


__all__ = ["crossbar_map"]


#: Arrays that the Scale-Dropout paper assumes for LeNet-5; it does not say how the layers share them. The
#: SpinBayes paper states no number.
PAPER_ARRAYS = {
    "value": 10,
    "network": "LeNet-5",
    "array_rows": 256,
    "array_columns": 256,
    "source": "quoted: Scale-Dropout, VII-C",
}


def crossbar_map(network: Network, target: Target) -> dict:
    """Return the arrays of ``network`` and how full they are, for ``report/crossbar_map.json``.

    Each array has its ``layer``; the number of its ``crossbar``, above 0 only where a layer chooses from
    several; its own number ``array``, counted through the network; the ``rows`` and ``columns`` in use, and
    the ``inputs`` and ``outputs`` of the layer whose weights are there, all as ``[first, last]``; and
    ``cells_used``, ``cells_total`` and their ratio, ``fill``.

    A binary weight of input i and output j of a tile takes two complementary cells, rows 2 i and
    2 i + 1 of column j. A weight of more bits takes, in row i, the C columns from C j on
    (:attr:`gen.ir.Layer.columns_per_weight`): those of its positive bit lines, then those of its negative.

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
        "quoted_arrays": PAPER_ARRAYS,
    }
