"""What activations of a graph of QONNX are, and which maps of a network they become.

Each layer and join leaves one map. All that takes it takes a function of it that rises: the levels of one
quantizer, so that the map has these levels; or several of them, or values that are added. Such a map is one
of values in fixed point, whole numbers, and each layer has thresholds of its own for them
(:attr:`gen.ir.Layer.value_thresholds`).
"""

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from gen.bounds import Bound, thresholds_of
from gen.check_shapes import LEVEL_BITS, WEIGHT_BITS
from gen.ir import Input, Join, Layer
from gen.weights import averaged, bits_of


__all__ = ["Levels", "Refused", "Root", "Side", "Sums", "Total", "meet", "pixels_of", "settle"]


_ALIKE = "quantize both alike: with the same scale, and zero points that differ by whole numbers"


class Refused(Exception):
    """Why a node is refused, and the way out if it is a special one."""


@dataclass(eq=False)
class Sums:
    """Sums of a layer, and what is computed of them in each channel: a function that never rises or never
    falls, of lines and limits."""

    layer: Layer
    weights: np.ndarray                     #: int64 (outputs, fan-in), as in :class:`gen.ir.Layer`.
    factors: list[Fraction]                 #: By channel, what one of a weight stands for.
    taken: "Levels"                         #: What the layer takes.
    node: object                            #: Of the graph, for messages.
    flat: bool = False                      #: Whether the map is taken as a vector.
    steps: list = field(default_factory=list) #: Lines, and limits, of all channels.
    bank: list = field(default_factory=list)  #: Thresholds and invert bit of each, where levels leave it.

    def __post_init__(self):
        self.flat = self.taken.flat
        self.steps = [self._values()]

    def _values(self):
        """The line from the sums to what they stand for; the bits of the weights become known."""
        bits, taken = bits_of(self.weights), self.taken
        if bits > WEIGHT_BITS:
            raise Refused(f"has weights of up to {abs(self.weights).max()}",
                          f"there may be {2**(WEIGHT_BITS - 1) - 1}")
        self.layer = replace(self.layer, weight_bits=bits)
        slopes, offsets = [], []
        for factor, total in zip(self.factors, self.weights.sum(1).tolist(), strict=True):
            slope, offset = factor * taken.step, factor * taken.low * total
            if bits == 1: # the sum of w * q is half of that of w * (2 * q - L) and of w * L
                slope, offset = slope / 2, offset + slope * (2**taken.bits - 1) * total / 2
            slopes.append(slope)
            offsets.append(offset)
        return "line", slopes, offsets

    def average(self, size: tuple[int, int]):
        """Take the average of each ``size`` of values: that of the sums, which a larger kernel has."""
        layer = self.layer
        if layer.pool != (1, 1) or layer.resize != (1, 1) or any(
                step[0] == "limits" for step in self.steps):
            raise Refused("averages values that are limited or pooled", "put a quantizer before it")
        kernel = self.weights.reshape(layer.outputs, *layer.kernel, layer.group_channels)
        whole  = np.moveaxis(averaged(np.moveaxis(kernel, 3, 1), layer.stride, size), 1, 3)
        self.weights = whole.reshape(layer.outputs, -1)
        self.factors = [factor / math.prod(size) for factor in self.factors]
        self.layer = replace(layer, kernel=whole.shape[1:3], stride=tuple(
            side * step for side, step in zip(size, layer.stride, strict=True)))
        self.steps[0] = self._values()

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        height, width, channels = self.layer.output_shape
        return channels, height, width

    def line(self, slopes, offsets) -> "Sums":
        """Let the values be ``slope * value + offset`` of what they were, in each channel."""
        self.steps.append(("line", list(slopes), list(offsets)))
        return self

    def line_of_all(self) -> tuple[list[Fraction], list[Fraction]]:
        """Return slopes and offsets of the values, all steps of which are lines."""
        slopes, offsets = [Fraction(1)] * self.layer.outputs, [Fraction(0)] * self.layer.outputs
        for _, further, more in self.steps:
            slopes  = [one * other for one, other in zip(further, slopes, strict=True)]
            offsets = [slope * offset + other
                       for slope, offset, other in zip(further, offsets, more, strict=True)]
        return slopes, offsets

    def limits(self, least, most) -> "Sums":
        """Let the values be no less and no more."""
        self.steps.append(("limits", least, most))
        return self

    def pool(self, size):
        """Take the largest of each ``size`` of values.

        It is that of the sums; where values fall as sums rise, that of the sums of the opposite weights.
        """
        slopes = [math.prod((step[1][channel] > 0) - (step[1][channel] < 0)
                            for step in self.steps if step[0] == "line")
                  for channel in range(self.layer.outputs)]
        self.negate([slope < 0 for slope in slopes])
        self.steps.insert(0, ("line", [-1 if slope < 0 else 1 for slope in slopes], [0] * len(slopes)))
        self.layer = replace(self.layer, pool=size)

    def negate(self, channels: list[bool]):
        """Take the opposite weights in some channels."""
        self.weights = np.where(np.array(channels)[:, None], -self.weights, self.weights)

    def before(self, bound: Bound, channel: int) -> Bound:
        """Return the bound of the sum of a channel where the values have this one."""
        return _before(self.steps, bound, channel)

    def quantized(self, low: Fraction, step: Fraction, bounds: list[list[Bound]]) -> "Levels":
        """Return levels of which the first stands for ``low``, the others having these bounds in each
        channel."""
        found = [[self.before(bound, channel) for bound in of_channel]
                 for channel, of_channel in enumerate(bounds)]
        # What a constant is has no sign; all others of a channel have the same.
        sign = [next((each.sign for each in of_channel if not math.isinf(each.value)), 1)
                for of_channel in found]
        return _rooted(self, low, step, sign, [[each.whole for each in of_channel] for of_channel in found])


