"""Every network that can be built, by name, without what a method (:mod:`gen.methods`) makes random."""

from gen.ir import Input, Layer, Network


__all__ = ["NETWORKS", "lenet", "levels_of_pixels"]


def levels_of_pixels(bits: int) -> tuple[int, ...]:
    """Return the thresholds that round a pixel, over 255, to the nearest of ``2 ** bits`` levels."""
    most = 2**bits - 1
    return tuple(-(-255 * (2 * level - 1) // (2 * most)) for level in range(1, most + 1))


def lenet(name: str, channels: tuple[int, int, int, int], thresholds: tuple[int, ...], *, bits: int = 1,
          low: int = -1) -> Network:
    """LeNet-5 for 28 x 28 pixels and ten classes, without padding.

    ``channels`` are those of the two convolutions and of the two hidden fully connected layers. All maps
    have levels of ``bits`` bits, of which the lowest stands for ``low``.
    """
    first, second, third, fourth = channels
    pixels = Input(28, 28, thresholds, bits)
    every = {"input_bits": bits, "input_low": low, "output_bits": bits, "output_low": low}
    return Network(name, pixels, (
        Layer("conv1", 28, 28, pixels.channels, (5, 5), first, pool=2, **every),
        Layer("conv2", 12, 12, first, (5, 5), second, pool=2, **every),
        Layer("fc1", 4, 4, second, (4, 4), third, **every),
        Layer("fc2", 1, 1, third, (1, 1), fourth, **every),
        Layer("fc3", 1, 1, fourth, (1, 1), 10, **every),
    ))


NETWORKS = {network.name: network for network in (
    lenet("lenet5", (6, 16, 120, 84), thresholds=(64, 128, 192)),
    lenet("lenet5_wide", (20, 50, 500, 84), thresholds=(128,)),
    lenet("lenet5_4bit", (6, 16, 120, 84), thresholds=levels_of_pixels(4), bits=4, low=0),
)}
