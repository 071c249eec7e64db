"""Read a network of quantized ONNX (QONNX), as Brevitas and others export it: convolutions and matrix
products with quantized weights, batch normalizations, and quantizers, and ways that part and meet again.

Nothing is approximated. A constant is the rational number that its float is, and what stands between the
sums of two layers becomes thresholds on these integers: a level is reached where the exact value is at or
above the bound that the rounding of the quantizer has. Only the deviation of a batch normalization is
rounded, to float64, as everywhere; and what is computed of constants alone is in the types of the file. An
executor that computes in float32 may differ where a value is within its rounding errors of a bound.

What the graph takes is ``pixel / 255``, for pixels from 0 to 255, as ``ToTensor`` of torchvision has it.
What it computes of that before its first quantizer becomes thresholds of the pixels: of ``2 * x - 1`` and
its sign, pixels from 128 on are +1, as 127 / 255 is below a half. Without a quantizer, the pixels are
levels of 8 bits.

What meets in an ``Add`` or ``Concat`` becomes whole numbers, values in fixed point (:mod:`gen.qonnx_maps`),
if its quantizers have one scale. Quantizers behind it become thresholds of these values.

An average of levels becomes weights of the layer behind it (:attr:`gen.ir.Layer.average`), or else a layer
of its own; one of sums those of the layer in front. A map of levels becomes larger as it leaves its layer.

A node that cannot be built, or not exactly, is refused by its name.
"""

import math
import operator
import re
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from gen.bounds import ROUNDINGS, Bound
from gen.check_shapes import LEVEL_BITS, WEIGHT_BITS, by, check_shapes
from gen.checkpoint_file import CheckpointError, Parameters
from gen.graph import trunk_and_branch
from gen.ir import REGRESSION, Head, Layer, Network
from gen.methods import DETERMINISTIC
from gen.qonnx_constants import Constants, Weights, attributes, quantizer_range, single
from gen.qonnx_maps import Levels, Refused, Side, Sums, Total, meet, pixels_of, settle
from gen.tools import ToolMissing, install_hint
from gen.weights import of_averages, ungrouped


__all__ = ["NODES", "QonnxError", "WAYS_OUT", "read_qonnx"]


#: What is done with each node that activations go through.
NODES = {
    "Add": "_add", "AveragePool": "_average_pool", "BatchNormalization": "_batch_normalization",
    "BipolarQuant": "_quant", "Clip": "_clip", "Concat": "_concat", "Conv": "_conv", "Div": "_div",
    "Flatten": "_flatten", "Gemm": "_gemm", "GlobalAveragePool": "_global_average_pool",
    "GlobalMaxPool": "_global_max_pool", "Identity": "_same", "IntQuant": "_quant",
    "LogSoftmax": "_softmax", "MatMul": "_matmul", "MaxPool": "_max_pool", "Mul": "_mul",
    "MultiThreshold": "_multi_threshold", "Neg": "_neg", "Pad": "_pad", "Quant": "_quant", "Relu": "_relu",
    "ReduceMean": "_reduce_mean", "Reshape": "_reshape", "Resize": "_resize", "Softmax": "_softmax",
    "Sub": "_sub", "Trunc": "_trunc", "Upsample": "_resize",
}

#: What to do about a node that is refused, where it is no question of its attributes.
_MEET = "maps meet in Add of what is quantized alike, or Concat of channels"
WAYS_OUT = {
    "Add": _MEET, "Concat": _MEET, "Mul": _MEET, "Sub": _MEET,
    "ArgMax":  "end the graph with its logits, of which the hardware finds the largest",
    "Dropout": "export the model in evaluation mode, where it drops nothing",
    "Sign":    "its sign of 0 is 0; quantize with BipolarQuant, which has +1",
    "TopK":    "end the graph with its logits, of which the hardware finds the largest",
    "Transpose": "export the graph with the channel before height and width",
}
_OTHERWISE = "gen/from_qonnx.py says what can be built"

#: How a Resize by whole factors finds the nearest neighbours, each of which it repeats.
_NEAREST = {(b"asymmetric", b"floor"),
            *((half, rounded) for half in (b"half_pixel", b"pytorch_half_pixel")
              for rounded in (b"round_prefer_floor", b"round_prefer_ceil"))}

