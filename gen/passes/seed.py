"""Start the pseudo-random stream of choices."""

from dataclasses import replace

from gen.ir import Generator, Network, Target


__all__ = ["seed"]


def seed(network: Network, target: Target) -> Network:
    """Give the network its generator: the seed of the target, and the random bits of each layer.

    A keep bit is dropped with the dropout probability, as the nearest multiple of ``2 ** -16``; the
    bits that choose an array are fair.

    Needs: nothing. Ensures: a generator with one ``drop`` per layer, each from 0 to 65536, and as
    many ``bits`` as a choice of that layer takes.
    """
    return replace(network, generator=Generator(
        target.seed,
        tuple(round(layer.dropout * 65536) if layer.crossbars == 1 else 1 << 15
              for layer in network.layers),
        tuple(layer.choice_bits for layer in network.layers)))
