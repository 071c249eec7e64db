"""Every network that can be built, by name."""

from gen.ir import Input, Layer, Network


__all__ = ["NETWORKS", "lenet"]


def lenet(name: str, channels: tuple[int, int, int, int], thresholds: tuple[int, ...],
          dropout: tuple[float, ...] = (0.5,) * 5) -> Network:
    """LeNet-5 for 28 x 28 pixels and ten classes, without padding.

    ``channels`` are those of the two convolutions and of the two hidden fully connected layers.
    """
    first, second, third, fourth = channels
    p = iter(dropout)
    return Network(name, Input(28, 28, thresholds), (
        Layer("conv1", 28, 28, len(thresholds), (5, 5), first, pool=2, dropout=next(p)),
        Layer("conv2", 12, 12, first, (5, 5), second, pool=2, dropout=next(p)),
        Layer("fc1", 4, 4, second, (4, 4), third, dropout=next(p)),
        Layer("fc2", 1, 1, third, (1, 1), fourth, dropout=next(p)),
        Layer("fc3", 1, 1, fourth, (1, 1), 10, dropout=next(p)),
    ))


NETWORKS = {network.name: network for network in (
    lenet("lenet5", (6, 16, 120, 84), thresholds=(64, 128, 192)),
    lenet("lenet5_wide", (20, 50, 500, 84), thresholds=(128,)),
)}
