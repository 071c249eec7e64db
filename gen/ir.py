"""The network as every transform sees it: immutable data that imports nothing.

A network is a chain of layers, beside which ways part and meet again (:class:`Join`). A layer is a
convolution of maps of levels; a fully connected layer is one whose kernel is the whole map. A level ``q``
of ``A`` bits, from 0 to ``L = 2 ** A - 1``, stands for the value ``low + (1 - low) * q / L``: with one bit
and ``low = -1``, for -1 and +1. The inputs of a kernel are numbered in raster order with the channel
fastest, of several groups of channels those of each group for itself. What the crossbars return for
them, the *sum*, is over all inputs whose word lines are active, and over the arrays that are read,

- with binary weights ``w`` of -1 and +1 the sum of ``w * (2 * q - L)``: of levels of one bit that stand
  for -1 and +1, the sum of the products. With A active inputs of which n equal their weight it is
  ``2 * n - A``; of levels of several bits, that of each bit plane times its place;
- with weights ``w`` of Q bits the sum of ``w * q``, where ``w`` stands for ``w / W`` with
  ``W = 2 ** (Q - 1) - 1`` (SpinBayes, eq. 3).

So an input whose word lines are off adds exactly 0, which is to say that its value is 0 where the starts of
:func:`gen.transforms.banks.float_sum` are. The border that padding adds is active with its channel, so A is
the same at every position.

Transforms fill in the fields that are empty at first; :func:`gen.verify.verify` says which must hold
when. :func:`dump` and :func:`load` turn a network into JSON and back without loss.
"""

import json
import math
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction


__all__ = [
    "JUNCTIONS", "Target", "Input", "Draw", "ArrayChoice", "BankChoice", "MaskChoice", "MixChoice",
    "Normalization", "Comparison", "Centred", "Value", "Affine", "Logit", "Tile", "Folding", "Layer",
    "Join", "Head", "PointSet", "Generator", "HealthTest", "Network", "REGRESSION", "dump", "load",
]


#: Junctions of a multi-level cell: with 0 to 4 of them parallel it has five levels (SpinBayes, 3.4).
JUNCTIONS = 4


def _option(default, text: str, choices: tuple[str | int, ...] = (), limits=(), called: str = ""):
    """A field of a target: what it means, which is also what commands say of their option for it, and what
    it may be: one of ``choices``, or in ``limits``, a range of whole numbers or the least and the most of
    others. ``called`` is the sentence about the limits, with ``{}`` where they stand."""
    return field(default=default, metadata={"help": text, "choices": choices, "limits": limits,
                                            "called": called})


