"""Read a checkpoint: the float parameters of a trained network, as one ``.npz`` without pickles.

Per layer, by name, with ``C`` output channels and fan-in ``F``:

===================  =================================================================
``<layer>.weight``   int8 ``(C, F)``, each -1 or +1; inputs in raster order of the
                     kernel with the channel fastest (:mod:`gen.ir`)
``<layer>.bias``     float64 ``(C,)``
``<layer>.scale``    float64 ``(C,)``, alpha
``<layer>.gamma``    float64 ``(C,)``, of the batch normalization, as all below
``<layer>.beta``     float64 ``(C,)``
``<layer>.mean``     float64 ``(C,)``
``<layer>.variance`` float64 ``(C,)``, without epsilon
``<layer>.epsilon``  float64 ``()``
``<layer>.dropout``  float64 ``()``, probability p that the scale is dropped to one
``thresholds``       int64 ``(input channels,)``, of the pixels
``network``          the name of the network, a string
===================  =================================================================
"""

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from gen.ir import Network, Normalization


__all__ = ["CheckpointError", "SHIPPED", "read"]


#: Folder of the checkpoints that come with the project, ``<network>.npz``.
SHIPPED = Path(__file__).parent / "checkpoints"


class CheckpointError(Exception):
    """A checkpoint that cannot be used, with the way out in its message."""


def read(path: Path, network: Network) -> Network:
    """Return ``network`` with weights, normalization, dropout and thresholds from ``path``.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or made for a network of another shape.
    """
    again = f"make it again with: python -m golden.train {network.name} --data DIR"
    try:
        # Not np.load, which takes other files too, and leaves a damaged one open.
        with open(path, "rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise CheckpointError(f"Checkpoint {path} does not exist; {again}") from None
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointError(f"Checkpoint {path} is damaged ({error}); {again}") from None

    def take(name, shape, kind="f"):
        if name not in arrays:
            raise CheckpointError(f"Checkpoint {path} has no {name!r}; {again}")
        array = arrays[name]
        if array.shape != shape:
            raise CheckpointError(f"Checkpoint {path} has {name!r} of shape {array.shape}, but network "
                                  f"{network.name!r} needs {shape}; {again}")
        if array.dtype.kind != kind or not np.isfinite(array).all():
            raise CheckpointError(f"Checkpoint {path} has {name!r} with values that are not finite "
                                  f"numbers of the right type; {again}")
        return array

    layers = []
    for layer in network.layers:
        weight = take(f"{layer.name}.weight", (layer.outputs, layer.fan_in), "i")
        if not (np.abs(weight) == 1).all():
            raise CheckpointError(f"Checkpoint {path} has '{layer.name}.weight' with values other "
                                  f"than -1 and +1; {again}")
        vector = {name: take(f"{layer.name}.{name}", (layer.outputs,))
                  for name in ("bias", "scale", "gamma", "beta", "mean", "variance")}
        variance = vector.pop("variance") + take(f"{layer.name}.epsilon", ())
        if not (variance > 0).all():
            raise CheckpointError(f"Checkpoint {path} has '{layer.name}.variance' below zero; {again}")
        dropout = float(take(f"{layer.name}.dropout", ()))
        if not 0 <= dropout <= 1:
            raise CheckpointError(f"Checkpoint {path} has '{layer.name}.dropout' of {dropout}, which "
                                  f"is no probability; {again}")
        layers.append(replace(
            layer,
            dropout=dropout,
            weights=tuple(int.from_bytes(row.tobytes(), "little")
                          for row in np.packbits(weight > 0, axis=1, bitorder="little")),
            normalization=Normalization(
                deviation=tuple(np.sqrt(variance.astype(np.float64)).tolist()),
                **{name: tuple(array.astype(np.float64).tolist())
                   for name, array in vector.items()})))
    thresholds = take("thresholds", (len(network.input.thresholds),), "i").tolist()
    if not all(1 <= low for low in thresholds) or not all(high <= 255 for high in thresholds) \
            or thresholds != sorted(thresholds):
        raise CheckpointError(f"Checkpoint {path} has 'thresholds' {thresholds}, which must ascend "
                              f"from 1 to 255; {again}")
    return replace(network, layers=tuple(layers),
                   input=replace(network.input, thresholds=tuple(thresholds)))