class QonnxError(CheckpointError):
    """A file of QONNX that cannot be read, or that has what cannot be built, with the way out in its
    message."""


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
        self.path, self.graph = path, model.graph
        self.constants = Constants(self.graph, model.opset_import)
        self.chain, self.joins, self.states, self.sources = [], [], {}, {}
        self.users = Counter(name for node in self.graph.node if node.op_type != "Shape"
                             for name in node.input)
        self.state = self.ended = None
        # A graph says nothing of what its numbers are, so the file has to.
        answer = next((each.value for each in model.metadata_props if each.key == "answer"), "classes")
        if answer not in ("classes", "numbers"):
            self._refuse(f"states an answer of {answer[:40]!r}", "it must be 'classes' or 'numbers'")
        self.head = REGRESSION if answer == "numbers" else Head()

    def read(self):
        self._begin()
        for number, node in enumerate(self.graph.node):
            try:
                self._take(node)
            except Refused as refused:
                self._refuse_node(node, *refused.args[:2], number=number)
        try:
            return self._end()
        except Refused as refused:
            what, way_out, node = refused.args
            self._refuse_node(node, what, way_out)

    def _refuse_node(self, node, what, way_out=None, number=0):
        name = node.name or next(iter(node.output), f"number {number}")
        self._refuse(f"has node {name!r} ({node.op_type}), which {what}",
                     way_out or WAYS_OUT.get(node.op_type, _OTHERWISE))

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
        self.states[inputs[0].name] = pixels_of(shape)

    def _take(self, node):
        data = [each for each in node.input if each and each not in self.constants]
        if not data:
            self.constants.fold(node)
            return
        if not self.states.keys() >= set(data):
            raise Refused("takes activations of no node before it",
                          "export the graph with its nodes in order")
        self.state = self.states[data[0]]
        if node.op_type == "Shape":
            channels, height, width = self.state.shape
            sizes = [channels * height * width] if self.state.flat else [channels, height, width]
            self.constants[node.output[0]] = np.array([1, *sizes], np.int64)
            return
        if node.op_type not in NODES:
            raise Refused("has no counterpart")
        if self.ended:
            raise Refused("comes after the softmax", "end the graph with its logits")
        for name in data:
            self._share(name)
            if isinstance(self.states[name], Levels) and any(self.states[name].border) \
                    and node.op_type != "Conv":
                raise Refused("takes a padded map", "only a convolution can follow a border")
        if len(data) > 1 and node.op_type not in ("Add", "Concat"):
            raise Refused("takes several activations", _MEET)
        self.state = self.states[data[0]]
        self.states[node.output[0]] = getattr(self, NODES[node.op_type])(node)

    def _share(self, name):
        """Take note that several nodes take the activations ``name``, if they do."""
        if self.users[name] > 1:
            state = self.states[name]
            if isinstance(state, Sums):
                raise Refused("takes what something else takes, too, and is not quantized",
                              "put a quantizer behind the layer that both take")
            if isinstance(state, Levels):
                self.states[name] = replace(state, shared=True)

    def _same(self, node):
        return self.state

    def _by_channel(self, array):
        """The numbers of ``array`` for each channel of the activations."""
        channels, height, width = self.state.shape
        count = channels * height * width
        try:
            whole = np.broadcast_to(array, (1, *([count] if self.state.flat else self.state.shape)))
        except ValueError:
            raise Refused(f"takes numbers of shape {array.shape}, but activations of {channels} channels, "
                           f"{height} by {width}") from None
        whole = whole.reshape(channels, -1)
        if (whole != whole[:, :1]).any():
            raise Refused("takes numbers that differ within a channel",
                           "only those of channels may differ")
        return [Fraction(value) for value in whole[:, 0].tolist()]

    # What activations become.

    def _line(self, node, slopes, offsets):
        """Multiply the activations and add to them."""
        alike = len(set(slopes)) == len(set(offsets)) == 1 and slopes[0] > 0
        if not isinstance(self.state if alike else self._computed(node), Levels):
            return self.state.line(slopes, offsets)
        if not alike:
            return self.state.total().line(slopes, offsets)
        return replace(self.state, low=self.state.low * slopes[0] + offsets[0],
                       step=self.state.step * slopes[0])

    def _constant_of(self, node):
        """The numbers by channel that ``node`` takes beside the activations, and whether they are first."""
        first = node.input[0] in self.constants
        return self._by_channel(self.constants.array(node, 0 if first else 1)), first

    def _add(self, node):
        if all(name in self.states for name in node.input):
            return self._add_maps(node)
        numbers, _ = self._constant_of(node)
        return self._line(node, [Fraction(1)] * len(numbers), numbers)

    def _sub(self, node):
        numbers, first = self._constant_of(node)
        if first:
            return self._line(node, [Fraction(-1)] * len(numbers), numbers)
        return self._line(node, [Fraction(1)] * len(numbers), [-number for number in numbers])

    def _mul(self, node):
        numbers, _ = self._constant_of(node)
        return self._line(node, numbers, [Fraction(0)] * len(numbers))

    def _div(self, node):
        numbers, first = self._constant_of(node)
        if first or not all(numbers):
            raise Refused("divides by activations, or by zero", _OTHERWISE)
        return self._line(node, [1 / number for number in numbers], [Fraction(0)] * len(numbers))

    def _neg(self, node):
        channels = self.state.shape[0]
        return self._line(node, [Fraction(-1)] * channels, [Fraction(0)] * channels)

    def _batch_normalization(self, node):
        settings = attributes(node)
        if settings.get("training_mode"):
            raise Refused("takes the statistics of its batch", "export the model in evaluation mode")
        gamma, beta, mean, variance = (self.constants.array(node, place).ravel() for place in (1, 2, 3, 4))
        # In float64, as of a checkpoint (gen.checkpoint).
        with np.errstate(invalid="ignore"):
            deviation = np.sqrt(variance.astype(np.float64) + settings.get("epsilon", 1e-5))
        if len({each.shape for each in (gamma, beta, mean, deviation)}) > 1 or not (deviation > 0).all():
            raise Refused("has a variance that, with epsilon, is not above zero, or vectors of different "
                           "lengths", "train it again")
        if len(gamma) != self.state.shape[0] or self.state.flat and self.state.shape[1:] != (1, 1):
            raise Refused(f"normalizes {len(gamma)} channels, but there are {self.state.shape[0]}",
                           "normalize the channels of a map before it becomes a vector")
        parts = [[Fraction(value) for value in each.tolist()] for each in (gamma, beta, mean, deviation)]
        return self._line(node, [gamma / deviation for gamma, _, _, deviation in zip(*parts, strict=True)],
                          [beta - gamma * mean / deviation
                           for gamma, beta, mean, deviation in zip(*parts, strict=True)])

    def _limits(self, node, least, most):
        return self._computed(node).limits(least, most)

    def _relu(self, node):
        return self._limits(node, Fraction(0), math.inf)

    def _clip(self, node):
        settings, limits = attributes(node), []
        for place, name, otherwise in ((1, "min", -math.inf), (2, "max", math.inf)):
            if len(node.input) > place and node.input[place]:
                limits.append(single(self.constants.array(node, place), "limits"))
            else:
                limits.append(Fraction(settings[name]) if name in settings else otherwise)
        return self._limits(node, *limits)

    def _flatten(self, node):
        if attributes(node).get("axis", 1) != 1:
            raise Refused("makes vectors of several images", "flatten with axis 1")
        return self._vector(self.state)

    @staticmethod
    def _vector(state):
        """The map ``state`` as a vector."""
        if not isinstance(state, Sums):
            return replace(state, flat=True)
        state.flat = True
        return state

    def _reshape(self, node):
        found = self.constants.array(node, 1).ravel().tolist()
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
            return self._vector(self.state)
        if len(sizes) == 4 and sizes[0] == 1 and sizes[1] in (1, 3) and math.prod(sizes) == count \
                and isinstance(self.state, Levels) and self.state.root.source is None and self.state.flat:
            return replace(self.state, flat=False, shape=tuple(sizes[1:]))
        raise Refused(f"makes {found} of {before}", "a map may become a vector, and pixels a map")

    def _softmax(self, node):
        if not isinstance(self.state, Sums):
            raise Refused("takes activations that are quantized", "end the graph with logits")
        if self.head.regression:
            raise Refused("makes probabilities of the numbers of a regression", "take it out")
        if attributes(node).get("axis", 1) not in ((1, -1) if self.state.flat else (1,)):
            raise Refused("is not that of the classes", "take it along axis 1")
        self.ended = True # as the head does
        return self.state

    def _max_pool(self, node):
        return self._pool(node, self._windows(node))

    def _windows(self, node):
        """The size of the windows of a pool, which stand side by side."""
        settings = attributes(node)
        size = tuple(settings["kernel_shape"])
        if len(size) != 2 or tuple(settings.get("strides", (1, 1))) != size \
                or any(settings.get("pads", [])) or settings.get("ceil_mode") \
                or settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") \
                or set(settings.get("dilations", [1])) != {1}:
            raise Refused("must be of windows that do not overlap, of height and width, without a border",
                          "train with a pool whose strides are its size")
        return size

    def _global_max_pool(self, node):
        return self._pool(node, self.state.shape[1:])

    def _pool(self, node, size):
        state = self._computed(node)
        sums  = state.root.source if isinstance(state, Levels) else state
        if not isinstance(sums, Sums) or state.flat:
            raise Refused("takes pixels, a vector, or what is joined",
                          "pool the map that leaves a convolution")
        if sums.layer.pool != (1, 1) or sums.layer.resize != (1, 1):
            raise Refused("is the second pool of a layer, or behind a Resize",
                          "train with a convolution between them")
        if any(side > whole for side, whole in zip(size, sums.shape[1:], strict=True)):
            raise Refused(f"takes a map of less than {by(*size)}", "train without it")
        if sums is state:
            sums.pool(size)
            return sums
        state.refuse_each()
        if state.shared:
            raise Refused("takes a map that something else takes, too, of before the pool",
                          "let all take the pooled one")
        sums.negate([sign < 0 for sign in state.root.sign])
        sums.layer = replace(sums.layer, pool=size)
        state.root.sign = [1] * len(state.root.sign)
        return replace(state, shape=sums.shape)

    def _average_pool(self, node):
        return self._averaged(self._windows(node))

    def _global_average_pool(self, node):
        return self._averaged(self.state.shape[1:])

    def _reduce_mean(self, node):
        settings = {"keepdims": 1, "axes": None} | attributes(node)
        axes = settings["axes"] if len(node.input) < 2 else self.constants.array(node, 1).ravel().tolist()
        if self.state.flat or axes is None or sorted(axis % 4 for axis in axes) != [2, 3]:
            raise Refused("is not the mean over height and width", "take it along axes 2 and 3")
        state = self._averaged(self.state.shape[1:])
        return state if settings["keepdims"] else self._vector(state)

    def _averaged(self, size):
        """Average windows: the layer that follows adds up as many inputs for each of its weights; of sums,
        the layer in front does."""
        state = self.state.levels() if isinstance(self.state, Total) else self.state
        if state.flat:
            raise Refused("takes a vector", "put it behind a convolution")
        if any(side > whole for side, whole in zip(size, state.shape[1:], strict=True)):
            raise Refused(f"takes a map of less than {by(*size)}", "train without it")
        if isinstance(state, Sums):
            state.average(size)
            return state
        channels, height, width = state.shape
        return replace(state, shape=(channels, height // size[0], width // size[1]),
                       window=(state.window[0] * size[0], state.window[1] * size[1]),
                       whole=state.whole or (height, width))

    def _resize(self, node):
        state = self.state.levels() if isinstance(self.state, Total) else self.state
        if not isinstance(state, Levels) or state.root.source is None or state.flat or state.whole \
                or any(state.border):
            raise Refused("takes what is no map of levels that leaves a layer or join",
                          "put it behind the quantizer of a convolution, and before Pad and averages")
        source, factor = state.root.source, self._factor(node)
        if state.shared:
            raise Refused("takes a map that something else takes, too, of before it",
                          "let all take the larger one")
        of_layer = isinstance(source, Sums)
        if (source.layer if of_layer else source).resize != (1, 1):
            raise Refused(f"is the second Resize of a {'layer' if of_layer else 'join'}",
                          "train with a convolution between them")
        if of_layer:
            source.layer = replace(source.layer, resize=factor)
        else:
            source.resize = factor
        channels, *size = state.shape
        return replace(state, shape=(channels, *map(operator.mul, size, factor)))

    def _factor(self, node):
        """How many rows and columns each becomes that ``node`` resizes, to the nearest neighbours."""
        settings = {"mode": b"nearest", "coordinate_transformation_mode": b"half_pixel",
                    "nearest_mode": b"round_prefer_floor"} | attributes(node)
        if node.op_type == "Upsample":
            settings |= {"coordinate_transformation_mode": b"asymmetric", "nearest_mode": b"floor"}
        place = 1 if node.op_type == "Upsample" else 2
        sizes = place == 2 and len(node.input) > 3 and bool(node.input[3])
        whole = self.constants.array(node, 3 if sizes else place).ravel()
        if len(whole) != 4:
            whole = np.zeros(4)
        scales = whole[2:] / self.state.shape[1:] if sizes else whole[2:]
        outer  = tuple(whole[:2]) == ((1, self.state.shape[0]) if sizes else (1, 1))
        nearest = settings["coordinate_transformation_mode"], settings["nearest_mode"]
        if settings["mode"] != b"nearest" or nearest not in _NEAREST or not outer \
                or {"axes", "antialias"} & settings.keys() \
                or any(scale < 1 or scale != int(scale) for scale in scales):
            raise Refused("is none to the nearest neighbours by whole factors of height and width",
                          "use nn.Upsample(scale_factor=2) in torch")
        return tuple(int(scale) for scale in scales)

    def _computed(self, node):
        """What enters a node that computes more of it than a layer does: averages leave a layer of their
        own, depthwise, the weights of which are ones."""
        if isinstance(self.state, Levels) and self.state.whole:
            channels = self.state.shape[0]
            ones = np.ones((channels, 1, 1, 1), np.int64)
            self.state = self._layer(node, "average", Weights(ones, ones[:, 0, 0]), (1, 1),
                                     groups=channels)
        return self.state

    def _pad(self, node):
        settings = attributes(node)
        pads  = settings.get("pads") or self.constants.array(node, 1).ravel().tolist()
        value = settings.get("value", 0.0)
        if len(node.input) > 2 and node.input[2]:
            value = single(self.constants.array(node, 2), "values")
        border = tuple(map(int, pads[2:4]))
        if settings.get("mode", b"constant") != b"constant" or len(pads) != 8 or any(pads[:2] + pads[4:6]) \
                or pads[2:4] != pads[6:8] or min(border) < 0:
            raise Refused("must add as many rows above as below a map, and as many columns left as right",
                           "train with the same padding on both sides")
        if not isinstance(self.state, Levels) or Fraction(value) != self.state.low:
            raise Refused(f"adds a border of {float(value):g}",
                           "a border holds the lowest level of the activations")
        return replace(self.state, border=border)

    # Quantizers.

    def _quant(self, node):
        if node.op_type == "BipolarQuant":
            scale = single(self.constants.array(node, 1), "scales")
            first, low, bounds = None, -scale, [Bound(Fraction(0))]
            step = 2 * scale
        else:
            scale, zero = (single(self.constants.array(node, place), what)
                           for place, what in ((1, "scales"), (2, "zero points")))
            first, last, rounding = quantizer_range(node, self.constants.array(node, 3))
            if first is None:
                low, step, numbers = (-1 - zero) * scale, 2 * scale, [Bound(Fraction(0))]
            else:
                low, step = (first - zero) * scale, scale
                numbers = [ROUNDINGS[rounding](number) for number in range(first + 1, last + 1)]
            # It rounds value / scale + zero.
            bounds = [bound.before_line(1 / scale, zero) for bound in numbers] if scale else []
        if scale <= 0:
            raise Refused(f"has a scale of {float(scale):g}", "it must be above zero")
        return self._computed(node).quantized(low, step, [bounds] * self.state.shape[0])

    def _multi_threshold(self, node):
        settings = attributes(node)
        if settings.get("data_layout", b"").decode() not in ("", "NCHW", "NC"):
            raise Refused("takes a map with the channel last", WAYS_OUT["Transpose"])
        array = self.constants.array(node, 1)
        channels = self.state.shape[0]
        if array.ndim != 2 or len(array) not in (1, channels) \
                or self.state.flat and self.state.shape[1:] != (1, 1) and len(array) > 1:
            raise Refused(f"has thresholds of shape {array.shape}, but there are {channels} channels")
        if array.shape[1] >= 2**LEVEL_BITS:
            raise Refused(f"has {array.shape[1]} thresholds", f"there may be {2**LEVEL_BITS - 1}")
        step = Fraction(settings.get("out_scale", 1.0))
        if step <= 0:
            raise Refused(f"has a scale of {float(step):g}", "it must be above zero")
        bounds = [[Bound(Fraction(value)) for value in sorted(row)] for row in array.tolist()]
        return self._computed(node).quantized(Fraction(settings.get("out_bias", 0.0)), step,
                                              bounds * (channels // len(bounds)))

    def _trunc(self, node):
        """Bits that an integer loses. It is ``(round(x / scale + zero) / unit)``, rounded, and its limits
        where it has six inputs, as the second version of the node has."""
        state, numbers = self.state, [single(self.constants.array(node, place), "settings")
                                      for place in range(1, len(node.input))]
        settings = {"rounding_mode": b"FLOOR", "signed": 1, "narrow": 0} | attributes(node)
        rounding = settings["rounding_mode"].decode().upper()
        if not isinstance(state, Levels) or len(numbers) not in (4, 5) or rounding not in ROUNDINGS:
            raise Refused("takes what no quantizer or average has made, or rounds in another way than "
                          f"{', '.join(ROUNDINGS)}", _OTHERWISE)
        scale, zero, entering, leaving = numbers[0], numbers[1], numbers[2], numbers[-1]
        if scale <= 0:
            raise Refused(f"has a scale of {float(scale):g}", "it must be above zero")
        if len(numbers) == 4:
            unit = Fraction(2) ** int(entering - leaving)
            least, most = ((value / scale + zero) / unit
                           for value in (state.low, state.low + state.step * state.top))
            first, last = math.floor(least) - 1, math.ceil(most) + 1
            low, step   = (first - zero) * scale, scale
        else:
            step = numbers[3]
            unit = Fraction(2) ** round(math.log2(step / scale))
            signed, bits = bool(settings["signed"]), int(leaving)
            least = -2**(bits - 1) + bool(settings["narrow"]) if signed else 0
            first, last = least, 2**(bits - signed) - 1 - (bool(settings["narrow"]) and not signed)
            low = (first - zero / unit) * step
        bounds = [ROUNDINGS[rounding](number).before_line(1 / unit, Fraction(0)).whole
                  for number in range(first + 1, last + 1)]
        bounds = [ROUNDINGS["ROUND"](whole).before_line(1 / scale, zero) for whole in bounds]
        made = self._computed(node).quantized(low, step, [bounds] * state.shape[0])
        if made.top >= 2**LEVEL_BITS:
            raise Refused(f"leaves {made.top + 1} levels", f"there may be {2**LEVEL_BITS}")
        return made

    # Joins.

    def _add_maps(self, node):
        """Add two maps."""
        one, other = (self._whole(name) for name in node.input)
        if one.step != other.step:
            raise Refused(f"adds activations with scales of {float(one.step):g} and {float(other.step):g}",
                          "let both have the same quantizer")
        _, root = self._meet(node, one, other, "add")
        count, low = one.shape[0], one.low + other.low
        return Total(root, one.shape, one.flat, one.order, [("line", [one.step] * count, [low] * count)])

    def _concat(self, node):
        """Put the channels of maps side by side."""
        axis = attributes(node).get("axis")
        if not all(name in self.states for name in node.input) or axis not in (1, -3) or axis == -3 and any(
                self.states[name].flat for name in node.input):
            raise Refused("must put channels of activations side by side", "concatenate maps along axis 1")
        whole, *others = map(self._whole, node.input)
        for other in others:
            whole = self._beside(node, whole, other)
        return whole

    def _beside(self, node, one, other):
        shift = (other.low - one.low) / one.step
        if one.step != other.step or shift.denominator > 1:
            raise Refused("puts activations of different scales, or zero points, side by side",
                          "let all have the same quantizer")
        shifts = max(0, -int(shift)), max(0, int(shift))
        join, root = self._meet(node, one, other, "concat", shifts)
        shape = one.shape[0] + other.shape[0], *one.shape[1:]
        # The channels of the trunk are the first ones.
        parts = [tuple(start + channel for channel in levels.order or range(levels.shape[0]))
                 for levels, start in ((one, 0), (other, one.shape[0]))]
        order = sum(parts if join.trunk == one.root.source.name else parts[::-1], ())
        return Levels(shape, one.flat, min(one.low, other.low), one.step, root,
                      tuple(range(1, root.top + 1)), None if order == tuple(range(shape[0])) else order)

    def _whole(self, name):
        """The levels ``name``, which can meet others."""
        state = self.states[name]
        if isinstance(state, Total):
            state = state.levels()
        if not isinstance(state, Levels) or state.root.source is None or state.whole:
            raise Refused("takes what no quantizer of a layer has made", "put a quantizer before it")
        state.refuse_each()
        if state.flat and state.shape[1:] != (1, 1):
            raise Refused("takes vectors of maps", "flatten behind it")
        return state

    def _meet(self, node, one, other, operation, shifts=(0, 0)):
        same = slice(0 if operation == "add" else 1, 3)
        if one.shape[same] != other.shape[same] or one.flat != other.flat:
            raise Refused(f"takes maps of {by(*one.shape)} and {by(*other.shape)}",
                          "let both have the same size")
        if operation == "add" and one.order != other.order:
            raise Refused("takes maps that other ones side by side make, in another order",
                          "put those in the same order side by side")
        ways = trunk_and_branch(self.sources, one.root.source.name, other.root.source.name,
                                {sums.name for sums in self.chain})
        if ways is None:
            raise Refused("brings two ways together of which each has a join on it, or neither a layer",
                          "let one have none, and the other a layer")
        name = f"join{1 + len(self.joins)}"
        join = Side(name, node, one, other, *ways, operation, shifts)
        self.joins.append((join, meet(join)))
        self.sources[name] = ways
        return self.joins[-1]

    # Layers.

    def _conv(self, node):
        settings, state = attributes(node), self.state
        if not isinstance(state, Levels) or state.flat:
            raise Refused("takes what is not quantized, or a vector", "quantize the map that enters it")
        weights = self._weights(node, 4, 0)
        pads    = list(settings.get("pads", [0] * 4))
        if set(settings.get("dilations", [1, 1])) != {1}:
            raise Refused("is dilated", "train without dilation")
        if settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or pads[:2] != pads[2:]:
            raise Refused("must have the same padding above as below, and left as right",
                           "train with the same padding on both sides")
        if any(pads) and (state.low or any(state.border)):
            raise Refused(f"pads with zeros, but level 0 stands for {float(state.low):g}",
                           "a border holds the lowest level; pad by a node of its own with that value")
        groups  = settings.get("group", 1)
        if len(weights.numbers) % groups or weights.numbers.shape[1] * groups != state.shape[0]:
            raise Refused(f"has weights of shape {weights.numbers.shape}, but takes {state.shape[0]} "
                           "channels")
        return self._layer(node, "conv", weights, weights.numbers.shape[2:], groups=groups,
                           stride=settings.get("strides", [1, 1]),
                           padding=pads[:2] if any(pads) else state.border)

    def _matmul(self, node):
        if node.input[0] in self.constants:
            raise Refused("has its weights first", "export it with the activations first")
        return self._full(node, self._weights(node, 2, 1))

    def _gemm(self, node):
        settings = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | attributes(node)
        if (settings["alpha"], settings["beta"], settings["transA"]) != (1, 1, 0):
            raise Refused("must have alpha and beta of 1 and no transposed input")
        return self._full(node, self._weights(node, 2, 0 if settings["transB"] else 1))

    def _full(self, node, weights):
        state = self.state
        if not isinstance(state, Levels) or not state.flat:
            raise Refused("takes what is not quantized, or a map",
                           "quantize what enters it, and flatten maps before")
        if weights.numbers.shape[1] != math.prod(state.shape):
            raise Refused(f"has weights of {weights.numbers.shape[1]} inputs, but takes "
                           f"{math.prod(state.shape)}")
        shape = len(weights.numbers), *state.shape
        weights = Weights(weights.numbers.reshape(shape), weights.scale.reshape(shape))
        return self._layer(node, "fc", weights, state.shape[1:])

    def _weights(self, node, dimensions, axis):
        """The weights that ``node`` takes, whole numbers and their scale, with output channels first."""
        found = self.constants.get(node.input[1])
        if not isinstance(found, Weights):
            values = self.constants.array(node, 1)
            size = abs(values)
            first = size.max(tuple(each for each in range(values.ndim) if each != axis % values.ndim),
                             keepdims=True) if values.ndim else size
            if (size == first).all() and first.all():
                found = Weights(np.sign(values).astype(np.int64), size)
            elif (values == np.round(values)).all() and size.max() < 2**WEIGHT_BITS:
                found = Weights(values.astype(np.int64), np.ones(values.shape))
            else:
                raise Refused("has weights that are not quantized",
                               "quantize them by BipolarQuant or Quant")
        if found.numbers.ndim != dimensions:
            raise Refused(f"has weights of shape {found.numbers.shape}, not of {dimensions} dimensions",
                           _OTHERWISE)
        return Weights(*(np.moveaxis(array, axis, 0) for array in (found.numbers, found.scale)))

    def _layer(self, node, kind, weights, kernel, stride=(1, 1), padding=(0, 0), groups=1):
        """Return the sums of a layer with ``weights`` (outputs, channels, height, width)."""
        state, numbers = self.state, weights.numbers
        if state.order is not None: # the channels of a group may lie apart
            numbers, groups = ungrouped(numbers, groups), 1
        outputs = len(numbers)
        scale = weights.scale.reshape(outputs, -1)
        if (scale != scale[:, :1]).any() or not (scale > 0).all():
            raise Refused("has scales of weights that differ within an output channel, or are not above "
                          "zero", "scale the weights of an output channel alike")
        (height, width), window = state.whole or state.shape[1:], state.window
        if any(padding) and (height % window[0] or width % window[1]):
            raise Refused("has a border around averages of windows that do not fill the map",
                          "use a window that does")
        if state.order is not None:
            numbers = numbers[:, state.order]
        name = f"{kind}{1 + sum(each.layer.name.startswith(kind) for each in self.chain)}"
        kernel, stride, padding = (tuple(int(side) * each for side, each in zip(pair, window, strict=True))
                                   for pair in (kernel, stride, padding))
        layer = Layer(name, height, width, state.shape[0], kernel, outputs, stride=stride, padding=padding,
                      average=window, groups=groups, input_bits=state.bits, input_low=state.entering())
        if min(layer.positions) < 1:
            raise Refused("has a kernel that is larger than its map", "train with a smaller kernel")
        # ONNX has the channel before height and width.
        numbers = of_averages(numbers, window).transpose(0, 2, 3, 1)
        factors = [Fraction(value) / math.prod(window) for value in scale[:, 0].tolist()]
        sums = Sums(layer, numbers.reshape(outputs, -1), factors, state, node)
        self.chain.append(sums)
        self.sources[name] = (state.root.source and state.root.source.name,)
        state.root.uses.append((state, sums))
        if kind != "average" and len(node.input) > 2 and node.input[2]:
            self.state = sums
            bias = self.constants.array(node, 2)
            bias = self._by_channel(bias.reshape(-1, 1, 1) if kind == "conv" else bias)
            sums.line([Fraction(1)] * outputs, bias)
        return sums

    # The whole.

    def _end(self):
        last = self.states.get(self.graph.output[0].name)
        if last is None:
            self._refuse(f"has an output {self.graph.output[0].name!r} that none of its nodes makes", _MEET)
        if not isinstance(last, Sums):
            self._refuse("ends with activations that are quantized", self._way_out_of("the quantizer"))
        if any(step[0] == "limits" for step in last.steps):
            self._refuse("ends with a limit of its values, as Relu and Clip are",
                         self._way_out_of("the limit"))
        used = {id(sums.taken.root.source) for sums in self.chain} | {
            id(levels.root.source) for join, _ in self.joins for levels in (join.one, join.other)}
        for sums in self.chain:
            if sums is not last and id(sums) not in used:
                raise Refused("computes what is not used", "take it out", sums.node)
        pixels, joins = settle(self.chain, self.joins)
        network = Network(
            re.sub(r"[^A-Za-z0-9_.-]", "_", self.path.stem).lstrip(".-") or "network", pixels,
            tuple(sums.layer for sums in self.chain), self.head, method=DETERMINISTIC,
            data="cifar10" if pixels.colours == 3 else "mnist", joins=joins)
        check_shapes(network)
        return (network, np.array(pixels.thresholds, np.int64),
                [*map(_hidden, self.chain[:-1]), _output(last)])

    def _way_out_of(self, what):
        """What to do about a last node that is none of a layer, which is ``what``."""
        if self.head.regression:
            return (f"end the graph with the numbers of its last layer: leave {what} out, and do that with "
                    "what the hardware answers")
        return "end the graph with the logits of its classes"


def _hidden(sums: Sums) -> Parameters:
    thresholds, inverts = (np.array(each, np.int64) for each in zip(*sums.bank, strict=True))
    # Values of several bits have a gain and an offset, where these make the same of every sum.
    if sums.layer.fraction is not None and _is_line(sums, thresholds, inverts):
        return _output(sums)
    return Parameters(sums.weights[None], sums.layer.weight_bits, threshold=thresholds, invert=inverts)


def _is_line(sums: Sums, thresholds: np.ndarray, inverts: np.ndarray) -> bool:
    """Whether the values of a layer are those of a line, rounded to the nearest, and so far from the middle
    between two of them, for every sum, that whole gains of 30 fraction bits surely make them."""
    if any(step[0] == "limits" for step in sums.steps):
        return False
    numbers = np.array(sums.layer.sums)
    levels  = (numbers >= thresholds[..., None]).sum(1)
    levels  = np.where(inverts[:, None], thresholds.shape[1] - levels, levels)
    slopes, offsets = (np.array(list(map(float, each)))[:, None] for each in sums.line_of_all())
    exact, zero = slopes * numbers + offsets + 0.5, 2**(sums.layer.output_bits - 1)
    # Within 2 ** 16, an error of float64 is far below this, as is one of the gamma that a file holds.
    error = (sums.layer.sums.stop / 2 + 1) / 2**30 + 1e-9
    return (abs(exact).max() < 2**16 and sums.layer.sums.stop < 2**28
            and abs(exact - np.round(exact)).min() > error
            and (np.floor(exact).clip(-zero, zero - 1) + zero == levels).all())


def _output(sums: Sums) -> Parameters:
    """The parameters of a layer of values: ``y = gamma * s + beta``."""
    layer = sums.layer
    levels, low = 2**layer.input_bits - 1, layer.input_low
    most = max(1, 2**(layer.weight_bits - 1) - 1)
    # With w / W for weights and values from low to 1, s is `step * sum + start` of each channel.
    step = Fraction(1 - low, levels * (2 if layer.weight_bits == 1 else most))
    gammas, betas = [], []
    for total, slope, offset in zip(sums.weights.sum(1).tolist(), *sums.line_of_all(), strict=True):
        start = total * (Fraction(1 + low, 2) if layer.weight_bits == 1 else Fraction(low, most))
        gammas.append(float(slope / step))
        betas.append(float(offset - slope * start / step))
    zeros, ones = np.zeros((1, layer.outputs)), np.ones((1, layer.outputs))
    return Parameters(sums.weights[None], layer.weight_bits, bias=zeros, gamma=np.array([gammas]),
                      beta=np.array([betas]), mean=zeros, variance=ones, epsilon=0.0, scale=ones)
