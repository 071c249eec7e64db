"""Turn a model of torch into a network and its parameters.

A model is what :mod:`torch.fx` sees of it: modules one behind the other, and ways that part and meet again.
What each becomes:

========================================  ==============================================================
module                                    becomes
========================================  ==============================================================
``BinaryConv2d``, ``BinaryLinear``        the weights of a layer, and its bias
``nn.Conv2d``, ``nn.Linear``              likewise, if the weights of each output channel are of one
                                          size; without padding, unless the lowest level is 0
``BatchNorm1d``, ``BatchNorm2d``          its normalization, with weight and bias or without
``ScaleDropout``                          the choice among two banks, one with a scale of 1
``SpinDrop``, ``SpatialSpinDrop``         a mask on the inputs of the layer that follows
``MaxPool2d``, whose windows do not       the pool of the layer, wherever it is before the next one
overlap, ``AdaptiveMaxPool2d(1)``
``Sign``                                  thresholds; of ``Fixed``, the sign of its values
``Fixed``                                 values in fixed point that leave its layer; a batch
                                          normalization between them and ``Sign`` becomes thresholds of
                                          each channel
``+``, ``torch.add`` of two ``Fixed``,    a join of their values (:class:`gen.ir.Join`)
with ``Fixed`` behind it
``torch.cat`` of signs or of ``Fixed``    a join of their channels
``AvgPool2d``, whose windows do not       behind ``Sign`` weights of the layer that follows, the same at
overlap, ``AdaptiveAvgPool2d(1)``         all positions of a window; before it those of a larger kernel of
                                          the layer in front
``Upsample``, ``UpsamplingNearest2d``     behind ``Sign`` or ``Fixed``, by whole factors to the nearest
                                          neighbour: the map that leaves the layer or join becomes larger
``Flatten``                               the order of the inputs of the layer that follows
``Identity``, ``Hardtanh`` before a sign  nothing
``Softmax``, ``LogSoftmax`` at the end    the head, which computes it anyway
========================================  ==============================================================

and the layers of :mod:`golden.methods`, in a chain with :class:`spincim.nn.Sign` or as a whole
:class:`golden.float.model.BayNN`. Factors and shifts before the first sign become a threshold of the
pixels; a number there is the decimal that it is written as.

Nothing is approximated and nothing left out: what has no counterpart is refused by its name. The trained
numbers are widened to float64, and a level of the hardware is the sign of what the formula makes of them
without rounding. A model in float32 may differ where a value is within its rounding errors of zero, or of
the middle between two values in fixed point.
"""

import copy
import math
import operator
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from torch import Tensor, fx, nn
from torch.nn.modules.dropout import _DropoutNd

from gen.check_shapes import WEIGHT_BITS
from gen.checkpoint_file import Parameters
from gen.graph import trunk_and_branch
from gen.ir import REGRESSION, Head, Input, Join, Layer, Network
from gen.weights import averaged, bits_of, of_averages, ungrouped
from golden.float import layers as golden_layers
from golden.float.levels import levels_of
from golden.float.model import BayNN
from golden.float.spinbayes import SpinBayes
from golden.methods.checkpoints import CONVOLUTIONS
from spincim.choices import with_choices
from spincim.model import Model
from spincim.nn import BinaryConv2d, BinaryLinear, Fixed, ScaleDropout, Sign, SpatialSpinDrop, SpinDrop
from spincim.states import ConvertError, Normalized, Part, Pixels, Signs, Values, fractions


__all__ = ["ConvertError", "MODULES", "WAYS_OUT", "convert", "from_torch"]


_ONE = "each takes what one module before it computes"
_AVERAGE = "put it between Sign and a binary layer, before Flatten and dropout"
_DROPOUT = ("use ScaleDropout, SpinDrop or SpatialSpinDrop of spincim.nn, which the hardware has, or take "
            "it out of the model")
_BINARY = "use BinaryConv2d or BinaryLinear of spincim.nn"
_MAP = "take a series for a map of height 1: use BinaryConv2d of a kernel (1, k), and MaxPool2d((1, k))"

#: What to do about modules and functions that are refused.
WAYS_OUT = {
    "relu": "use Sign of spincim.nn", "sign": "its sign of 0 is 0; use Sign of spincim.nn, which has +1",
    "tanh": "use Sign of spincim.nn", "sigmoid": "use Sign of spincim.nn",
    "gelu": "use Sign of spincim.nn", "leakyrelu": "use Sign of spincim.nn",
    "layernorm": "use a batch normalization",
    "groupnorm": "use a batch normalization", "instancenorm2d": "use a batch normalization",
    "conv1d": _MAP, "maxpool1d": _MAP, "conv3d": _BINARY, "convtranspose2d": _BINARY,
    "dropout": _DROPOUT, "dropout1d": _DROPOUT, "dropout2d": _DROPOUT, "alpha_dropout": _DROPOUT,
    "feature_alpha_dropout": _DROPOUT,
}


_OTHERWISE = "spincim/from_torch.py says what can be built"