@dataclass(eq=False)
class Total:
    """A sum of two maps of levels, or levels as a quantizer made them, and what is computed of it in each
    channel, as of :class:`Sums`."""

    root: "Root"                            #: Of the numbers of levels, which may be added.
    shape: tuple[int, int, int]
    flat: bool
    order: tuple[int, ...] | None           #: As of :class:`Levels`.
    steps: list
    shared: bool = False                    #: Likewise.

    def line(self, slopes, offsets) -> "Total":
        return replace(self, steps=[*self.steps, ("line", list(slopes), list(offsets))])

    def limits(self, least, most) -> "Total":
        return replace(self, steps=[*self.steps, ("limits", least, most)])

    def levels(self) -> "Levels":
        """The sum as it is, as levels."""
        slope, offset = Fraction(1), Fraction(0)
        for step in self.steps:
            if step[0] != "line" or len(set(step[1])) > 1 or len(set(step[2])) > 1 or step[1][0] <= 0:
                raise Refused("takes a sum that is not quantized", "put a quantizer behind it")
            slope, offset = step[1][0] * slope, step[1][0] * offset + step[2][0]
        return Levels(self.shape, self.flat, offset, slope, self.root, tuple(range(1, self.root.top + 1)),
                      self.order, shared=self.shared)

    def quantized(self, low, step, bounds) -> "Levels":
        """As of :class:`Sums`."""
        found = [self._numbers([_before(self.steps, bound, channel) for bound in of_channel])
                 for channel, of_channel in enumerate(bounds)]
        levels = Levels(self.shape, self.flat, low, step, self.root, found[0][0], self.order,
                        shared=self.shared)
        if any(found[0] != each for each in found) or found[0][1]:
            return replace(levels, each=found)
        return _trimmed(levels)

    def _numbers(self, bounds):
        """What a channel has of :attr:`Levels.each`."""
        numbers, above = [bound.whole for bound in bounds], self.root.top + 1
        # What a constant is has no sign; all others of a channel have the same.
        falls = any(bound.sign < 0 and not math.isinf(bound.value) for bound in bounds)
        if falls: # -n >= t is not n >= 1 - t
            numbers = [1 - number for number in reversed(numbers)]
        return tuple(int(min(max(number, 0), above)) for number in numbers), int(falls)


def _before(steps, bound, channel):
    for kind, first, second in reversed(steps):
        bound = (bound.before_line(first[channel], second[channel]) if kind == "line" else
                 bound.before_limits(first, second))
    return bound


@dataclass(eq=False)
class Side:
    """Where two maps of levels meet."""

    name: str
    node: object                            #: Of the graph, for messages.
    one: "Levels"
    other: "Levels"
    trunk: str                              #: As of :class:`gen.ir.Join`, as those below.
    branch: str
    operation: str
    shifts: tuple[int, int] = (0, 0)        #: Of channels side by side, what is added to the numbers of
                                            #: levels of each so that all stand for the same.
    thresholds: list = field(default_factory=lambda: [(), ()]) #: Of values of both ways, if they become
                                            #: others.
    resize: tuple[int, int] = (1, 1)        #: How many rows and columns each becomes of what leaves.


