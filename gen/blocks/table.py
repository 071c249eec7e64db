# amaranth: UnusedElaboratable=no
"""The blocks that can be taken alone, each with parameters of a size that is easy to read.

A block is made by its component, or by a function with parameters that can be typed where those of the
component are made of others. Signatures, with these defaults, are what there is to choose; the docstring of
the component, and of the function, says what each parameter is.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from amaranth.hdl import signed, unsigned

from gen.blocks import traffic
from hdl.bus.axi_lite import AxiLite
from hdl.bus.image_input import ImageInput
from hdl.bus.result_output import ResultOutput
from hdl.head.averaging import Averaging
from hdl.head.offset_binary import OffsetBinary
from hdl.head.softmax import Normalizer, PowerOfTwo, Relative, Softmax
from hdl.input.binarizer import Binarizer
from hdl.input.pixel_input import PixelInput
from hdl.layer.adder_accumulator import AdderAccumulator
from hdl.layer.arbiter import Arbiter
from hdl.layer.array import ArrayGeometry, EmulatedArray
from hdl.layer.choice_queue import ArrayQueue, MaskQueue
from hdl.layer.comparator import Comparator
from hdl.layer.crossbar import Crossbar
from hdl.layer.instance_norm import InstanceNorm
from hdl.layer.line_buffer import LineBuffer
from hdl.layer.logit_scaler import LogitScaler
from hdl.layer.pool import Pool
from hdl.layer.reader import Reader
from hdl.layer.scale_mux import ScaleMux, comparison_layout, gain_layout
from hdl.layer.value_scaler import ValueScaler
from hdl.layer.word_packer import WordPacker
from hdl.pass_sets.edge import Edge
from hdl.pass_sets.fork import Fork
from hdl.pass_sets.join import Join
from hdl.pass_sets.map_buffer import MapBuffer
from hdl.pass_sets.mixer import Mix, Mixer
from hdl.pass_sets.pass_split import Choice, PassSplit
from hdl.random.equal_passes import EqualPasses
from hdl.random.health import Health
from hdl.random.mask_bank import MaskBank
from hdl.random.mask_store import MaskStore
from hdl.random.mtj_rng import MtjRng
from hdl.random.pseudo_rng import PseudoRng
from hdl.random.rng_bank import RngBank
from hdl.random.shifted_points import ShiftedPoints
from hdl.uart.frame_receiver import FrameReceiver
from hdl.uart.frame_transmitter import FrameTransmitter
from hdl.uart.pixel_buffer import PixelBuffer
from hdl.uart.result_buffer import ResultBuffer
from hdl.uart.uart_receiver import UartReceiver
from hdl.uart.uart_transmitter import UartTransmitter


__all__ = ["BLOCKS", "Block"]


@dataclass(frozen=True)
class Block:
    """A block that can be taken alone."""

    component: type
    make: Callable                #: Makes it; keywords with defaults are its parameters.
    #: What its inputs are driven with, beside random words: one function, or one after each reset in turn.
    drive: Callable | tuple[Callable, ...] = traffic.nothing
    without: tuple[str, ...] = () #: Parameters of ``make`` that are not offered.


def _weights(rng, arrays, columns, rows, weight_bits):
    """Random weights: per array and column the rows of a column, as :class:`EmulatedArray` takes them."""
    most = (1 << weight_bits - 1) - 1
    def weight():
        return rng.getrandbits(1) if weight_bits == 1 else rng.randint(-most, most) & (1 << weight_bits) - 1
    return [[sum(weight() << row * weight_bits for row in range(rows)) for _ in range(columns)]
            for _ in range(arrays)]


def _arbiter(arrays=4, sets=()):
    """
    Parameters
    ----------
    arrays, sets
        See :class:`hdl.layer.array.ArrayGeometry`.
    """
    return Arbiter(ArrayGeometry(1, 1, rows_per_read=1, columns_per_read=1, arrays=arrays, sets=sets))


def _emulated_array(rows=16, columns=8, rows_per_read=8, columns_per_read=4, weight_bits=1, arrays=1,
                    weights=None, seed=1, protect=False):
    """
    Parameters
    ----------
    rows, columns, rows_per_read, columns_per_read, weight_bits, arrays
        See :class:`hdl.layer.array.ArrayGeometry`.
    weights : sequence of sequence of int or None
        Per array and column an integer whose field i, of ``weight_bits`` bits, is the weight of row i.
        None: random ones.
    seed : int
        Seed of random weights.
    """
    geometry = ArrayGeometry(rows, columns, rows_per_read=rows_per_read, columns_per_read=columns_per_read,
                             weight_bits=weight_bits, arrays=arrays)
    if weights is None:
        weights = _weights(random.Random(seed), arrays, columns, rows, weight_bits)
    return EmulatedArray(geometry, weights, protect=protect)


def _crossbar(fan_in=24, columns=8, tile_rows=12, rows_per_read=6, columns_per_read=4, weight_bits=1,
              arrays=1, sets=(), macro=None, masked=False, weights=None, seed=1, protect=False):
    """
    Parameters
    ----------
    columns, arrays
        See :class:`hdl.layer.array.ArrayGeometry`.
    weights : sequence of sequence of int or None
        Per array and output channel an integer whose field i, of ``weight_bits`` bits, is the weight of
        input i. None: random ones.
    seed : int
        Seed of random weights.
    """
    if weights is None:
        weights = _weights(random.Random(seed), arrays, columns, fan_in, weight_bits)
    return Crossbar(weights, fan_in, tile_rows=tile_rows, rows_per_read=rows_per_read,
                    columns_per_read=columns_per_read, weight_bits=weight_bits, sets=sets, macro=macro,
                    masked=masked, protect=protect)


_GEOMETRY = """
    Parameters
    ----------
    rows, columns, rows_per_read, columns_per_read, weight_bits, arrays, sets
        See :class:`hdl.layer.array.ArrayGeometry`.
    """


def _reader(fan_in=24, rows=12, columns=8, rows_per_read=6, columns_per_read=4, arrays=1, sets=(), bits=1,
            positions=4, groups=None, channel_groups=1, taps=1):
    geometry = ArrayGeometry(rows, columns, rows_per_read=rows_per_read, columns_per_read=columns_per_read,
                             arrays=arrays, sets=sets)
    return Reader(fan_in, geometry, bits=bits, positions=positions, groups=groups,
                  channel_groups=channel_groups, taps=taps)


_reader.__doc__ = _GEOMETRY


def _array_queue(fan_in=24, arrays=4, sets=(), protect=False):
    geometry = ArrayGeometry(1, 1, rows_per_read=1, columns_per_read=1, arrays=arrays, sets=sets)
    return ArrayQueue(fan_in, geometry, protect=protect)


_array_queue.__doc__ = _GEOMETRY


def _mask_queue(fan_in=24, groups=24, channel_groups=1, taps=1, protect=False):
    geometry = ArrayGeometry(1, 1, rows_per_read=1, columns_per_read=1)
    return MaskQueue(fan_in, geometry, groups=groups, channel_groups=channel_groups, taps=taps,
                     protect=protect)


def _scale_mux(sums=range(-64, 65), bits=1, gain=None, offset=None, arrays=1, banks=2, channels=16,
               columns=4, contents=None, seed=1, protect=False):
    """
    Parameters
    ----------
    sums : shape-like
        Values of a sum: a range, if words are thresholds.
    bits : int
        Words have ``2 ** bits - 1`` thresholds, for levels of so many bits.
    gain, offset : shape-like or None
        Words have a gain and an offset of these shapes, instead of thresholds.
    arrays, banks, channels : int
        Arrays or sets of arrays, banks and channels of random words.
    contents : sequence of sequence of sequence of dict or None
        Per array or set of arrays, bank and channel the fields of a word: ``threshold`` (a list) and
        ``invert``, or ``gain`` and ``offset``. None: random ones.
    seed : int
        Seed of random words.
    """
    word = _word(sums, bits) if gain is None else gain_layout(gain, offset)
    if contents is None:
        rng = random.Random(seed)
        contents = [[[traffic.number(word, rng) for _ in range(channels)] for _ in range(banks)]
                    for _ in range(arrays)]
    return ScaleMux(word, contents, sums, columns=columns, protect=protect)


def _word(sums, bits):
    if not isinstance(sums, range):
        raise ValueError(f"Sums must be a range such as range(-64, 65), not {sums!r}")
    return comparison_layout(sums, bits)


def _comparator(sums=range(-64, 65), bits=1, lanes=2, columns=4):
    """
    Parameters
    ----------
    sums : range
        Values of a sum.
    bits : int
        Bits of a level: of ``2 ** bits - 1`` thresholds.
    """
    return Comparator(_word(sums, bits), sums, lanes=lanes, columns=columns)


_GAINS = """
    Parameters
    ----------
    sums : shape-like
        Shape of a sum.
    gain, offset : shape-like
        Shapes of these, signed.
    """


def _logit_scaler(sums=signed(10), gain=signed(8), offset=signed(16), logit=signed(19), dropped=0, lanes=2):
    return LogitScaler(gain_layout(gain, offset), sums, logit, dropped=dropped, lanes=lanes)


def _value_scaler(sums=signed(10), gain=signed(8), offset=signed(16), bits=8, dropped=8, lanes=2,
                  columns=2):
    return ValueScaler(gain_layout(gain, offset), sums, bits=bits, dropped=dropped, lanes=lanes,
                       columns=columns)


_logit_scaler.__doc__ = _value_scaler.__doc__ = _GAINS


def _instance_norm(sums=range(-24, 25), height=4, width=4, size=(2, 2), columns=2, arrays=1, banks=2,
                   channels=4, contents=None, seed=1, protect=False):
    """
    Parameters
    ----------
    arrays, banks, channels : int
        Arrays, banks and channels of random gains and offsets.
    contents : sequence of sequence of sequence of dict or None
        Per array, bank and channel the integers ``gain`` and ``offset``. None: random ones.
    seed : int
        Seed of random gains and offsets.
    """
    if contents is None:
        rng = random.Random(seed)
        contents = [[[{"gain": rng.randint(-7, 7), "offset": rng.randint(-50, 50)}
                      for _ in range(channels)] for _ in range(banks)] for _ in range(arrays)]
    return InstanceNorm(contents, sums, height, width, size=size, columns=columns, protect=protect)


def _rng_bank(sources=3, currents=(100,), reset_current=120, code=8, set_cycles=5, read_cycles=2,
              reset_cycles=4):
    """
    Parameters
    ----------
    sources : int
        Junctions.
    currents, reset_current, code, set_cycles, read_cycles, reset_cycles
        See :class:`hdl.random.mtj_rng.MtjRng`.
    """
    return RngBank([MtjRng(currents, reset_current, code=code, set_cycles=set_cycles,
                           read_cycles=read_cycles, reset_cycles=reset_cycles) for _ in range(sources)])


#: By the name of the block: of its file, or of its class where a file has several. But edge, fork and join
#: are words of Verilog.
BLOCKS = {
    # Pixels.
    "pixel_input":  Block(PixelInput, partial(PixelInput, pixels=16, passes=20)),
    "binarizer":    Block(Binarizer, partial(Binarizer, thresholds=(64, 128, 192)),
                          traffic.near_thresholds),
    # A layer.
    "line_buffer":  Block(LineBuffer, partial(LineBuffer, height=6, width=6, word_bits=4, kernel=(3, 3))),
    "reader":       Block(Reader, _reader),
    "array_queue":  Block(ArrayQueue, _array_queue),
    "mask_queue":   Block(MaskQueue, _mask_queue),
    "crossbar":     Block(Crossbar, _crossbar),
    "emulated_array": Block(EmulatedArray, _emulated_array, traffic.one_array),
    "arbiter":      Block(Arbiter, _arbiter),
    "adder_accumulator": Block(AdderAccumulator, partial(
        AdderAccumulator, code=range(9), tiles=4, columns=4, groups=4)),
    "scale_mux":    Block(ScaleMux, _scale_mux),
    "comparator":   Block(Comparator, _comparator),
    "instance_norm": Block(InstanceNorm, _instance_norm),
    "logit_scaler": Block(LogitScaler, _logit_scaler),
    "value_scaler": Block(ValueScaler, _value_scaler),
    "pool":         Block(Pool, partial(Pool, height=4, width=4, groups=2, size=(2, 2), lanes=2,
                                        columns=4)),
    "word_packer":  Block(WordPacker, partial(WordPacker, channels=16, columns=4, lanes=2)),
    # Between layers.
    "pass_split":   Block(PassSplit, partial(
        PassSplit, passes=20, choices=(Choice((0, 1)), Choice((0, 1, 2, 3))))),
    "map_buffer":   Block(MapBuffer, partial(MapBuffer, shape=unsigned(8), words=9, lanes=2, passes=20,
                                             depth=4),
                          traffic.branches, ("merged", "parts", "apart", "resize", "by_credit")),
    "map_edge": Block(Edge, partial(Edge, shape=unsigned(8), words=9, lanes=2, passes=20,
                                        late=Choice((0, 1)), by_credit=False), without=
                          ("merged", "parts", "mix", "resize", "by_credit")),
    "mixer":        Block(Mixer, partial(Mixer, shape=unsigned(8), words=9, mix=Mix(8, 8), passes=20),
                          traffic.single_passes),
    "map_fork": Block(Fork, partial(Fork, shape=unsigned(8), passes=20, ways=2)),
    "map_join": Block(Join, partial(Join, width=8, branch_width=8, bits=4, added=False, passes=20),
                          traffic.equal_sets),
    # Random bits.
    "mtj_rng":      Block(MtjRng, partial(MtjRng, currents=(100, 110), reset_current=120, code=8,
                                          set_cycles=5, read_cycles=2, reset_cycles=4)),
    "pseudo_rng":   Block(PseudoRng, partial(PseudoRng, drop=(32768, 6554), seed=1)),
    "rng_bank":     Block(RngBank, _rng_bank),
    "shifted_points": Block(ShiftedPoints, partial(
        ShiftedPoints, width=2, points=((0, 3), (2, 1), (1, 0), (3, 2)), drop=(1, 2)),
        traffic.requested_passes),
    "mask_bank":    Block(MaskBank, partial(MaskBank, draws=(1, 2), outputs=(0, 1), passes=8),
                          traffic.requested_bits),
    "mask_store":   Block(MaskStore, partial(MaskStore, bits=16, passes=8), traffic.drawn_words),
    "equal_passes": Block(EqualPasses, partial(EqualPasses, bits=3, passes=8), traffic.drawn_bits),
    "health":       Block(Health, partial(Health, repetition=20, window=64, proportion=52),
                          (traffic.repeated_bits, traffic.uneven_bits)),
    # Probabilities, and numbers of a regression.
    "softmax":      Block(Softmax, partial(Softmax, logit=signed(14), classes=10, fraction=6)),
    "relative":     Block(Relative, partial(Relative, logit=signed(14), classes=10)),
    "power_of_two": Block(PowerOfTwo, partial(PowerOfTwo, width=14, fraction=6)),
    "normalizer":   Block(Normalizer, partial(Normalizer, classes=10), traffic.exponentials),
    "offset_binary": Block(OffsetBinary, partial(OffsetBinary, number=signed(18))),
    "averaging":    Block(Averaging, partial(Averaging, classes=10, passes=20, confidence=58982),
                          traffic.leaves),
    # A bus, and a serial line.
    "axi_lite":     Block(AxiLite, AxiLite),
    "image_input":  Block(ImageInput, partial(ImageInput, pixels=16), traffic.images),
    "result_output": Block(ResultOutput, partial(ResultOutput, classes=10, passes=20), traffic.results),
    "uart_receiver": Block(UartReceiver, partial(UartReceiver, clock_hz=25_000_000, baud=3_000_000),
                           traffic.line),
    "uart_transmitter": Block(UartTransmitter, partial(
        UartTransmitter, clock_hz=25_000_000, baud=3_000_000)),
    "frame_receiver": Block(FrameReceiver, FrameReceiver, traffic.frames),
    "frame_transmitter": Block(FrameTransmitter, FrameTransmitter),
    "pixel_buffer": Block(PixelBuffer, partial(PixelBuffer, size=16, depth=64), traffic.committed),
    "result_buffer": Block(ResultBuffer, partial(ResultBuffer, depth=64), traffic.released),
}