#: Modules that become layers.
_WEIGHTS = (nn.Conv2d, nn.Linear, BinaryConv2d, BinaryLinear, *CONVOLUTIONS.values())


class _Refused(Exception):
    """Why a module is refused, and the way out if it is a special one."""


def convert(model: nn.Module, input_shape: tuple[int, int, int] = (1, 28, 28), *,
            mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0,
            name: str = "converted", regression: bool = False) -> Model:
    """Return ``model`` as a network that can be asked, saved and built; otherwise as :func:`from_torch`."""
    return Model(*from_torch(model, input_shape, mean=mean, std=std, name=name, regression=regression))


def from_torch(model: nn.Module, input_shape: tuple[int, int, int] = (1, 28, 28), *,
               mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0,
               name: str = "converted", regression: bool = False) -> tuple[Network, list[Parameters]]:
    """Return the network that ``model`` is, and the parameters of each layer.

    ``input_shape`` is that of an image, ``(channels, height, width)``; what enters the model is
    ``(pixel / 255 - mean) / std``, as transforms of torchvision have it, for all channels alike. The model
    is not changed. A whole :class:`golden.float.model.BayNN` takes pixels as they are. What leaves the
    model are logits, or with ``regression`` numbers.

    Raises
    ------
    ConvertError
        If a module has no counterpart.
    MalformedNetwork
        If there can be no such network.
    """
    if isinstance(model, BayNN | SpinBayes):
        head = REGRESSION if regression else model.network.head
        return replace(model.network, name=name, head=head), _own_parameters(model)
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[0] not in (1, 3) or min(shape) < 1:
        raise ConvertError(f"The shape of an image must be (1 or 3 channels, height, width), not {shape}")
    if not isinstance(regression, bool):
        raise ConvertError(f"Argument regression must be True or False, not {regression!r}")
    mean, std = _alike(mean), _alike(std)
    if not (0 < std < math.inf and abs(mean) < math.inf):
        raise ConvertError(f"Pixels must have a mean and a deviation above zero, not {mean} and {std}")
    low, step = -_decimal(mean) / _decimal(std), 1 / (255 * _decimal(std))
    return _Walk(model, Pixels(shape, low, step), REGRESSION if regression else Head()).network(name)


def _alike(values):
    """The only one of ``values``."""
    found = set(np.atleast_1d(values).tolist())
    if len(found) != 1:
        raise ConvertError(f"Pixels must have one mean and one deviation for all channels, not {values}, "
                           "as all are compared with the same threshold")
    return found.pop()


class _Proxy(fx.Proxy):
    """What stands for a tensor while a model is traced: a sum in place is told from another one."""

    def __iadd__(self, other):
        if not isinstance(other, fx.Proxy):
            return self + other
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})


class _Tracer(fx.Tracer):
    """Takes layers of this project as whole modules, as it does those of torch."""

    def __init__(self):
        super().__init__(autowrap_functions=(golden_layers.sign, levels_of))

    def proxy(self, node):
        return _Proxy(node, self)

    def is_leaf_module(self, module, name):
        return (isinstance(module, _DropoutNd | Sign | Fixed | BinaryConv2d | BinaryLinear)
                or type(module) in CONVOLUTIONS.values() or super().is_leaf_module(module, name))