@dataclass(eq=False)
class Root:
    """The levels of what leaves a layer or join, or those of pixels, from 0 to ``top``.

    Level k from 1 is reached where ``sign * n >= reached[k - 1]``: in each channel by its sum n, or in all
    channels by each pixel, or by the sum of the numbers of levels or the number of the level that a join
    has.
    """

    source: Sums | Side | None              #: What it leaves; None: they are those of pixels.
    sign: list[int]                         #: Of each channel, 1 or -1; of others than sums one 1.
    reached: list[list[int | float]]        #: Likewise. Infinite: never, or always.
    made: "Levels | None" = None            #: Of sums, what their quantizer made.
    uses: list = field(default_factory=list) #: Levels that are taken of these, and the layer or join that
                                            #: takes them.

    @property
    def top(self) -> int:
        return len(self.reached[0])

    @property
    def ends(self) -> tuple[int, int]:
        """What all numbers have reached, and what none has."""
        if self.source is None:
            return 0, 256
        if isinstance(self.source, Side):
            return 0, self.top + 1
        return self.source.layer.sums.start, self.source.layer.sums.stop


@dataclass(eq=False)
class Levels:
    """Activations that are levels: ``q`` from 0 to ``top`` stands for ``low + step * q``."""

    shape: tuple[int, int, int]             #: Channels, height and width.
    flat: bool
    low: Fraction
    step: Fraction
    root: Root                              #: Levels that they are a function of:
    of: tuple[int, ...]                     #: of these, each level from 1 is reached by the one of this
                                            #: number; by 0 always, by one more than there are never.
    order: tuple[int, ...] | None = None    #: Channels of the graph, in the order of the join; None of the
                                            #: same.
    border: tuple[int, int] = (0, 0)        #: Of level 0: rows above and below, columns left and right.
    window: tuple[int, int] = (1, 1)        #: Height and width of what is averaged.
    whole: tuple[int, int] | None = None    #: Height and width of the map before that.
    shared: bool = False                    #: Whether others are taken of the same map, too.
    each: list[tuple[tuple[int, ...], int]] | None = None #: Of a sum, where they are others in each channel
                                            #: of the graph: ``of``, and 1 where the level falls by one with
                                            #: each that is reached, or 0; ``of`` itself then says but how
                                            #: many there are.

    @property
    def top(self) -> int:
        return len(self.of)

    @property
    def bits(self) -> int:
        return max(1, self.top.bit_length())

    @property
    def span(self) -> tuple[int, int] | None:
        """The lowest and the highest level of the root between which these are the same; None if they are
        not, but for limits."""
        first, last = self.of[0] - 1, self.of[-1]
        return (first, last) if self.of == tuple(range(first + 1, last + 1)) else None

    def entering(self) -> int:
        """What the first level stands for where a layer takes it, -1 or 0."""
        # The thresholds know what levels stand for; here it matters that opposite levels can be told.
        return -1 if 2 * self.low == -self.step * (2**self.bits - 1) else 0

    def rows(self) -> list[list[int | float]]:
        """What the levels are reached by, as of :class:`Root`."""
        return [[-math.inf if number == 0 else math.inf if number > len(row) else row[number - 1]
                 for number in self.of] for row in self.root.reached]

    def quantized(self, low: Fraction, step: Fraction, bounds: list[list[Bound]]) -> "Levels":
        """As of :class:`Sums`."""
        self.refuse_each()
        root, alike = self.root, all(each == bounds[0] for each in bounds)
        if not alike and root.source is None:
            raise Refused("has thresholds that differ between colours", "quantize all colours alike")
        if not alike and (self.shared or not isinstance(root.source, Sums)):
            return self.total().quantized(low, step, bounds)
        found = [[self._reaching(bound) for bound in of_channel] for of_channel in
                 (bounds[:1] if alike else bounds)]
        if alike:
            return _trimmed(replace(self, low=low, step=step, of=tuple(found[0])))
        rows = [replace(self, of=tuple(of), root=replace(root, reached=[row])).rows()[0]
                for of, row in zip(found, root.reached, strict=True)]
        return replace(_rooted(root.source, low, step, root.sign, rows), shape=self.shape, flat=self.flat)

    def limits(self, least: Fraction | float, most: Fraction | float) -> "Levels":
        """Return these, no less and no more; each limit must be a level, or beyond all."""
        self.refuse_each()
        below, above = ((least - self.low) / self.step, (most - self.low) / self.step)
        below, above = max(below, 0), min(above, self.top)
        if below >= above or below != int(below) or above != int(above):
            raise Refused("limits activations behind a quantizer", "limit them before it")
        return replace(self, low=self.low + self.step * below, of=self.of[int(below):int(above)])

    def total(self) -> Total:
        """The same, to be computed with in each channel."""
        self.refuse_each()
        if self.root.source is None or self.span is None or self.whole or any(self.border) \
                or self.flat and self.shape[1:] != (1, 1):
            raise Refused("multiplies or shifts pixels, averages, a vector, or activations that are "
                          "quantized twice", "there it takes one factor, above zero, and one shift for all "
                          "of them")
        (first, last), count = self.span, self.shape[0]
        low = self.low - self.step * first
        return Total(self.root, self.shape, self.flat, self.order, [
            ("limits", first, last), ("line", [self.step] * count, [low] * count)], self.shared)

    def refuse_each(self):
        """Refuse levels that are others in each channel of a sum, where only a layer can take such."""
        if self.each is not None:
            raise Refused("takes levels of a sum by thresholds that differ between channels, or falling",
                          "put a layer behind their quantizer, or normalize what is added, before its "
                          "quantizers")

    def _reaching(self, bound):
        """The level of the root that reaches a new one with this ``bound``."""
        for level in range(self.top + 1):
            if bound.holds(self.low + self.step * level):
                return self.of[level - 1] if level else 0
        return self.root.top + 1


