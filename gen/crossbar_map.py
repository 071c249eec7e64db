"""Report which array holds which weights."""

from gen.ir import Network, Target


__all__ = ["crossbar_map"]


#: Arrays that the paper assumes for LeNet-5; it does not say how its layers share them.
QUOTED_ARRAYS = {
    "value": 10,
    "network": "LeNet-5",
    "array_rows": 256,
    "array_columns": 256,
    "source": "quoted: Scale-Dropout, VII-C",
}


def crossbar_map(network: Network, target: Target) -> dict:
    """Return the arrays of ``network`` and how full they are, for ``report/crossbar_map.json``.

    Each array has its ``layer``, its ``array`` number (counted through the network), the ``rows``
    and ``columns`` of the array that are in use, the ``inputs`` and ``outputs`` of the layer that
    they hold, all as ``[first, last]``, and its ``cells_used``, ``cells_total`` and ``fill``, a
    fraction. A weight of input i and output j of a tile takes two complementary cells, rows 2 i
    and 2 i + 1 of column j.

    Raises
    ------
    ValueError
        If a layer has no tiles.
    """
    cells_total = target.array_rows * target.array_columns
    arrays = []
    for layer in network.layers:
        if not layer.tiles:
            raise ValueError(f"Layer {layer.name!r} has no tiles; compile the network first")
        for tile in layer.tiles:
            cells_used = 2 * len(tile.rows) * len(tile.columns)
            arrays.append({
                "layer": layer.name,
                "array": len(arrays),
                "rows": [0, 2 * len(tile.rows) - 1],
                "columns": [0, len(tile.columns) - 1],
                "inputs": [tile.rows.start, tile.rows.stop - 1],
                "outputs": [tile.columns.start, tile.columns.stop - 1],
                "cells_used": cells_used,
                "cells_total": cells_total,
                "fill": cells_used / cells_total,
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
            "weights": cells_used // 2,
            "cells_used": cells_used,
            "cells_total": len(arrays) * cells_total,
            "fill": cells_used / (len(arrays) * cells_total),
        },
        "quoted_arrays": QUOTED_ARRAYS,
    }
