"""Whether the layers of a network can be, and fit each other."""

import math
import operator
from dataclasses import dataclass

from gen.command import UserError
from gen.graph import MalformedGraph, graph_of
from gen.ir import Join, Layer, MaskChoice, MixChoice, Network
from gen.names import NAME_LENGTH, identifier


__all__ = ["MalformedNetwork", "by", "check_layer", "check_shapes"]


class MalformedNetwork(UserError):
    """A network breaks the rules of :mod:`gen.ir`."""


#: Bits of a level and of a weight; a bit more doubles the thresholds, and the levels of a read.
LEVEL_BITS, WEIGHT_BITS = 8, 8

#: Most bits of a draw that a table turns into outcomes.
TABLE_BITS = 16

#: Fraction bits of values in fixed point.
VALUE_FRACTIONS = range(17)

#: Most rows and columns of a map.
SIDE = 2**20

#: Most words of a result, one for each class of each position that has an answer.
RESULT_WORDS = 2**16

#: Bits of a component of a pixel.
PIXEL_BITS = 8


def check_shapes(network: Network):
    """Raise :exc:`MalformedNetwork` unless the layers of ``network`` can be and fit each other."""
    if not network.layers:
        raise MalformedNetwork(f"Network {network.name!r} has no layers")
    _check_input(network.input)
    for layer in network.layers:
        check_layer(layer)
    _check_chain(network)
    _check_draws(network)
    for layer in network.layers:
        _check_choices(layer, network)


def _check_input(part):
    thresholds = part.thresholds
    if not all(1 <= value <= 256 for value in thresholds) or list(thresholds) != sorted(thresholds):
        raise MalformedNetwork(f"Input thresholds must ascend from 1 to 256, not {thresholds}")
    if not 1 <= part.bits <= LEVEL_BITS:
        raise MalformedNetwork(f"The input must have levels of 1 to {LEVEL_BITS} bits, "
                               f"not {part.bits}")
    if part.colours not in (1, 3):
        raise MalformedNetwork(f"The input must have pixels of 1 or 3 components, not {part.colours}")
    if not thresholds and part.bits != PIXEL_BITS:
        raise MalformedNetwork(f"The input has no thresholds, so it must have levels of {PIXEL_BITS} bits, "
                               f"those of its pixels, not of {part.bits}")
    if len(thresholds) % (2**part.bits - 1):
        raise MalformedNetwork(f"The input has {len(thresholds)} thresholds, but a channel of "
                               f"{part.bits} bits takes {2**part.bits - 1}")


def check_layer(layer: Layer):
    """Raise :exc:`MalformedNetwork` unless ``layer`` by itself can be."""
    def need(holds, what, value):
        if not holds:
            raise MalformedNetwork(f"Layer {layer.name!r} must have {what}, not {value}")

    for name in ("height", "width", "channels", "outputs"):
        need(getattr(layer, name) >= 1, f"{name} of at least 1", getattr(layer, name))
    for name in ("kernel", "stride", "pool", "average", "resize"):
        need(min(getattr(layer, name)) >= 1, f"a {name} of at least 1 by 1", by(*getattr(layer, name)))
    most = tuple(side - 1 for side in layer.kernel)
    need(all(0 <= border <= side for border, side in zip(layer.padding, most, strict=True)),
         f"padding of 0 to {by(*most)}, less than its kernel", by(*layer.padding))
    _check_average(layer)
    _check_groups(layer)
    height, width = layer.padded
    if layer.kernel[0] > height or layer.kernel[1] > width:
        raise MalformedNetwork(f"Layer {layer.name!r} has a kernel of {by(*layer.kernel)}, but its "
                               f"padded map is only {by(height, width)}")
    if any(side > whole for side, whole in zip(layer.pool, layer.positions, strict=True)):
        raise MalformedNetwork(f"Layer {layer.name!r} has a pool of {by(*layer.pool)}, "
                               f"but its map of sums is only {by(*layer.positions)}")
    need(max(layer.output_shape[:2]) <= SIDE, f"a map that leaves of at most {SIDE:,} rows and columns",
         by(*layer.output_shape[:2]))
    need(0 <= layer.dropout <= 1, "a dropout probability from 0 to 1", layer.dropout)
    need(1 <= layer.weight_bits <= WEIGHT_BITS, f"weights of 1 to {WEIGHT_BITS} bits",
         layer.weight_bits)
    for side in ("input", "output"):
        bits, low = getattr(layer, f"{side}_bits"), getattr(layer, f"{side}_low")
        need(1 <= bits <= LEVEL_BITS, f"{side} levels of 1 to {LEVEL_BITS} bits", bits)
        need(low in (-1, 0), f"{side} levels from -1 or 0", low)
    if layer.fraction is not None:
        need(layer.fraction in VALUE_FRACTIONS, f"values of {VALUE_FRACTIONS.start} to "
             f"{VALUE_FRACTIONS.stop - 1} fraction bits", layer.fraction)
        need(layer.output_bits > 1, f"values of 2 to {LEVEL_BITS} bits", layer.output_bits)
        need(layer.pool == (1, 1), "a pool of 1 by 1, as values are added before they are pooled",
             by(*layer.pool))


