"""Read a checkpoint: the float parameters of a trained network, as one ``.npz`` without pickles.

Per layer, by name, with ``C`` output channels, fan-in ``F`` and ``N`` arrays:

===================  =================================================================
``<layer>.weight``   int8 ``(C, F)``, or ``(N, C, F)`` where there are several arrays;
                     inputs in raster order of the kernel with the channel fastest
                     (:mod:`gen.ir`). Each -1 or +1, or with weights of Q bits a
                     number from -W to W, which stands for its part of
                     ``W = 2 ** (Q - 1) - 1`` (SpinBayes, eq. 3)
``<layer>.bias``     float64 ``(C,)``
``<layer>.scale``    float64 ``(C,)``, alpha; of one array only
``<layer>.gamma``    float64 ``(C,)``, of the batch normalization, as all below
``<layer>.beta``     float64 ``(C,)``
``<layer>.mean``     float64 ``(C,)``
``<layer>.variance`` float64 ``(C,)``, without epsilon
``<layer>.epsilon``  float64 ``()``
``<layer>.dropout``  float64 ``()``, probability p that the scale is dropped to one;
                     of one array only
``thresholds``       int64, of the pixels, channel by channel
``weight_bits``      int64 ``()``, Q; of several arrays only
``network``          the name of the network, a string
===================  =================================================================
"""

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from gen.ir import Network, Normalization
from gen.verify import WEIGHT_BITS, check_shapes
from gen.weights import pack


__all__ = ["CheckpointError", "SHIPPED", "read"]


#: Folder of the checkpoints that come with the project, ``<network>.npz``.
SHIPPED = Path(__file__).parent / "checkpoints"


class CheckpointError(Exception):
    """A checkpoint that cannot be used, with the way out in its message."""


def read(path: Path, network: Network) -> Network:
    """Return ``network`` with weights, normalization, dropout and thresholds from ``path``.

    Of more arrays than a layer chooses from, the first are taken. The bits of a weight are those that
    the file was made for.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or made for a network of another shape.
    MalformedNetwork
        If there can be no network of that shape.
    """
    check_shapes(network)
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
        choose_array = layer.crossbars > 1
        if choose_array:
            name = f"{layer.name}.weight"
            if name in arrays and arrays[name].ndim == 3:
                if len(arrays[name]) < layer.crossbars:
                    raise CheckpointError(
                        f"Checkpoint {path} has {len(arrays[name])} arrays in layer {layer.name!r}, not "
                        f"{layer.crossbars}; ask for fewer, or make one with: python -m golden.train "
                        f"{network.name} --data DIR --crossbars {layer.crossbars} --out FILE")
                arrays[name] = arrays[name][:layer.crossbars]
            if "weight_bits" in arrays:
                layer = replace(layer, weight_bits=int(take("weight_bits", (), "i")))
                if not 1 <= layer.weight_bits <= WEIGHT_BITS:
                    raise CheckpointError(f"Checkpoint {path} has 'weight_bits' of {layer.weight_bits}, "
                                          f"but they must be from 1 to {WEIGHT_BITS}; {again}")
        weight = take(f"{layer.name}.weight",
                      (layer.crossbars,) * choose_array + (layer.outputs, layer.fan_in), "i")
        weight = weight.astype(np.int64).reshape(layer.crossbars, layer.outputs, layer.fan_in)
        most = 2**(layer.weight_bits - 1) - 1
        if layer.weight_bits == 1 and not (np.abs(weight) == 1).all():
            raise CheckpointError(f"Checkpoint {path} has '{layer.name}.weight' with values other "
                                  f"than -1 and +1; {again}")
        if layer.weight_bits > 1 and np.abs(weight).max() > most:
            raise CheckpointError(f"Checkpoint {path} has '{layer.name}.weight' with values not from "
                                  f"{-most} to {most}; {again}")
        vector = {name: take(f"{layer.name}.{name}", (layer.outputs,))
                  for name in ("bias", "scale", "gamma", "beta", "mean", "variance")
                  if not (choose_array and name == "scale")}
        variance = vector.pop("variance") + take(f"{layer.name}.epsilon", ())
        if not (variance > 0).all():
            raise CheckpointError(f"Checkpoint {path} has '{layer.name}.variance' below zero; {again}")
        vector.setdefault("scale", np.ones(layer.outputs))
        dropout = layer.dropout if choose_array else float(take(f"{layer.name}.dropout", ()))
        if not 0 <= dropout <= 1:
            raise CheckpointError(f"Checkpoint {path} has '{layer.name}.dropout' of {dropout}, which "
                                  f"is no probability; {again}")
        layers.append(replace(
            layer,
            dropout=dropout,
            arrays=tuple(pack(array, layer.weight_bits) for array in weight),
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
