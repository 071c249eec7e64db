"""The random choices of the layers that a walk through a model of torch has found, and their method."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gen.check_shapes import check_shapes
from gen.checkpoint import with_parameters
from gen.checkpoint_file import Parameters
from gen.ir import BankChoice, Draw, MaskChoice, Network
from gen.methods import METHODS, choose, is_chosen
from gen.transforms.banks import exact_values
from spincim.states import ConvertError, Part


__all__ = ["with_choices"]


def with_choices(base: Network, parts: Sequence[Part], model: str) -> tuple[Network, list[Parameters]]:
    """Return ``base``, a network of the layers of ``parts``, with their choices, and the parameters of each
    layer; ``model`` is its name, for a message.

    Raises
    ------
    ConvertError
        If no network has these choices, or the hardware rounds some of its values to others.
    MalformedNetwork
        If there can be no such network.
    """
    check_shapes(base)
    if any(part.golden is not None for part in parts):
        network = _of_method(base, parts, model)
    else:
        network = _of_choices(base, parts)
    check_shapes(network)
    parameters = [part.parameters(network, layer)
                  for part, layer in zip(parts, network.layers, strict=True)]
    for layer in with_parameters(network, parameters).layers:
        if layer.fraction is not None and not exact_values(layer):
            raise ConvertError(f"Layer {layer.name!r} has values in fixed point that the hardware "
                               "rounds to others for some sums; use fewer inputs, or a normalization "
                               "whose gains are nearer to each other")
    return network, parameters


def _of_method(base, parts, model):
    """``base`` with the choices of the layers of :mod:`golden.methods`."""
    kinds = {type(part.golden) for part in parts}
    names = sorted("one of spincim.nn" if kind is type(None) else kind.__name__ for kind in kinds)
    if len(kinds) > 1:
        raise ConvertError(f"Model {model} has layers of several methods ({', '.join(names)}); make all of "
                           "one")
    method = METHODS[parts[0].golden.method]
    first  = parts[0]
    several = method.choice not in (None, MaskChoice) and not method.single
    vectors = first.bias, first.scale, *first.normalization.values()
    count  = max(len(first.weight) if first.weight.ndim == 5 else 1,
                 *(len(np.atleast_2d(each)) for each in vectors))
    chosen = choose(base, first.golden.method, count - method.keeps if several else None)
    for part, layer in zip(parts, chosen.layers, strict=True):
        kept = part.golden.layer.choices
        if (method.choice is MaskChoice or method.affines) and layer.choices != kept:
            raise ConvertError(f"Layer {layer.name!r} does not have the choices of method "
                               f"{chosen.method!r}; make the layers of the model of those of "
                               "gen.methods.choose(network, method), with names such as conv1 and fc1")
    return replace(chosen, name=base.name)


def _of_choices(base, parts):
    """``base`` with the choices of its parts, of the method that makes the same if there is one."""
    layers, draws = [], []
    for part in parts:
        choices, name = [], part.layer.name
        if part.mask is not None:
            p, groups = part.mask
            choices.append(MaskChoice(f"{name}_mask" if part.scaled else name, groups))
            draws.append(Draw(choices[-1].draw, (p,) * groups))
        if part.scaled:
            choices.append(BankChoice(name, (0, 1)))
            draws.append(Draw(name, (part.p,)))
        layers.append(replace(part.layer, choices=tuple(choices)))
    network = replace(base, layers=tuple(layers), draws=tuple(draws))
    # A method drops scales to 1, and weights of several bits have others (:meth:`Part.parameters`).
    if any(part.scaled and part.area > 1 and part.layer.weight_bits > 2 for part in parts):
        return network
    return next((named for method in ("deterministic", "scale-dropout", "spindrop", "spatial-spindrop")
                 if is_chosen(named := replace(network, method=method))), network)
