"""Read a network of quantized ONNX (QONNX), as Brevitas and others export it: a chain of convolutions and
matrix products with quantized weights, of batch normalizations, and of quantizers.

Nothing is approximated. A constant is the rational number that its float is, and what stands between the
sums of two layers becomes thresholds on these integers: a level is reached where the exact value is at or
above the bound that the rounding of the quantizer has. Only the deviation of a batch normalization is
rounded, to float64, as everywhere; and what is computed of constants alone is in the types of the file. An
executor that computes in float32 may differ where a value is within its rounding errors of a bound.

What the graph takes is ``pixel / 255``, for pixels from 0 to 255, as ``ToTensor`` of torchvision has it.
What it computes of that before its first quantizer becomes thresholds of the pixels: of ``2 * x - 1`` and
its sign, pixels from 128 on are +1, as 127 / 255 is below a half. Without a quantizer, the pixels are
levels of 8 bits.

A node that cannot be built, or not exactly, is refused by its name.
"""

import math
import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from gen.bounds import ROUNDINGS, Bound, thresholds_of
from gen.check_shapes import LEVEL_BITS, WEIGHT_BITS, by, check_shapes
from gen.checkpoint_file import CheckpointError, Parameters
from gen.ir import Input, Layer, Network
from gen.methods import DETERMINISTIC
from gen.tools import ToolMissing, install_hint


__all__ = ["NODES", "QonnxError", "WAYS_OUT", "read_qonnx"]


