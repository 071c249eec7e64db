"""Golden model of the random choices: from the bits that a pass draws to the arrays and banks it takes."""

import numpy as np

from gen.graph import graph_of
from gen.ir import Network


__all__ = ["masks", "mixes", "numbers", "outcomes", "sharing"]


def numbers(network: Network, bits: np.ndarray, first_pass: int = 0) -> dict[str, np.ndarray]:
    """Return the number that each draw of ``network`` gives, int64 (N, T), by its name.

    Parameters
    ----------
    bits : bool (N, T, W)
        Random bits of T passes of N images, as :func:`golden.random.generator.choices` returns them.
    first_pass : int
        Number of the first of these passes; the number of the pass is what some draws give.

    Raises
    ------
    ValueError
        If a pass of ``network`` draws more or fewer bits.
    """
    bits  = np.asarray(bits).astype(np.int64)
    if bits.shape[2] != len(network.drops):
        raise ValueError(f"A pass of {network.name!r} draws {len(network.drops)} bits, not {bits.shape[2]}")
    drawn, start = {}, 0
    for draw in network.draws:
        if draw.drops is None:
            drawn[draw.name] = np.broadcast_to(first_pass + np.arange(bits.shape[1]), bits.shape[:2])
            continue
        if len(draw.drops) < 64: # more bits are those of a mask or mix
            number = np.zeros(bits.shape[:2], dtype=np.int64)
            for place in range(start, start + len(draw.drops)):
                number = 2 * number + bits[..., place]
            drawn[draw.name] = number
        start += len(draw.drops)
    return drawn


def masks(network: Network, bits: np.ndarray) -> dict[int, np.ndarray]:
    """Return which groups of inputs each pass keeps, bool (N, T, groups), by the index of each layer that
    has a mask. ``bits`` are those of :func:`numbers`."""
    return {index: _words(network, bits, layer.mask_choice)
            for index, layer in enumerate(network.layers) if layer.mask_choice is not None}


def mixes(network: Network, bits: np.ndarray) -> dict[int, np.ndarray]:
    """Return the bank that each output channel takes in each pass, bool (N, T, outputs), by the index of
    each layer whose channels choose by themselves. ``bits`` are those of :func:`numbers`."""
    return {index: _words(network, bits, layer.mix_choice)
            for index, layer in enumerate(network.layers) if layer.mix_choice is not None}


def _words(network, bits, choice):
    """The bits of the draw of ``choice``, in the order of drawing."""
    starts = dict(zip([draw.name for draw in network.draws], np.cumsum(
        [0, *(len(draw.drops or ()) for draw in network.draws)]).tolist(), strict=False))
    width = next(len(draw.drops) for draw in network.draws if draw.name == choice.draw)
    return np.asarray(bits)[..., starts[choice.draw]:starts[choice.draw] + width].astype(bool)


def outcomes(network: Network, bits: np.ndarray, first_pass: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return which array, and which bank, each pass takes in each layer: two of int64 (N, T, L). Where
    there is no choice it is 0, as it is for the bank where :func:`mixes` have those of the channels.
    Parameters and errors are those of :func:`numbers`."""
    drawn = numbers(network, bits, first_pass)
    shape = *np.shape(bits)[:2], len(network.layers)
    taken = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for index, layer in enumerate(network.layers):
        for of_kind, choice in zip(taken, (layer.array_choice, layer.bank_choice), strict=True):
            if choice is not None:
                table = np.array(choice.table)
                of_kind[..., index] = table[drawn[choice.draw] % len(table)]
    return taken


def sharing(network: Network, bits: np.ndarray, *, sequential: bool = False) -> list[np.ndarray]:
    """Return which passes share a map that has left a layer: for each layer int64 (N, T), the last pass of
    those with which a pass shares it. ``bits`` are those of :func:`numbers`.

    Passes share a map while they have chosen the same in all layers so far, and where the next layer
    chooses an array or a mask, there too. If passes are ``sequential`` none do, and no more from a layer on
    where each channel chooses its bank or, unless it is :attr:`gen.ir.Layer.merged`, passes have masks.
    """
    arrays, banks = outcomes(network, bits)
    kept, mixed   = masks(network, bits), mixes(network, bits)
    images, passes, _ = arrays.shape
    image, number = (each.ravel() for each in np.indices((images, passes)))

    def before(index):
        """What divides passes before they enter layer ``index`` of the trunk."""
        if index is None or index not in kept:
            return number[:, None] * 0 if index is None else arrays[..., index].reshape(-1, 1)
        merged = network.layers[index].merged
        return kept[index].reshape(len(number), -1) if merged else number[:, None]

    graph = graph_of(network)
    last  = number * (1 if sequential else 0)
    entering, leaving = {}, {}
    for left, index in zip((None, *graph.trunk), (*graph.trunk, None), strict=True):
        behind = number * 0 if left is None else number if left in mixed else banks[..., left].ravel()
        different, place = np.unique(np.column_stack([image, last, behind, before(index)]), axis=0,
                                     return_inverse=True)
        highest = np.zeros(len(different), dtype=np.int64)
        np.maximum.at(highest, place.ravel(), number)
        last = highest[place.ravel()]
        entering[index] = leaving[left] = last.reshape(images, passes)
    # A branch has the maps of the trunk at its entrance, and in front of its join those behind it.
    for branch in graph.branches:
        for index in branch.layers:
            leaving[index] = (leaving[branch.between[-1]] if index == branch.layers[-1] else
                              entering[branch.between[0]])
    return [leaving[index] for index in range(len(network.layers))]
