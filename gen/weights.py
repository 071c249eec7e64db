"""Weights: packing as in :class:`gen.ir.Layer`, unpacking, and whether the Verilog or files hold them."""

import numpy as np

from gen.ir import Layer, Network


__all__ = ["INLINE_BITS", "averaged", "bits_of", "in_files", "of_averages", "pack", "stored_bits", "tied",
           "ungrouped", "unpack"]


#: Bits of the weights of a network up to which the weights of emulated arrays are in the Verilog: more than
#: any network of the project has. Yosys and Verilator take long for each bit of weights in the Verilog.
INLINE_BITS = 2**21


def stored_bits(network: Network) -> int:
    """Return the bits of all weights of ``network``."""
    return sum(layer.crossbars * layer.fan_in * layer.outputs * layer.weight_bits
               for layer in network.layers)


def in_files(network: Network) -> bool:
    """Return whether the weights of emulated arrays are in files beside the Verilog
    (:func:`gen.images.write_images`), as they are if the network has more than :data:`INLINE_BITS`."""
    return stored_bits(network) > INLINE_BITS


def pack(weights: np.ndarray, bits: int) -> tuple[int, ...]:
    """Return one integer per output channel of ``weights``, integers (outputs, fan-in).

    Field i, of ``bits`` bits, is the weight of input i: a single bit is 1 for +1 and 0 for -1, several are
    a number in two's complement.
    """
    fields = weights > 0 if bits == 1 else weights.astype(np.int64)[..., None] >> np.arange(bits) & 1
    packed = np.packbits(fields.reshape(len(weights), -1).astype(bool), axis=1, bitorder="little")
    return tuple(int.from_bytes(row.tobytes(), "little") for row in packed)


def unpack(layer: Layer, number: int) -> np.ndarray:
    """Return the weights of array ``number`` of ``layer``, int64 (outputs, fan-in)."""
    bits = layer.weight_bits
    size = (layer.fan_in * bits + 7) // 8
    packed = np.array([list(column.to_bytes(size, "little")) for column in layer.arrays[number]],
                      np.uint8)
    fields = np.unpackbits(packed, axis=1, count=layer.fan_in * bits, bitorder="little")
    if bits == 1:
        return 2 * fields.astype(np.int64) - 1
    place = 1 << np.arange(bits)
    place[-1] *= -1
    return fields.reshape(layer.outputs, layer.fan_in, bits) @ place


def of_averages(weights: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """Return the weights, (outputs, channels, height, width), that add up of a map what ``weights`` do of
    the averages of its windows, times the size of one: each for a whole window."""
    return weights.repeat(window[0], 2).repeat(window[1], 3)


def tied(layer: Layer, weights: np.ndarray) -> np.ndarray:
    """Return ``weights``, (..., fan-in), with those of the first input of each window that ``layer``
    averages for all of it."""
    (height, width), (rows, columns) = layer.kernel, layer.average
    whole = weights.reshape(*weights.shape[:-1], height // rows, rows, width // columns, columns,
                            layer.group_channels)
    first = whole[..., :1, :, :1, :]
    return np.broadcast_to(first, whole.shape).reshape(weights.shape)


def ungrouped(weights: np.ndarray, groups: int) -> np.ndarray:
    """Return the weights of a convolution of several groups, (outputs, channels of a group, ...), for all
    channels: 0 for those of other groups."""
    outputs, channels = weights.shape[:2]
    whole = np.zeros((groups, outputs // groups, groups, channels, *weights.shape[2:]), weights.dtype)
    for group, of_group in enumerate(np.split(weights, groups)):
        whole[group, :, group] = of_group
    return whole.reshape(outputs, groups * channels, *weights.shape[2:])


def averaged(weights: np.ndarray, stride: tuple[int, int], window: tuple[int, int]) -> np.ndarray:
    """Return the weights of a convolution, (outputs, channels, height, width), of which the sums are those
    of each ``window`` of sums of ``weights`` with this ``stride``; its own is as many times as large."""
    *others, height, width = weights.shape
    whole = np.zeros((*others, height + (window[0] - 1) * stride[0], width + (window[1] - 1) * stride[1]),
                     weights.dtype)
    for row, column in np.ndindex(window):
        top, left = row * stride[0], column * stride[1]
        whole[..., top:top + height, left:left + width] += weights
    return whole


def bits_of(weights: np.ndarray) -> int:
    """Return the bits that whole ``weights`` have, as of :class:`gen.ir.Layer`."""
    return 1 if (abs(weights) == 1).all() else max(2, 1 + int(abs(weights).max()).bit_length())