class _Walk:
    """Goes through the graph; :attr:`state` is what enters the newest node, :attr:`states` what each
    returns."""

    def __init__(self, model, pixels, head):
        self.model, self.state, self.node, self.head = model, pixels, None, head
        self.parts, self.joins, self.input, self.states, self.ended = [], [], None, {}, False
        self.sources = {} # of each layer and join, by name

    def network(self, name):
        try:
            # What is only there in training, such as a dropout, is met there.
            graph, other = (_Tracer().trace(copy.deepcopy(self.model).train(mode))
                            for mode in (True, False))
        except Exception as error: # of whatever kind the code of the model raises where it meets no numbers
            words = " ".join(str(error).split())[:160]
            raise ConvertError(f"Model {type(self.model).__name__} cannot be traced ({words}); write a "
                               "forward() that takes a batch of images and asks nothing about values"
                               ) from error
        for node in graph.nodes:
            try:
                self._take(node)
            except _Refused as refused:
                what, way_out = (*refused.args, WAYS_OUT.get(self._kind(node).lower(), _OTHERWISE))[:2]
                name = f"Module {node.target!r}" if node.op == "call_module" else f"Function {node.name!r}"
                raise ConvertError(f"{name} ({self._kind(node)}) {what}; {way_out}") from None
        if str(graph) != str(other):
            raise ConvertError(f"Model {type(self.model).__name__} computes something else in training "
                               "than in evaluation; write its forward() without asking which of them it is")
        return self._network(name)

    def _kind(self, node):
        if node.op == "call_module":
            return type(self.model.get_submodule(node.target)).__name__
        return getattr(node.target, "__name__", str(node.target))

    def _take(self, node):
        if node.op == "placeholder":
            if self.states:
                raise _Refused("is a second input", "a model takes a batch of images")
            self.states[node] = self.state
            return
        if node.op == "get_attr" or self._asks_for_size(node):
            return
        taken = self._taken(node)
        if not taken or not self.states.keys() >= set(taken):
            raise _Refused("takes other values than those of modules before it", _ONE)
        self.node, self.state = node, self.states[taken[0]]
        if node.op == "output":
            if node.args[0] is not taken[0]:
                raise _Refused("returns more than one tensor", "return the logits")
            return
        if self.ended:
            raise _Refused("comes behind the softmax", "end the model with its logits")
        for each in taken:
            # A layer is made of all that stands behind its weights, which so has to be one thing.
            if isinstance(self.states[each], Part) and self._users(each) > 1:
                raise _Refused("takes values that something else takes, too",
                               "put Fixed or Sign of spincim.nn behind these values")
        if not self._users(node):
            raise _Refused("computes what is not used", "take it out")
        if node.op == "call_module":
            if len(taken) > 1:
                raise _Refused("takes several maps", _ONE)
            state = self._module(self.model.get_submodule(node.target))
        else:
            state = self._function(node)
        self.states[node] = state

    def _taken(self, node):
        """The nodes whose values ``node`` takes."""
        return [each for each in node.all_input_nodes if not self._asks_for_size(each)]

    def _users(self, node):
        """How many nodes take the values of ``node``."""
        return sum(not self._asks_for_size(user) for user in node.users)

    def _shared(self, node, back):
        """Whether something else takes the values of ``node``, too, or of one before it, as long as
        ``back`` holds of what stands between."""
        while self._users(node) == 1 and back(node) and len(before := self._taken(node)) == 1:
            [node] = before
        return self._users(node) > 1

    def _same_tensor(self, node):
        """Whether ``node`` returns the numbers that it takes, in the same place."""
        if node.op == "call_module":
            return isinstance(self.model.get_submodule(node.target), nn.Identity | nn.Flatten)
        return self._kind(node) in ("flatten", "view", "reshape")

    def _without_weights(self, node):
        """Whether ``node`` is no layer of weights."""
        return node.op != "call_module" or not isinstance(
            self.model.get_submodule(node.target), _WEIGHTS)

    def _asks_for_size(self, node):
        """Whether ``node`` is of the shape of a tensor, not of its values."""
        if node.op == "call_method" and node.target == "size":
            return True
        if node.op == "call_function" and node.target is getattr:
            return node.args[1] == "shape"
        return (node.op == "call_function" and node.target is operator.getitem
                and self._asks_for_size(node.args[0]))

    # Modules.

    def _module(self, module):
        if module._forward_hooks or module._forward_pre_hooks:
            raise _Refused("has hooks, which may change what it computes", "remove them")
        if type(module) in CONVOLUTIONS.values():
            return self._golden(module)
        # A class that is derived from one of torch may compute what it likes.
        kind = next((kind for kind in MODULES if isinstance(module, kind)
                     and type(module).forward is kind.forward), None)
        self._refuse_sum(kind)
        if kind is None:
            raise _Refused("has no counterpart", *[_DROPOUT] * isinstance(module, _DropoutNd))
        return getattr(self, MODULES[kind])(module)

    def _refuse_sum(self, kind=None):
        """Refuse anything but ``Fixed`` behind a sum."""
        if isinstance(self.state, Values) and not self.state.held and kind is not Fixed:
            raise _Refused("takes a sum that no bits hold", "put Fixed of spincim.nn behind the sum")

    def _same(self, module):
        return self.state

    def _fixed(self, module):
        wanted, state = (module.bits, module.fraction), self.state
        if isinstance(state, Values):
            if state.fixed != wanted:
                raise _Refused(f"takes values of {_of(state.fixed)}, not {_of(wanted)}",
                               "let all that are added have the same")
            return replace(state, held=True)
        part = self._part()
        if part.limited:
            raise _Refused("is behind values that are limited", "take Hardtanh out, as Fixed limits, too")
        if part.layer.pool != (1, 1):
            raise _Refused("is behind a pool", "use a stride in its place")
        part = self._change(part, layer=replace(part.layer, output_bits=module.bits,
                                                fraction=module.fraction))
        return Values(part.shape, part.flat, wanted, part.layer.name)

    def _hardtanh(self, module):
        if not module.min_val < 0 < module.max_val:
            raise _Refused("has no values of both signs", "take it out")
        if isinstance(self.state, Normalized): # of which only the signs are taken
            return self.state
        if isinstance(self.state, Values):
            raise _Refused("is behind values in fixed point, which have limits", "take it out")
        return self._change(self._part(), limited=True)

    def _flatten(self, module):
        if (module.start_dim, module.end_dim) != (1, -1):
            raise _Refused("must flatten all but the images", "use nn.Flatten()")
        return self._flat()

    def _flat(self):
        if isinstance(self.state, Normalized):
            return replace(self.state, values=replace(self.state.values, flat=True))
        if not isinstance(self.state, Part):
            return replace(self.state, flat=True)
        return self._change(self.state, flat=True)

    def _change(self, part, **changes):
        """Replace a layer by one with ``changes``."""
        self.parts[part.place] = replace(part, **changes)
        return self.parts[part.place]

    def _convolution(self, module):
        state, lowest = self._entering(), -1.0
        if isinstance(state, Pixels):
            lowest = float(state.low)
        if state.flat or module.in_channels != state.shape[0]:
            raise _Refused(f"takes {module.in_channels} channels, not {state.words}")
        if set(module.dilation) != {1}:
            raise _Refused("must have no dilation", "train without it")
        padding = (0, 0) if module.padding == "valid" else module.padding
        if isinstance(padding, str):
            raise _Refused(f"has a padding of {padding!r}", "it must be one number, or two")
        border = getattr(module, "padding_value", 0.0)
        if any(padding) and (border != lowest or module.padding_mode != "zeros"):
            raise _Refused(f"has a border of {border:g}" if module.padding_mode == "zeros" else
                           f"has a border by {module.padding_mode!r}",
                           "it must be the lowest value of what enters: use BinaryConv2d of spincim.nn "
                           f"with padding_value={lowest:g}")
        return self._layer("conv", module, module.kernel_size, module.stride, padding)

    def _linear(self, module):
        state = self._entering()
        if not state.flat or module.in_features != math.prod(state.shape):
            raise _Refused(f"takes vectors of {module.in_features}, not {state.words}",
                           "put nn.Flatten() before it")
        return self._layer("fc", module, state.shape[1:])

    def _layer(self, kind, module, kernel, stride=(1, 1), padding=(0, 0)):
        state  = self.state
        binary = isinstance(module, BinaryConv2d | BinaryLinear)
        weight = _array(module.binary_weight() if binary else module.weight, "weights")
        groups = getattr(module, "groups", 1)
        weight = weight.reshape(len(weight), state.shape[0] // groups, *kernel)
        scale  = abs(weight).reshape(len(weight), -1)
        if (scale != scale[:, :1]).any() or not scale.all():
            raise _Refused("has weights that are not binary", _BINARY)
        if state.order is not None and groups > 1 and state.mask:
            raise _Refused("has several groups of channels that torch.cat has put in another order, and "
                           "inputs that are dropped", "let torch.cat have the longer way first")
        if state.order is not None: # the channels of a group may lie apart
            weight, groups = ungrouped(weight, groups)[:, state.order], 1
        window = state.window
        weight = of_averages(weight, window)
        kernel, stride, padding = (tuple(map(operator.mul, pair, window))
                                   for pair in (kernel, _pair(stride), _pair(padding)))
        if any(padding) and any(whole % side for whole, side in zip(
                state.whole or (0, 0), window, strict=True)):
            raise _Refused("has a border around averages of windows that do not fill the map",
                           "use a window that does")
        bias = np.zeros(len(weight)) if module.bias is None else _array(module.bias, "bias")
        size = math.prod(window)
        layer = self._geometry(kind, kernel, len(weight), stride, padding, window)
        weight = np.sign(weight).astype(np.int64)
        part = Part(replace(layer, groups=groups, weight_bits=bits_of(weight)), weight, kind == "fc",
                     bias * size, scale[:, 0], mask=state.mask)
        if fractions(part.bias) != [size * each for each in fractions(bias)]:
            raise _Refused("has a bias that 64 bits cannot hold, times the size of the average before it",
                           "make the model float32")
        return self._append(part)

    def _append(self, part):
        self.parts.append(replace(part, place=len(self.parts)))
        return self.parts[-1]

    def _geometry(self, kind, kernel, outputs, stride=(1, 1), padding=(0, 0), average=(1, 1)):
        state, entering = self.state, {}
        if isinstance(state, Pixels):
            ends = state.low, state.low + 255 * state.step
            if ends not in ((0, 1), (-1, 1)):
                raise _Refused(f"takes pixels from {float(ends[0]):g} to {float(ends[1]):g}",
                               "they must be from 0 to 1 or from -1 to 1, or go through Sign of spincim.nn "
                               "first")
            channels, height, width = state.shape
            self.input = Input(height, width, (), bits=8, colours=channels)
            entering = {"input_bits": 8, "input_low": int(state.low)}
        elif state.entrance is not None:
            entering = state.entrance
        channels, height, width = state.shape
        height, width = state.whole or (height, width)
        name   = f"{kind}{1 + sum(part.layer.name.startswith(kind) for part in self.parts)}"
        source = state.source
        before = self.parts[-1].layer.name if self.parts else None
        if source is None and before is not None:
            raise _Refused("takes pixels, which only the first layer does",
                           "let it take what a layer behind that one computes")
        self.sources[name] = (source,)
        layer = Layer(name, height, width, channels, tuple(kernel), outputs, stride=stride, padding=padding,
                      average=average, source="" if source == before else source, **entering)
        if min(layer.positions) < 1:
            raise _Refused(f"has a kernel that is larger than its map, {state.words}",
                           "use a smaller kernel")
        return layer

    def _golden(self, module):
        state, layer = self._entering(), module.layer
        if not isinstance(state, Signs) or state.mask or state.flat or state.order or state.whole \
                or state.shape != (layer.channels, layer.height, layer.width):
            raise _Refused(f"takes signs of a map of {layer.channels} channels of {layer.height} by "
                           f"{layer.width}, not {state.words}", "put Sign of spincim.nn before it")
        stored = {name: _array(value, name) for name, value in module.stored().items()}
        part = Part(replace(self._geometry("fc" if layer.positions == (1, 1) else "conv", layer.kernel,
                                            layer.outputs, layer.stride, layer.padding), pool=layer.pool,
                             groups=layer.groups),
                     stored.pop("weight"), False, stored["bias"], stored["scale"], normalization=stored,
                     golden=module, p=stored.get("dropout"))
        return self._append(part)

    def _entering(self):
        """What enters a layer."""
        if isinstance(self.state, Part | Values | Normalized):
            raise _Refused("takes values that are not binary", "put Sign of spincim.nn before it")
        return self.state

    def _part(self, channels=None):
        """The layer whose values are to be changed, in each of so many ``channels``."""
        part = self.state
        if not isinstance(part, Part) or part.golden is not None or part.limited and channels:
            raise _Refused("does not follow a layer of weights",
                           "put it between a binary layer and its sign")
        if channels is not None and (channels != part.shape[0] or part.flat and part.shape[1:] != (1, 1)):
            raise _Refused(f"has {channels} channels, but takes {part.words}")
        return part

    def _scale_dropout(self, module):
        part = self._part(len(module.scale))
        if part.normalization is not None or part.scaled or (part.scale != 1).any():
            raise _Refused("is not the only scale of its layer, or behind its normalization",
                           "put it right behind a layer of spincim.nn")
        return self._change(part, scale=_array(module.scale, "scales"), scaled=True, p=float(module.p))

    def _normalization(self, module):
        values = self.state if isinstance(self.state, Values) else None
        if values and values.flat and values.shape[1:] != (1, 1):
            raise _Refused(f"takes {values.words}, of which it normalizes each",
                           "normalize the channels of a map before it is flat")
        if values and values.shape[0] != module.num_features:
            raise _Refused(f"has {module.num_features} channels, but takes {values.words}")
        part = None if values else self._part(module.num_features)
        if part and part.normalization is not None:
            raise _Refused("is the second normalization of its layer", "take one of them out")
        if module.running_mean is None:
            raise _Refused("takes the statistics of its batch", "use track_running_stats=True")
        ones, zeros = np.ones(module.num_features), np.zeros(module.num_features)
        found = {"gamma": ones if module.weight is None else _array(module.weight, "weights"),
                 "beta": zeros if module.bias is None else _array(module.bias, "bias"),
                 "mean": _array(module.running_mean, "mean"),
                 "variance": _array(module.running_var, "variance"), "epsilon": np.float64(module.eps)}
        if not (found["variance"] + module.eps > 0).all():
            raise _Refused("has a variance that, with epsilon, is not above zero", "train it again")
        return Normalized(values, found) if values else self._change(part, normalization=found)

    def _window(self, module):
        """Height and width of the windows of a pool or average: of a global one, those of the map."""
        name = "AvgPool2d" if isinstance(module, nn.AvgPool2d | nn.AdaptiveAvgPool2d) else "MaxPool2d"
        more = getattr(module, "return_indices", False) or getattr(module, "divisor_override", None)
        if isinstance(module, nn.AdaptiveMaxPool2d | nn.AdaptiveAvgPool2d):
            if module.output_size not in (1, (1, 1)) or more:
                raise _Refused("must leave one value of each channel", f"use Adaptive{name}(1), or {name}")
            return self.state.shape[1:]
        size, *others = map(_pair, (module.kernel_size, module.stride, module.padding,
                                    getattr(module, "dilation", 1)))
        if others != [size, (0, 0), (1, 1)] or module.ceil_mode or more:
            raise _Refused("must be of windows that do not overlap, without a border",
                           f"use {name}({size[0] if size[0] == size[1] else size})")
        return size

    def _refuse_smaller(self, window):
        """Refuse a map that is smaller than ``window``."""
        if any(side > whole for side, whole in zip(window, self.state.shape[1:], strict=True)):
            raise _Refused(f"takes {self.state.words}", "take it out")

    def _max_pool(self, module):
        """Pool what leaves the newest layer: the largest value is that of the largest sum, or, where values
        fall as sums rise, that of the largest sum of the opposite weights."""
        state, size = self.state, self._window(module)
        if isinstance(state, Values | Normalized) or (
                isinstance(state, Signs) and state.source and state.place is None):
            raise _Refused("is behind values in fixed point or a join", "use a stride in its place")
        if state.whole:
            raise _Refused("takes averages", "put a layer between them")
        part = None if state.place is None else self.parts[state.place]
        if part is None or state.flat or isinstance(state, Signs) and state.mask:
            raise _Refused("takes pixels, a vector, or what is dropped",
                           "put it behind a convolution, before Flatten and dropout")
        if part.layer.pool != (1, 1) or part.layer.resize != (1, 1):
            raise _Refused("is the second pool of its layer, or behind an upsampling",
                           "put a convolution between them")
        if part.golden is not None:
            raise _Refused("is behind a layer that has its pool in itself",
                           f"make that layer with pool={size}")
        self._refuse_smaller(size)
        if part.scaled and not (part.scale > 0).all():
            raise _Refused("is behind scales that are not above zero, of which one sign is dropped",
                           "put it before ScaleDropout")
        falls = np.zeros(len(part.weight), bool)
        if part.normalization is not None:
            falls = part.normalization["gamma"] < 0
        if self._shared(self._taken(self.node)[0], self._without_weights):
            raise _Refused("takes signs that something else takes, too, of before the pool",
                           "let all take the pooled ones")
        part = self._change(part, layer=replace(part.layer, pool=size), **part.opposite(falls))
        return part if isinstance(state, Part) else replace(state, shape=part.shape)

    def _average(self, module):
        """Average signs: the layer that follows adds up as many for each of its weights; or sums, which a
        larger kernel of their own layer adds up."""
        state, size = self.state, self._window(module)
        if isinstance(state, Part) and not state.flat and not state.limited and state.golden is None:
            return self._averaged_sums(state, size)
        if not isinstance(state, Signs) or state.flat or state.mask:
            raise _Refused("takes what is no map of signs", _AVERAGE)
        self._refuse_smaller(size)
        channels, height, width = state.shape
        return replace(state, shape=(channels, height // size[0], width // size[1]),
                       window=(state.window[0] * size[0], state.window[1] * size[1]),
                       whole=state.whole or (height, width))

    def _averaged_sums(self, part, size):
        layer = part.layer
        if layer.pool != (1, 1):
            raise _Refused("is behind a pool", "put a layer between them, or use a larger pool")
        self._refuse_smaller(size)
        weight = averaged(part.weight, layer.stride, size)
        bits   = bits_of(weight)
        if bits > 1 and part.mask:
            raise _Refused("averages sums of inputs that are dropped, in windows that overlap",
                           "put Sign before it")
        if bits > WEIGHT_BITS:
            raise _Refused(f"adds up weights to up to {abs(weight).max()}, but there may be "
                           f"{2**(WEIGHT_BITS - 1) - 1}", "put Sign before it")
        stride = tuple(map(operator.mul, layer.stride, size))
        return self._change(part, weight=weight, area=part.area * math.prod(size), layer=replace(
            layer, kernel=weight.shape[2:], stride=stride, weight_bits=bits))

    def _upsample(self, module):
        """Let the map that leaves the newest layer become larger."""
        state, factor = self.state, module.scale_factor
        factor = factor if isinstance(factor, tuple) else (factor, factor)
        if module.mode != "nearest" or len(factor) != 2 or None in factor or any(
                each != int(each) or each < 1 for each in factor):
            raise _Refused("must repeat rows and columns", "use nn.Upsample(scale_factor=2)")
        if self._shared(self._taken(self.node)[0], self._without_weights):
            raise _Refused("takes a map that something else takes, too",
                           "give each a convolution of its own")
        if not isinstance(state, Signs | Values) or not state.source or state.flat or state.mask \
                or state.whole:
            raise _Refused("takes what is no map of signs, or of values in fixed point, of a layer",
                           "put it behind Sign or Fixed, before Flatten, averages and dropout")
        factor = tuple(map(int, factor))
        part = next((part for part in self.parts if part.layer.name == state.source), None)
        join = next((join for join in self.joins if join.name == state.source), None)
        if (join or part.layer).resize != (1, 1) or part and part.golden is not None:
            raise _Refused(f"is behind a {'join' if join else 'layer'} that has a size of its own",
                           "put a convolution between them")
        if join:
            self.joins[self.joins.index(join)] = replace(join, resize=factor)
        else:
            self._change(part, layer=replace(part.layer, resize=factor))
        channels, height, width = state.shape
        return replace(state, shape=(channels, height * factor[0], width * factor[1]))

    def _sign(self, module=None):
        state = self.state
        if isinstance(state, Signs):
            raise _Refused("takes signs", "take it out")
        if isinstance(state, Part):
            return Signs(state.shape, state.flat, source=state.layer.name, place=state.place)
        if isinstance(state, Values):
            return Signs(state.shape, state.flat, source=state.source, order=state.order)
        if isinstance(state, Normalized):
            values = state.values
            return Signs(values.shape, values.flat, source=values.source, order=values.order,
                         entrance=state.entrance())
        threshold = math.ceil(-state.low / state.step) # the first pixel from 0 on
        if not 1 <= threshold <= 255:
            raise _Refused("takes pixels that are all of one sign",
                           "subtract a value between them first, as the mean of spincim.convert does")
        channels, height, width = state.shape
        self.input = Input(height, width, (threshold,), colours=channels)
        return Signs(state.shape, state.flat)

    def _mask(self, module):
        state, spatial = self.state, isinstance(module, SpatialSpinDrop)
        if not isinstance(state, Signs) or state.mask or state.whole or state.flat == spatial:
            raise _Refused(f"takes {state.words}, dropped before or not signs",
                           "put SpatialSpinDrop before Flatten and SpinDrop behind it, between Sign and a "
                           "binary layer")
        return replace(state, mask=(float(module.p), state.shape[0] if spatial else math.prod(state.shape)))

    def _softmax(self, module):
        if not isinstance(self.state, Part) or module.dim not in ((1, -1) if self.state.flat else (1,)):
            raise _Refused("is not that of the classes", "use dim=1, at the end of the model")
        if self.head.regression:
            raise _Refused("makes probabilities of the numbers of a regression", "take it out")
        self.ended = True # as the head does
        return self.state

    # Functions.

    def _function(self, node):
        kind, options = self._kind(node), dict(node.kwargs)
        arguments = node.args[1:]
        if kind in ("cat", "concat", "concatenate"):
            return self._concat(*node.args, **options)
        if kind in ("add", "add_", "iadd") and len(node.args) == 2 and not options and all(
                isinstance(each, fx.Node) for each in node.args):
            return self._add(*node.args, changes=kind != "add")
        if len(self._taken(node)) > 1:
            raise _Refused("takes several maps", "use +, or torch.cat of channels")
        self._refuse_sum()
        if node.target is golden_layers.sign:
            return self._sign()
        if kind in ("flatten", "view", "reshape"):
            return self._vector(kind, arguments, options)
        if kind in _AS_MODULES:
            if kind == "interpolate" and options.pop("antialias", False):
                raise _Refused("has an antialias", "leave it out")
            module = _AS_MODULES[kind](*arguments, **options)
            return getattr(self, MODULES[type(module)])(module)
        if kind in _ARITHMETIC:
            return self._arithmetic(kind, node)
        raise _Refused("has no counterpart")

    def _add(self, one, other, changes):
        first, second = self.states[one], self.states[other]
        for state in first, second:
            if not isinstance(state, Values) or not state.held:
                raise _Refused("adds values that are not in fixed point",
                               "put Fixed of spincim.nn behind each")
        if first is second:
            raise _Refused("adds a map to itself", "let the gain of its layer be twice as large")
        if changes and self._shared(one, self._same_tensor):
            raise _Refused("changes values that something else takes, too", "write x = x + y")
        if first.fixed != second.fixed:
            raise _Refused(f"adds values of {_of(first.fixed)} to those of {_of(second.fixed)}",
                           "let both have the same")
        if (first.shape, first.flat, first.order) != (second.shape, second.flat, second.order):
            raise _Refused(f"adds {second.words} to {first.words}, or of channels that torch.cat has put "
                           "side by side in another order", "let both have the same")
        name, _ = self._join("add", first, second)
        return replace(first, source=name, held=False)

    def _concat(self, tensors, dim=0):
        if dim not in (1, -3) or not isinstance(tensors, list | tuple) or len(tensors) < 2 \
                or not all(each in self.states for each in tensors):
            raise _Refused("must put channels of maps side by side", "use torch.cat((x, y), 1)")
        whole, *others = (self.states[each] for each in tensors)
        if any(each is whole for each in others):
            raise _Refused("puts a map beside itself", "let its layer have twice the channels")
        for other in others:
            whole = self._beside(whole, other)
        return whole

    def _beside(self, first, second):
        for state in first, second:
            if not (isinstance(state, Signs) and state.source and not state.mask and not state.whole
                    or isinstance(state, Values) and state.held) or state.flat:
                raise _Refused("takes what is no map of signs, or of values in fixed point, of a layer",
                               "put Sign or Fixed before it, and Flatten and dropout behind it")
        for state in first, second:
            if isinstance(state, Signs) and state.entrance is not None:
                raise _Refused("takes signs behind a normalization of values in fixed point",
                               "put the values side by side, and the normalization and Sign behind them")
        if type(first) is not type(second) or first.fixed != second.fixed:
            raise _Refused("takes signs and values in fixed point, or values of other bits",
                           "let all be the same")
        if first.shape[1:] != second.shape[1:]:
            raise _Refused(f"puts {second.words} beside {first.words}",
                           "let both have the same height and width")
        name, swapped = self._join("concat", first, second)
        count = first.shape[0]
        orders = [tuple(start + channel for channel in state.order or range(state.shape[0]))
                  for state, start in ((first, 0), (second, count))]
        order = sum(orders[::-1] if swapped else orders, ())
        shape = count + second.shape[0], *first.shape[1:]
        changes = {"place": None} if isinstance(first, Signs) else {}
        return replace(first, shape=shape, source=name, **changes,
                       order=None if order == tuple(range(shape[0])) else order)

    def _join(self, operation, first, second):
        """The name of a join, and whether the second is the way on which passes choose."""
        ways = trunk_and_branch(self.sources, first.source, second.source, {
            part.layer.name for part in self.parts if not part.scaled and not part.mask})
        if ways is None:
            raise _Refused("brings two ways together of which each has a join or a random choice on it",
                           "let one have neither")
        name = f"join{1 + len(self.joins)}"
        self.joins.append(Join(name, *ways, operation))
        self.sources[name] = ways
        return name, ways[0] != first.source

    def _vector(self, kind, arguments, options):
        if kind == "flatten":
            given = dict(zip(("start_dim", "end_dim"), arguments, strict=False))
            return self._flatten(nn.Flatten(**{"start_dim": 0} | given | options))
        sizes = tuple(arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple | list) else
                      arguments)
        count = math.prod(self.state.shape)
        # The first size is that of the batch, which the trace does not know.
        if options or sizes != (-1, count) and (
                len(sizes) != 2 or isinstance(sizes[0], int) or sizes[1] not in (-1, count)):
            raise _Refused("must make a vector of each image", "use nn.Flatten()")
        return self._flat()

    def _arithmetic(self, kind, node):
        """A factor or a shift of pixels."""
        state = self.state
        if not isinstance(state, Pixels) or node.kwargs or len(node.args) != 2 \
                or not all(each in self.states or isinstance(each, int | float) and math.isfinite(each)
                           for each in node.args):
            raise _Refused("computes what is no number times pixels, or added to them",
                           "use ScaleDropout or a batch normalization for layers")
        first = node.args[0] not in self.states # the number is
        number = _decimal(node.args[0 if first else 1])
        slope, offset = {
            "add": (1, number), "sub": (-1, number) if first else (1, -number), "mul": (number, 0),
            "truediv": (0, 0) if first or not number else (1 / number, 0),
        }[_ARITHMETIC[kind]]
        if slope <= 0:
            raise _Refused("turns the order of pixels around",
                           "train on pixels times a number above zero")
        return replace(state, low=state.low * slope + offset, step=state.step * slope)

    # The whole.

    def _network(self, name):
        last, model = self.state, type(self.model).__name__
        if isinstance(last, Part):
            last = self.parts[last.place]
        if not isinstance(last, Part) or last.limited:
            way_out = ("the numbers of a binary layer, and limit or round what the hardware answers"
                       if self.head.regression else "the logits of a binary layer")
            raise ConvertError(f"Model {model} ends with values that are limited or binary; end it with "
                               f"{way_out}")
        layers = [part.layer for part in self.parts]
        base = Network(name, self.input, tuple(layers), self.head, joins=tuple(self.joins),
                       data="cifar10" if self.input.colours == 3 else "mnist")
        return with_choices(base, self.parts, model)


def _own_parameters(model: BayNN | SpinBayes) -> list[Parameters]:
    """What a checkpoint holds of the layers of a model of this project."""
    found = []
    for module, layer in zip(model.layers, model.network.layers, strict=True):
        stored = {name: _array(value, name) for name, value in module.stored().items()}
        weight = np.moveaxis(stored.pop("weight"), -3, -1)
        epsilon, dropout = float(stored.pop("epsilon")), stored.pop("dropout", None)
        found.append(Parameters(
            weight.reshape(-1, layer.outputs, layer.fan_in).astype(np.int64), layer.weight_bits,
            **{name: np.atleast_2d(value) for name, value in stored.items()}, epsilon=epsilon,
            dropout=None if dropout is None else float(dropout)))
    return found


def _array(value: Tensor | float, what: str) -> np.ndarray:
    """``value`` as float64, finite."""
    # A float of Python has 64 bits, which torch would not keep.
    array = (value.detach().cpu().double().numpy() if isinstance(value, Tensor) else
             np.array(value, np.float64))
    if not np.isfinite(array).all():
        raise _Refused(f"has {what} that are not finite numbers", "train it again")
    return array


def _decimal(value: float) -> Fraction:
    """``value`` as it is written: 0.2 is a fifth."""
    return Fraction(repr(float(value)))


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def _of(fixed):
    return f"{fixed[0]} bits, {fixed[1]} of them fraction"


#: What is done with each module, by its class; a class that is derived of another comes first.
MODULES = {
    nn.Identity: "_same", nn.Hardtanh: "_hardtanh", nn.Flatten: "_flatten", Sign: "_sign",
    BinaryConv2d: "_convolution", BinaryLinear: "_linear", nn.Conv2d: "_convolution", nn.Linear: "_linear",
    nn.BatchNorm1d: "_normalization", nn.BatchNorm2d: "_normalization", nn.MaxPool2d: "_max_pool",
    nn.AdaptiveMaxPool2d: "_max_pool", Fixed: "_fixed", nn.AvgPool2d: "_average",
    nn.AdaptiveAvgPool2d: "_average", nn.Upsample: "_upsample", nn.UpsamplingNearest2d: "_upsample",
    ScaleDropout: "_scale_dropout", SpinDrop: "_mask", SpatialSpinDrop: "_mask", nn.Softmax: "_softmax",
    nn.LogSoftmax: "_softmax",
}

#: Modules that compute what functions do, by the names of these.
_AS_MODULES = {"max_pool2d": nn.MaxPool2d, "boolean_dispatch": nn.MaxPool2d, "_max_pool2d": nn.MaxPool2d,
               "interpolate": nn.Upsample, "avg_pool2d": nn.AvgPool2d,
               "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d}

#: What functions compute of pixels, by their names: those of operators, of torch and of tensors.
_ARITHMETIC = {"add": "add", "sub": "sub", "subtract": "sub", "mul": "mul", "multiply": "mul",
               "truediv": "truediv", "div": "truediv"}
