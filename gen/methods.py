"""Every method that can be built: what it makes random in a network, and what its checkpoints hold.

This is the only file of :mod:`gen` that knows a method by its name. It turns a network without choices into
one with the draws and choices of a method, and the scales of a checkpoint into those of its banks; what
comes behind works on these alone.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gen.graph import graph_of
from gen.ir import ArrayChoice, BankChoice, Draw, Head, Layer, MaskChoice, MixChoice, Network
from gen.networks import NETWORKS


__all__ = [
    "DEFAULT", "DETERMINISTIC", "METHODS", "Method", "WAYS_OF", "array_sets", "asked_of", "base_of",
    "choose", "count_of", "drops_by_bits", "has_dropout", "is_chosen", "known_names", "method_for",
    "method_of", "name_of", "network_of", "stated", "untrained", "with_draws", "with_dropout",
    "with_random_layers",
]


@dataclass(frozen=True, slots=True)
class Method:
    """What a method draws, and chooses by it in each layer.

    Unless ``in_turn``, each layer has a draw of its own.
    """

    title: str
    paper: str                        #: Where the method is defined.
    choice: type | None = None        #: What a pass chooses; None: nothing.
    count: int = 1                    #: Outcomes of a choice, unless asked otherwise. Beside a keep bit:
                                      #: the values that a dropped scale can have.
    keeps: int = 0                    #: Bits, the first ones, that keep what was trained, which they drop
                                      #: with the dropout probability of the layer: the scale, or weight and
                                      #: bias of an affine transformation. 0: all outcomes are alike.
    groups: Callable = lambda layer: 0 #: Groups of inputs that a mask of a layer has; 0: it can have none.
    masked: Callable = lambda layer: True #: Whether a layer that can have a mask has one, unless asked
                                      #: otherwise.
    in_turn: bool = False             #: Whether pass t takes outcome t modulo ``count`` in all layers.
    scaled: bool = True               #: Whether a checkpoint has scales.
    scales: Callable = lambda scale: scale #: What makes those of the banks (B, C) of these, also (B, C).
    affines: Callable | None = None   #: What makes gamma and beta of the banks, each (B, C), of those of a
                                      #: checkpoint, also (B, C), where layers but the last have inverted
                                      #: normalization; None where none has.
    weight_bits: int = 1              #: Unless a checkpoint states another number.
    levels: bool = False              #: Whether its training takes levels of several bits.
    apart: bool = False               #: Whether members are trained that share nothing.
    passes: int = 20                  #: T in the paper.
    head: Head = Head()
    sources_quoted: str = ""          #: Which random sources the paper has: of each layer, or of the model.
    sources_paper: str = ""           #: Where it says so.

    @property
    def single(self) -> bool:
        """Whether a checkpoint has what was trained alone, and the method says what is in its place when it
        is dropped."""
        return self.keeps > 0 and self.count == 1

    def drops(self, dropout: float, count: int) -> tuple[float, ...] | None:
        """Probability of a 0 of each bit of a draw."""
        return None if self.in_turn else (dropout,) * self.keeps + _alike(count)[0]

    def table(self, count: int) -> tuple[int, ...]:
        """Outcome of each number drawn, with ``count`` alike."""
        outcomes = tuple(range(count)) if self.in_turn else _alike(count)[1]
        # With a keep bit, which is the most significant one, bank 0 is dropped where there is one value for
        # it, so that the bits are the number of the bank; else bank 0 is kept, as in the checkpoint.
        return (outcomes if not self.keeps else tuple(range(2**self.keeps)) if count == 1 else
                (*(1 + outcome for outcome in outcomes), *(0,) * len(outcomes)))


def _alike(count):
    """Bits of a draw, by the probability of a 0 of each, and the outcome of each number that they are, such
    that ``count`` outcomes are alike.

    They are divided into groups as large as the ones among the binary digits of ``count``. A bit for each
    group but the last says whether the outcome is in it, given that it is in none of those before; fair
    bits say which one of a group it is. So it takes neither more than one try nor a bias.
    """
    groups = [1 << digit for digit in reversed(range(count.bit_length())) if count >> digit & 1]
    fair   = groups[0].bit_length() - 1
    starts = [sum(groups[:group]) for group in range(len(groups))]
    drops  = tuple(size / (count - start) for size, start in zip(groups[:-1], starts, strict=False))
    table  = []
    for number in range(2**(len(drops) + fair)):
        # The first of the leading bits that is 0 is that of the group.
        chosen = (number >> fair) ^ (2**len(drops) - 1)
        group  = len(drops) - chosen.bit_length()
        table.append(starts[group] + number % groups[group])
    return drops + (0.5,) * fair, tuple(table)


def _unitary(scale):
    return np.stack([np.ones_like(scale[0]), scale[0]])


def _mean(scale):
    return np.stack([np.full_like(scale[0], scale[0].mean()), scale[0]])


def _dropped_affines(gamma, beta):
    """Both dropped, beta kept, gamma kept, both kept."""
    ones, zeros = np.ones_like(gamma[0]), np.zeros_like(beta[0])
    return np.stack([ones, ones, gamma[0], gamma[0]]), np.stack([zeros, beta[0], zeros, beta[0]])


METHODS = {
    "scale-dropout": Method(
        "Scale-Dropout", "Scale-Dropout, eq. 5 to 9", BankChoice, keeps=1, scales=_unitary,
        sources_quoted="model", sources_paper="Scale-Dropout, V-B"),
    "scale-dropout-mean": Method(
        "Scale-Dropout, mean", "Scale-Dropout, III-B", BankChoice, keeps=1, scales=_mean,
        sources_quoted="model", sources_paper="Scale-Dropout, V-B"),
    "scale-dropout-random": Method(
        "Scale-Dropout, random", "Scale-Dropout, III-B", BankChoice, count=4, keeps=1,
        sources_quoted="model", sources_paper="Scale-Dropout, V-B"),
    "scale-dropout-element": Method(
        "Scale-Dropout, element-wise", "Scale-Dropout, III-B", MixChoice, keeps=1, scales=_unitary,
        sources_quoted="model", sources_paper="Scale-Dropout, V-B"),
    # An input is rejected unless 99 % of its passes reach a probability of 0.9 (SpinBayes, 4.1).
    "spinbayes": Method(
        "SpinBayes", "SpinBayes, 3.2 and 3.3", ArrayChoice, count=8, scaled=False, weight_bits=4,
        levels=True, passes=10, head=Head(confidence=58982, agreement=99),
        sources_quoted="layer", sources_paper="SpinBayes, 3.5.1"),
    "sub-set": Method(
        "Sub-set inference", "NeuSpin, III-B1", BankChoice, count=8),
    "tiny-ensemble": Method(
        "Tiny deep ensemble", "one normalization for each member", BankChoice, count=4, in_turn=True),
    "ensemble": Method(
        "Deep ensemble", "Lakshminarayanan et al., 2017", ArrayChoice, count=4, in_turn=True, apart=True),
    # Where masks sit is not stated. Each acts on the inputs of a layer, never on pixels.
    "spatial-spindrop": Method(
        "Spatial-SpinDrop", "NeuSpin, III-A2", MaskChoice,
        groups=lambda layer: layer.channels, masked=lambda layer: (layer.height, layer.width) != (1, 1)),
    "spindrop": Method(
        "SpinDrop", "NeuSpin, III-A1", MaskChoice,
        groups=lambda layer: layer.inputs if layer.kernel == (layer.height, layer.width)
        and not any(layer.padding) else 0),
    # The last layer has a batch normalization: the paper says nothing of it, and without a gain behind it a
    # normalization of ten logits would hold them near each other.
    "affine": Method(
        "Affine dropout", "Inverted normalization, III", BankChoice, keeps=2, affines=_dropped_affines),
    "deterministic": Method(
        "Deterministic", "no random choice"),
}

#: Method of a network that names none, and of a checkpoint that states none but has scales. One without
#: scales is of the only method that had none when methods were not stated.
DEFAULT, _WITHOUT_SCALES = "scale-dropout", "spinbayes"

#: Method of a network of which nothing is random.
DETERMINISTIC = "deterministic"


#: Which sets of n of N arrays a pass chooses from: those of consecutive ones, or all that there are.
WAYS_OF = "ring", "any"

#: Most arrays or banks, and most sets of arrays, that a layer chooses from: each divides the pass sets, and
#: a set has banks of its own.
SETS_MAX = 1024


def array_sets(count: int, ways: int, ways_of: str = "ring") -> tuple[tuple[int, ...], ...]:
    """Return the sets of ``ways`` of ``count`` arrays that a choice is made from.

    Each array is in as many sets as any other. In a ``"ring"`` there are N of them, array k and those that
    follow it, modulo N, so that a choice takes no more random bits than that of an array; ``"any"`` are all
    C(N, n) (SpinBayes, eq. 4).
    """
    if ways_of == "any":
        return tuple(itertools.combinations(range(count), ways))
    return tuple(tuple(sorted((first + way) % count for way in range(ways))) for first in range(count))


def choose(network: Network, method: str, count: int | None = None, ways: int = 1, ways_of: str = "ring",
           masked: Sequence[str] | None = None) -> Network:
    """Return ``network``, which has no choices, with those of ``method``: ``count`` arrays or banks for
    each if given, sums of the :func:`array_sets` of ``ways`` arrays, and masks of the inputs of the layers
    ``masked`` by their names, if given.

    Raises
    ------
    ValueError
        If there is nothing to choose from, or it is no array; or if the method is not for this network.
    """
    made   = METHODS[method]
    chosen = made.count if count is None else count
    if count is not None and (made.choice in (None, MaskChoice) or made.single):
        raise ValueError(f"Method {method!r} has nothing to choose --crossbars of; leave it out")
    if ways != 1 and made.choice is not ArrayChoice:
        raise ValueError(f"Method {method!r} has one array per layer; leave --ways out")
    if ways_of != "ring" and made.choice is not ArrayChoice:
        raise ValueError(f"Method {method!r} has one array per layer; leave --ways-of out")
    if count is not None and not 2 <= count <= SETS_MAX:
        raise ValueError(f"Arrays or banks to choose from must be from 2 to {SETS_MAX:,}, not {count:,}")
    if made.choice is ArrayChoice and ways != 1:
        _check_ways(method, chosen, ways, ways_of)
    masks = _masks(network, method, masked)
    if unfit := _unfit(network, made):
        others = [name for name, other in METHODS.items() if not _unfit(network, other)]
        best   = next((name for name in others if not untrained(network, name)), others[0])
        raise ValueError(f"Method {method!r} is not for network {network.name!r}: {unfit}; take another "
                         f"method, as {best!r}")
    sets = array_sets(chosen, ways, ways_of) if ways != 1 else ()
    more = {} if made.choice is not ArrayChoice else {"sets": sets}
    outcomes = len(sets) or chosen
    layers, draws = [], []
    # Layers beside the others, on the way of a skip, choose nothing.
    trunk = {network.layers[index].name for index in graph_of(network).trunk}
    for layer in network.layers:
        name = "member" if made.in_turn else layer.name
        if layer.name not in trunk:
            layers.append(replace(layer, weight_bits=made.weight_bits))
            continue
        if made.choice is MaskChoice:
            if groups := masks.get(name):
                layer = replace(layer, choices=(MaskChoice(name, groups),))
                draws.append(Draw(name, (layer.dropout,) * groups))
        elif made.choice is MixChoice:
            layer = replace(layer, choices=(MixChoice(name),))
            draws.append(Draw(name, (layer.dropout,) * layer.outputs))
        elif made.choice is not None and (made.affines is None or layer is not network.layers[-1]):
            layer = replace(layer, choices=(made.choice(name, made.table(outcomes), **more),))
            if name not in (draw.name for draw in draws):
                draws.append(Draw(name, made.drops(layer.dropout, outcomes)))
        layers.append(replace(layer, weight_bits=made.weight_bits))
    return replace(network, name=name_of(network.name, method), layers=tuple(layers), draws=tuple(draws),
                   method=method, head=made.head if network.head == Head() else network.head)


def count_of(network: Network) -> int | None:
    """Return how many outcomes the choices of ``network`` were asked to have, those of its method; None
    where that cannot be asked for."""
    method = METHODS[network.method]
    if method.choice in (None, MaskChoice) or method.single:
        return None
    first = next((layer for layer in network.layers if layer.choices), network.layers[0])
    return max(first.crossbars, first.bank_count - method.keeps)


def asked_of(network: Network) -> dict:
    """Return ``ways``, ``ways_of`` and ``masked`` of :func:`choose` for the choices that ``network`` has by
    its method."""
    first, masks = network.layers[0], METHODS[network.method].choice is MaskChoice
    ring = first.array_sets == array_sets(first.crossbars, first.ways)
    return {"ways": first.ways, "ways_of": "ring" if ring else "any",
            "masked": [layer.name for layer in network.layers if layer.mask_choice] if masks else None}


def is_chosen(network: Network) -> bool:
    """Return whether :func:`choose` makes the choices that ``network`` has by its method, whatever the
    probabilities of its draws."""
    layers = tuple(replace(layer, choices=()) for layer in network.layers)
    try:
        chosen = choose(replace(network, draws=(), layers=layers), network.method, count_of(network),
                        **asked_of(network))
    except ValueError:
        return False
    return _choices_of(chosen) == _choices_of(network)


def _choices_of(network):
    """Choices and draws of ``network`` without probabilities."""
    return ([layer.choices for layer in network.layers],
            [(draw.name, None if draw.drops is None else len(draw.drops)) for draw in network.draws])


def _masks(network, method, masked):
    """Groups of the layers that have a mask, by their names: of those of the trunk, and never the first,
    whose inputs are pixels."""
    made     = METHODS[method]
    trunk    = [network.layers[index] for index in graph_of(network).trunk]
    possible = {layer.name: layer for layer in trunk[1:] if made.groups(layer)}
    if masked is None:
        masked = [name for name, layer in possible.items() if made.masked(layer)]
    elif made.choice is not MaskChoice:
        raise ValueError(f"Method {method!r} masks no inputs; leave --masked out")
    _refuse_twice(masked, "masked")
    for name in masked:
        if name not in possible:
            raise ValueError(f"Method {method!r} can mask the inputs of "
                             f"{', '.join(possible) or 'no layer'}, not of {name!r}")
    return {name: made.groups(possible[name]) for name in masked}


def _refuse_twice(names, what):
    for name in names:
        if list(names).count(name) > 1:
            raise ValueError(f"Layer {name!r} is named twice among those to be {what}; name it once")


def _check_ways(method, count, ways, ways_of):
    if METHODS[method].in_turn:
        raise ValueError(f"Method {method!r} has a normalization for each of its arrays and none for sets "
                         "of them; leave --ways out")
    most = count - (ways_of == "any")
    if not 1 <= ways <= most:
        sets = ", for more than one set" if ways_of == "any" else ""
        raise ValueError(f"Ways must be from 1 to {most}, of {count} arrays{sets}, not {ways}")
    if ways_of == "any" and (sets := math.comb(count, ways)) > SETS_MAX:
        raise ValueError(f"Sets of {ways} of {count} arrays must be at most {SETS_MAX:,} to choose from, "
                         f"not {sets:,}; ask for fewer with --crossbars, or leave --ways-of out for a ring")


def _unfit(network, method):
    """Why ``method`` is not for ``network``; nothing if it is."""
    first, *others = network.layers
    if method.choice is MaskChoice and any(layer.input_low != -1 for layer in others):
        return "an input that is dropped adds 0, which only levels from -1 to 1 have amid them"
    if method.affines is not None and any(layer.output_bits > 1 for layer in (first, *others[:-1])):
        return "a sum that is compared with the mean of its map gives one bit"
    return ""


def untrained(network: Network, method: str) -> str:
    """Return why there is no training of ``network`` by ``method``, which may be one in floating point;
    nothing if there is."""
    made   = METHODS.get(method, Method("", ""))
    beside = sorted(set(range(len(network.layers))) - set(graph_of(network).trunk))
    if made.apart and beside:
        return (f"method {method!r} trains networks apart, which would have different layers "
                f"{network.layers[beside[0]].name!r}, and beside the others there is one for all")
    levels = any(layer.output_bits > 1 and layer.fraction is None for layer in network.layers)
    if levels and not made.levels:
        takes = " or ".join(repr(name) for name, other in METHODS.items() if other.levels)
        return (f"method {method!r} is not for network {network.name!r}, whose levels have several bits, "
                f"but {takes}")
    return ""


def with_dropout(network: Network, dropouts: dict[str, float | None]) -> Network:
    """Return ``network`` with the dropout probabilities of layers by their names; where there is none, or
    the method of the network has none for that layer, it stays as it is."""
    draws, layers = {draw.name: draw for draw in network.draws}, []
    for layer in network.layers:
        dropout = dropouts.get(layer.name)
        if dropout is None or not has_dropout(network, layer):
            layers.append(layer)
            continue
        layers.append(replace(layer, dropout=dropout))
        # Of all bits of a mask or mix, or of the first ones, which keep what was trained.
        drops = draws[layer.name].drops
        keeps = len(drops) if layer.mask_choice or layer.mix_choice else method_for(network).keeps
        draws[layer.name] = replace(draws[layer.name], drops=(dropout,) * keeps + drops[keeps:])
    return replace(network, draws=tuple(draws.values()), layers=tuple(layers))


def with_random_layers(network: Network, names: Sequence[str]) -> Network:
    """Return ``network``, which has its parameters, with choices in the layers ``names`` alone. In others
    all is kept that was trained, as if their dropout probability were 0, and no bit is drawn for them.

    Raises
    ------
    ValueError
        If its layers drop nothing that could be kept; or if there is no such layer.
    """
    choosing = {layer.name: layer for layer in network.layers if layer.choices}
    if not choosing or not all(has_dropout(network, layer) for layer in choosing.values()):
        raise ValueError(f"Network {network.name!r} has no dropout that layers could be without; leave "
                         "--random-layers out")
    _refuse_twice(names, "random")
    for name in names:
        if name not in choosing:
            raise ValueError(f"Random layers of {network.name!r} can be {', '.join(choosing)}, not "
                             f"{name!r}; which are best says: python -m golden.random_layers NETWORK "
                             "--data DIR")
    layers = tuple(_kept(layer) if layer.name in choosing and layer.name not in names else layer
                   for layer in network.layers)
    drawn = {choice.draw for layer in layers for choice in layer.choices}
    return replace(network, layers=layers,
                   draws=tuple(draw for draw in network.draws if draw.name in drawn))


def _kept(layer):
    """``layer`` without its choice, of which it has the outcome of bits that are all 1."""
    bank = 1 if layer.mix_choice else layer.bank_choice.table[-1] if layer.bank_choice else 0
    of_banks = {name: tuple(of_array[bank:bank + 1] for of_array in getattr(layer, name))
                for name in ("normalizations", "banks")}
    return replace(layer, choices=(), **of_banks)


def has_dropout(network: Network, layer: Layer) -> bool:
    """Return whether a layer of ``network`` has a dropout probability that a checkpoint states."""
    return bool(layer.choices) and (layer.mask_choice is not None and network.method != ""
                                    or method_for(network).keeps > 0)


def drops_by_bits(network: Network) -> bool:
    """Return whether all choices of ``network``, which are its own, drop what was trained where a bit is 0:
    inputs by a mask, or the second of two banks."""
    bits = {draw.name: draw.drops for draw in network.draws}
    return bool(network.draws) and all(
        isinstance(choice, MaskChoice | MixChoice) or isinstance(choice, BankChoice)
        and choice.table == (0, 1) and bits[choice.draw] is not None and len(bits[choice.draw]) == 1
        for layer in network.layers for choice in layer.choices)


def with_draws(network: Network, p: float) -> Network:
    """Return ``network``, of which :func:`drops_by_bits` holds, with the probability ``p`` of a 0 of each
    bit."""
    return replace(network, draws=tuple(replace(draw, drops=(p,) * len(draw.drops))
                                        for draw in network.draws))


def method_for(network: Network, scaled: bool = True) -> Method:
    """Return the method that made the choices of ``network``; or one that holds for choices of its own,
    with scales or without."""
    own = Method("Of its own", "", scaled=scaled)
    return METHODS.get(network.method, own)


def stated(text: str | None, scaled: bool) -> str:
    """Return the method of a checkpoint that states ``text``, or none."""
    return text if text is not None else DEFAULT if scaled else _WITHOUT_SCALES


def name_of(base: str, method: str) -> str:
    """Return the name of a network of :mod:`gen.networks` with the choices of ``method``."""
    return base if method == DEFAULT else f"{base}_{method.replace('-', '_')}"


def method_of(name: str) -> tuple[str, str]:
    """Return what :func:`name_of` made ``name`` of; a name that ends like no method is of the default
    one."""
    for method in sorted(METHODS, key=len, reverse=True):
        ending = "" if method == DEFAULT else f"_{method.replace('-', '_')}"
        if ending and name.endswith(ending):
            return name.removesuffix(ending), method
    return name, DEFAULT


def base_of(network: Network) -> str:
    """Return the name of ``network`` without the ending of its method."""
    return network.name.removesuffix(name_of("", network.method)) if network.method else network.name


def known_names() -> list[str]:
    """Return the names of all networks, each with the choices of each method that is for it."""
    return [name_of(base, method) for base, network in NETWORKS.items()
            for method, made in METHODS.items() if not _unfit(network, made)]


def network_of(name: str, method: str | None = None, count: int | None = None, ways: int = 1,
               ways_of: str = "ring", masked: Sequence[str] | None = None) -> Network:
    """Return the network ``name``, with the choices that its name says, or with those of ``method`` if
    given, otherwise as :func:`choose`.

    Raises
    ------
    KeyError
        If there is no such network.
    ValueError
        As :func:`choose`.
    """
    base, found = method_of(name)
    return choose(NETWORKS[base], method or found, count, ways, ways_of, masked)