@dataclass(frozen=True, slots=True)
class Target:
    """What an accelerator is built for; :func:`gen.check_target.check_target` holds what its fields may be.

    Beyond the largest array, interval and code no network is any different; beyond 1,024 passes the wires
    of a pass set, one per pass, outgrow the logic.
    """

    array_rows: int = _option(256, "rows of an array; a binary weight takes two cells of a column",
                              limits=range(2, 2**20 + 1, 2),
                              called="Array rows must be even and {}, as a weight takes two complementary "
                                     "cells")
    array_columns: int = _option(256, "columns of an array", limits=range(1, 2**20 + 1),
                                 called="Array columns must be {}")
    passes: int = _option(20, "stochastic forward passes T that the folding is chosen for")
    passes_max: int = _option(32, "largest T that can be asked for; T is a run-time input",
                              limits=range(1, 1025), called="The largest number of passes must be {}")
    schedule: str = _option("shared", "run passes together as pass sets, or one after another",
                            ("shared", "sequential"))
    masks: str = _option("random", "draw what each pass chooses; or let the passes of an image choose each "
                                   "outcome as often as its probability says, in random order, or as the "
                                   "rows of an orthogonal array that is shifted at random; or let them go "
                                   "through all combinations, whose mean is exact",
                         ("random", "balanced", "orthogonal", "all"))
    rng: str = _option("emulated", "pseudo-random source, or pins of an MTJ", ("emulated", "mtj"))
    sources: str = _option("model", "a random source for the whole model, or for each random bit of a pass "
                                    "(SpinBayes, 3.5.1)", ("model", "layer"))
    view: str = _option("emulated", "arrays in memory, or pins of a macro", ("emulated", "macro"))
    mapping: str = _option("column", "where weights of a convolution are: a kernel unrolled into a column, "
                                     "or an array for each position of the kernel (NeuSpin, III-A2)",
                           ("column", "position"))
    cells_per_read: int = _option(4, "multi-level cells of a bit line that are sensed at once "
                                     "(SpinBayes, 3.5.2)", limits=range(1, 2**20 + 1),
                                  called="The multi-level cells of a bit line in a read must be {}")
    interval: int | None = _option(None, "cycles per image to fold for; none: those of streaming it in, "
                                         "unless a layer or the ADCs need more",
                                   limits=range(1, 10**9 + 1), called="The interval must be {} cycles")
    adcs: int | None = _option(None, "analog-to-digital converters of all arrays together, to fold for the "
                                     "shortest interval that they allow", limits=range(1, 10**9 + 1),
                               called="The number of ADCs must be {}")
    luts: int | None = _option(None, "LUT4 of an ECP5, as estimated, to fold for the shortest interval "
                                     "that they allow", limits=range(1, 10**9 + 1),
                               called="The number of LUTs must be {}")
    fps: int | None = _option(None, "images per second at the clock, to choose instances and folding for",
                              limits=range(1, 10**9 + 1), called="The images per second must be {}")
    clock_mhz: float = _option(125.0, "clock frequency in MHz, that times in ns are rounded up to",
                               limits=(0.001, 10_000), called="The clock must be {} MHz")
    set_ns: float = _option(10.0, "SET pulse in ns (Scale-Dropout, V-B)")
    read_ns: float = _option(5.0, "settling time of the sense amplifier in ns")
    reset_ns: float = _option(5.0, "RESET pulse in ns (Scale-Dropout, V-B)")
    array_ns: float = _option(16.0, "a read of a macro's array in ns, from strobe to ADC codes")
    mtj_bits: int = _option(8, "bits of a write current code", limits=range(2, 17),
                            called="A write current code must have {} bits")
    mtj_currents: tuple[int, ...] = _option((), "SET current code of each random bit of a pass, and the "
                                                "RESET current code, for pins of an MTJ")
    mtj_reset_current: int | None = _option(None, "another RESET current code than that of the file")
    seed: int = _option(1, "start of the pseudo-random stream", limits=range(1, 2**64),
                        called="The seed must be {}")
    protect: bool = _option(False, "check parity of all that is stored and sequences, for bits that flip "
                                   "in operation")
    instances: int = _option(1, "instances of the accelerator, which work on one image after another and "
                                "share their random bits", limits=range(1, 65),
                             called="The number of instances must be {}")
    bus: str = _option("streams", "ports of the accelerator as they are; or around it AXI4-Stream for "
                                  "pixels and results, and registers on AXI4-Lite; or a serial line for "
                                  "all of that", ("streams", "axi", "uart"))
    bus_width: int = _option(32, "bits of a beat of pixels on AXI4-Stream", (8, 16, 32, 64))
    baud: int = _option(3_000_000, "bits per second of the serial line", limits=range(1, 10**8 + 1),
                        called="The baud rate must be {}")
    board: str = _option("none", "board whose pins and clock the accelerator gets, at its serial line",
                         ("none", "ulx3s_85f", "ecpix5_85f", "orangecrab_85f", "icebreaker", "arty_a7_100"))

    def cycles(self, time_ns: float) -> int:
        """Return the clock cycles that last at least ``time_ns``."""
        # Exactly: 16 ns at 125 MHz are two cycles, whatever floats make of the product.
        time, clock = (Fraction(repr(float(value))) for value in (time_ns, self.clock_mhz))
        return max(1, math.ceil(time * clock / 1000))

    def lasts_ns(self, time_ns: float) -> float:
        """Return how long a pulse of at least ``time_ns`` lasts, which is whole cycles."""
        return float(self.cycles(time_ns) * 1000 / Fraction(repr(float(self.clock_mhz))))


