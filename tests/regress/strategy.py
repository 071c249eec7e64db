"""Random cases, by hypothesis."""

import math
from dataclasses import dataclass, replace

from case import FAULTS, IMAGES, VECTORS, WEIGHTS, Case, Gaps, Parameters
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from gen.check_target import ImpossibleTarget
from gen.ir import (
    ArrayChoice,
    BankChoice,
    Draw,
    Head,
    Input,
    Join,
    Layer,
    MaskChoice,
    MixChoice,
    Network,
    Target,
)
from gen.methods import array_sets
from gen.transforms.seed import seed as start
from golden.device.junction import write_codes


__all__ = ["cases", "generate", "shrink"]


@st.composite
def cases(draw) -> Case:
    """A case that can be built and simulated in seconds; about one in ten has a fault."""
    network = draw(_networks())
    widest  = max(layer.columns_per_weight for layer in network.layers)
    most    = draw(st.integers(1, 64) | st.sampled_from((64, 32, 8, 1)))
    # Amaranth's simulator takes no signal of thousands of bits, as the masks of all passes together are.
    groups  = [len(one.drops) for one in network.draws if one.drops is not None]
    most    = min(most, max(1, 2000 // max(groups, default=1)), 16 if network.joins else 64)
    target  = Target(
        array_rows=draw(st.sampled_from((256, 64, 32, 16, 8, 4))),
        array_columns=widest * draw(st.integers(1, 4)) + draw(st.integers(0, 1)),
        passes=draw(st.integers(1, most)), passes_max=most,
        schedule=draw(st.sampled_from(("shared", "shared", "sequential"))),
        mapping=draw(st.sampled_from(("column", "column", "position"))),
        cells_per_read=draw(st.sampled_from((4, 1, 2, 3, 5, 8))),
        interval=draw(st.none() | st.integers(1, 500)),
        seed=draw(st.just(1) | st.integers(1, 2**64 - 1)),
        protect=draw(_rare(5)),
        sources=draw(st.sampled_from(("model", "model", "layer"))) if network.drops else "model",
        **draw(_junctions(network)) if draw(_rare(4)) and network.drops else {})
    target = _with_masks(network, target, draw(st.sampled_from(("random", "random", "balanced",
                                                                "orthogonal"))))
    slow = draw(st.sampled_from(((), (), ("pixels",), ("results",), ("pixels", "results"))))
    return Case(
        network, target,
        parameters=tuple(draw(_parameters(layer, layer is network.layers[-1])) for layer in network.layers),
        counts=draw(_counts(most)),
        images=draw(st.sampled_from(IMAGES)),
        **{end: draw(_gaps()) for end in slow},
        reset=draw(st.none() | st.none() | st.integers(1, 600)),
        fault=draw(st.sampled_from(tuple(FAULTS))) if draw(_rare(10)) else None)


def generate(number: int) -> Case:
    """Return the random case ``number``."""
    made = []

    @_run(number, Phase.generate)
    @given(cases())
    def collect(case):
        made.append(case)

    collect()
    return made[-1]


def shrink(number: int, fails) -> Case:
    """Return the smallest case that hypothesis finds from the random case ``number`` on, which fails, for
    which ``fails`` holds."""
    first, smallest = generate(number), None

    @_run(number, Phase.generate, Phase.shrink)
    @given(cases())
    def test(case):
        nonlocal smallest
        # No other case, though one may fail that is drawn before this one.
        if case == first or smallest is not None and fails(case):
            smallest = case
            raise AssertionError

    try:
        test()
    except AssertionError:
        return smallest


def _run(number, *phases):
    """Decorate a test that is run for a few cases of the seed ``number``: the simplest of all, some that
    hypothesis keeps close to it, and the random one.

    It is the only one of use. More examples of one seed are mostly variants of a few: among 250 cases of
    5 seeds there are 101 networks, among those of 250 seeds 250.
    """
    def decorate(test):
        return seed(number)(settings(
            max_examples=4, phases=phases, database=None, deadline=None, report_multiple_bugs=False,
            print_blob=False, verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck))(test))
    return decorate


def _rare(share):
    """True in one of ``share`` cases."""
    return st.integers(1, share).map(lambda value: value == share)


@st.composite
def _junctions(draw, network):
    """What the target says of junctions; the currents give the probabilities of the bits."""
    times = st.sampled_from((5.0, 8.0, 1.0, 16.5))
    target = {"rng": "mtj", "set_ns": 10.0, "read_ns": draw(times), "reset_ns": draw(times)}
    return target | write_codes(network.drops, Target(**target))


def _with_masks(network, target, masks):
    """``target`` with these masks, if there can be such, and currents of the bits that are drawn then."""
    try:
        drawn = start(network, replace(target, masks=masks)).drawn
    except ImpossibleTarget:
        return target
    currents = write_codes(drawn, target) if target.rng == "mtj" else {}
    return replace(target, masks=masks, **currents)


def _gaps():
    return st.builds(
        Gaps, st.sampled_from((0.95, 0.7, 0.5, 0.2, 0.05)), st.sampled_from((1, 1, 10, 100)))


def _counts(most):
    """Mostly the same number of passes for all images; rarely one that the pins can carry but the
    accelerator cannot."""
    one = st.sampled_from((most, 1)) | st.integers(1, most)
    any_number = one | st.integers(0, 2**most.bit_length() - 1)
    return (st.tuples(one, st.integers(2, 5)).map(lambda pair: (pair[0],) * pair[1])
            | st.lists(any_number, min_size=2, max_size=6).map(tuple))


@st.composite
def _parameters(draw, layer, last):
    # Huge numbers in the last layer make logits that no build takes, so they are rare.
    extreme = draw(st.booleans())
    kinds = st.just("plain") if not extreme else st.sampled_from(
        [kind for kind in VECTORS if kind != "huge"] if last and not draw(_rare(6)) else VECTORS)
    return Parameters(
        draw(st.integers(0, 2**16)), draw(st.just("random") | st.sampled_from(WEIGHTS)),
        *(draw(st.just("plain") | kinds) for _ in range(6)),
        centred=not last and layer.output_bits == 1 and draw(_rare(4)))


@st.composite
def _networks(draw):
    kind   = draw(st.sampled_from(("keep", "arrays", "mixed", "mixed")))
    joined = draw(_rare(4))
    several = draw(_rare(4)) # positions that have an answer each
    height, width = (draw(st.integers(1, 5 if joined else 8)) for _ in range(2))
    count  = draw(st.sampled_from((3, 3, 4) if joined else (1, 2, 2, 3, 3, 4)))
    bits   = (4, 1, 2, 3, 8) if kind == "arrays" else (1, 1, 1, 4)
    weight_bits = [draw(st.sampled_from(bits)) for _ in range(count)]
    levels = [(1, -1) if bits == 1 and not draw(_rare(3)) else
              (draw(st.sampled_from((1, 1, 2, 3, 4))), draw(st.sampled_from((-1, 0))))
              for bits in weight_bits]
    channels = draw(st.integers(1, 3 if levels[0][0] == 1 else 2))
    thresholds = draw(st.lists(st.integers(1, 255), min_size=channels * (2**levels[0][0] - 1),
                               max_size=channels * (2**levels[0][0] - 1)).map(sorted))
    values = {"output_bits": draw(st.sampled_from((4, 2, 3, 8))), "fraction": draw(st.integers(0, 6))}
    layers, draws, joins = [], [], []
    trunk = [_Map("", (height, width, channels), *levels[0])] # what enters each layer of the trunk
    for index in range(count):
        last, entering = index == count - 1, trunk[-1]
        shape, taken = entering.shape, draw(_taken(entering))
        geometry = draw(_last_geometry(shape, several) if last else
                        _same_size(shape) if (joined or several) and draw(st.booleans()) else
                        _geometry(shape))
        channels = shape[2]
        if draw(_rare(4)):
            geometry = geometry | draw(_groups(channels, geometry["outputs"]))
        leaving  = dict(zip(("output_bits", "output_low"), levels[min(index + 1, count - 1)], strict=True))
        if joined and not last and draw(st.booleans()):
            geometry, leaving = geometry | {"pool": (1, 1)}, values
        choices  = draw(_choices(kind, index, draws, channels, channels * math.prod(geometry["kernel"]),
                                 geometry["outputs"]))
        layer = Layer(
            "last" if last else f"layer{index}", *shape, **geometry, **leaving,
            choices=choices,
            weight_bits=weight_bits[index], **taken,
            source=entering.name if joins and entering.name == joins[-1].name else "")
        layers.append(layer)
        trunk.append(_leaving(layer))
        for _ in range(draw(st.sampled_from((1, 1, 0, 2))) if joined and 0 < index < count - 1 else 0):
            beside, join, trunk[-1] = draw(_join(trunk, f"join{len(joins)}", weight_bits))
            layers += beside
            joins.append(join)
    head = Head(fraction=draw(st.sampled_from((10, 10, 11, 12))),
                confidence=draw(st.sampled_from((62260, 0, 65535, 32768))),
                agreement=draw(st.sampled_from((90, 1, 50, 100))), regression=draw(_rare(6)))
    return Network("random", Input(height, width, tuple(thresholds), levels[0][0]), tuple(layers), head,
                   draws=tuple(draws), method="" if draws else "deterministic", joins=tuple(joins))


@dataclass(frozen=True)
class _Map:
    """A map: the layer or join that it leaves, height, width and channels, and what its levels are."""

    name: str
    shape: tuple[int, int, int]
    bits: int
    low: int = -1
    fraction: int | None = None

    @property
    def levels(self):
        """As the fields of a layer that it leaves."""
        return {"output_bits": self.bits, "output_low": self.low, "fraction": self.fraction}


def _leaving(layer):
    return _Map(layer.name, layer.output_shape, layer.output_bits, layer.output_low, layer.fraction)


@st.composite
def _join(draw, trunk, name, weight_bits):
    """Layers of a branch that leaves where one of the layers is entered that ``trunk`` has passed, the join
    in which it meets the trunk, and the map that leaves this. Layers take the branch to the size that the
    map of the trunk has; where it is of that size already, there may be none."""
    start, end = trunk[draw(st.integers(1, len(trunk) - 2))], trunk[-1]
    added  = end.fraction is not None and not draw(_rare(4))
    sizes  = slice(0, 3 if added else 2)
    layers = []
    if (start.levels, start.shape[sizes]) != (end.levels, end.shape[sizes]) or draw(st.booleans()):
        axes = [_fitting(*sides) for sides in zip(start.shape[:2], end.shape[:2], strict=True)]
        if draw(_rare(4)):
            layers.append(Layer(f"{name}_first", *start.shape, (1, 1), draw(st.integers(1, 3)),
                                **draw(_entered(start, weight_bits)), source=start.name))
        entering = _leaving(layers[0]) if layers else start
        kernel, stride, padding = zip(*(draw(st.sampled_from(axis)) for axis in axes), strict=True)
        layers.append(Layer(f"{name}_beside", *entering.shape, kernel,
                            end.shape[2] if added else draw(st.integers(1, 4)), stride=stride,
                            padding=padding, **draw(_entered(entering, weight_bits)), **end.levels,
                            source=entering.name))
    branch = _leaving(layers[-1]) if layers else start
    shape  = *end.shape[:2], end.shape[2] + (0 if added else branch.shape[2])
    steps  = [draw(_steps(end.bits)) if end.fraction is not None and draw(_rare(4)) else ()
              for _ in range(2)]
    # Of two joins one behind the other, and behind a layer that resizes, too, as long as maps stay small.
    larger = tuple(draw(st.sampled_from([each for each in (1, 2, 3) if each * side <= 12] or [1]))
                   for side in shape[:2]) if draw(_rare(3)) else (1, 1)
    size = tuple(side * times for side, times in zip(shape, larger, strict=False))
    return (layers, Join(name, end.name, branch.name, "add" if added else "concat", *steps, resize=larger),
            replace(end, name=name, shape=(*size, shape[2])))


def _steps(bits):
    """Thresholds by which values of so many bits become others."""
    zero, count = 2**(bits - 1), 2**bits - 1
    return st.lists(st.integers(-zero, zero), min_size=count, max_size=count).map(sorted).map(tuple)


@st.composite
def _entered(draw, entering, weight_bits):
    """What a layer is like that ``entering`` enters."""
    return draw(_taken(entering)) | {"weight_bits": draw(st.sampled_from(weight_bits))}


@st.composite
def _taken(draw, entering):
    """The levels that a layer takes of a map: of values their signs, or how many thresholds they reach."""
    if entering.fraction is None:
        return {"input_bits": entering.bits, "input_low": entering.low}
    if not draw(_rare(2)):
        return {"input_bits": 1, "input_low": -1}
    bits, zero = draw(st.sampled_from((2, 1, 3))), 2**(entering.bits - 1)
    count, channels = 2**bits - 1, entering.shape[2] if draw(_rare(2)) else 1
    each = st.lists(st.integers(-zero, zero), min_size=count, max_size=count).map(sorted)
    inverts = st.lists(st.integers(0, 1), min_size=channels, max_size=channels).map(tuple)
    return {"input_bits": bits, "input_low": draw(st.sampled_from((-1, 0))),
            "value_thresholds": tuple(sum(draw(st.lists(each, min_size=channels, max_size=channels)), [])),
            "value_inverts": draw(inverts) if channels == entering.shape[2] and draw(_rare(2)) else ()}


def _fitting(side, other):
    """Kernels, strides and borders that make an axis of ``other`` places of one of ``side``; the smallest
    first."""
    return sorted((kernel, stride, padding) for stride in (1, 2, 3) for padding in range(other + 1)
                  for kernel in range(padding + 1, side + 2 * padding + 1)
                  if (side + 2 * padding - kernel) // stride + 1 == other)[:6]


@st.composite
def _same_size(draw, shape):
    """Geometry of a hidden layer whose map is of the size of the one that enters."""
    padding = tuple(draw(st.integers(0, 1)) for _ in range(2))
    return {"kernel": tuple(2 * border + 1 for border in padding), "padding": padding, "stride": (1, 1),
            "outputs": draw(st.just(shape[2]) | st.integers(1, 5)), "pool": (1, 1)}


#: Probabilities of a 0 of a random bit; also those that 16 bits do not tell from 0 or 1, which are refused.
_PROBABILITY = st.sampled_from((0.5, 0.0, 1.0)) | st.floats(0, 1)


@st.composite
def _choices(draw, kind, index, draws, channels, fan_in, outputs):
    """Choices of the layer ``index`` of so many channels, inputs and outputs, whose new draws are added to
    ``draws``: a keep bit, or arrays to choose from, or all that there can be."""
    if kind == "keep":
        draws.append(Draw(f"draw{index}", (draw(_PROBABILITY),)))
        return (BankChoice(f"draw{index}", (0, 1)),)
    if kind == "arrays":
        count = draw(st.sampled_from((1, 2, 3, 4, 5, 8)))
        if count == 1:
            return draw(_choices("keep", index, draws, channels, fan_in, outputs))
        ways = draw(st.integers(1, count)) if draw(_rare(3)) else 1
        sets = array_sets(count, ways, draw(st.sampled_from(("ring", "any"))) if ways < count else "ring")
        bits = (len(sets) - 1).bit_length()
        draws.append(Draw(f"draw{index}", (0.5,) * bits))
        table = tuple(number % len(sets) for number in range(2**bits))
        return (ArrayChoice(f"draw{index}", table, sets if ways > 1 else ()),)
    made = []
    for each in draw(st.sampled_from((
            (), (BankChoice,), (BankChoice,), (ArrayChoice,), (ArrayChoice, BankChoice), (MaskChoice,),
            (MaskChoice, BankChoice), (MixChoice,), (ArrayChoice, MixChoice), (MaskChoice, MixChoice)))):
        if each is MaskChoice:
            # By channel, or by input; of a layer that can have none, the choice is refused.
            groups = draw(st.sampled_from((channels, channels, fan_in)))
            draws.append(Draw(f"draw{index}_mask", draw(_probabilities(groups))))
            made.append(MaskChoice(draws[-1].name, groups))
            continue
        if each is MixChoice:
            # The mask of a layer before, if it has a bit for each channel.
            known = [one for one in draws if one.drops is not None and len(one.drops) == outputs]
            if not known or not draw(_rare(3)):
                known = [Draw(f"draw{index}_mix", draw(_probabilities(outputs)))]
                draws.append(known[0])
            made.append(MixChoice(draw(st.sampled_from(known)).name))
            continue
        # A draw of its own, that of a layer before, or the number of the pass.
        known = [one for one in draws if one.drops is not None]
        source = draw(st.sampled_from(("own", "own", "shared", "pass")))
        if source == "shared" and known:
            chosen = draw(st.sampled_from(known))
        elif source == "pass":
            chosen = Draw("pass", None)
        else:
            bits   = draw(st.integers(1, 3))
            chosen = Draw(f"draw{index}_{each.__name__}", tuple(draw(_PROBABILITY) for _ in range(bits)))
        if chosen.name not in [one.name for one in draws]:
            draws.append(chosen)
        numbers = draw(st.integers(2, 4)) if chosen.drops is None else 2**len(chosen.drops)
        most    = draw(st.integers(1, min(numbers, 5) - 1))
        table   = [*range(most + 1), *(draw(st.integers(0, most)) for _ in range(numbers - most - 1))]
        sets    = {}
        if each is ArrayChoice and draw(_rare(3)):
            # Any sets, in which each array is at least once.
            count, ways = draw(st.integers(1, most + 1)), draw(st.integers(1, 3))
            sets = {"sets": draw(_sets(most + 1, count, min(count, ways)))}
        made.append(each(chosen.name, tuple(draw(st.permutations(table))), **sets))
    return tuple(made)


@st.composite
def _probabilities(draw, count):
    """Those of the bits of a draw of many, none of which is refused unless all are."""
    each = st.sampled_from((0.5, 0.2, 0.9, 0.0, 1.0))
    return tuple(draw(st.lists(each, min_size=count, max_size=count)) if count <= 8 else
                 (draw(_PROBABILITY),) * count)


@st.composite
def _sets(draw, outcomes, arrays, ways):
    """For each outcome as many of the arrays as ``ways``; a set for each array, then any."""
    owns = [*range(arrays), *(draw(st.integers(0, arrays - 1)) for _ in range(outcomes - arrays))]
    return tuple(tuple(sorted([own, *draw(st.permutations(sorted({*range(arrays)} - {own})))[:ways - 1]]))
                 for own in owns)


@st.composite
def _geometry(draw, shape):
    """Kernel, stride, padding, pool and outputs of a hidden layer."""
    down, right = (draw(_axis(side)) for side in shape[:2])
    kernel, stride, padding = zip(down, right, strict=True)
    if draw(st.booleans()):
        # As most networks have it, the same along both axes, where it can be.
        stride  = (stride[0],) * 2
        padding = (min(padding),) * 2
        kernel  = tuple(min(side, whole + 2 * padding[0])
                        for side, whole in zip(kernel, shape, strict=False))
    average = draw(_average(shape, kernel, stride, padding))
    layer = Layer("probe", *shape, kernel, 1, stride=stride, padding=padding)
    pool  = draw(st.just((1, 1)) | st.just((2, 2)) | st.tuples(*(
        st.integers(1, side) | st.just(side) for side in layer.positions)))
    pool  = tuple(min(side, whole) for side, whole in zip(pool, layer.positions, strict=True))
    return {"kernel": kernel, "outputs": draw(st.integers(1, 5) | st.integers(1, 12)), "pool": pool,
            "stride": stride, "padding": padding, "average": average,
            "resize": draw(st.tuples(*[st.sampled_from((1, 2, 3))] * 2)) if draw(_rare(4)) else (1, 1)}


@st.composite
def _groups(draw, channels, outputs):
    """Groups of channels, and as many outputs as they can have."""
    groups = draw(st.sampled_from([each for each in range(1, channels + 1) if channels % each == 0]))
    return {"groups": groups, "outputs": max(1, outputs // groups) * groups}


@st.composite
def _average(draw, shape, *sizes):
    """A window of what enters that is averaged, of which kernel, stride and border are whole ones."""
    _, _, padding = sizes
    fitting = [[window for window in range(1, of_axis[0] + 1) if not any(size % window for size in of_axis)
                and (not any(padding) or not side % window)]
               for side, of_axis in zip(shape[:2], zip(*sizes, strict=True), strict=True)]
    return tuple(draw(st.sampled_from(axis)) if draw(_rare(2)) else 1 for axis in fitting)


@st.composite
def _axis(draw, side):
    """Of an axis of so many places a kernel, wider than the border and no wider than both, a stride and the
    border."""
    padding = draw(st.integers(0, 2))
    kernel  = draw(st.integers(padding + 1, max(padding + 1, min(4, side + 2 * padding))))
    while padding and kernel > side + 2 * padding:
        padding -= 1
    return min(kernel, side + 2 * padding), draw(st.sampled_from((1, 1, 2, 3))), padding


@st.composite
def _last_geometry(draw, shape, several):
    """The same of the last layer, whose map of logits is 1 by 1, or of ``several`` positions if it can."""
    height, width, _ = shape
    padding = draw(st.sampled_from((0, 0, 0, 1)))
    if padding >= min(height, width) + 2 * padding:
        padding = 0
    whole   = height + 2 * padding, width + 2 * padding
    kernel  = whole
    if several or draw(_rare(4)):
        # Without several, a smaller kernel has one position where the stride leads out of the map.
        least  = [max(padding + 1, side - 3 if several else 1) for side in whole]
        kernel = tuple(draw(st.integers(*sides)) for sides in zip(least, whole, strict=True))
    stride  = max(1, *(side - part + 1 for side, part in zip(whole, kernel, strict=True)))
    outputs = draw(st.integers(2, 5) | st.integers(2, 12) | st.just(25))
    stride  = (stride,) * 2
    if several:
        stride = tuple(draw(st.sampled_from((1, 1, 2))) for _ in whole)
    elif kernel == whole and draw(_rare(3)): # any stride leads out of the map
        stride = kernel
    average = draw(_average(shape, kernel, stride, (padding,) * 2))
    return {"kernel": kernel, "outputs": outputs, "pool": (1, 1), "stride": stride,
            "padding": (padding,) * 2, "average": average}
