"""Every network that can be built, by name."""

from dataclasses import replace

from gen.ir import Head, Input, Layer, Network


__all__ = ["NETWORKS", "lenet", "levels_of_pixels", "with_arrays"]


def levels_of_pixels(bits: int) -> tuple[int, ...]:
    """Return the thresholds that round a pixel, over 255, to the nearest of ``2 ** bits`` levels."""
    most = 2**bits - 1
    return tuple(-(-255 * (2 * level - 1) // (2 * most)) for level in range(1, most + 1))


def lenet(name: str, channels: tuple[int, int, int, int], thresholds: tuple[int, ...], *,
          crossbars: int = 1, weight_bits: int = 1, bits: int = 1, low: int = -1,
          head: Head = Head()) -> Network:
    """LeNet-5 for 28 x 28 pixels and ten classes, without padding.

    ``channels`` are those of the two convolutions and of the two hidden fully connected layers. All
    layers have as many ``crossbars`` and ``weight_bits``; all maps levels of ``bits`` bits, of which
    the lowest stands for ``low``.
    """
    first, second, third, fourth = channels
    pixels = Input(28, 28, thresholds, bits)
    every = {"crossbars": crossbars, "weight_bits": weight_bits, "input_bits": bits,
             "input_low": low, "output_bits": bits, "output_low": low}
    return Network(name, pixels, (
        Layer("conv1", 28, 28, pixels.channels, (5, 5), first, pool=2, **every),
        Layer("conv2", 12, 12, first, (5, 5), second, pool=2, **every),
        Layer("fc1", 4, 4, second, (4, 4), third, **every),
        Layer("fc2", 1, 1, third, (1, 1), fourth, **every),
        Layer("fc3", 1, 1, fourth, (1, 1), 10, **every),
    ), head)


def with_arrays(network: Network, crossbars: int | None = None, ways: int = 1) -> Network:
    """Return ``network`` with ``crossbars`` arrays per layer if given, of which a pass takes the mean
    of ``ways``.

    Raises
    ------
    ValueError
        If its layers do not choose arrays, or there would be none to choose from.
    """
    if crossbars is None and ways == 1:
        return network
    if all(layer.crossbars == 1 for layer in network.layers):
        raise ValueError(f"Network {network.name!r} has one array per layer; leave --crossbars and --ways "
                         "out, or take a network of several, such as lenet5_spinbayes")
    if crossbars is not None and crossbars < 2:
        raise ValueError(f"Arrays to choose from must be at least 2, not {crossbars}")
    return replace(network, layers=tuple(
        replace(layer, crossbars=crossbars or layer.crossbars, ways=ways)
        for layer in network.layers))


#: SpinBayes, 4.1: an input is rejected unless 99 % of its passes reach a probability of 0.9.
_SPINBAYES = {"crossbars": 8, "weight_bits": 4, "head": Head(confidence=58982, agreement=99)}

NETWORKS = {network.name: network for network in (
    lenet("lenet5", (6, 16, 120, 84), thresholds=(64, 128, 192)),
    lenet("lenet5_wide", (20, 50, 500, 84), thresholds=(128,)),
    lenet("lenet5_spinbayes", (6, 16, 120, 84), thresholds=(64, 128, 192), **_SPINBAYES),
    lenet("lenet5_4bit_spinbayes", (6, 16, 120, 84), thresholds=levels_of_pixels(4),
          bits=4, low=0, **_SPINBAYES),
)}