def pixels_of(shape: tuple[int, ...]) -> Levels:
    """Return pixels of a map of this ``shape``, or of a vector, divided by 255."""
    root = Root(None, [1], [list(range(1, 256))])
    return Levels((1, 1, *shape)[-3:], len(shape) == 1, Fraction(0), Fraction(1, 255), root,
                  tuple(range(1, 256)))


def _rooted(sums, low, step, sign, reached):
    """Levels of ``sums``, without those that no sum has."""
    start, stop = sums.layer.sums.start, sums.layer.sums.stop
    reached = [[min(max(value, start), stop) for value in row] for row in reached]
    below, above = _cut(reached, start, stop, low < 0)
    reached = [row[below:len(row) - above] for row in reached]
    root = Root(sums, sign, reached)
    root.made = Levels(sums.shape, sums.flat, low + step * below, step, root,
                       tuple(range(1, len(reached[0]) + 1)))
    return root.made


def _trimmed(levels: Levels) -> Levels:
    """Return ``levels`` without those that no number of the root has."""
    (start, stop), pixels = levels.root.ends, levels.root.source is None
    rows = [[min(max(value, start), stop) for value in row] for row in levels.rows()]
    below, above = _cut(rows, start, stop, levels.low < 0 or pixels)
    if pixels and rows[0][below] in (start, stop):
        raise Refused("quantizes all pixels alike", "the graph takes pixels divided by 255")
    return replace(levels, low=levels.low + levels.step * below,
                   of=levels.of[below:len(levels.of) - above])


def _cut(rows, start, stop, lowest):
    """How many levels to leave out below and above: at ``start`` one always is reached, at ``stop`` never.
    Below only if ``lowest``, as a border of zeros is to stay the lowest level."""
    below, above, count = 0, 0, len(rows[0])
    while lowest and below < count - 1 and all(row[below] == start for row in rows):
        below += 1
    while above < count - 1 - below and all(row[count - 1 - above] == stop for row in rows):
        above += 1
    return below, above


def meet(join: Side) -> Root:
    """Return the levels of a join, which takes those of its two ways."""
    one, other = join.one, join.other
    top = (one.top + other.top if join.operation == "add" else
           max(each.top + shift for each, shift in zip((one, other), join.shifts, strict=True)))
    for each in one, other:
        each.root.uses.append((each, join))
    return Root(join, [1], [list(range(1, top + 1))])