def _check_average(layer):
    if layer.average == (1, 1):
        return
    windows = f"whole windows of {by(*layer.average)} to average"
    for name in ("kernel", "stride", "padding"):
        sizes = getattr(layer, name)
        if any(side % window for side, window in zip(sizes, layer.average, strict=True)):
            raise MalformedNetwork(f"Layer {layer.name!r} must have a {name} of {windows}, not "
                                   f"{by(*sizes)}")
    if any(layer.padding) and (layer.height % layer.average[0] or layer.width % layer.average[1]):
        raise MalformedNetwork(f"Layer {layer.name!r} has a border, so it must have a map of {windows}, "
                               f"not {by(layer.height, layer.width)}")


def _check_groups(layer):
    if layer.groups < 1 or layer.channels % layer.groups or layer.outputs % layer.groups:
        raise MalformedNetwork(f"Layer {layer.name!r} must have groups that divide its {layer.channels} "
                               f"channels and {layer.outputs} outputs, not {layer.groups}")


def _check_draws(network):
    names = [draw.name for draw in network.draws]
    for draw in network.draws:
        if names.count(draw.name) > 1:
            raise MalformedNetwork(f"Network {network.name!r} has two draws named {draw.name!r}, but each "
                                   "must have a name of its own")
        if draw.drops == ():
            raise MalformedNetwork(f"Draw {draw.name!r} must have at least one bit")
        for drop in draw.drops or ():
            if not 0 <= drop <= 1:
                raise MalformedNetwork(f"Draw {draw.name!r} must have dropout probabilities from 0 to 1, "
                                       f"not {drop}")
            if 0 < drop < 1 and not 0 < round(drop * 65536) < 65536:
                raise MalformedNetwork(
                    f"Draw {draw.name!r} must have a dropout probability of 0, of 1, or farther than "
                    f"2**-17 from both, as random bits are compared with 16 bits of it, not {drop}")
        if not any(choice.draw == draw.name for layer in network.layers for choice in layer.choices):
            raise MalformedNetwork(f"Draw {draw.name!r} has no layer that chooses by it")


def _check_choices(layer, network):
    kinds = [type(choice) for choice in layer.choices]
    if len(set(kinds)) < len(kinds):
        raise MalformedNetwork(f"Layer {layer.name!r} must have at most one choice of each kind, not "
                               f"{[kind.__name__ for kind in kinds]}")
    draws = {draw.name: draw for draw in network.draws}
    if layer.mask_choice is not None:
        _check_mask(layer, draws)
    if layer.mix_choice is not None:
        _check_mix(layer, draws)
    for choice in layer.choices:
        if choice.draw not in draws:
            raise MalformedNetwork(f"Layer {layer.name!r} chooses by draw {choice.draw!r}, but the network "
                                   f"has only {list(draws)}")
        bits = draws[choice.draw].drops
        if isinstance(choice, MaskChoice | MixChoice):
            continue
        if bits is not None and len(bits) > TABLE_BITS:
            raise MalformedNetwork(f"Layer {layer.name!r} must choose by a draw of at most {TABLE_BITS} "
                                   f"bits, not {len(bits)}")
        if bits is not None and len(choice.table) != 2**len(bits):
            raise MalformedNetwork(f"Layer {layer.name!r} must have an outcome for each of {2**len(bits)} "
                                   f"numbers of draw {choice.draw!r}, not {len(choice.table)}")
        found = set(choice.table)
        if len(found) < 2 or min(found) < 0 or len(found) <= max(found):
            raise MalformedNetwork(f"Layer {layer.name!r} must have outcomes from 0 up, at least two and "
                                   f"without a gap, not {sorted(found)}")
    if layer.array_choice is not None and layer.array_choice.sets:
        _check_sets(layer)


def _check_sets(layer):
    sets, outcomes = layer.array_choice.sets, 1 + max(layer.array_choice.table)
    if len(sets) != outcomes:
        raise MalformedNetwork(f"Layer {layer.name!r} must have a set of arrays for each of {outcomes} "
                               f"outcomes, not {len(sets)}")
    for arrays in sets:
        if not arrays or len(arrays) != len(sets[0]) or list(arrays) != sorted(set(arrays)):
            raise MalformedNetwork(f"Layer {layer.name!r} must have sets of arrays that ascend, each of as "
                                   f"many, not {list(arrays)} beside {list(sets[0])}")
    found = set().union(*sets)
    if found != set(range(len(found))):
        raise MalformedNetwork(f"Layer {layer.name!r} must have arrays from 0 up in its sets, without a "
                               f"gap, not {sorted(found)}")