#: Nodes of standard ONNX that are evaluated where all that they take is constant; those of the second line
#: move numbers and do not change them.
_COMPUTED = {"Add", "Cast", "Concat", "Constant", "Div", "Gather", "Mul", "Neg", "Pow", "Sqrt", "Sub"}
_MOVED    = {"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}

#: What is done with each node that activations go through.
NODES = {
    "Add": "_add", "BatchNormalization": "_batch_normalization", "BipolarQuant": "_quant", "Clip": "_clip",
    "Conv": "_conv", "Div": "_div", "Flatten": "_flatten", "Gemm": "_gemm",
    "GlobalMaxPool": "_global_max_pool", "Identity": "_same", "IntQuant": "_quant",
    "LogSoftmax": "_softmax", "MatMul": "_matmul", "MaxPool": "_max_pool", "Mul": "_mul",
    "MultiThreshold": "_multi_threshold", "Neg": "_neg", "Pad": "_pad", "Quant": "_quant", "Relu": "_relu",
    "Reshape": "_reshape", "Softmax": "_softmax", "Sub": "_sub",
}

#: What to do about a node that is refused, where it is no question of its attributes.
_CHAIN = "a network is a chain of layers without branches"
WAYS_OUT = {
    "Add":     _CHAIN, "Concat": _CHAIN, "Mul": _CHAIN,
    "ArgMax":  "end the graph with its logits, of which the hardware finds the largest",
    "AveragePool": "train with a max-pool, or with a stride",
    "Dropout": "export the model in evaluation mode, where it drops nothing",
    "GlobalAveragePool": "train with a global max-pool, or a fully connected layer, in its place",
    "Sign":    "its sign of 0 is 0; quantize with BipolarQuant, which has +1",
    "TopK":    "end the graph with its logits, of which the hardware finds the largest",
    "Transpose": "export the graph with the channel before height and width",
    "Trunc":   "train without average pools",
}
_OTHERWISE = "gen/from_qonnx.py says what can be built"

#: The roundings of weights, as :data:`gen.bounds.ROUNDINGS` has those of activations.
_ROUND = {
    "ROUND":     np.round,
    "HALF_EVEN": np.round,
    "HALF_UP":   lambda values: np.sign(values) * np.floor(abs(values) + 0.5),
    "HALF_DOWN": lambda values: np.sign(values) * np.ceil(abs(values) - 0.5),
    "FLOOR":     np.floor,
    "CEIL":      np.ceil,
    "UP":        lambda values: np.sign(values) * np.ceil(abs(values)),
    "DOWN":      np.trunc,
}


class QonnxError(CheckpointError):
    """A file of QONNX that cannot be read, or that has what cannot be built, with the way out in its
    message."""


class _Refused(Exception):
    """Why a node is refused, and the way out if it is a special one."""


@dataclass
class _Sums:
    """Sums of a layer, and what is computed of them in each channel: a function that never rises or never
    falls, of lines and limits."""

    layer: Layer
    weights: np.ndarray                     #: int64 (outputs, fan-in), as in :class:`gen.ir.Layer`.
    flat: bool                              #: Whether the map is taken as a vector.
    steps: list = field(default_factory=list) #: Lines, and limits, of all channels.
    bank: list = field(default_factory=list)  #: Thresholds and invert bit of each, where levels leave it.

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        height, width, channels = self.layer.output_shape
        return channels, height, width

    def line(self, slopes, offsets):
        """Let the values be ``slope * value + offset`` of what they were, in each channel."""
        self.steps.append(("line", list(slopes), list(offsets)))

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
        for kind, first, second in reversed(self.steps):
            bound = (bound.before_line(first[channel], second[channel]) if kind == "line" else
                     bound.before_limits(first, second))
        return bound


@dataclass
class _Levels:
    """Activations that are levels: ``q`` from 0 to ``top`` stands for ``low + step * q``.

    Level k from 1 is reached where ``sign * n >= reached[k - 1]``: in each channel by its sum n, or by each
    pixel n.
    """

    shape: tuple[int, int, int]             #: Channels, height and width.
    flat: bool
    low: Fraction
    step: Fraction
    sums: _Sums | None                      #: Of the layer that they leave; None: they are those of pixels.
    sign: list[int]                         #: Of each channel, 1 or -1; of pixels one 1.
    reached: list[list[int | float]]        #: Likewise. Infinite: never, or always.
    border: tuple[int, int] = (0, 0)        #: Of level 0: rows above and below, columns left and right.

    @property
    def top(self) -> int:
        return len(self.reached[0])

    @property
    def bits(self) -> int:
        return max(1, self.top.bit_length())


@dataclass(frozen=True)
class _Weights:
    """Constants that a quantizer made: whole ``numbers`` times ``scale``, of the same shape."""

    numbers: np.ndarray
    scale: np.ndarray


def read_qonnx(path: Path | str) -> tuple[Network, np.ndarray, list[Parameters]]:
    """Return the network of the file ``path``, which makes no random choices, the thresholds of its pixels,
    int64 ``(thresholds,)``, and the parameters of each layer, as :func:`gen.checkpoint_file.read_file`.

    Raises
    ------
    QonnxError
        If the file cannot be read, or a node cannot be built.
    ToolMissing
        If the package that reads the file is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise ToolMissing("Package 'onnx' is not installed; install it with: "
                          f"{install_hint('qonnx')}") from None
    path = Path(path)
    try:
        model = onnx.load(path)
    except OSError as error:
        raise QonnxError(f"QONNX file {path} cannot be read ({error.strerror or error}); name another "
                         "file") from None
    except Exception as error: # protobuf has its own, of another kind in each version
        words = " ".join(str(error).split())[:120]
        raise QonnxError(f"QONNX file {path} is damaged, or no file of ONNX ({words}); export it "
                         "again") from None
    return _Reader(path, model).read()


class _Reader:

    def __init__(self, path, model):
        from onnx import numpy_helper

        self.path, self.graph, self.opsets = path, model.graph, model.opset_import
        self.constants = {each.name: numpy_helper.to_array(each) for each in self.graph.initializer}
        self.chain, self.input = [], None
        self.name = self.state = self.ended = None

    def read(self):
        self._begin()
        for number, node in enumerate(self.graph.node):
            try:
                self._take(node)
            except _Refused as refused:
                what, way_out = (*refused.args, WAYS_OUT.get(node.op_type, _OTHERWISE))[:2]
                name = node.name or next(iter(node.output), f"number {number}")
                self._refuse(f"has node {name!r} ({node.op_type}), which {what}", way_out)
        return self._end()

    def _refuse(self, what, way_out):
        raise QonnxError(f"QONNX file {self.path} {what}; {way_out}")

    def _begin(self):
        inputs = [each for each in self.graph.input if each.name not in self.constants]
        if len(inputs) != 1 or len(self.graph.output) != 1:
            self._refuse(f"has {len(inputs)} inputs and {len(self.graph.output)} outputs",
                         "a network takes an image and returns its logits")
        sizes = [each.dim_value for each in inputs[0].type.tensor_type.shape.dim]
        shape = tuple(sizes[1:]) # the first is the number of images
        if len(shape) not in (1, 3) or min(shape) < 1 or len(shape) == 3 and shape[0] not in (1, 3):
            self._refuse(f"has an input of shape {sizes}",
                         "it must be (images, 1 or 3, height, width) or (images, pixels)")
        self.name  = inputs[0].name
        self.state = _Levels((1, 1, *shape)[-3:], len(shape) == 1, Fraction(0), Fraction(1, 255), None, [1],
                             [list(range(1, 256))])

    def _take(self, node):
        data = [each for each in node.input if each and each not in self.constants]
        if not data:
            self._fold(node)
            return
        if node.op_type == "Shape" and data == [self.name]:
            channels, height, width = self.state.shape
            sizes = [channels * height * width] if self.state.flat else [channels, height, width]
            self.constants[node.output[0]] = np.array([1, *sizes], np.int64)
            return
        if data != [self.name]:
            raise _Refused("takes other activations than those of the node before it", _CHAIN)
        if node.op_type not in NODES:
            raise _Refused("has no counterpart")
        if self.ended:
            raise _Refused("comes after the softmax", "end the graph with its logits")
        if isinstance(self.state, _Levels) and any(self.state.border) and node.op_type != "Conv":
            raise _Refused("takes a padded map", "only a convolution can follow a border")
        self.state = getattr(self, NODES[node.op_type])(node)
        self.name  = node.output[0]

    def _same(self, node):
        return self.state

    # Constants.

    def _fold(self, node):
        given = [self.constants[each] for each in node.input if each]
        if node.op_type in ("Quant", "IntQuant", "BipolarQuant"):
            result = self._quantized(node)
        elif node.op_type in _MOVED and given and isinstance(given[0], _Weights):
            first, *others = given
            result = _Weights(*(self._evaluate(node, [array, *others])
                                for array in (first.numbers, first.scale)))
        elif node.op_type in _COMPUTED | _MOVED:
            result = self._evaluate(node, [each.numbers * each.scale if isinstance(each, _Weights) else each
                                           for each in given])
        else:
            raise _Refused("computes a constant", "fold constants before the export")
        self.constants[node.output[0]] = result

    def _evaluate(self, node, given):
        from onnx import helper, numpy_helper, reference

        names = [name for name in node.input if name]
        alone = helper.make_model(helper.make_graph(
            [node], "constant", [], [helper.make_empty_tensor_value_info(node.output[0])],
            [numpy_helper.from_array(array, name) for name, array in zip(names, given, strict=True)]),
            opset_imports=self.opsets)
        try:
            return np.asarray(reference.ReferenceEvaluator(alone).run(None, {})[0])
        except Exception as error: # whatever its functions make of what the file has
            raise _Refused(f"cannot be evaluated ({' '.join(str(error).split())[:120]})",
                           "fold constants before the export") from None

    def _quantized(self, node):
        """Return the weights that a quantizer makes of constants, computed in their type."""
        values = self._array(node, 0)
        if node.op_type == "BipolarQuant":
            scale, numbers = self._array(node, 1), np.where(values >= 0, 1, -1)
        else:
            scale, zero, bits = (self._array(node, place) for place in (1, 2, 3))
            first, last, rounding = self._range(node, bits)
            with np.errstate(all="ignore"):
                places = values / scale + zero
            if first is None:
                numbers = np.where(places >= 0, 1, -1) - zero
            else:
                numbers = np.clip(_ROUND[rounding](places), first, last) - zero
        if not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
            raise _Refused("makes weights that are no whole multiples of its scale",
                           "quantize weights with a whole zero point")
        return _Weights(numbers.astype(np.int64), np.broadcast_to(scale, numbers.shape))

    def _range(self, node, bits):
        """Return the least and the largest number of a quantizer, and its rounding. None for the least: it
        takes the sign."""
        bits = float(self._single(bits, "bits"))
        settings = {"signed": 1, "narrow": 0, "rounding_mode": b"ROUND"} | self._attributes(node)
        rounding = settings["rounding_mode"].decode().upper()
        if bits != int(bits) or not 1 <= bits <= LEVEL_BITS:
            raise _Refused(f"has {bits:g} bits", f"quantize to 1 to {LEVEL_BITS} whole bits")
        if rounding not in ROUNDINGS:
            raise _Refused(f"rounds by {rounding!r}", f"round by one of {', '.join(ROUNDINGS)}")
        signed, narrow, bits = bool(settings["signed"]), bool(settings["narrow"]), int(bits)
        if signed and bits == 1:
            return None, None, rounding
        if signed:
            return narrow - 2**(bits - 1), 2**(bits - 1) - 1, rounding
        return 0, 2**bits - 1 - narrow, rounding

    def _attributes(self, node):
        from onnx import helper

        return {each.name: helper.get_attribute_value(each) for each in node.attribute}

    def _array(self, node, place):
        """The constant that ``node`` takes at this place, as numbers."""
        name = node.input[place] if place < len(node.input) else ""
        if name not in self.constants:
            raise _Refused(f"has no constant for its input {place}", "export a graph with constants there")
        found = self.constants[name]
        found = found.numbers * found.scale if isinstance(found, _Weights) else found
        if found.dtype.kind not in "fiu" or not found.size or not np.isfinite(found).all():
            raise _Refused(f"takes {name!r}, which are not finite numbers", "train it again")
        return found

    def _single(self, array, what):
        """The only number that ``array`` has, wherever it stands."""
        if not (array == array.flat[0]).all():
            raise _Refused(f"has {what} that differ", "only those of weights and sums may, between output "
                           "channels")
        return Fraction(array.flat[0].item())

    def _by_channel(self, array):
        """The numbers of ``array`` for each channel of the activations."""
        channels, height, width = self.state.shape
        count = channels * height * width
        try:
            whole = np.broadcast_to(array, (1, *([count] if self.state.flat else self.state.shape)))
        except ValueError:
            raise _Refused(f"takes numbers of shape {array.shape}, but activations of {channels} channels, "
                           f"{height} by {width}") from None
        whole = whole.reshape(channels, -1)
        if (whole != whole[:, :1]).any():
            raise _Refused("takes numbers that differ within a channel",
                           "only those of channels may differ")
        return [Fraction(value) for value in whole[:, 0].tolist()]

    # What activations become.

    def _line(self, slopes, offsets):
        """Multiply the activations and add to them."""
        if isinstance(self.state, _Sums):
            self.state.line(slopes, offsets)
            return self.state
        if len(set(slopes)) > 1 or len(set(offsets)) > 1 or slopes[0] <= 0:
            raise _Refused("multiplies or shifts activations behind a quantizer",
                           "there it takes one factor, above zero, and one shift for all of them")
        return replace(self.state, low=self.state.low * slopes[0] + offsets[0],
                       step=self.state.step * slopes[0])

    def _constant_of(self, node):
        """The numbers by channel that ``node`` takes beside the activations, and whether they are first."""
        first = node.input[0] in self.constants
        return self._by_channel(self._array(node, 0 if first else 1)), first

    def _add(self, node):
        numbers, _ = self._constant_of(node)
        return self._line([Fraction(1)] * len(numbers), numbers)

    def _sub(self, node):
        numbers, first = self._constant_of(node)
        if first:
            return self._line([Fraction(-1)] * len(numbers), numbers)
        return self._line([Fraction(1)] * len(numbers), [-number for number in numbers])

    def _mul(self, node):
        numbers, _ = self._constant_of(node)
        return self._line(numbers, [Fraction(0)] * len(numbers))

    def _div(self, node):
        numbers, first = self._constant_of(node)
        if first or not all(numbers):
            raise _Refused("divides by activations, or by zero", _OTHERWISE)
        return self._line([1 / number for number in numbers], [Fraction(0)] * len(numbers))

    def _neg(self, node):
        channels = self.state.shape[0]
        return self._line([Fraction(-1)] * channels, [Fraction(0)] * channels)

    def _batch_normalization(self, node):
        settings = self._attributes(node)
        if settings.get("training_mode"):
            raise _Refused("takes the statistics of its batch", "export the model in evaluation mode")
        gamma, beta, mean, variance = (self._array(node, place).ravel() for place in (1, 2, 3, 4))
        # In float64, as of a checkpoint (gen.checkpoint).
        with np.errstate(invalid="ignore"):
            deviation = np.sqrt(variance.astype(np.float64) + settings.get("epsilon", 1e-5))
        if len({each.shape for each in (gamma, beta, mean, deviation)}) > 1 or not (deviation > 0).all():
            raise _Refused("has a variance that, with epsilon, is not above zero, or vectors of different "
                           "lengths", "train it again")
        if len(gamma) != self.state.shape[0] or self.state.flat and self.state.shape[1:] != (1, 1):
            raise _Refused(f"normalizes {len(gamma)} channels, but there are {self.state.shape[0]}",
                           "normalize the channels of a map before it becomes a vector")
        parts = [[Fraction(value) for value in each.tolist()] for each in (gamma, beta, mean, deviation)]
        return self._line([gamma / deviation for gamma, _, _, deviation in zip(*parts, strict=True)],
                          [beta - gamma * mean / deviation
                           for gamma, beta, mean, deviation in zip(*parts, strict=True)])

    def _limits(self, least, most):
        if isinstance(self.state, _Levels):
            raise _Refused("limits activations behind a quantizer", "limit them before it")
        self.state.steps.append(("limits", least, most))
        return self.state

    def _relu(self, node):
        return self._limits(Fraction(0), math.inf)

    def _clip(self, node):
        settings, limits = self._attributes(node), []
        for place, name, otherwise in ((1, "min", -math.inf), (2, "max", math.inf)):
            if len(node.input) > place and node.input[place]:
                limits.append(self._single(self._array(node, place), "limits"))
            else:
                limits.append(Fraction(settings[name]) if name in settings else otherwise)
        return self._limits(*limits)

    def _flatten(self, node):
        if self._attributes(node).get("axis", 1) != 1:
            raise _Refused("makes vectors of several images", "flatten with axis 1")
        return replace(self.state, flat=True)

    def _reshape(self, node):
        found = self._array(node, 1).ravel().tolist()
        channels, height, width = self.state.shape
        before = [1, channels * height * width] if self.state.flat else [1, channels, height, width]
        count  = channels * height * width
        sizes  = [before[place] if size == 0 and place < len(before) else size
                  for place, size in enumerate(found)]
        if sizes.count(-1) == 1:
            others = -math.prod(sizes)
            sizes[sizes.index(-1)] = count // others if others > 0 else 0
        if sizes == before:
            return self.state
        if sizes == [1, count]:
            return replace(self.state, flat=True)
        if len(sizes) == 4 and sizes[0] == 1 and sizes[1] in (1, 3) and math.prod(sizes) == count \
                and isinstance(self.state, _Levels) and self.state.sums is None and self.state.flat:
            return replace(self.state, flat=False, shape=tuple(sizes[1:]))
        raise _Refused(f"makes {found} of {before}", "a map may become a vector, and pixels a map")

    def _softmax(self, node):
        if not isinstance(self.state, _Sums):
            raise _Refused("takes activations that are quantized", "end the graph with logits")
        if self._attributes(node).get("axis", 1) not in (1, -1):
            raise _Refused("is not that of the classes", "take it along axis 1")
        self.ended = True # as the head does
        return self.state

    def _max_pool(self, node):
        settings = self._attributes(node)
        size = tuple(settings["kernel_shape"])
        if len(size) != 2 or tuple(settings.get("strides", (1, 1))) != size \
                or any(settings.get("pads", [])) or settings.get("ceil_mode") \
                or settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") \
                or set(settings.get("dilations", [1])) != {1}:
            raise _Refused("must be of windows that do not overlap, of height and width, without a border",
                           "train with a pool whose strides are its size")
        return self._pool(size)

    def _global_max_pool(self, node):
        return self._pool(self.state.shape[1:])

    def _pool(self, size):
        sums = self.state if isinstance(self.state, _Sums) else self.state.sums
        if sums is None or self.state.flat:
            raise _Refused("takes pixels or a vector", "pool the map that leaves a convolution")
        if sums.layer.pool != (1, 1):
            raise _Refused("is the second pool of a layer", "train with a convolution between them")
        if any(side > whole for side, whole in zip(size, sums.shape[1:], strict=True)):
            raise _Refused(f"takes a map of less than {by(*size)}", "train without it")
        if isinstance(self.state, _Sums):
            sums.pool(size)
            return sums
        sums.negate([sign < 0 for sign in self.state.sign])
        sums.layer = replace(sums.layer, pool=size)
        return replace(self.state, sign=[1] * len(self.state.sign), shape=sums.shape)

    def _pad(self, node):
        settings = self._attributes(node)
        pads  = settings.get("pads") or self._array(node, 1).ravel().tolist()
        value = settings.get("value", 0.0)
        if len(node.input) > 2 and node.input[2]:
            value = self._single(self._array(node, 2), "values")
        border = tuple(map(int, pads[2:4]))
        if settings.get("mode", b"constant") != b"constant" or len(pads) != 8 or any(pads[:2] + pads[4:6]) \
                or pads[2:4] != pads[6:8] or min(border) < 0:
            raise _Refused("must add as many rows above as below a map, and as many columns left as right",
                           "train with the same padding on both sides")
        if not isinstance(self.state, _Levels) or Fraction(value) != self.state.low:
            raise _Refused(f"adds a border of {float(value):g}",
                           "a border holds the lowest level of the activations")
        return replace(self.state, border=border)

    # Quantizers.

    def _quant(self, node):
        if node.op_type == "BipolarQuant":
            scale = self._single(self._array(node, 1), "scales")
            first, low, bounds = None, -scale, [Bound(Fraction(0))]
            step = 2 * scale
        else:
            scale, zero = (self._single(self._array(node, place), what)
                           for place, what in ((1, "scales"), (2, "zero points")))
            first, last, rounding = self._range(node, self._array(node, 3))
            if first is None:
                low, step, numbers = (-1 - zero) * scale, 2 * scale, [Bound(Fraction(0))]
            else:
                low, step = (first - zero) * scale, scale
                numbers = [ROUNDINGS[rounding](number) for number in range(first + 1, last + 1)]
            # It rounds value / scale + zero.
            bounds = [bound.before_line(1 / scale, zero) for bound in numbers] if scale else []
        if scale <= 0:
            raise _Refused(f"has a scale of {float(scale):g}", "it must be above zero")
        return self._quantize(low, step, [bounds] * self.state.shape[0])

    def _multi_threshold(self, node):
        settings = self._attributes(node)
        if settings.get("data_layout", b"").decode() not in ("", "NCHW", "NC"):
            raise _Refused("takes a map with the channel last", WAYS_OUT["Transpose"])
        array = self._array(node, 1)
        channels = self.state.shape[0]
        if array.ndim != 2 or len(array) not in (1, channels) \
                or self.state.flat and self.state.shape[1:] != (1, 1) and len(array) > 1:
            raise _Refused(f"has thresholds of shape {array.shape}, but there are {channels} channels")
        if array.shape[1] >= 2**LEVEL_BITS:
            raise _Refused(f"has {array.shape[1]} thresholds", f"there may be {2**LEVEL_BITS - 1}")
        step = Fraction(settings.get("out_scale", 1.0))
        if step <= 0:
            raise _Refused(f"has a scale of {float(step):g}", "it must be above zero")
        bounds = [[Bound(Fraction(value)) for value in sorted(row)] for row in array.tolist()]
        return self._quantize(Fraction(settings.get("out_bias", 0.0)), step,
                              bounds * (channels // len(bounds)))

    def _quantize(self, low, step, bounds):
        """Return the levels of which the first stands for ``low`` and the others have these bounds, in each
        channel."""
        state = self.state
        if isinstance(state, _Sums):
            found = [[state.before(bound, channel) for bound in of_channel]
                     for channel, of_channel in enumerate(bounds)]
            # What a constant is has no sign; all others of a channel have the same.
            sign = [next((each.sign for each in of_channel if not math.isinf(each.value)), 1)
                    for of_channel in found]
            reached = [[each.whole for each in of_channel] for of_channel in found]
            ends = state.layer.sums.start, state.layer.sums.stop
            levels = _Levels(state.shape, state.flat, low, step, state, sign, reached)
        else:
            if state.sums is None and any(each != bounds[0] for each in bounds):
                raise _Refused("has thresholds that differ between colours", "quantize all colours alike")
            sign = state.sign
            reached = [[self._reached(state, before, bound) for bound in of_channel]
                       for before, of_channel in zip(state.reached, bounds, strict=False)]
            sums = range(256) if state.sums is None else state.sums.layer.sums
            ends = sums.start, sums.stop
            levels = replace(state, low=low, step=step, reached=reached)
        return _trimmed(levels, *ends)

    @staticmethod
    def _reached(state, before, bound):
        """Where a new level with this ``bound`` is reached: where the first old one is that holds it."""
        for level in range(state.top + 1):
            if bound.holds(state.low + state.step * level):
                return before[level - 1] if level else -math.inf
        return math.inf

    # Layers.

    def _conv(self, node):
        settings, state = self._attributes(node), self.state
        if not isinstance(state, _Levels) or state.flat:
            raise _Refused("takes what is not quantized, or a vector", "quantize the map that enters it")
        weights = self._weights(node, 4, 0)
        pads    = list(settings.get("pads", [0] * 4))
        if settings.get("group", 1) != 1:
            raise _Refused(f"has {settings['group']} groups", "a crossbar has all channels as its rows; "
                           "train with one group")
        if set(settings.get("dilations", [1, 1])) != {1}:
            raise _Refused("is dilated", "train without dilation")
        if settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or pads[:2] != pads[2:]:
            raise _Refused("must have the same padding above as below, and left as right",
                           "train with the same padding on both sides")
        if any(pads) and (state.low or any(state.border)):
            raise _Refused(f"pads with zeros, but level 0 stands for {float(state.low):g}",
                           "a border holds the lowest level; pad by a node of its own with that value")
        if weights.numbers.ndim != 4 or weights.numbers.shape[1] != state.shape[0]:
            raise _Refused(f"has weights of shape {weights.numbers.shape}, but takes {state.shape[0]} "
                           "channels")
        return self._layer(node, "conv", weights, weights.numbers.shape[2:],
                           stride=settings.get("strides", [1, 1]),
                           padding=pads[:2] if any(pads) else state.border)

    def _matmul(self, node):
        if node.input[0] in self.constants:
            raise _Refused("has its weights first", "export it with the activations first")
        return self._full(node, self._weights(node, 2, 1))

    def _gemm(self, node):
        settings = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | self._attributes(node)
        if (settings["alpha"], settings["beta"], settings["transA"]) != (1, 1, 0):
            raise _Refused("must have alpha and beta of 1 and no transposed input")
        return self._full(node, self._weights(node, 2, 0 if settings["transB"] else 1))

    def _full(self, node, weights):
        state = self.state
        if not isinstance(state, _Levels) or not state.flat:
            raise _Refused("takes what is not quantized, or a map",
                           "quantize what enters it, and flatten maps before")
        if weights.numbers.shape[1] != math.prod(state.shape):
            raise _Refused(f"has weights of {weights.numbers.shape[1]} inputs, but takes "
                           f"{math.prod(state.shape)}")
        shape = len(weights.numbers), *state.shape
        weights = _Weights(weights.numbers.reshape(shape), weights.scale.reshape(shape))
        return self._layer(node, "fc", weights, state.shape[1:])

    def _weights(self, node, dimensions, axis):
        """The weights that ``node`` takes, whole numbers and their scale, with output channels first."""
        found = self.constants.get(node.input[1])
        if not isinstance(found, _Weights):
            values = self._array(node, 1)
            size = abs(values)
            first = size.max(tuple(each for each in range(values.ndim) if each != axis % values.ndim),
                             keepdims=True) if values.ndim else size
            if (size == first).all() and first.all():
                found = _Weights(np.sign(values).astype(np.int64), size)
            elif (values == np.round(values)).all() and size.max() < 2**WEIGHT_BITS:
                found = _Weights(values.astype(np.int64), np.ones(values.shape))
            else:
                raise _Refused("has weights that are not quantized",
                               "quantize them by BipolarQuant or Quant")
        if found.numbers.ndim != dimensions:
            raise _Refused(f"has weights of shape {found.numbers.shape}, not of {dimensions} dimensions",
                           _OTHERWISE)
        return _Weights(*(np.moveaxis(array, axis, 0) for array in (found.numbers, found.scale)))

    def _layer(self, node, kind, weights, kernel, stride=(1, 1), padding=(0, 0)):
        """Return the sums of a layer with ``weights`` (outputs, channels, height, width)."""
        state, numbers = self.state, weights.numbers
        outputs = len(numbers)
        scale = weights.scale.reshape(outputs, -1)
        if (scale != scale[:, :1]).any() or not (scale > 0).all():
            raise _Refused("has scales of weights that differ within an output channel, or are not above "
                           "zero", "scale the weights of an output channel alike")
        most = int(abs(numbers).max())
        bits = 1 if (abs(numbers) == 1).all() else max(2, 1 + most.bit_length())
        if bits > WEIGHT_BITS:
            raise _Refused(f"has weights of up to {most}", f"there may be {2**(WEIGHT_BITS - 1) - 1}")
        channels, height, width = state.shape
        name  = f"{kind}{1 + sum(each.layer.name.startswith(kind) for each in self.chain)}"
        kernel, stride, padding = (tuple(map(int, pair)) for pair in (kernel, stride, padding))
        layer = Layer(name, height, width, channels, kernel, outputs, stride=stride, padding=padding,
                      weight_bits=bits, input_bits=state.bits,
                      input_low=self._leave(state))
        if min(layer.positions) < 1:
            raise _Refused("has a kernel that is larger than its map", "train with a smaller kernel")
        # ONNX has the channel before height and width.
        numbers = numbers.transpose(0, 2, 3, 1).reshape(outputs, -1)
        sums = _Sums(layer, numbers, flat=kind == "fc")
        self.chain.append(sums)
        slopes, offsets = [], []
        for of_channel, total in zip(scale[:, 0].tolist(), numbers.sum(1).tolist(), strict=True):
            factor = Fraction(of_channel)
            slope, offset = factor * state.step, factor * state.low * total
            if bits == 1: # the sum of w * q is half of that of w * (2 * q - L) and of w * L
                slope, offset = slope / 2, offset + slope * (2**state.bits - 1) * total / 2
            slopes.append(slope)
            offsets.append(offset)
        sums.line(slopes, offsets)
        if len(node.input) > 2 and node.input[2]:
            self.state = sums
            bias = self._array(node, 2)
            bias = self._by_channel(bias.reshape(-1, 1, 1) if kind == "conv" else bias)
            sums.line([Fraction(1)] * outputs, bias)
        return sums

    # What the chain has become.

    def _leave(self, levels):
        """Let ``levels`` enter a layer; return what the first one stands for there, -1 or 0."""
        count, sums = 2**levels.bits - 1, levels.sums
        # The thresholds know what levels stand for; here it matters that opposite levels can be told.
        low = -1 if 2 * levels.low == -levels.step * count else 0
        if sums is None:
            [reached] = levels.reached
            reached += [256] * (count - len(reached))
            colours, height, width = levels.shape
            self.input = Input(height, width, () if reached == list(range(1, 256)) else tuple(reached),
                               levels.bits, colours)
            return low
        sums.layer = replace(sums.layer, output_bits=levels.bits, output_low=low)
        sums.bank = [thresholds_of(sums.layer.sums, *each, levels.bits)
                     for each in zip(levels.sign, levels.reached, strict=True)]
        return low

    def _end(self):
        last = self.state
        if self.name != self.graph.output[0].name:
            self._refuse(f"has an output {self.graph.output[0].name!r} that is not what its last node "
                         "makes", _CHAIN)
        if not isinstance(last, _Sums):
            self._refuse("ends with activations that are quantized", "end the graph with its logits")
        if last.shape[1:] != (1, 1) or any(step[0] == "limits" for step in last.steps):
            self._refuse(f"ends with a map of {last.shape}, or with a limit of its values",
                         "end the graph with the logits of its classes")
        network = Network(
            re.sub(r"[^A-Za-z0-9_.-]", "_", self.path.stem).lstrip(".-") or "network", self.input,
            tuple(sums.layer for sums in self.chain), method=DETERMINISTIC,
            data="cifar10" if self.input.colours == 3 else "mnist")
        check_shapes(network)
        return (network, np.array(self.input.thresholds, np.int64),
                [*map(_hidden, self.chain[:-1]), _output(last)])


def _trimmed(levels: _Levels, start: int, stop: int) -> _Levels:
    """Return ``levels`` without those that no sum or pixel has. What is reached at ``start`` always is, at
    ``stop`` never."""
    reached = [[min(max(value, start), stop) for value in row] for row in levels.reached]
    low = levels.low
    # A border of zeros is to stay the lowest level.
    while len(reached[0]) > 1 and all(row[0] == start for row in reached) and (low < 0 or not levels.sums):
        reached, low = [row[1:] for row in reached], low + levels.step
    while len(reached[0]) > 1 and all(row[-1] == stop for row in reached):
        reached = [row[:-1] for row in reached]
    if levels.sums is None and reached[0][0] in (start, stop):
        raise _Refused("quantizes all pixels alike", "the graph takes pixels divided by 255")
    return replace(levels, low=low, reached=reached)


def _hidden(sums: _Sums) -> Parameters:
    thresholds, inverts = zip(*sums.bank, strict=True)
    return Parameters(sums.weights[None], sums.layer.weight_bits, threshold=np.array(thresholds, np.int64),
                      invert=np.array(inverts, np.int64))


def _output(sums: _Sums) -> Parameters:
    """The parameters of the last layer: ``y = gamma * s + beta``."""
    layer = sums.layer
    levels, low = 2**layer.input_bits - 1, layer.input_low
    most = max(1, 2**(layer.weight_bits - 1) - 1)
    # With w / W for weights and values from low to 1, s is `step * sum + start` of each channel.
    step = Fraction(1 - low, levels * (2 if layer.weight_bits == 1 else most))
    gammas, betas = [], []
    for channel, total in enumerate(sums.weights.sum(1).tolist()):
        start = total * (Fraction(1 + low, 2) if layer.weight_bits == 1 else Fraction(low, most))
        slope, offset = Fraction(1), Fraction(0)
        for _, slopes, offsets in sums.steps:
            slope, offset = slopes[channel] * slope, slopes[channel] * offset + offsets[channel]
        gammas.append(float(slope / step))
        betas.append(float(offset - slope * start / step))
    zeros, ones = np.zeros((1, layer.outputs)), np.ones((1, layer.outputs))
    return Parameters(sums.weights[None], layer.weight_bits, bias=zeros, gamma=np.array([gammas]),
                      beta=np.array([betas]), mean=zeros, variance=ones, epsilon=0.0, scale=ones)