def settle(chain: list[Sums], joins: list[tuple[Side, Root]]) -> tuple[Input, tuple[Join, ...]]:
    """Let each layer of ``chain`` have the map that leaves it, and the source and levels of the one that it
    takes; return the input, and the joins.

    Raises
    ------
    Refused
        With a third argument, the node, if no maps hold the values.
    """
    roots, pixels = _roots(chain, joins), None
    layers = {id(sums): number for number, sums in enumerate(chain)}
    for together in _together(roots, joins):
        takers = [(levels, taker) for root in together for levels, taker in root.uses
                  if isinstance(taker, Sums)]
        if together[0].source is None:
            pixels = _input(*together)
        elif _plain(together):
            for root in together:
                if isinstance(root.source, Sums):
                    _leave_levels(root)
        else:
            _leave_values(together, takers)
        for levels, taker in takers:
            source = levels.root.source
            before = chain[layers[id(taker)] - 1]
            taker.layer = replace(taker.layer, source="" if source is None or source is before else
                                  source.name)
    return pixels, tuple(Join(
        join.name, join.trunk, join.branch, join.operation,
        *join.thresholds[::1 if join.trunk == join.one.root.source.name else -1], resize=join.resize)
        for join, _ in joins)


def _roots(chain, joins):
    """All levels that something takes, each after those that it is made of."""
    found = {id(root): root for _, root in joins}
    by_use = {}
    for sums in chain:
        by_use.setdefault(id(sums.taken.root), sums.taken.root)
    for join, _ in joins:
        for each in join.one, join.other:
            by_use.setdefault(id(each.root), each.root)
    return [*(root for key, root in by_use.items() if key not in found), *found.values()]


def _together(roots, joins):
    """Lists of the levels that must have the same bits, as joins bring them together."""
    group = {id(root): [root] for root in roots}
    for join, root in joins:
        for each in join.one.root, join.other.root:
            whole, more = group[id(root)], group[id(each)]
            if whole is not more:
                whole += more
                group |= {id(member): whole for member in more}
    found = {id(members): members for members in group.values()}
    order = {id(root): number for number, root in enumerate(roots)}
    return [sorted(members, key=lambda root: order[id(root)]) for members in found.values()]


def _input(root):
    if len(root.uses) > 1:
        raise Refused("takes pixels, which only the first layer does",
                      "let it take what a layer behind that one computes", root.uses[1][1].node)
    [(levels, _)] = root.uses
    [reached], count = levels.rows(), 2**levels.bits - 1
    reached = [*reached, *[256] * (count - levels.top)]
    colours, *size = levels.shape
    height, width  = levels.whole or size
    return Input(height, width, () if reached == list(range(1, 256)) else tuple(reached), levels.bits,
                 colours)


def _plain(together):
    """Whether all that takes these levels takes the same ones, of all of them."""
    views = [levels for root in together for levels, _ in root.uses]
    if any(levels.each is not None for levels in views):
        return False
    if len(together) == 1:
        return len({(levels.of, levels.entering()) for levels in views}) == 1
    joins = [root.source for root in together if isinstance(root.source, Side)]
    return all(join.operation == "concat" and not any(join.shifts) for join in joins) and all(
        levels.of == tuple(range(1, levels.root.top + 1)) and levels.top == views[0].top
        and levels.low == views[0].low and levels.step == views[0].step for levels in views)


def _leave_levels(root):
    """Let the levels that are taken leave a layer."""
    sums, levels = root.source, root.uses[0][0]
    sums.layer = replace(sums.layer, output_bits=levels.bits, output_low=levels.entering())
    sums.bank = [thresholds_of(sums.layer.sums, *each, levels.bits)
                 for each in zip(root.sign, levels.rows(), strict=True)]


def _leave_values(together, takers):
    """Let values in fixed point leave layers, of the fewest bits that hold what is taken of them."""
    refused = None
    for bits in range(2, LEVEL_BITS + 1):
        try:
            firsts, entrances = _placed(together, takers, 2**(bits - 1))
            break
        except Refused as error:
            refused = error
    else:
        raise refused
    zero = 2**(bits - 1)
    for root in together:
        sums = root.source
        if not isinstance(sums, Sums):
            continue
        below = firsts[id(root)] + zero
        rows  = [[-math.inf] * below + row + [math.inf] * (2 * zero - 1 - below - len(row))
                 for row in root.reached]
        sums.layer = replace(sums.layer, output_bits=bits, fraction=0)
        sums.bank = [thresholds_of(sums.layer.sums, *each, bits)
                     for each in zip(root.sign, rows, strict=True)]
        levels = root.made
        sums.line([1 / levels.step] * sums.layer.outputs,
                  [firsts[id(root)] - levels.low / levels.step] * sums.layer.outputs)
    for (_, taker), entrance in zip(takers, entrances, strict=True):
        taker.layer = replace(taker.layer, **entrance)