@dataclass(frozen=True, slots=True)
class Input:
    """Pixels of one or more components of 8 bits, such as red, green and blue.

    Each component is compared with the same thresholds: bits ``component >= threshold``. Each
    ``2 ** bits - 1`` of them make a channel, whose level is the number of ones; the channels of the first
    component come first. Without thresholds each component is a channel, and its level, of 8 bits, as it
    is.
    """

    height: int
    width: int
    thresholds: tuple[int, ...]    #: Ascending, each from 1 to 256, which no component
                                   #: reaches; or none.
    bits: int = 1                  #: Bits of a level; 8 without thresholds.
    colours: int = 1               #: Components of a pixel: 1, grey, or 3.

    @property
    def channels(self) -> int:
        each = len(self.thresholds) // (2**self.bits - 1) if self.thresholds else 1
        return self.colours * each

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image: height and width, and components where there are several."""
        return (self.height, self.width, *([self.colours] if self.colours > 1 else []))


@dataclass(frozen=True, slots=True)
class Draw:
    """Random bits that each pass draws; choices of layers are made by the number that they are.

    Choices that name the same draw are made together.
    """

    name: str
    drops: tuple[float, ...] | None #: Probability of a 0 of each bit, the most significant one first.
                                    #: None: no bit is drawn, and the number is that of the pass.


@dataclass(frozen=True, slots=True)
class ArrayChoice:
    """Which arrays a pass reads: a map enters the layer once for each outcome that its passes have.

    The outcome of the number n that is drawn is ``table[n % len(table)]``. It is the number of an array,
    or with ``sets`` that of a set of them, whose products a sum adds up (SpinBayes, eq. 4).
    """

    draw: str
    table: tuple[int, ...]
    sets: tuple[tuple[int, ...], ...] = () #: By outcome the numbers of the arrays, ascending; of each set
                                           #: as many. Empty: of each outcome the array of its number.


@dataclass(frozen=True, slots=True)
class BankChoice:
    """Which bank a pass applies to the sums: a map enters the layer once, and leaves it once for each
    outcome that its passes have. The outcome of a number is as with :class:`ArrayChoice`, the number of a
    bank."""

    draw: str
    table: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MaskChoice:
    """Which inputs of a layer a pass drops: a map enters the layer once for each pass, or where the layer
    is ``merged`` once for all passes with equal masks.

    Input i of a kernel, of all :attr:`Layer.inputs`, is in group ``i % groups``. Bit g of the draw, in the
    order of drawing, is 1 where group g is kept; neither word line of a dropped input is up, so it adds 0
    to the sum. With as many groups as channels a bit drops a channel, border included; with as many as
    inputs of a fully connected layer it drops a neuron. The mask is that of the map that enters: where a
    layer has several groups of channels, the outputs of each go by the bits of its own channels.
    """

    draw: str
    groups: int


@dataclass(frozen=True, slots=True)
class MixChoice:
    """Which of two banks each output channel of a pass takes by itself: a map enters the layer once, and
    leaves it once for each pass.

    Bit c of the draw, in the order of drawing, is the number of the bank of channel c, in the last layer of
    class c.
    """

    draw: str


@dataclass(frozen=True, slots=True)
class Normalization:
    """Float parameters of a bank as trained, one value per output channel (Scale-Dropout, eq. 7-8):
    ``y = gamma * ((s + bias) * scale - mean) / deviation + beta``.

    With inverted normalization (Ahmed et al., Inverted Normalization with Stochastic Affine
    Transformations, III-A) this is only the affine transformation, and the mean of y over all channels and
    positions of the pooled map of an image is subtracted from it: a bit is ``y >= mean(y)``. The positive
    deviation that y is divided by then does not matter.
    """

    bias: tuple[float, ...]
    scale: tuple[float, ...]
    gamma: tuple[float, ...]
    beta: tuple[float, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]   #: ``sqrt(variance + epsilon)``, positive, rounded to float64.
    centred: bool = False          #: Whether normalization is inverted.


@dataclass(frozen=True, slots=True)
class Comparison:
    """A bank of a hidden layer: per channel the number of thresholds that the sum has reached.

    This level, of ``output_bits`` bits, is inverted bit by bit where ``invert`` is 1. One bit:
    ``(sum >= threshold) ^ invert``.
    """

    threshold: tuple[int, ...]     #: Per channel ``2 ** output_bits - 1`` that ascend, channel by
                                   #: channel; each from ``Layer.sums.start`` to ``Layer.sums.stop``.
    invert: tuple[int, ...]        #: Each 0 or 1.


@dataclass(frozen=True, slots=True)
class Centred:
    """A bank of a hidden layer with inverted normalization: the bit ``N * z >= total``, where
    ``z = gain * sum + offset`` and ``total`` is that of all N sums of the pooled map of an image, of all
    channels and positions. Either all banks of a layer are of this kind, or none."""

    gain: tuple[int, ...]
    offset: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A bank of a hidden layer whose results are added to others (:class:`Join`): per channel the value
    ``(gain * sum + offset) >> dropped`` in units of ``2 ** -Layer.fraction``, no less and no more than
    ``Layer.output_bits`` bits in two's complement hold."""

    gain: tuple[int, ...]
    offset: tuple[int, ...]
    dropped: int                   #: The same in all banks of a layer.


