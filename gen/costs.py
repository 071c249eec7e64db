"""What a method costs: memory, random bits and reads of a compiled network."""

import math

from gen.ir import JUNCTIONS, Layer, Network, Target
from gen.maps import expected
from gen.methods import method_for
from gen.transforms.folding import adcs, gates
from gen.weights import in_files, stored_bits


__all__ = ["build_seconds", "costs", "reads_per_map"]


def costs(network: Network, target: Target) -> dict:
    """Return what the method of ``network`` costs, for ``report/method_costs.json``.

    Per layer and in total: ``arrays``, their ``word_lines``, each with a driver, and ``adcs``; ``cells``
    and magnetic tunnel ``junctions`` in use; ``banks`` of thresholds or gains; random bits of the choices
    of a pass, and for a prediction of ``target.passes`` passes the mean number of ``runs`` of the crossbar
    and of array ``reads`` (a read activates word lines of one array once) when what passes have in common
    is shared, and when they follow one another.
    ``masks_merged`` names the layers in which passes with equal masks run as one
    (:func:`gen.transforms.merge.merge`).
    ``random_sources`` are those of the whole model, and the most of a layer where each has its own;
    ``random_sources_quoted`` is what the paper of a method has, if it says so.
    """
    layers, drawn = {}, network.generator.bits
    for layer, shared in zip(network.layers, expected(network, target.passes).entering, strict=True):
        weights = layer.crossbars * layer.fan_in * layer.outputs
        reads   = reads_per_map(layer)
        bits    = len(set().union(*(network.places(choice.draw) for choice in layer.choices)))
        layers[layer.name] = {
            "arrays": layer.crossbars * len(layer.tiles),
            "word_lines": layer.crossbars * layer.rows_per_weight * sum(
                len(tile.rows) for tile in layer.tiles),
            "adcs": adcs(layer, layer.folding, target),
            "banks": sum(map(len, layer.banks)),
            "cells": weights * layer.cells_per_weight,
            "junctions": weights * layer.cells_per_weight * (1 if layer.weight_bits == 1 else JUNCTIONS),
            "choice_bits": bits,
            "random_bits_per_prediction": drawn(target.passes) * bits // max(1, len(network.drops)),
            "runs_shared": shared,
            "runs_sequential": target.passes,
            "reads_shared": shared * reads,
            "reads_sequential": target.passes * reads,
        }
    total = {name: sum(layer[name] for layer in layers.values()) for name in next(iter(layers.values()))}
    # Layers that choose by the same draw share its bits.
    total |= {"choice_bits": len(network.drops),
              "random_bits_per_prediction": drawn(target.passes)}
    most   = max(layer["choice_bits"] for layer in layers.values())
    method = method_for(network)
    return {
        "network": network.name,
        "method": method.title,
        "passes": target.passes,
        "masks_merged": [layer.name for layer in network.layers if layer.merged],
        "layers": layers,
        "total": total,
        "random_sources": {
            "per_layer": None if target.sources == "model" else most,
            "per_model": len(network.generator.seeds),
        },
        "random_sources_quoted": {
            "per_layer": most if method.sources_quoted == "layer" else None,
            "per_model": 1 if method.sources_quoted == "model" else None,
            "source": f"quoted: {method.sources_paper}" if method.sources_paper else None,
        },
    }


def build_seconds(network: Network, target: Target) -> float:
    """Return about how many seconds a build of a compiled network takes, without synthesis.

    Emulated arrays take nearly all of it: their gates (:func:`gen.transforms.folding.choose_interval`) and
    the bits of their weights, in the Verilog or in files. The line was fitted to builds of LeNet-5, of TFC,
    LFC and CNV of FINN, and of 2,048 and 4,096 channels instead of those 1,024 of LFC; other machines
    differ, and it only says whether to wait a moment or to do something else.
    """
    if target.view == "macro":
        return 1.5
    total = sum(gates(layer, layer.folding, target) for layer in network.layers)
    return 1.5 + 0.5e-3 * total + (0.8e-6 if in_files(network) else 3e-6) * stored_bits(network)


def reads_per_map(layer: Layer) -> int:
    """Return the reads of arrays that one run of ``layer`` takes."""
    row_tiles = len({tile.rows for tile in layer.tiles})
    folding   = layer.folding
    return (math.prod(layer.positions) * folding.row_groups * folding.column_groups
            * layer.input_bits * layer.ways * row_tiles)