def _check_mask(layer, draws):
    mask = layer.mask_choice
    bits = draws[mask.draw].drops if mask.draw in draws else None
    if layer.array_choice is not None:
        raise MalformedNetwork(f"Layer {layer.name!r} must have a mask or a choice of arrays, not both")
    if layer.weight_bits > 1 or layer.input_low != -1:
        raise MalformedNetwork(f"Layer {layer.name!r} must have binary weights and input levels from -1 "
                               "for its inputs to be masked, as nothing else is 0 where word lines are off")
    if mask.groups < 1 or layer.inputs % mask.groups:
        raise MalformedNetwork(f"Layer {layer.name!r} must have groups of its {layer.inputs} inputs that "
                               f"are equally large, not {mask.groups}")
    if layer.groups > 1 and mask.groups % layer.channels:
        raise MalformedNetwork(f"Layer {layer.name!r} has {layer.groups} groups of channels, so its mask "
                               f"must have a bit for each of {layer.channels} channels, or as many bits "
                               f"for each, not {mask.groups}")
    if mask.draw in draws and (bits is None or len(bits) != mask.groups):
        raise MalformedNetwork(f"Layer {layer.name!r} must have a bit of draw {mask.draw!r} for each of "
                               f"{mask.groups} groups, not {len(bits or ())}")


def _check_mix(layer, draws):
    mix  = layer.mix_choice
    bits = draws[mix.draw].drops if mix.draw in draws else None
    if layer.bank_choice is not None:
        raise MalformedNetwork(f"Layer {layer.name!r} must have a choice of banks for all channels or one "
                               "for each channel, not both")
    if mix.draw in draws and (bits is None or len(bits) != layer.outputs):
        raise MalformedNetwork(f"Layer {layer.name!r} must have a bit of draw {mix.draw!r} for each of "
                               f"{layer.outputs} output channels, not {len(bits or ())}")


def _check_chain(network):
    known = {}
    for layer in (*network.layers, *network.joins):
        name = identifier(layer.name)
        if not name or len(layer.name) > NAME_LENGTH or not layer.name.isprintable():
            raise MalformedNetwork(f"{type(layer).__name__} {layer.name!r} must have a name of 1 to "
                                   f"{NAME_LENGTH} printable characters, with at least one of the letters "
                                   "a to z or digits")
        # Some file systems take upper and lower case for the same.
        other = known.setdefault(name.lower(), layer)
        if other is not layer:
            raise MalformedNetwork(f"Network {network.name!r} has {_plural(network)} named "
                                   f"{other.name!r} and {layer.name!r}, but names must differ in their "
                                   "letters (of either case) or digits")
    try:
        graph = graph_of(network)
    except MalformedGraph as error:
        raise MalformedNetwork(str(error)) from None
    part  = network.input
    found = {None: _Map("The input", (part.height, part.width, part.channels), part.bits,
                        network.layers[0].input_low)}
    for node in graph.nodes:
        entering = [found[name] for name in graph.sources[node.name]]
        if isinstance(node, Join):
            found[node.name] = _joined(node, *entering)
            continue
        _check_entering(node, *entering)
        found[node.name] = _Map(f"Layer {node.name!r}", node.output_shape, node.output_bits,
                                node.output_low, node.fraction)
    if graph.trunk[-1] != len(network.layers) - 1:
        raise MalformedNetwork(f"Layer {network.layers[-1].name!r} is the last and must be the output")
    last   = network.layers[-1]
    if last.resize != (1, 1):
        raise MalformedNetwork(f"Layer {last.name!r} is the last and must have a resize of 1 by 1, as it "
                               f"has logits and no map, not {by(*last.resize)}")
    words = math.prod(network.answered) * last.outputs
    if words > RESULT_WORDS:
        raise MalformedNetwork(f"Layer {last.name!r} is the last and must have at most {RESULT_WORDS:,} "
                               f"logits, those of all classes of all positions, not {words:,}")
    if last.pool != (1, 1):
        raise MalformedNetwork(f"Layer {last.name!r} is the last and must have a pool of 1 by 1, as it "
                               f"has logits and no bits, not {by(*last.pool)}")
    if last.outputs < 2 and not network.head.regression:
        raise MalformedNetwork(f"Layer {last.name!r} is the last and must have at least 2 classes, not "
                               f"{last.outputs}, unless the network is a regression (answer = \"numbers\", "
                               "or regression=True)")