@dataclass(frozen=True, slots=True)
class Affine:
    """A bank of the output layer before quantization: ``log2(e) * y = gain * s + offset``; of a regression,
    ``y``.

    ``s`` is the sum of the products of values; :func:`gen.transforms.banks.float_sum` relates it to the
    sum.
    """

    gain: tuple[float, ...]
    offset: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Logit:
    """A bank of the output layer: the logit ``(gain * sum + offset) >> dropped`` per channel.

    It is ``log2(e) * y``, or of a regression ``y``, in units of ``2 ** -Head.fraction``.
    """

    gain: tuple[int, ...]
    offset: tuple[int, ...]
    dropped: int                   #: The same in all banks of a layer.


@dataclass(frozen=True, slots=True)
class Tile:
    """The part of a weight matrix held by one array, inputs by output channels."""

    rows: range
    columns: range


@dataclass(frozen=True, slots=True)
class Folding:
    """How a layer is spread over time.

    ``rows_per_read`` word-line pairs of each row tile are active in a read (on an FPGA: SIMD lanes
    per row tile) and ``columns_per_read`` columns are converted (ADCs; on an FPGA: processing
    elements).
    """

    rows_per_read: int
    columns_per_read: int
    row_groups: int                #: Reads that sum to one fan-in.
    column_groups: int             #: Groups of columns; the last may be short.


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution, a max-pool, and what a pass chooses at random.

    Of each kind of choice a layer has at most one, of a mask and a choice of arrays at most one, and of a
    choice of banks for all channels and one for each. Without an :class:`ArrayChoice` there is one array,
    without a :class:`BankChoice` or a :class:`MixChoice` one bank, and without any choice all passes
    compute the same.
    """

    name: str
    height: int                    #: Of the map that enters.
    width: int
    channels: int
    kernel: tuple[int, int]        #: Height and width.
    outputs: int                   #: Output channels.
    # One number stands for both of a pair.
    pool: tuple[int, int] = (1, 1) #: Height and width of the max-pool window; what fills none is dropped.
    stride: tuple[int, int] = (1, 1) #: From row to row and from column to column.
    padding: tuple[int, int] = (0, 0) #: Rows of level 0 above and below, and columns left and right.
    average: tuple[int, int] = (1, 1) #: Height and width of windows of the kernel, each of which has one
                                   #: weight for a channel: so the sum is that of averages, times the size
                                   #: of a window.
    groups: int = 1                #: Of channels and of outputs, equally many of each: the first outputs
                                   #: see the first channels alone, and so on. With as many as channels
                                   #: it is a depthwise convolution.
    resize: tuple[int, int] = (1, 1) #: How many rows and columns each of the map becomes that leaves the
                                   #: pool: its nearest neighbours, as often as that side by side.
    dropout: float = 0.5           #: Dropout probability that a training begins with; :class:`Draw` has
                                   #: those of a trained network.
    choices: tuple[ArrayChoice | BankChoice | MaskChoice | MixChoice, ...] = ()
    weight_bits: int = 1           #: 1: weights of -1 and +1. Q: from -W to W.
    input_bits: int = 1            #: Bits of a level that enters.
    input_low: int = -1            #: What level 0 stands for: -1 or 0.
    output_bits: int = 1           #: Bits of a level that leaves a hidden layer.
    output_low: int = -1           #: What its level 0 stands for.
    fraction: int | None = None    #: If given, values in fixed point leave, in units of ``2 ** -fraction``:
                                   #: level q stands for ``q - 2 ** (output_bits - 1)`` of them.
    value_thresholds: tuple[int, ...] = () #: Of values in fixed point that enter, in units of theirs: the
                                   #: level of each is the number of these that it has reached, ascending,
                                   #: ``2 ** input_bits - 1`` of them, or as many of each channel in
                                   #: turn. Empty: the level is the sign, which 0 reaches.
    value_inverts: tuple[int, ...] = () #: Per channel that enters 1 where this level is inverted bit by
                                   #: bit, or 0. Empty: it is nowhere.
    source: str = ""               #: Name of the layer or join whose map enters; empty: the layer before,
                                   #: or of the first layer the input.
    arrays: tuple[tuple[int, ...], ...] = () #: Per array and output channel an integer of fields of
                                   #: ``weight_bits`` bits, field i the weight of input i: one bit that
                                   #: is 1 for +1, or a number in two's complement.
    normalizations: tuple[tuple[Normalization, ...], ...] = () #: Per set of arrays, one for each outcome
                                   #: of their choice, and bank. Until
                                   #: :func:`gen.transforms.banks.make_banks`.
    banks: tuple[tuple[Comparison | Centred | Value | Affine | Logit, ...], ...] = () #: Per set of
                                   #: arrays and bank, likewise.
    tiles: tuple[Tile, ...] = ()   #: Set by :func:`gen.transforms.tile.tile`.
    merged: bool = False           #: Whether passes with equal masks run as one. Set by
                                   #: :func:`gen.transforms.merge.merge`.
    folding: Folding | None = None #: Set by :func:`gen.transforms.folding.choose_folding`.

    def __post_init__(self):
        for name in ("kernel", "pool", "stride", "padding", "average", "resize"):
            if isinstance(value := getattr(self, name), int):
                object.__setattr__(self, name, (value, value))

    @property
    def group_channels(self) -> int:
        """Channels that an output sees."""
        return self.channels // self.groups

    @property
    def group_outputs(self) -> int:
        """Outputs that see the same channels."""
        return self.outputs // self.groups

    @property
    def entrance(self) -> tuple[tuple[tuple[int, ...], int], ...]:
        """Thresholds of values in fixed point and the invert bit, of each channel that enters."""
        found, count = self.value_thresholds or (0,), 2**self.input_bits - 1
        found = found if len(found) == count * self.channels else found * self.channels
        inverts = self.value_inverts or (0,) * self.channels
        return tuple((found[count * number:count * (number + 1)], invert)
                     for number, invert in enumerate(inverts))

    @property
    def fan_in(self) -> int:
        """Inputs of a sum: those of one group."""
        return self.kernel[0] * self.kernel[1] * self.group_channels

    @property
    def inputs(self) -> int:
        """Inputs of a kernel: those of all groups, in raster order with the channel fastest."""
        return self.kernel[0] * self.kernel[1] * self.channels

    @property
    def array_choice(self) -> ArrayChoice | None:
        return next((choice for choice in self.choices if isinstance(choice, ArrayChoice)), None)

    @property
    def bank_choice(self) -> BankChoice | None:
        return next((choice for choice in self.choices if isinstance(choice, BankChoice)), None)

    @property
    def mask_choice(self) -> MaskChoice | None:
        return next((choice for choice in self.choices if isinstance(choice, MaskChoice)), None)

    @property
    def mix_choice(self) -> MixChoice | None:
        return next((choice for choice in self.choices if isinstance(choice, MixChoice)), None)

    @property
    def array_sets(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the arrays whose products a sum adds up, by the outcome of their choice."""
        choice = self.array_choice
        if choice is None:
            return ((0,),)
        return choice.sets or tuple((array,) for array in range(1 + max(choice.table)))

    @property
    def crossbars(self) -> int:
        """Arrays to choose from."""
        return 1 + max(map(max, self.array_sets))

    @property
    def bank_count(self) -> int:
        """Banks to choose from."""
        if self.mix_choice is not None:
            return 2
        return 1 if self.bank_choice is None else 1 + max(self.bank_choice.table)

    @property
    def ways(self) -> int:
        """Arrays whose products a sum adds up."""
        return len(self.array_sets[0])

    @property
    def cells_per_side(self) -> int:
        """Multi-level cells that hold the magnitude of a weight on one bit line of its pair."""
        most = 2**(self.weight_bits - 1) - 1
        return -(-most // JUNCTIONS)

    @property
    def rows_per_weight(self) -> int:
        """Rows of an array that a weight takes: two of complementary cells, or one."""
        return 2 if self.weight_bits == 1 else 1

    @property
    def columns_per_weight(self) -> int:
        """Columns of an array that a weight takes: one, or both sides of a pair of bit lines."""
        return 1 if self.weight_bits == 1 else 2 * self.cells_per_side

    @property
    def cells_per_weight(self) -> int:
        return self.rows_per_weight * self.columns_per_weight

    @property
    def sums(self) -> range:
        """Every value that a sum can have, whatever the weights."""
        weight = max(1, 2**(self.weight_bits - 1) - 1)
        most   = self.ways * self.fan_in * (2**self.input_bits - 1) * weight
        return range(-most, most + 1)

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the map that enters, with its border."""
        return self.height + 2 * self.padding[0], self.width + 2 * self.padding[1]

    @property
    def positions(self) -> tuple[int, int]:
        """Height and width of the map of sums, before the pool."""
        return tuple((whole - side) // step + 1
                     for whole, side, step in zip(self.padded, self.kernel, self.stride, strict=True))

    @property
    def pooled_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the map behind the pool."""
        height, width = self.positions
        return height // self.pool[0], width // self.pool[1], self.outputs

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the map that leaves."""
        height, width, outputs = self.pooled_shape
        return height * self.resize[0], width * self.resize[1], outputs


@dataclass(frozen=True, slots=True)
class Join:
    """Where two ways of a map meet that part at the entrance of a layer (:mod:`gen.graph`).

    ``"add"``, of maps of values in fixed point, is their sum, no less and no more than their bits hold (a
    residual connection); ``"concat"`` has the channels of the first map and then those of the second one.
    """

    name: str
    trunk: str                     #: Name of the layer or join that the way ends with on which passes
                                   #: choose.
    branch: str                    #: That of the other, of layers without choices or of none.
    operation: str = "add"
    trunk_thresholds: tuple[int, ...] = () #: Of values that come from the trunk, ascending, one less than
                                   #: there are values, from the lowest on: each becomes the value whose
                                   #: number is how many of these it has reached. Empty: as they are.
    branch_thresholds: tuple[int, ...] = () #: Likewise of the branch.
    resize: tuple[int, int] = (1, 1) #: How many rows and columns each of the joined map becomes: its
                                   #: nearest neighbours, as often as that side by side.

    def __post_init__(self):
        if isinstance(self.resize, int):
            object.__setattr__(self, "resize", (self.resize, self.resize))

    @property
    def thresholds(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.trunk_thresholds, self.branch_thresholds

    @property
    def sources(self) -> tuple[str, str]:
        return self.trunk, self.branch


@dataclass(frozen=True, slots=True)
class Head:
    """What is made of the logits of a pass, and what the averaging block counts. All integers.

    It is a softmax by powers of two. With ``d = max(logits) - logit`` the exponential is
    ``e = table[d mod 2 ** fraction] >> (d >> fraction)``, where
    ``table[f] = round(2 ** (16 + guard) * 2 ** (-f / 2 ** fraction))``. With
    ``r = (2 ** 34 - 1) // (sum(e) >> guard)`` the probability is ``((e >> guard) * r) >> 18``, unsigned
    Q0.16. How exact it is: :func:`gen.precision.worst_error`.

    With ``regression`` there is no softmax: what leaves the last layer are numbers, not logits, and a
    number y goes on as ``y * 2 ** fraction + 2 ** 15``, held to 0 to 65535. Votes, confident passes and the
    class of the largest sum mean nothing then, and with a ``confidence`` of 0 no image is rejected.
    """

    fraction: int = 10             #: Fraction bits of a logit, and of an exponent in the table. Of a number
                                   #: of a regression they are set by
                                   #: :func:`gen.transforms.quantize.quantize`.
    guard: int = 0                 #: Bits of an exponential beyond 16 that only the sum takes. Set by
                                   #: :func:`gen.transforms.quantize.quantize`.
    confidence: int = 62260        #: Q0.16 (0.95): a pass at or above it is confident (eq. 26).
    agreement: int = 90            #: Per cent of the passes that must be, of one class (eq. 26).
    regression: bool = False       #: Whether outputs are numbers.

    @property
    def unit(self) -> int:
        """What a word of the averaging block is divided by: a probability of 1, or a number of 1."""
        return 2**self.fraction if self.regression else 65536

    @property
    def zero(self) -> int:
        """The word of the averaging block that stands for 0."""
        return 2**15 if self.regression else 0


#: The head of a regression, before it is compiled.
REGRESSION = Head(confidence=0, regression=True)


@dataclass(frozen=True, slots=True)
class PointSet:
    """Points that passes go through, so that their choices differ more evenly than by chance (randomized
    quasi-Monte Carlo): a coordinate for each bit of a pass, all shifted at random (Cranley and Patterson,
    "Randomization of number theoretic methods for multiple integration", 1976).

    Pass t has the point ``t % len(points)``. For so many passes of an image, and for each so many that
    follow, a *shift* is drawn, a number of ``bits`` fair bits for each bit of a pass. The bit is 0 where
    ``(coordinate + shift) % 2 ** bits < drop``. So each pass by itself draws its bits independently, each 0
    with a probability of exactly ``drop / 2 ** bits``, and the mean over passes has no bias, whatever the
    points are.
    """

    bits: int                      #: Of a coordinate, and of its shift: 1 to 16.
    points: tuple[tuple[int, ...], ...] #: Of each point a coordinate for each bit of a pass, from 0 to
                                   #: ``2 ** bits - 1``.
    drop: tuple[int, ...]          #: Per bit of a pass, from 0 to ``2 ** bits``.


@dataclass(frozen=True, slots=True)
class Generator:
    """The pseudo-random stream of bits of the emulated build.

    The 64-bit ``state`` of a source starts at its seed. Each bit first steps it (xorshift:
    ``state ^= state << 13``, ``state ^= state >> 7``, ``state ^= state << 17``, modulo 2 ** 64); it is
    ``(state >> 48) >= drop[place]``, where ``place`` is its number in the pass. Bits are drawn in
    pass-major order: in pass 0 those of each :class:`Draw` of the network in turn, the most significant
    first, then in pass 1, and so on for the T passes of an image, then for the next image; from the
    sources in turn. With ``points`` the bits of their shifts are drawn instead: for every ``len(points)``
    passes of an image, or what is left of them, that of the first bit of a pass, the most significant bit
    first, then that of the second, and so on.
    """

    seeds: tuple[int, ...]         #: Of each source, one or as many as ``drop`` has; from 1 to 2 ** 64 - 1.
                                   #: Empty where nothing is drawn.
    drop: tuple[int, ...]          #: Per bit of a pass, or of the shifts of one, ``round(p * 65536)``.
    points: PointSet | None = None #: What passes go through in place of drawing each bit.

    def bits(self, passes: int) -> int:
        """Return how many bits an image of ``passes`` passes draws."""
        return len(self.drop) * (passes if self.points is None else -(-passes // len(self.points.points)))


@dataclass(frozen=True, slots=True)
class HealthTest:
    """A repetition count test and an adaptive proportion test of random bits (NIST SP 800-90B, 4.4).

    It watches the bits at some ``places`` of each pass, or of the shifts of points, in the order in which
    they are drawn, or whether each of them differs from the one ``distance`` of them before; see
    :class:`hdl.random.health.Health`.
    """

    places: tuple[int, ...]        #: Of the bits that :class:`Generator` numbers; ascending.
    distance: int                  #: 0: the bits themselves.
    repetition: int                #: So many equal bits in a row raise the alarm.
    window: int                    #: Bits of a window, the first of which is the reference.
    proportion: int                #: So many bits equal to the reference, itself included, raise it.


@dataclass(frozen=True, slots=True)
class Network:
    """Layers in the order in which data passes through them, and what each pass draws."""

    name: str
    input: Input
    layers: tuple[Layer, ...]
    head: Head = Head()
    draws: tuple[Draw, ...] = ()   #: In the order in which a pass draws.
    method: str = ""               #: Name of the method that made draws and choices
                                   #: (:mod:`gen.methods`), if it was one.
    data: str = "mnist"            #: Data set that it is trained and judged with (:mod:`golden.data`).
    generator: Generator | None = None #: Set by :func:`gen.transforms.seed.seed`.
    health: tuple[HealthTest, ...] = () #: Of the random bits; set by :func:`gen.transforms.watch.watch`.
    joins: tuple[Join, ...] = ()   #: Each before those that it is a source of.

    @property
    def classes(self) -> int:
        """Classes of an image, or of each of the :attr:`answered` positions."""
        return self.layers[-1].outputs

    @property
    def answered(self) -> tuple[int, int]:
        """Height and width of the map of logits, each position of which has an answer of its own, as of a
        segmentation; 1 by 1 where the image has one."""
        return self.layers[-1].positions

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """:attr:`answered` as axes of arrays that have the answers: none where the image has one answer."""
        return () if self.answered == (1, 1) else self.answered

    @property
    def drops(self) -> tuple[float, ...]:
        """Probability of a 0 of each random bit of a pass, in the order in which they are drawn."""
        return tuple(drop for draw in self.draws for drop in draw.drops or ())

    @property
    def drawn(self) -> tuple[float, ...]:
        """Probability of a 0 of each bit that is drawn in turn: of those of a pass, or with points of those
        of their shifts."""
        points = self.generator and self.generator.points
        return self.drops if not points else (0.5,) * len(self.generator.drop)

    def places(self, name: str) -> range:
        """Numbers, among all random bits of a pass, of those of the draw ``name``; none where it is the
        number of the pass."""
        first = 0
        for draw in self.draws:
            count = len(draw.drops or ())
            if draw.name == name:
                return range(first, first + count)
            first += count
        raise KeyError(name)


_KINDS = {kind.__name__: kind for kind in (
    Target, Input, Draw, ArrayChoice, BankChoice, MaskChoice, MixChoice, Normalization, Comparison, Centred,
    Value, Affine, Logit, Tile, Folding, Layer, Join, Head, PointSet, Generator, HealthTest, Network)}


def dump(value) -> str:
    """Return ``value``, a network or a part of one, as JSON."""
    return json.dumps(_encode(value), indent=1)


def load(text: str):
    """Return what :func:`dump` made ``text`` of."""
    return _decode(json.loads(text))


def _encode(value):
    if is_dataclass(value):
        return {"kind": type(value).__name__,
                **{field.name: _encode(getattr(value, field.name)) for field in fields(value)}}
    if isinstance(value, range):
        return {"range": [value.start, value.stop]}
    if isinstance(value, tuple):
        # Weight columns are wider than any JSON reader's integers.
        return [hex(item) if isinstance(item, int) and item >> 53 > 0 else _encode(item)
                for item in value]
    return value


def _decode(value):
    if isinstance(value, list):
        return tuple(int(item, 16) if isinstance(item, str) else _decode(item) for item in value)
    if isinstance(value, dict) and "range" in value:
        return range(*value["range"])
    if isinstance(value, dict):
        value = dict(value)
        return _KINDS[value.pop("kind")](**{name: _decode(item) for name, item in value.items()})
    return value