def _placed(together, takers, zero):
    """The value that level 0 of each of these is, by its id, and by which thresholds of the values layers
    take them, as fields of these, where values are from ``-zero`` to ``zero - 1``."""
    firsts, held = {}, {}
    for root in together:
        join = root.source
        if isinstance(join, Side):
            ways = [_way(levels, join, firsts, held, zero) for levels in (join.one, join.other)]
            join.thresholds = [thresholds for _, _, thresholds in ways]
            least, most = map(sum, list(zip(*ways, strict=True))[:2]) if join.operation == "add" else (
                min(way[0] for way in ways), max(way[1] for way in ways))
            first = least if join.operation == "add" else _first_beside(join, [way[0] for way in ways])
        else:
            first = _first_of_layer(root, zero)
            least, most = first, first + root.top
        firsts[id(root)] = first
        held[id(root)] = max(least, -zero), min(most, zero - 1)
    return firsts, [_entrance(levels, taker, firsts, held, zero) for levels, taker in takers]


def _entrance(levels, taker, firsts, held, zero):
    """Fields of the layer ``taker`` that takes ``levels``."""
    count = 2**levels.bits - 1
    if levels.each is None:
        found = _reaching(levels, levels.of, taker, firsts, held, zero)
        found = (*found, *[zero] * (count - len(found)))
        return {"value_thresholds": () if found == (0,) and taker.layer.input_low == -1 else found}
    thresholds, inverts = [], []
    for channel in levels.order or range(len(levels.each)):
        of, invert = levels.each[channel]
        found = _reaching(levels, of, taker, firsts, held, zero)
        more  = count - len(found)
        # One that falls has reached all that there are not.
        thresholds += [-zero] * more + found if invert else found + [zero] * more
        inverts.append(invert)
    return {"value_thresholds": tuple(thresholds), "value_inverts": tuple(inverts) if any(inverts) else ()}


def _reaching(levels, of, taker, firsts, held, zero):
    """Thresholds of values for ``levels``, which are reached by those of the root that ``of`` says."""
    first, (least, most) = firsts[id(levels.root)], held[id(levels.root)]
    found = [-zero if number == 0 else zero if number > levels.root.top else first + number
             for number in of]
    # Of a sum beyond what values hold, all that are as large are one.
    if any(not least < value <= most for value, number in zip(found, of, strict=True)
           if 0 < number <= levels.root.top):
        raise Refused(f"takes levels of a sum that values of {LEVEL_BITS} bits do not hold",
                      "quantize what is added to fewer bits", taker.node)
    return found


def _way(levels, join, firsts, held, zero):
    """The values of the first and the last of ``levels`` where they enter a join, and the thresholds by
    which they are these values; none where the map has them."""
    first, top = firsts[id(levels.root)], levels.top
    if levels.span is not None and tuple(first + end for end in levels.span) == held[id(levels.root)]:
        return *held[id(levels.root)], ()
    if top >= 2 * zero:
        raise Refused(f"takes levels of more than {LEVEL_BITS} bits", "quantize to fewer", join.node)
    found = _reaching(levels, levels.of, join, firsts, held, zero)
    first = _first_of(levels, zero)
    return first, first + top, (*[-zero] * (first + zero), *found, *[zero] * (zero - 1 - first - top))


def _first_of(levels, zero):
    """The value of the first of these levels: what it stands for in whole steps, or of others about half of
    them below zero; from ``-zero`` to ``zero - 1``."""
    top   = levels.top
    whole = levels.low / levels.step
    first = int(whole) if whole.denominator == 1 else -(top + 1) // 2
    return min(max(first, -zero), zero - 1 - top)


def _first_of_layer(root, zero):
    """The value of level 0 of a layer."""
    join = next((taker.node for _, taker in root.uses if isinstance(taker, Side)), root.uses[0][1].node)
    if root.source.layer.pool != (1, 1):
        raise Refused("takes what a pool leaves", "put a stride in its place", join)
    if root.top >= 2 * zero:
        raise Refused(f"takes levels of more than {LEVEL_BITS} bits", "quantize to fewer", join)
    return _first_of(root.made, zero)


def _first_beside(join, lowest):
    """The value of level 0 of a join of channels, the ways of which have these first values."""
    one, other = (low - shift for low, shift in zip(lowest, join.shifts, strict=True))
    if one != other:
        raise Refused("puts levels side by side of which equal ones stand for different values", _ALIKE,
                      join.node)
    return one
