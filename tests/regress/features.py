"""What a case covers, so that a run can say what its cases were like."""

from case import Case

from gen.graph import graph_of
from gen.ir import MaskChoice, MixChoice
from gen.methods import array_sets
from gen.precision import guard_bits
from gen.transforms.tile import columns_max, row_tiles


__all__ = ["features"]


def features(case: Case) -> list[str]:
    """Return the names of what ``case``, which was simulated, has."""
    network, target = case.network, case.target
    layers = network.layers
    graph  = graph_of(network)
    hidden = layers[:-1]
    passes = [min(max(count, 1), target.passes_max) for count in case.counts]
    rows   = [len(row_tiles(layer, target)) for layer in layers]
    columns = [-(-layer.outputs // columns_max(layer, target)) for layer in layers]
    tables = [choice.table for layer in layers for choice in layer.choices
              if not isinstance(choice, MaskChoice | MixChoice)]
    users  = [choice.draw for layer in layers for choice in layer.choices]
    both   = [layer for layer in layers if layer.array_choice and layer.bank_choice]
    kinds  = {(name, getattr(part, name)) for part in case.parameters
              for name in ("weight", "bias", "scale", "gamma", "beta", "mean", "variance")}
    slow   = case.pixels.duty < 1, case.results.duty < 1
    flags  = {
        f"{len(layers)} layers": True,
        f"schedule: {target.schedule}": True,
        f"masks: {target.masks}": True,
        "junctions at the pins": target.rng == "mtj",
        "a random source for each bit of a pass": target.sources == "layer",
        "arrays at the pins": target.view == "macro",
        "protected": target.protect,
        "choices: of banks": any(layer.bank_choice for layer in layers),
        "choices: of arrays": any(layer.array_choice for layer in layers),
        "choices: of an array and a bank in one layer": bool(both),
        "choices: of masks, by channel": any(
            layer.mask_choice and layer.mask_choice.groups == layer.channels for layer in layers),
        "choices: of masks, by input": any(
            layer.mask_choice and layer.mask_choice.groups == layer.inputs for layer in layers),
        "choices: of masks, of a layer with groups of channels": any(
            layer.mask_choice and layer.groups > 1 for layer in layers),
        "choices: of masks, of a depthwise layer": any(
            layer.mask_choice and layer.groups == layer.channels > 1 for layer in layers),
        "choices: a mask and a bank in one layer": any(
            layer.mask_choice and layer.bank_choice for layer in layers),
        "choices: of a bank for each channel": any(layer.mix_choice for layer in layers),
        "choices: of a bank for each class": bool(layers[-1].mix_choice),
        "choices: a mask and a bank for each channel in one layer": any(
            layer.mask_choice and layer.mix_choice for layer in layers),
        "choices: an array and a bank for each channel in one layer": any(
            layer.array_choice and layer.mix_choice for layer in layers),
        "choices: of an array behind a bank for each channel": any(
            layer.mix_choice and after.array_choice
            for layer, after in zip(layers, layers[1:], strict=False)),
        "inverted normalization": any(part.centred for part in case.parameters),
        "inverted normalization of several banks": any(
            part.centred and layer.bank_count > 1
            for layer, part in zip(layers, case.parameters, strict=True)),
        "choices: none": not users,
        "choices: none in some layers": bool(users) and not all(layer.choices for layer in layers),
        "choices: no number for each outcome": any(len(set(table)) < len(table) for table in tables),
        "choices: outcomes no power of two": any(len(set(table)) & len(set(table)) - 1 for table in tables),
        "choices: a draw of several layers": len(set(users)) < len(users),
        "choices: by the number of the pass": any(draw.drops is None for draw in network.draws),
        **{f"banks: {count}": True for count in {layer.bank_count for layer in layers}},
        **{f"arrays: {count}": True for count in {layer.crossbars for layer in layers}},
        "arrays: different numbers": len({layer.crossbars for layer in layers}) > 1,
        "arrays: mean of several (ways)": any(layer.ways > 1 for layer in layers),
        "arrays: means of other sets than a ring": any(
            layer.ways > 1 and layer.array_sets != array_sets(layer.crossbars, layer.ways)
            for layer in layers),
        **{f"weights of {bits} bits": True for bits in {layer.weight_bits for layer in layers}},
        "levels of several bits": any(layer.input_bits > 1 for layer in layers),
        "levels from 0": any(layer.input_low == 0 for layer in layers),
        "input: several thresholds": len(network.input.thresholds) > 1,
        "kernel: rectangular": any(layer.kernel[0] != layer.kernel[1] for layer in layers),
        "stride above 1": any(max(layer.stride) > 1 for layer in layers),
        "padding": any(any(layer.padding) for layer in layers),
        "stride or padding: not the same on both axes": any(
            layer.stride[0] != layer.stride[1] or layer.padding[0] != layer.padding[1] for layer in layers),
        "averages of what enters": any(layer.average != (1, 1) for layer in layers),
        "groups of channels": any(layer.groups > 1 for layer in layers),
        "groups of channels: depthwise": any(layer.groups == layer.channels > 1 for layer in layers),
        "groups of channels, several columns a read": any(
            layer.groups > 1 and layer.group_outputs > 1 for layer in layers),
        "an answer for each of several positions": network.answered != (1, 1),
        "an answer for each of several positions, joined":
            network.answered != (1, 1) and bool(network.joins),
        "an answer for each of several positions, and choices in the last layer":
            network.answered != (1, 1) and bool(layers[-1].choices),
        "maps that are resized": any(layer.resize != (1, 1) for layer in layers),
        "maps that are resized, by several banks or arrays": any(
            layer.resize != (1, 1) and layer.choices for layer in layers),
        "maps that are resized, and meet others": any(
            layer.resize != (1, 1) and any(layer.name in join.sources for join in network.joins)
            for layer in layers),
        "maps that are resized behind a join: of sums": any(
            join.resize != (1, 1) and join.operation == "add" for join in network.joins),
        "maps that are resized behind a join: of channels": any(
            join.resize != (1, 1) and join.operation == "concat" for join in network.joins),
        "maps that are resized behind a join: with no layer beside": any(
            branch.join.resize != (1, 1) and not branch.layers for branch in graph.branches),
        "maps that are resized behind a join, and meet others": any(
            join.resize != (1, 1) and join.name in other.sources
            for join in network.joins for other in network.joins),
        "joins: of sums": any(join.operation == "add" for join in network.joins),
        "joins: of channels": any(join.operation == "concat" for join in network.joins),
        "joins: of values and their channels": any(
            join.operation == "concat" and graph.values[join.name] for join in network.joins),
        "joins: of values that become others": any(any(join.thresholds) for join in network.joins),
        "joins: several": len(network.joins) > 1,
        "joins: two that meet at one layer": any(
            join.trunk == other.name for join in network.joins for other in network.joins),
        "joins: a branch that leaves at a join": any(
            join.branch == other.name for join in network.joins for other in network.joins),
        "joins: with a layer beside": any(branch.layers for branch in graph.branches),
        "joins: with several layers beside": any(len(branch.layers) > 1 for branch in graph.branches),
        "joins: with no layer beside": any(not branch.layers for branch in graph.branches),
        "joins: past several layers": any(len(branch.between) > 1 for branch in graph.branches),
        "joins: past a layer that chooses": any(
            layers[index].choices for branch in graph.branches for index in branch.between),
        "values: as levels of several thresholds": any(
            layer.value_thresholds and layer.input_bits > 1 for layer in layers),
        "values: by thresholds of each channel": any(
            len(set(each for each, _ in layer.entrance)) > 1 for layer in layers),
        "values: inverted": any(any(layer.value_inverts) for layer in layers),
        "values: as signs": any(graph.values[graph.sources[layer.name][0]] and not layer.value_thresholds
                                for layer in layers),
        "values that are not joined": any(
            layer.fraction is not None and not any(layer.name in join.sources for join in network.joins)
            for layer in layers),
        "maps of one row": network.input.height == 1,
        "pool of 2": any(layer.pool == (2, 2) for layer in layers),
        "pool of other sizes": any(layer.pool not in ((1, 1), (2, 2)) for layer in layers),
        "pool of the whole map": any(layer.pool == layer.positions != (1, 1) for layer in layers),
        "pool leaves a row or column out": any(
            any(whole % side for whole, side in zip(layer.positions, layer.pool, strict=True))
            for layer in hidden),
        "tiles: several rows of them": max(rows) > 1,
        "tiles: several columns of them": max(columns) > 1,
        "tiles: several rows and columns of one layer": any(
            row > 1 and column > 1 for row, column in zip(rows, columns, strict=True)),
        "tiles: one for each position of a kernel": target.mapping == "position" and any(
            layer.positions != (1, 1) and layer.kernel != (1, 1) for layer in layers),
        "numbers in place of classes": network.head.regression,
        "guard bits in exponentials": not network.head.regression and guard_bits(layers[-1].outputs) > 0,
        "interval given": target.interval is not None,
        "cells of a read not 4": target.cells_per_read != 4 and any(
            layer.weight_bits > 1 for layer in layers),
        "p of 0": 0.0 in network.drops, "p of 1": 1.0 in network.drops,
        **{f"T {low} to {high}": any(low <= count <= high for count in passes)
           for low, high in ((1, 1), (2, 7), (8, 15), (16, 31), (32, 64))},
        "T changes from image to image": len(set(passes)) > 1,
        "T out of range at the pins": passes != list(case.counts),
        "images: one": len(passes) == 1, "images: two or more": len(passes) > 1,
        "images: four or more": len(passes) > 3,
        "gaps in front": slow[0], "back-pressure": slow[1], "gaps and back-pressure": all(slow),
        "back to back": not any(slow), "stalls of tens of cycles": any(slow) and max(
            case.pixels.run, case.results.run) > 1,
        "reset amid images": case.reset is not None,
        **{f"{name}: {kind}": True for name, kind in kinds if kind not in ("plain", "random")},
    }
    return [name for name, there in flags.items() if there]
