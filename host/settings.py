"""What an accelerator can be told that is otherwise that of the build, for the golden model too."""

import math
from collections.abc import Sequence
from dataclasses import replace

from gen.ir import Network
from gen.split_mix import seeds_of


__all__ = ["configured", "reseeding", "threshold"]


def threshold(confidence: float) -> int:
    """Return the least probability, Q0.16, that is not below ``confidence``; the largest where none is."""
    return min(math.ceil(confidence * 65536), 65535)


def reseeding(states: Sequence[int]) -> list[tuple[str, int]]:
    """Return which registers get what, in order, so that the random sources have these ``states``."""
    return [write for source, state in enumerate(states) for write in (
        ("STATE_LOW", state % 2**32), ("STATE_HIGH", state >> 32), ("RESEED", source))]


def configured(network: Network, *, seed: int | None = None, confidence: float | None = None,
               agreement: int | None = None) -> Network:
    """Return ``network`` with what :meth:`host.accelerator.Accelerator.configure` was given, for the golden
    model."""
    generator, head = network.generator, network.head
    if seed is not None:
        generator = replace(generator, seeds=seeds_of(seed, len(generator.seeds)))
    if confidence is not None:
        head = replace(head, confidence=threshold(confidence))
    if agreement is not None:
        head = replace(head, agreement=agreement)
    return replace(network, generator=generator, head=head)
