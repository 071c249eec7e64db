"""Start the pseudo-random stream of keep bits."""

from dataclasses import replace

from gen.ir import Generator, Network, Target


__all__ = ["seed"]


def seed(network: Network, target: Target) -> Network:
    """Give the network its generator: the seed of the target, and the dropout of each layer.

    A probability becomes the nearest multiple of ``2 ** -16``.

    Needs: nothing. Ensures: a generator with one ``drop`` per layer, each from 0 to 65536.
    """
    return replace(network, generator=Generator(
        target.seed, tuple(round(layer.dropout * 65536) for layer in network.layers)))