@dataclass(frozen=True)
class _Map:
    """What leaves a node: who it is, height, width and channels, and what its levels stand for."""

    where: str
    shape: tuple[int, int, int]
    bits: int
    low: int
    fraction: int | None = None

    @property
    def levels(self):
        return _levels(self.bits, self.low) if self.fraction is None else (
            f"{self.bits} bits of which {self.fraction} are fraction")


def _check_entering(layer, entering):
    if entering.shape != (layer.height, layer.width, layer.channels):
        taken = by(layer.height, layer.width, layer.channels)
        raise MalformedNetwork(f"{entering.where} has a map of {by(*entering.shape)}, but layer "
                               f"{layer.name!r} takes one of {taken}")
    # Of a value in fixed point a layer takes the sign, or the number of thresholds that it has reached.
    if layer.value_inverts and (not layer.value_thresholds or len(layer.value_inverts) != layer.channels
                                or {*layer.value_inverts} - {0, 1}):
        raise MalformedNetwork(f"Layer {layer.name!r} must have 0 or 1 for each channel whose level is "
                               "inverted, beside thresholds of values, or nothing")
    if layer.value_thresholds:
        _check_value_thresholds(layer, entering)
        return
    levels = (1, -1) if entering.fraction is not None else (entering.bits, entering.low)
    if levels != (layer.input_bits, layer.input_low):
        what = "signs, levels" if entering.fraction is not None else "levels"
        raise MalformedNetwork(
            f"{entering.where} has {what} of {_levels(*levels)}, but layer {layer.name!r} takes levels of "
            f"{_levels(layer.input_bits, layer.input_low)}")


def _check_value_thresholds(layer, entering):
    count, zero = 2**layer.input_bits - 1, 2**(entering.bits - 1)
    if entering.fraction is None:
        raise MalformedNetwork(f"Layer {layer.name!r} has thresholds of values in fixed point, but "
                               f"{entering.where[0].lower()}{entering.where[1:]} has levels of "
                               f"{entering.levels}")
    found = layer.value_thresholds
    if len(found) not in (count, count * layer.channels) or any(
            list(each) != sorted(each) or each[0] < -zero or each[-1] > zero
            for each in (found[start:start + count] for start in range(0, len(found), count))):
        raise MalformedNetwork(f"Layer {layer.name!r} must have {count} thresholds of values that ascend "
                               f"from {-zero} to {zero}, or as many for each channel, not "
                               f"{found if len(found) < 20 else len(found)}")


def _joined(join, first, second):
    """What leaves ``join``."""
    if join.operation not in ("add", "concat"):
        raise MalformedNetwork(f"Join {join.name!r} must be 'add' or 'concat', not {join.operation!r}")
    both = f"{first.where} and {second.where[0].lower()}{second.where[1:]}"
    if (first.bits, first.low, first.fraction) != (second.bits, second.low, second.fraction):
        raise MalformedNetwork(f"{both} meet in join {join.name!r} and must have the same levels, not "
                               f"{first.levels} and {second.levels}")
    for found in filter(None, join.thresholds):
        zero = 2**(first.bits - 1)
        if first.fraction is None or len(found) != 2 * zero - 1 or list(found) != sorted(found) \
                or found[0] < -zero or found[-1] > zero:
            raise MalformedNetwork(f"Join {join.name!r} must have thresholds of values in fixed point, "
                                   f"{2 * zero - 1} that ascend from {-zero} to {zero}")
    same = slice(0, 3 if join.operation == "add" else 2)
    if first.shape[same] != second.shape[same]:
        raise MalformedNetwork(f"{both} meet in join {join.name!r} and must have maps of the same size, "
                               f"not {by(*first.shape)} and {by(*second.shape)}")
    channels = first.shape[2]
    if join.operation == "add":
        if first.fraction is None:
            raise MalformedNetwork(f"{both} are added in join {join.name!r} and must have values in fixed "
                                   f"point, not levels of {first.levels}")
    else:
        channels += second.shape[2]
    if min(join.resize) < 1:
        raise MalformedNetwork(f"Join {join.name!r} must have a resize of at least 1 by 1, not "
                               f"{by(*join.resize)}")
    size = tuple(map(operator.mul, first.shape, join.resize))
    if max(size) > SIDE:
        raise MalformedNetwork(f"Join {join.name!r} must have a map that leaves of at most {SIDE:,} rows "
                               f"and columns, not {by(*size)}")
    return _Map(f"Join {join.name!r}", (*size, channels), first.bits, first.low, first.fraction)


def _levels(bits: int, low: int) -> str:
    return f"{bits} bit{'s' * (bits > 1)} from {low}"


def _plural(network):
    return "layers or joins" if network.joins else "layers"


def by(*sizes: int) -> str:
    """Return the sizes of a map or an array as words."""
    return " by ".join(map(str, sizes))
