"""Small graphs of QONNX, held to the executor of the package qonnx."""

import re

import numpy as np
import onnx
import pytest

from gen.bounds import ROUNDINGS
from gen.checkpoint import read
from gen.checkpoint_file import CheckpointError, write_file
from gen.compile import compile_network
from gen.from_qonnx import QonnxError, read_qonnx
from gen.ir import Input, Target
from gen.options import chosen_network
from gen.precision import BOUND
from golden.head import softmax
from golden.network import forward


#: The package qonnx calls it, and numpy 2.5 warns.
pytestmark = pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")

SIDE = 6


class Graph:
    """A chain in the making: each method adds a node behind the newest one."""

    def __init__(self, shape=(1, SIDE, SIDE), seed=1, opset=13, domain="qonnx.custom_op.general"):
        self.shape, self.opset, self.domain, self.version = shape, opset, domain, 1
        self.nodes, self.constants, self.newest = [], [], "image"
        self.rng = np.random.default_rng(seed)

    def constant(self, value, kind=np.float32):
        name = f"constant{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.array(value, kind), name))
        return name

    def add(self, kind, *others, first=None, domain="", **attributes):
        """Add a node that takes the newest tensor and ``others``; or ``first``, which is a constant."""
        inputs = [self.newest if first is None else first, *others]
        name = f"tensor{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(
            kind, inputs, [name], f"node{len(self.nodes)}", domain=domain, **attributes))
        if first is None:
            self.newest = name
        return name

    def subtract_from(self, value):
        self.nodes.append(onnx.helper.make_node(
            "Sub", [self.constant(value), self.newest], [f"tensor{len(self.nodes)}"]))
        self.newest = self.nodes[-1].output[0]

    def quant(self, bits=4, scale=1.0, zero=0.0, first=None, rounding_mode="ROUND", signed=1, narrow=0,
              kind="Quant"):
        return self.add(kind, *map(self.constant, (scale, zero, bits)), first=first, domain=self.domain,
                        signed=signed, narrow=narrow, rounding_mode=rounding_mode)

    def bipolar(self, scale=1.0, first=None):
        return self.add("BipolarQuant", self.constant(scale), first=first, domain=self.domain)

    def weights(self, *shape, bits=1, scale=1.0, **options):
        values = self.rng.normal(0, 1 if bits == 1 else 2**(bits - 2), shape)
        name = self.constant(values)
        return self.bipolar(scale, name) if bits == 1 else self.quant(bits, scale, first=name, **options)

    def normalize(self, channels, deviation=4.0, mean=2.0):
        gamma = self.rng.uniform(0.5, 1.5, channels) * self.rng.choice([-1, 1], channels)
        self.add("BatchNormalization", *map(self.constant, (
            gamma, self.rng.normal(0, 0.5 * min(1, mean), channels), self.rng.normal(0, mean, channels),
            deviation**2 * self.rng.uniform(0.8, 1.2, channels))), epsilon=1e-5)

    def full(self, inputs, outputs, **options):
        self.add("MatMul", self.weights(inputs, outputs, **options))

    def conv(self, inputs, outputs, kernel=3, bias=False, weights=None, bits=1, **attributes):
        kernel  = [kernel] * 2 if isinstance(kernel, int) else kernel
        weights = weights or self.weights(outputs, inputs, *kernel, bits=bits)
        others = [self.constant(self.rng.normal(0, 2, outputs))] if bias else []
        self.add("Conv", weights, *others, kernel_shape=kernel, **attributes)

    def model(self):
        value = onnx.helper.make_tensor_value_info
        return onnx.helper.make_model(onnx.helper.make_graph(
            self.nodes, "graph", [value("image", 1, [1, *self.shape])], [value(self.newest, 1, None)],
            self.constants), ir_version=8, opset_imports=[
                onnx.helper.make_opsetid("", self.opset),
                onnx.helper.make_opsetid(self.domain, self.version)])

    def save(self, path):
        onnx.save(self.model(), path)
        return path


def pixels(shape=(1, SIDE, SIDE), count=24, seed=2):
    """Images of torch, float32 (N, C, H, W) from 0 to 1, and those of the golden model."""
    rng    = np.random.default_rng(seed)
    images = rng.integers(256, size=(count, *shape), dtype=np.uint8)
    images[0], images[1] = 0, 255
    # Others are darker or brighter, and in parts.
    for image, level in zip(images[2::2], rng.integers(-200, 200, count), strict=False):
        part = image[..., :shape[-1] // 2] if level % 2 else image
        part[...] = (part.astype(int) + level).clip(0, 255)
    return images / np.float32(255), np.moveaxis(images, 1, -1) if shape[0] == 3 else images


def executed(model, images):
    """What the package qonnx computes: float32 (N, K), and what quantizers and pools make, (N, ...)."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model

    # Constants are folded first, as else not all shapes are known.
    wrapped = cleanup_model(ModelWrapper(model))
    taken, made = wrapped.graph.input[0].name, wrapped.graph.output[0].name
    found = [execute_onnx(wrapped, {taken: image[None]}, True) for image in images]
    names = [node.output[0] for node in wrapped.graph.node
             if re.search("Quant|Threshold|Trunc|Pool|Resize|Upsample", node.op_type)]
    return [np.concatenate([each[name] for each in found]) for name in (made, *names)]


def check(graph, tmp_path, classes=2, count=16):
    """Check classes, of which there are some, maps and probabilities of the golden model of ``graph``
    against qonnx; return the network as it was read."""
    path = graph.save(tmp_path / "graph.onnx")
    network, compiled = read(path), compile_network(read(path), Target(passes=1))
    images, given = pixels(graph.shape, count)
    given = given.reshape(-1, *network.input.shape)
    logits, *quantized = executed(graph.model(), images)
    logits = logits.reshape(len(images), network.classes, -1).astype(np.float64).transpose(0, 2, 1)
    logits = logits.reshape(-1, network.classes) # of each position of each image
    found, maps = forward(compiled, given, np.zeros((len(images), 0), bool), maps=True)
    found = softmax(found, compiled.head).reshape(-1, network.classes) / 65536
    power = np.exp(logits - logits.max(1, keepdims=True))
    expected = power / power.sum(1, keepdims=True)
    np.testing.assert_array_equal(found.argmax(1), logits.argmax(1))
    for levels in maps:
        # In the order of its values.
        order = np.unique(levels, return_inverse=True)[1]
        assert any((order == np.unique(values.round(5), return_inverse=True)[1]).all() for values in (
            np.moveaxis(values, 1, -1).reshape(levels.shape) for values in quantized
            if values.size == levels.size)), "no quantizer makes this map"
    assert abs(found - expected).max() <= BOUND + 1e-6 # and rounding of float32
    assert len(set(logits.argmax(1))) >= classes and expected.max(1).min() < 0.9, "this says little"
    assert len(np.unique(logits.round(3), axis=0)) > 2, "this says little"
    return network


def saved(graph, folder, answer):
    """A file that states the answer."""
    model = graph.model()
    onnx.helper.set_model_props(model, {"author": "me", "answer": answer})
    onnx.save(model, folder / "graph.onnx")
    return folder / "graph.onnx"


@pytest.mark.parametrize("outputs", [3, 1])
def test_numbers_of_a_regression(outputs, tmp_path):
    """Those of qonnx, off by half a unit for what is rounded, and by a quarter for rounded gains."""
    graph = signs(Graph())
    graph.conv(1, 4)
    graph.normalize(4)
    graph.bipolar()
    graph.add("Flatten")
    graph.full(4 * (SIDE - 2)**2, outputs)
    graph.normalize(outputs, deviation=12.0)
    network = compile_network(read(saved(graph, tmp_path, "numbers")), Target(passes=1))
    images, given = pixels()
    expected, *_ = executed(graph.model(), images)
    given = given.reshape(-1, *network.input.shape)
    found = forward(network, given, np.zeros((len(images), 0), bool)) / network.head.unit
    assert network.head.regression and found.shape == expected.shape == (24, outputs)
    assert abs(found - expected).max() <= 0.75 / network.head.unit + 1e-6 < 0.02 * expected.std()


@pytest.mark.parametrize("answer, add, message", [
    ("number", lambda graph: None, "states an answer of 'number'; it must be 'classes' or 'numbers'"),
    ("numbers", lambda graph: graph.add("Softmax", axis=1),
     "has node 'node7' (Softmax), which makes probabilities of the numbers of a regression; take it out"),
    ("numbers", lambda graph: graph.add("Relu"),
     "ends with a limit of its values, as Relu and Clip are; end the graph with the numbers of its last "
     "layer: leave the limit out, and do that with what the hardware answers"),
    ("numbers", lambda graph: graph.quant(4),
     "ends with activations that are quantized; end the graph with the numbers of its last layer: leave "
     "the quantizer out, and do that with what the hardware answers"),
])
def test_answers_that_cannot_be(answer, add, message, tmp_path):
    graph = signs(Graph())
    add(head(graph, SIDE**2) and graph)
    path = saved(graph, tmp_path, answer)
    with pytest.raises(QonnxError, match=f"^{re.escape(f'QONNX file {path} {message}')}$"):
        read_qonnx(path)


def test_classes_are_stated(tmp_path):
    assert not read(saved(head(signs(Graph()), SIDE**2), tmp_path, "classes")).head.regression


def head(graph, inputs, flatten=True, bits=1):
    """Logits of five classes."""
    if flatten:
        graph.add("Flatten")
    graph.full(inputs, 5, bits=bits)
    graph.normalize(5, deviation=inputs**0.5)
    return graph


def signs(graph):
    """Pixels as signs."""
    graph.add("Mul", graph.constant(2.0))
    graph.add("Sub", graph.constant([1.0]))
    graph.bipolar()
    return graph


# Activations.


def activations(graph, quantize, inputs=SIDE**2, middle=12):
    """A layer whose values ``quantize`` makes levels of, and logits."""
    graph.add("Flatten")
    graph.full(inputs, middle)
    graph.normalize(middle)
    quantize(graph)
    return head(graph, middle, flatten=False)


def multi_threshold(graph, channels=12, steps=3, rows=None, **options):
    values = np.sort(graph.rng.normal(0, 1, (rows or channels, steps)))
    graph.add("MultiThreshold", graph.constant(values), domain=graph.domain, out_dtype="INT4", **options)


ACTIVATIONS = {
    "sign":            lambda graph: graph.bipolar(),
    "scaled sign":     lambda graph: graph.bipolar(0.37),
    "sign of Quant":   lambda graph: graph.quant(1, 0.5),
    "three levels":    lambda graph: graph.quant(2, narrow=1),
    "three, scaled":   lambda graph: graph.quant(2, 0.7, narrow=1),
    "four levels":     lambda graph: graph.quant(2, 0.6),
    "sixteen levels":  lambda graph: graph.quant(4, 0.21),
    "unsigned":        lambda graph: graph.quant(3, 0.3, signed=0),
    "unsigned narrow": lambda graph: graph.quant(3, 0.3, signed=0, narrow=1),
    "zero point":      lambda graph: graph.quant(3, 0.3, zero=3.0, signed=0),
    "broken zero":     lambda graph: graph.quant(3, 0.3, zero=2.6, signed=0),
    "rectified":       lambda graph: (graph.add("Relu"), graph.quant(4, 0.2, signed=0)),
    "rectified, signed": lambda graph: (graph.add("Relu"), graph.quant(4, 0.2)),
    "limited":         lambda graph: (graph.add("Clip", graph.constant(-0.5), graph.constant(0.8)),
                                      graph.quant(4, 0.2)),
    "again":           lambda graph: (graph.quant(5, 0.11), graph.quant(3, 0.4)),
    "again, by sign":  lambda graph: (graph.quant(3, 0.4), graph.add("Add", graph.constant(0.1)),
                                      graph.bipolar()),
    "moved":           lambda graph: (graph.quant(3, 0.4), graph.add("Mul", graph.constant([0.5])),
                                      graph.add("Sub", graph.constant(0.3)), graph.add("Identity")),
    "turned":          lambda graph: (graph.add("Neg"), graph.quant(3, 0.4)),
    "divided":         lambda graph: (graph.add("Div", graph.constant(-0.7)), graph.quant(3, 0.4)),
    "taken from one":  lambda graph: (graph.subtract_from(1.0), graph.quant(3, 0.4)),
    "thresholds":      lambda graph: multi_threshold(graph),
    "equal thresholds": lambda graph: multi_threshold(graph, rows=1, steps=7, out_scale=0.5, out_bias=-1.5),
    "sign by a threshold": lambda graph: multi_threshold(graph, steps=1, out_scale=2.0, out_bias=-1.0),
    "new name":        lambda graph: graph.quant(2, kind="IntQuant"),
}


@pytest.mark.some(8)
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations(kind, tmp_path):
    graph = signs(Graph())
    activations(graph, ACTIVATIONS[kind])
    check(graph, tmp_path)


@pytest.mark.some(5)
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("factor", [0.25, -0.25])
def test_values_between_two_levels(rounding, factor, tmp_path):
    """Sums are even, so half of the values are as far from one level as from the other."""
    graph = signs(Graph(seed=3))
    graph.add("Flatten")
    graph.full(SIDE**2, 12)
    graph.add("Mul", graph.constant(np.full(12, factor)))
    graph.quant(4, 1.0, rounding_mode=rounding)
    check(head(graph, 12, flatten=False), tmp_path)


# Weights.


@pytest.mark.parametrize("bits, options", [
    (1, {}), (1, {"scale": 0.3}), (2, {}), (2, {"narrow": 1}), (3, {"scale": 0.3}), (4, {"narrow": 1}),
    (4, {"zero": 2.0}), (7, {}), (8, {"narrow": 1}), (3, {"signed": 0}), (3, {"rounding_mode": "FLOOR"}),
    (2, {"scale": np.linspace(0.3, 0.6, 12)}), (1, {"scale": np.linspace(0.3, 0.6, 12)})])
def test_weights(bits, options, tmp_path):
    graph = signs(Graph())
    graph.add("Flatten")
    graph.full(SIDE**2, 12, bits=bits, **options)
    graph.normalize(12, deviation=4 * 2.0**(bits - 1))
    graph.quant(2, 0.5, narrow=1)
    network = check(head(graph, 12, flatten=False, bits=min(max(2, bits), 7)), tmp_path)
    assert network.layers[0].weight_bits <= bits + 1


@pytest.mark.parametrize("values, bits", [
    (lambda rng: rng.choice([-1.0, 1.0], (36, 12)), 1),
    (lambda rng: rng.choice([-1.0, 1.0], (36, 12)) * rng.uniform(0.5, 1, 12), 1),
    (lambda rng: rng.integers(-2, 3, (36, 12)), 3)])
def test_weights_without_a_quantizer(values, bits, tmp_path):
    """They may have been quantized before the export."""
    graph = signs(Graph())
    graph.add("Flatten")
    graph.add("MatMul", graph.constant(values(graph.rng)))
    graph.normalize(12)
    graph.bipolar()
    network = check(head(graph, 12, flatten=False), tmp_path)
    assert network.layers[0].weight_bits == bits


def test_weights_that_are_moved(tmp_path):
    """As PyTorch exports them, and with a scale of each output channel before the transposition."""
    graph = signs(Graph())
    graph.add("Flatten")
    name = graph.quant(3, np.linspace(0.3, 0.6, 12)[:, None], first=graph.constant(graph.rng.normal(
        0, 1, (12, SIDE**2))))
    graph.add("MatMul", graph.add("Transpose", first=name, perm=[1, 0]))
    graph.normalize(12)
    graph.bipolar()
    check(head(graph, 12, flatten=False), tmp_path)


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm(transposed, tmp_path):
    graph = signs(Graph())
    graph.add("Flatten")
    shape = (12, 36) if transposed else (36, 12)
    graph.add("Gemm", graph.weights(*shape), graph.constant(graph.rng.normal(0, 2, 12)), transB=transposed)
    graph.bipolar()
    check(head(graph, 12, flatten=False), tmp_path)


# Maps.


def pad(graph, value=-1.0, ends=(1, 1) * 2):
    graph.add("Pad", graph.constant([0, 0, *ends[:2], 0, 0, *ends[2:]], np.int64), graph.constant(value))


def pool(graph, *size):
    graph.add("MaxPool", kernel_shape=size or [2, 2], strides=size or [2, 2])


def average(graph, *size):
    size = list(size if len(size) > 1 else size * 2)
    graph.add("AveragePool", kernel_shape=size, strides=size)


def trunc(graph, scale, entering, leaving, *, further=(), **options):
    """``further`` is a scale of what leaves, of the second version."""
    graph.add("Trunc", *map(graph.constant, (scale, 0.0, entering, *further, leaving)), domain=graph.domain,
              **{"rounding_mode": "FLOOR"} | options)


def levels_of_maps(graph):
    """Four channels of 4 by 4 levels."""
    graph.conv(1, 4)
    graph.normalize(4)
    graph.quant(3, 0.4)


def behind(*steps):
    """``steps`` behind levels, each a method or a function of the graph."""
    def make(graph):
        levels_of_maps(graph)
        for step in steps:
            step(graph)
    return make


def ended(graph, inputs=4, outputs=6, **options):
    """A convolution and signs."""
    graph.conv(inputs, outputs, **{"kernel": 1} | options)
    graph.normalize(outputs, mean=0.2)
    graph.bipolar()


AVERAGES = {
    "of levels":        (6 * 4, behind(lambda graph: (average(graph, 2), ended(graph)))),
    "of pairs":         (6 * 1 * 2, behind(lambda graph: (average(graph, 3, 2), ended(graph)))),
    "kernel of averages": (6, behind(lambda graph: (average(graph, 2), ended(graph, kernel=2)))),
    "stride of averages": (6, behind(lambda graph: (average(graph, 2), ended(graph, strides=[2, 2])))),
    "border of averages": (6 * 4, behind(lambda graph: (
        average(graph, 2), pad(graph, -1.6), ended(graph, kernel=3)))),
    "twice":            (6, behind(lambda graph: (
        average(graph, 2), average(graph, 1, 2), average(graph, 2, 1), ended(graph)))),
    "moved":            (6 * 4, behind(lambda graph: (
        average(graph, 2), graph.add("Mul", graph.constant(3.7)), graph.add("Add", graph.constant(1.0)),
        ended(graph)))),
    "global":           (4, behind(lambda graph: graph.add("GlobalAveragePool"))),
    "mean":             (4, behind(lambda graph: graph.add("ReduceMean", axes=[2, 3], keepdims=1))),
    "of a vector":      (4 * 4, behind(lambda graph: average(graph, 2))),
    "of signs":         (6 * 4, lambda graph: (average(graph, 3), ended(graph, 1))),
    "of sums":          (4 * 4, lambda graph: (graph.conv(1, 4), average(graph, 2), graph.normalize(4),
                                               graph.bipolar())),
    "of values":        (4 * 4, lambda graph: (graph.conv(1, 4, bias=True), graph.normalize(4),
                                               average(graph, 2), graph.quant(3, 0.2))),
    "of sums of few bits": (6 * 2, behind(lambda graph: (
        graph.conv(4, 6, bits=3, strides=[2, 2], pads=[0] * 4, kernel=2), average(graph, 1, 2),
        graph.normalize(6, deviation=12), graph.bipolar()))),
    "of sums and a border": (4 * 4, lambda graph: (
        pad(graph), graph.conv(1, 4), average(graph, 3), graph.normalize(4), graph.bipolar())),
    "quantized":        (4 * 4, behind(lambda graph: (average(graph, 2), graph.quant(3, 0.3)))),
    "rectified":        (4 * 4, behind(lambda graph: (
        average(graph, 2), graph.add("Relu"), graph.quant(2, 0.3, signed=0)))),
    "normalized":       (4 * 4, behind(lambda graph: (
        average(graph, 2), graph.normalize(4, 1, mean=0.2), graph.bipolar()))),
    "quantized vector": (4, behind(lambda graph: (
        graph.add("GlobalAveragePool"), graph.add("Flatten"), graph.quant(4, 0.127)))),
    "largest average":  (4, behind(lambda graph: (average(graph, 2), pool(graph), graph.quant(4, 0.1)))),
    "bits are lost":    (4 * 4, behind(lambda graph: (
        average(graph, 2), graph.add("Mul", graph.constant(4.0)), trunc(graph, 0.4, 5, 3)))),
    "bits are rounded": (4 * 4, behind(lambda graph: (
        average(graph, 2), trunc(graph, 0.1, 5, 3, rounding_mode="ROUND")))),
    "bits are limited": (4 * 4, behind(lambda graph: (
        average(graph, 2), trunc(graph, 0.1, 5, 2, further=[0.4])))),
    "of a sum":         (4 * 4, lambda graph: (
        residual(lambda graph: None)(graph), average(graph, 2), graph.quant(4, 0.3))),
    "of a sum's levels": (6 * 4, lambda graph: (
        residual(lambda graph: graph.quant(2, 0.5))(graph), average(graph, 2), ended(graph))),
    "added":            (4 * 4, lambda graph: (
        levels_of_maps(graph), average(graph, 2), graph.quant(4, 0.25),
        beside(graph, *block(graph, 4, four)), graph.bipolar())),
}


@pytest.mark.some(9)
@pytest.mark.parametrize("kind", AVERAGES)
def test_averages(kind, tmp_path):
    inputs, add = AVERAGES[kind]
    graph = signs(Graph(seed=3))
    if "limited" in kind:
        graph.version = 2
    add(graph)
    check(head(graph, inputs), tmp_path, classes=1, count=10)


GROUPS = {
    "two groups":  (6 * 4, behind(lambda graph: (
        graph.conv(2, 6, group=2), graph.normalize(6), graph.bipolar()))),
    "depthwise":   (4 * 4, behind(lambda graph: (
        graph.conv(1, 4, group=4), graph.normalize(4, 2), graph.quant(2, 0.5)))),
    "depthwise, few bits": (4 * 4, behind(lambda graph: (
        graph.conv(1, 4, group=4, bits=3), graph.normalize(4, 6), graph.bipolar()))),
    "twice as many": (8 * 4, behind(lambda graph: (
        graph.conv(1, 8, group=4), graph.normalize(8, 2), graph.bipolar()))),
    "separable":   (6 * 4, behind(lambda graph: (
        graph.conv(1, 4, group=4), graph.normalize(4, 2), graph.bipolar(), ended(graph)))),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_groups(kind, tmp_path):
    inputs, add = GROUPS[kind]
    graph = signs(Graph(seed=3))
    add(graph)
    network = check(head(graph, inputs), tmp_path, classes=1, count=10)
    layer = network.layers[1]
    assert layer.groups > 1 and (layer.weight_bits > 1) == ("few" in kind)


RESIZES = {
    "twice": (13, ([], [1, 1, 2, 2]), {"coordinate_transformation_mode": "asymmetric",
                                              "nearest_mode": "floor"}, (8, 8)),
    "half a pixel, three columns": (13, ([], [1, 1, 1, 3]), {}, (4, 12)),
    "sizes": (13, (None, None, [1, 3, 8, 4]), {"coordinate_transformation_mode": "pytorch_half_pixel",
                                           "nearest_mode": "round_prefer_ceil"}, (8, 4)),
    "upsample": (9, ([1, 1, 2, 1],), {"mode": "nearest"}, (8, 4)),
}


def resize(graph, arrays, **attributes):
    kinds = (np.float32, np.float32, np.int64)
    graph.add("Resize" if len(arrays) > 1 else "Upsample", *(
        "" if array is None else graph.constant(array, kind)
        for array, kind in zip(arrays, kinds, strict=False)), **attributes)


@pytest.mark.parametrize("kind", RESIZES)
def test_larger_maps(kind, tmp_path):
    opset, arrays, attributes, (height, width) = RESIZES[kind]
    graph = signs(Graph(seed=5, opset=opset))
    graph.conv(1, 3)
    graph.normalize(3)
    graph.bipolar()
    resize(graph, arrays, **attributes)
    graph.conv(3, 4)
    graph.normalize(4, 6)
    graph.bipolar()
    network = check(head(graph, 4 * (height - 2) * (width - 2)), tmp_path, classes=1, count=10)
    assert network.layers[0].output_shape == (height, width, 3)


MAPS = {
    "convolution":     (4 * 16, lambda graph: (graph.conv(1, 4), graph.normalize(4), graph.bipolar())),
    "bias":            (4 * 16, lambda graph: (graph.conv(1, 4, bias=True), graph.bipolar())),
    "stride":          (4 * 4, lambda graph: (graph.conv(1, 4, strides=[2, 2]), graph.normalize(4),
                                              graph.bipolar())),
    "border":          (4 * 36, lambda graph: (
        pad(graph), graph.conv(1, 4), graph.normalize(4), graph.bipolar())),
    "zeros":           (3 * 16, lambda graph: (
        graph.conv(1, 4), graph.normalize(4), graph.add("Relu"), graph.quant(2, 0.4, signed=0),
        graph.conv(4, 3, pads=[1] * 4), graph.normalize(3), graph.bipolar())),
    "pool first":      (4 * 4, lambda graph: (graph.conv(1, 4), pool(graph), graph.normalize(4),
                                              graph.quant(2, narrow=1))),
    "pool of values":  (4 * 4, lambda graph: (graph.conv(1, 4), graph.normalize(4), pool(graph),
                                              graph.quant(2, narrow=1))),
    "pool of levels":  (4 * 4, lambda graph: (graph.conv(1, 4), graph.normalize(4), graph.quant(2, 0.4),
                                              pool(graph))),
    "odd pool":        (4 * 4, lambda graph: (graph.conv(1, 4, kernel=2), graph.normalize(4, 2),
                                              graph.bipolar(), pool(graph))),
    "pairs":           (4 * 3 * 8, lambda graph: (
        graph.conv(1, 4, kernel=[2, 1], strides=[2, 1], pads=[0] * 4), graph.normalize(4), graph.bipolar(),
        pad(graph, -1.0, (0, 2) * 2), graph.conv(4, 4, kernel=[1, 3]), graph.normalize(4),
        graph.bipolar())),
    "zeros of pairs":  (3 * 2 * 6, lambda graph: (
        graph.conv(1, 4), graph.normalize(4), graph.add("Relu"), graph.quant(2, 0.4, signed=0),
        graph.conv(4, 3, pads=[0, 2] * 2), graph.normalize(3), graph.bipolar())),
    "pool of pairs":   (4 * 4, lambda graph: (graph.conv(1, 4), graph.normalize(4), graph.quant(2, 0.4),
                                              pool(graph, 4, 1))),
    "global pool":     (4, lambda graph: (graph.conv(1, 4), graph.normalize(4), graph.add("GlobalMaxPool"),
                                          graph.bipolar())),
    "thresholds":      (4 * 16, lambda graph: (graph.conv(1, 4), multi_threshold(graph, 4))),
    "shift of a channel": (4 * 16, lambda graph: (
        graph.conv(1, 4), graph.add("Mul", graph.constant([[[[0.5]], [[-1.0]], [[0.3]], [[1.0]]]])),
        graph.add("Add", graph.constant([[[1.0]], [[0.5]], [[-0.4]], [[0.0]]])), graph.bipolar())),
}


@pytest.mark.some(5)
@pytest.mark.parametrize("kind", MAPS)
def test_maps(kind, tmp_path):
    inputs, add = MAPS[kind]
    graph = signs(Graph())
    add(graph)
    check(head(graph, inputs), tmp_path)


def test_output_of_a_convolution(tmp_path):
    graph = signs(Graph())
    graph.conv(1, 4)
    graph.bipolar()
    graph.conv(4, 5, kernel=4)
    graph.normalize(5, deviation=8)
    graph.add("Flatten")
    graph.add("Softmax", axis=1)
    path = graph.save(tmp_path / "graph.onnx")
    graph.nodes.pop() # qonnx has the logits of this one
    graph.newest = graph.nodes[-1].output[0]
    check(graph, tmp_path)
    read(path)


def test_output_of_a_map(tmp_path):
    """Each position has logits of its own."""
    graph = signs(Graph())
    graph.conv(1, 4)
    graph.bipolar()
    graph.conv(4, 3, kernel=1)
    graph.normalize(3, deviation=8)
    check(graph, tmp_path)


# Ways that part and meet again.


def block(graph, channels, quantize, levels=None, *, stride=1, leaving=None, group=1):
    """A convolution of the signs of what is newest, or of ``levels``, and a quantizer; return both ends."""
    before = graph.newest
    (levels or Graph.bipolar)(graph)
    pad(graph, 0.0 if levels else -1.0)
    graph.conv(channels // group, leaving or channels, strides=[stride] * 2, group=group)
    graph.normalize(leaving or channels)
    quantize(graph)
    return before, graph.newest


def beside(graph, one, other, kind="Add", **attributes):
    graph.newest = one
    graph.add(kind, other, **attributes)


def stem(graph, quantize, channels=4):
    graph.conv(1, channels)
    graph.normalize(channels)
    quantize(graph)


def four(graph):
    graph.quant(4, 0.25)


def residual(behind=Graph.bipolar, quantize=four, swapped=False, first=four):
    """A block with a skip around it, and ``behind`` the sum."""
    def make(graph):
        stem(graph, first)
        ways = block(graph, 4, quantize)
        beside(graph, *(ways[::-1] if swapped else ways))
        behind(graph)
    return make


def moved(graph):
    """The same levels stand for other values where another layer takes them."""
    stem(graph, Graph.bipolar)
    before = graph.newest
    graph.conv(4, 4, kernel=1)
    graph.normalize(4)
    four(graph)
    after, graph.newest = graph.newest, before
    graph.add("Add", graph.constant(1.0))
    graph.conv(4, 4, kernel=1)
    graph.normalize(4)
    four(graph)
    beside(graph, after, graph.newest)
    graph.bipolar()


def side_by_side(graph):
    """What enters a block, with fewer levels, beside what leaves it."""
    before, after = block(graph, 4, four)
    graph.newest = before
    four(graph)
    beside(graph, after, graph.newest, "Concat", axis=1)


def two_blocks(graph):
    """Sums that are limited as they are quantized, one of which is added again."""
    residual(four)(graph)
    beside(graph, *block(graph, 4, four))
    four(graph)
    graph.bipolar()


def projected(graph):
    """Beside a convolution of stride 2 there is another one, of another kernel."""
    stem(graph, four)
    before, after = block(graph, 4, four, stride=2)
    graph.newest = before
    graph.quant(2, 0.5)
    graph.conv(4, 4, kernel=2, strides=[2, 2])
    graph.normalize(4)
    four(graph)
    beside(graph, after, graph.newest)
    graph.add("Relu")
    graph.quant(2, 0.5, signed=0)
    graph.conv(4, 3, pads=[1] * 4)
    graph.normalize(3)
    graph.bipolar()


def dense(swapped=False, quantize=Graph.bipolar, behind=Graph.bipolar):
    """What enters a block and what leaves it, side by side, twice."""
    def make(graph):
        stem(graph, quantize)
        for channels in 4, 6:
            ways = block(graph, channels, quantize, leaving=2)
            beside(graph, *(ways[::-1] if swapped else ways), "Concat", axis=1)
        if quantize is not Graph.bipolar and behind:
            behind(graph)
    return make


def added_side_by_side(graph):
    """Sums beside what entered them, and signs of all."""
    residual(four)(graph)
    beside(graph, *block(graph, 4, four)[::-1], "Concat", axis=1)
    beside(graph, *block(graph, 8, four))
    graph.quant(3, 0.5)


def normalized_in_front(graph):
    """Two blocks in which a normalization and a quantizer are in front of each convolution."""
    stem(graph, four)
    for _ in range(2):
        before = graph.newest
        for _ in range(2):
            graph.normalize(4, 1.0, 0.5)
            graph.quant(2, 0.5, narrow=1)
            graph.conv(4, 4, kernel=1)
        graph.add("Mul", graph.constant(0.25))
        four(graph)
        beside(graph, graph.newest, before)
        four(graph)
    graph.normalize(4, 1.0, 0.5)
    graph.bipolar()


def two_quantizers(graph):
    """A layer takes more levels of a map than another one beside it."""
    stem(graph, four)
    before = graph.newest
    graph.quant(2, 0.5, narrow=1)
    graph.conv(4, 4, kernel=1)
    graph.normalize(4)
    four(graph)
    after, graph.newest = graph.newest, before
    graph.bipolar()
    graph.conv(4, 4, kernel=1)
    graph.normalize(4)
    four(graph)
    beside(graph, after, graph.newest)
    graph.bipolar()


def narrowed(graph):
    """A map is added with fewer levels than something else takes of it."""
    stem(graph, lambda graph: graph.quant(6, 0.25))
    before, after = block(graph, 4, four)
    graph.newest = before
    four(graph)
    beside(graph, graph.newest, after)
    graph.bipolar()


def shared_quantizer(graph):
    """As Brevitas has it: what leaves a block is rectified, and quantized anew where it is added."""
    stem(graph, lambda graph: (graph.add("Relu"), graph.quant(3, 0.2, signed=0)))
    for _ in range(2):
        taken, (_, added) = graph.newest, block(graph, 4, four)
        graph.newest = taken
        four(graph)
        beside(graph, added, graph.newest)
        graph.add("Relu")
        graph.quant(3, 0.2, signed=0)


JOINS = {
    "shared quantizer":   (64, shared_quantizer),
    "moved levels":       (64, moved),
    "fewer levels":       (64, narrowed),
    "a narrow sum":       (64, lambda graph: (residual(lambda graph: graph.quant(4, 0.25, narrow=1))(graph),
                                              beside(graph, *block(graph, 4, four)), graph.bipolar())),
    "other levels side by side": (8 * 16, lambda graph: (
        stem(graph, lambda graph: graph.quant(5, 0.1)), side_by_side(graph), graph.bipolar())),
    "signs of a sum":     (64, residual()),
    "the other order":    (64, residual(swapped=True)),
    "levels of a sum":    (64, residual(lambda graph: graph.quant(2, 0.5, narrow=1))),
    "above zero":         (64, residual(lambda graph: (graph.add("Relu"), graph.quant(3, 0.3, signed=0)))),
    "moved and limited":  (64, residual(lambda graph: (
        graph.add("Mul", graph.constant(0.7)), graph.add("Add", graph.constant(0.2)),
        graph.add("Clip", graph.constant(-1.0), graph.constant(1.0)), graph.quant(3, 0.4)))),
    "thresholds":         (64, residual(lambda graph: multi_threshold(graph, 4, rows=1))),
    "three levels":       (64, residual(quantize=lambda graph: graph.quant(2, 0.5, narrow=1),
                                        first=lambda graph: graph.quant(2, 0.5, narrow=1))),
    "of other ranges":    (64, residual(first=lambda graph: (graph.add("Relu"),
                                                            graph.quant(3, 0.25, signed=0)))),
    "zero points":        (64, residual(first=lambda graph: graph.quant(4, 0.25, 3.0, signed=0))),
    "signs are added":    (64, residual(lambda graph: graph.quant(2, 2.0, narrow=1),
                                        Graph.bipolar, first=Graph.bipolar)),
    "eight bits":         (64, residual(lambda graph: (graph.quant(8, 1 / 16), graph.bipolar()),
                                        lambda graph: graph.quant(8, 1 / 16),
                                        first=lambda graph: graph.quant(8, 1 / 16))),
    "two blocks":         (64, two_blocks),
    "projected":          (3 * 4, projected),
    "channels":           (8 * 16, dense()),
    "channels, the other order": (8 * 16, dense(swapped=True)),
    "channels of levels": (8 * 16, dense(quantize=four)),
    "both":               (8 * 16, added_side_by_side),
    "two quantizers":     (64, two_quantizers),
    "a normalized sum":   (64, residual(lambda graph: (graph.normalize(4), graph.bipolar()))),
    "levels of a normalized sum": (64, residual(lambda graph: (
        graph.normalize(4, 1.0, 0.5), graph.quant(3, 0.5, signed=0)), swapped=True)),
    "thresholds of channels": (64, residual(lambda graph: multi_threshold(graph, 4))),
    "normalized in front": (64, normalized_in_front),
    "thresholds of channels, in front": (64, lambda graph: (
        stem(graph, four), beside(graph, *block(graph, 4, four, lambda graph: multi_threshold(graph, 4))),
        four(graph), multi_threshold(graph, 4))),
    "a larger sum":       (4 * 32, residual(lambda graph: (
        graph.quant(3, 0.5), resize(graph, ([], [1, 1, 2, 1]))))),
    "a larger sum, before its quantizer": (4 * 32, residual(lambda graph: (
        resize(graph, ([], [1, 1, 1, 2])), graph.bipolar()), swapped=True)),
    "a larger normalized sum": (4 * 64, residual(lambda graph: (
        graph.normalize(4), graph.bipolar(), resize(graph, ([], [1, 1, 2, 2]))))),
    "larger channels":    (3 * 12, lambda graph: (
        dense()(graph), resize(graph, ([], [1, 1, 2, 3])), graph.conv(8, 3, strides=[2, 3]),
        graph.normalize(3), graph.bipolar())),
    "channels, normalized in front": (8 * 16, lambda graph: (
        dense(quantize=four, behind=None)(graph), graph.normalize(8, 1.0, 0.5), graph.bipolar())),
    "a normalized sum, in another order": (8 * 16, lambda graph: (
        dense(True, four, behind=None)(graph), graph.normalize(8, 1.0, 0.5), graph.quant(2, 0.5))),
}


@pytest.mark.some(4)
@pytest.mark.parametrize("kind", JOINS)
def test_joins(kind, tmp_path):
    inputs, add = JOINS[kind]
    graph = signs(Graph(seed=3))
    add(graph)
    network = check(head(graph, inputs), tmp_path, classes=1, count=10)
    assert network.joins


def random_graph(rng):
    """A stem, one to three blocks in which ways meet, an average perhaps, and logits; quantizers are drawn,
    too. What is halfway between levels is exact in float32, too."""
    scale = rng.choice([0.25, 0.5])
    plain = [lambda graph: graph.quant(4, scale), lambda graph: graph.quant(3, scale),
             lambda graph: graph.quant(3, scale, narrow=1),
             lambda graph: (graph.add("Relu"), graph.quant(3, scale, signed=0))]


    def quantize(graph):
        rng.choice(plain)(graph)

    graph, channels, side = signs(Graph(seed=int(rng.integers(2**31)))), 4, SIDE - 2
    stem(graph, quantize)
    for _ in range(rng.integers(1, 4)):
        kind = rng.choice(["add", "add", "concat", "stride"])
        leaving = 3 if kind == "concat" else channels
        before, after = block(graph, channels, quantize, stride=2 if kind == "stride" else 1,
                              leaving=leaving,
                              group=1 if channels % 2 or leaving % 2 else int(rng.choice([1, 1, 2])))
        if kind == "stride":
            graph.newest, side = before, -(-side // 2)
            if rng.random() < 0.5:
                graph.quant(2, 2 * scale)
            else:
                graph.bipolar()
            graph.conv(channels, channels, kernel=1, strides=[2, 2])
            graph.normalize(channels)
            quantize(graph)
            before = graph.newest
        ways = (before, after) if rng.random() < 0.5 else (after, before)
        beside(graph, *ways, *(["Concat"] if kind == "concat" else []),
               **({"axis": 1} if kind == "concat" else {}))
        channels += leaving if kind == "concat" else 0
        if rng.random() < 0.7:
            quantize(graph)
    if side % 2 == 0 and rng.random() < 0.5:
        average(graph, 2)
        side //= 2
    if rng.random() < 0.8:
        graph.bipolar() if rng.random() < 0.7 else graph.quant(2, 2 * scale, narrow=1)
    return head(graph, channels * side**2)


@pytest.mark.some(2)
@pytest.mark.parametrize("seed", [2, 30, 33, 42, 45, 46]) # others are refused, or have one class
def test_random_graphs(seed, tmp_path):
    check(random_graph(np.random.default_rng(seed)), tmp_path, classes=1, count=10)


# Pixels.


PIXELS = {
    "sign":     (Input(SIDE, SIDE, (128,)), signs),
    "3 levels": (Input(SIDE, SIDE, (64, 192, 256), 2), lambda graph: (
        graph.add("Mul", graph.constant(2.0)), graph.add("Sub", graph.constant(1.0)),
        graph.quant(2, narrow=1))),
    "levels":   (Input(SIDE, SIDE, (19, 55, 92, 128, 164, 201, 237), 3),
                 lambda graph: graph.quant(3, 1 / 7, signed=0)),
    "fewer":    (Input(SIDE, SIDE, (64, 192, 256), 2), lambda graph: graph.quant(3, 0.5)),
    "as they are": (Input(SIDE, SIDE, (), 8), lambda graph: graph.add("Identity")),
    "8 bits":   (Input(SIDE, SIDE, (), 8), lambda graph: graph.quant(8, 1 / 255, signed=0)),
    "8 bits with a sign": (Input(SIDE, SIDE, tuple(range(2, 255, 2)), 7),
                           lambda graph: graph.quant(8, 1 / 127.5)),
    "normalized": (Input(SIDE, SIDE, (34,)), lambda graph: (
        graph.add("Sub", graph.constant(0.1307)), graph.add("Div", graph.constant(0.3081)),
        graph.bipolar())),
}


@pytest.mark.some(3)
@pytest.mark.parametrize("kind", PIXELS)
def test_pixels(kind, tmp_path):
    expected, add = PIXELS[kind]
    graph = Graph()
    add(graph)
    network = check(activations(graph, Graph.bipolar), tmp_path)
    assert network.input == expected


@pytest.mark.parametrize("kind", ["sign", "3 levels", "as they are"])
def test_colours(kind, tmp_path):
    graph = Graph((3, SIDE, SIDE))
    PIXELS[kind][1](graph)
    graph.conv(3, 4)
    graph.normalize(4)
    graph.bipolar()
    network = check(head(graph, 64), tmp_path)
    assert network.input.colours == 3 and network.data == "cifar10"


@pytest.mark.parametrize("shape", [None, (1, 1, SIDE, SIDE), (0, 36)])
def test_pixels_of_a_vector(shape, tmp_path):
    graph = Graph((SIDE**2,))
    if shape:
        graph.add("Reshape", graph.constant(shape, np.int64))
    network = check(activations(signs(graph), Graph.bipolar), tmp_path)
    assert network.input.shape == ((SIDE, SIDE) if shape and len(shape) == 4 else (1, SIDE**2))


def test_an_old_export(tmp_path):
    """As Brevitas wrote it: its own domain, a shape that is computed, limits that are attributes."""
    graph = signs(Graph(opset=9, domain="onnx.brevitas"))
    shape = graph.add("Shape", first=graph.newest)
    size  = graph.add("Gather", graph.constant(0, np.int64), first=shape, axis=0)
    size  = graph.add("Unsqueeze", first=size, axes=[0])
    graph.add("Reshape", graph.add("Concat", graph.constant([-1], np.int64), first=size, axis=0))
    graph.full(SIDE**2, 12)
    graph.normalize(12)
    graph.add("Clip", min=-0.5, max=0.8)
    graph.quant(3, 0.2)
    graph.full(12, 5)
    graph.add("Sub", graph.constant([0.45]))
    root = graph.add("Pow", graph.constant(0.5), first=graph.constant([318.2]))
    graph.add("Div", root)
    check(graph, tmp_path)


def test_as_a_file_of_ours(tmp_path):
    """It can be kept without the package."""
    graph = signs(Graph())
    activations(graph, ACTIVATIONS["three levels"])
    path = graph.save(tmp_path / "2 bits+.onnx")
    network, thresholds, parameters = read_qonnx(path)
    assert network.name == "2_bits_" and network.method == "deterministic" and thresholds.tolist() == [128]
    write_file(tmp_path / "kept.npz", network, parameters)
    assert read(tmp_path / "kept.npz") == read(path)
    assert chosen_network({"network": str(path)}) == network


# What is refused.


def vector(add):
    """A graph of ``add`` behind the signs of a vector."""
    graph = signs(Graph())
    graph.add("Flatten")
    add(graph)
    return graph


def full(add=None, values=True):
    """One of ``add`` behind a layer of twelve outputs."""
    def behind(graph):
        graph.full(SIDE**2, 12)
        add(graph)
    return lambda: vector(behind)


def image(add, shape=(1, SIDE, SIDE)):
    """A graph of ``add`` behind signs."""
    def make():
        graph = signs(Graph(shape))
        add(graph)
        return graph
    return make


def branch(graph):
    before = graph.newest
    graph.add("Relu")
    graph.add("Add", before)


MEET  = "maps meet in Add of what is quantized alike, or Concat of channels"
SIDES = "must have the same padding above as below, and left as right"
TRAIN_SIDES = "train with the same padding on both sides"
WINDOWS = "must be of windows that do not overlap, of height and width, without a border"
ELSE  = "gen/from_qonnx.py says what can be built"


@pytest.mark.parametrize("make, number, kind, what, way_out", [
    (full(branch), 6, "Relu",
     "takes what something else takes, too, and is not quantized",
     "put a quantizer behind the layer that both take"),
    (full(lambda graph: graph.add("Dropout")), 6, "Dropout",
     "has no counterpart", "export the model in evaluation mode, where it drops nothing"),
    (full(lambda graph: graph.add("Sign")), 6, "Sign",
     "has no counterpart; its sign of 0 is 0", "quantize with BipolarQuant, which has +1"),
    (full(lambda graph: graph.add("Sigmoid")), 6, "Sigmoid",
     "has no counterpart", ELSE),
    (image(lambda graph: graph.add("AveragePool", kernel_shape=[2, 2])), 3, "AveragePool",
     WINDOWS, "train with a pool whose strides are its size"),
    (image(lambda graph: average(graph, 7)), 3, "AveragePool",
     "takes a map of less than 7 by 7", "train without it"),
    (image(lambda graph: graph.add("ReduceMean", axes=[1], keepdims=1)), 3, "ReduceMean",
     "is not the mean over height and width", "take it along axes 2 and 3"),
    (image(lambda graph: (graph.add("Flatten"), graph.add("GlobalAveragePool"))), 4, "GlobalAveragePool",
     "takes a vector", "put it behind a convolution"),
    (image(lambda graph: (graph.conv(1, 4), graph.add("Relu"), average(graph, 2))), 6, "AveragePool",
     "averages values that are limited or pooled", "put a quantizer before it"),
    (image(lambda graph: (graph.conv(1, 4, bits=7), average(graph, 3))), 5, "AveragePool",
     "has weights of up to 130", "there may be 127"),
    (image(lambda graph: (average(graph, 4), pad(graph), graph.conv(1, 4))), 6, "Conv",
     "has a border around averages of windows that do not fill the map", "use a window that does"),
    (full(lambda graph: trunc(graph, 1.0, 4, 2)), 6, "Trunc",
     "takes what no quantizer or average has made, or rounds in another way than ROUND, HALF_EVEN, "
     "HALF_UP, HALF_DOWN, FLOOR, CEIL, UP, DOWN", ELSE),
    (image(lambda graph: (graph.quant(4, 0.2), trunc(graph, -1.0, 4, 2))), 4, "Trunc",
     "has a scale of -1", "it must be above zero"),
    (full(lambda graph: graph.add("ArgMax")), 6, "ArgMax",
     "has no counterpart", "end the graph with its logits, of which the hardware finds the largest"),
    (image(lambda graph: graph.add("Transpose", perm=[0, 2, 3, 1])), 3, "Transpose",
     "has no counterpart", "export the graph with the channel before height and width"),
    (image(lambda graph: resize(graph, ([], [1, 1, 2, 2]))), 3, "Resize",
     "takes what is no map of levels that leaves a layer or join",
     "put it behind the quantizer of a convolution, and before Pad and averages"),
    *((image(lambda graph, scales=scales, options=options: (
        graph.conv(1, 4), graph.bipolar(), resize(graph, ([], scales), **options))), 6, "Resize",
       "is none to the nearest neighbours by whole factors of height and width",
       "use nn.Upsample(scale_factor=2) in torch") for scales, options in (
           ([1, 1, 2, 1.5], {}), ([1, 2, 2, 2], {}), ([1, 1, 2, 2], {"mode": "linear"}),
           ([1, 1, 2, 2], {"coordinate_transformation_mode": "asymmetric"}))),
    (image(lambda graph: (
        graph.conv(1, 4), graph.bipolar(), resize(graph, ([], [1, 1, 2, 2])), pool(graph))), 7, "MaxPool",
     "is the second pool of a layer, or behind a Resize",
     "train with a convolution between them"),
    (full(lambda graph: graph.quant(9)), 6, "Quant",
     "has 9 bits", "quantize to 1 to 8 whole bits"),
    (full(lambda graph: graph.quant(2.5)), 6, "Quant",
     "has 2.5 bits", "quantize to 1 to 8 whole bits"),
    (full(lambda graph: graph.quant(2, -1.0)), 6, "Quant",
     "has a scale of -1", "it must be above zero"),
    (full(lambda graph: graph.quant(2, np.linspace(1, 2, 12))), 6, "Quant",
     "has scales that differ", "only those of weights and sums may, between output channels"),
    (full(lambda graph: graph.quant(2, rounding_mode="ODD")), 6, "Quant",
     "rounds by 'ODD'", "round by one of ROUND, HALF_EVEN, HALF_UP, HALF_DOWN, FLOOR, CEIL, UP, DOWN"),
    (full(lambda graph: multi_threshold(graph, 11)), 6, "MultiThreshold",
     "has thresholds of shape (11, 3), but there are 12 channels", ELSE),
    (full(lambda graph: multi_threshold(graph, out_scale=-1.0)), 6, "MultiThreshold",
     "has a scale of -1", "it must be above zero"),
    (full(lambda graph: multi_threshold(graph, data_layout="NHWC")), 6, "MultiThreshold",
     "takes a map with the channel last", "export the graph with the channel before height and width"),
    (full(lambda graph: graph.add("Mul", graph.constant(np.nan))), 6, "Mul",
     "takes 'constant5', which are not finite numbers", "train it again"),
    (full(lambda graph: graph.add("Div", graph.constant(0))), 6, "Div",
     "divides by activations, or by zero", ELSE),
    (full(lambda graph: graph.add("Add", graph.constant(np.zeros(11)))), 6, "Add",
     "takes numbers of shape (11,), but activations of 12 channels, 1 by 1", MEET),
    (image(lambda graph: (graph.conv(1, 4), graph.add("Add", graph.constant(np.arange(4))))), 5, "Add",
     "takes numbers that differ within a channel", "only those of channels may differ"),
    (image(lambda graph: (graph.conv(1, 4), graph.bipolar(), graph.add("Flatten"), graph.add(
        "Mul", graph.constant(-1.0)))), 7, "Mul",
     "multiplies or shifts pixels, averages, a vector, or activations that are quantized twice",
     "there it takes one factor, above zero, and one shift for all of them"),
    (full(lambda graph: (graph.bipolar(), graph.add("Relu"))), 7, "Relu",
     "limits activations behind a quantizer", "limit them before it"),
    (full(lambda graph: graph.full(12, 5)), 7, "MatMul",
     "takes what is not quantized, or a map", "quantize what enters it, and flatten maps before"),
    (image(lambda graph: graph.full(36, 5)), 4, "MatMul",
     "takes what is not quantized, or a map", "quantize what enters it, and flatten maps before"),
    (lambda: vector(lambda graph: graph.full(35, 5)), 5, "MatMul",
     "has weights of 35 inputs, but takes 36", ELSE),
    (lambda: vector(lambda graph: graph.add("MatMul", graph.constant(graph.rng.normal(size=(36, 5))))),
     4, "MatMul",
     "has weights that are not quantized", "quantize them by BipolarQuant or Quant"),
    (lambda: vector(lambda graph: graph.full(36, 5, bits=3, scale=np.linspace(1, 2, 36)[:, None])),
     5, "MatMul",
     "has scales of weights that differ within an output channel, or are not above zero",
     "scale the weights of an output channel alike"),
    (lambda: vector(lambda graph: graph.full(36, 5, bits=3, zero=0.5)), 4, "Quant",
     "makes weights that are no whole multiples of its scale", "quantize weights with a whole zero point"),
    (lambda: vector(lambda graph: graph.full(36, 5, bits=8, signed=0, scale=0.1)), 5, "MatMul",
     "has weights of up to 255", "there may be 127"),
    (image(lambda graph: graph.conv(1, 4, pads=[1] * 4)), 4, "Conv",
     "pads with zeros, but level 0 stands for -1",
     "a border holds the lowest level; pad by a node of its own with that value"),
    (image(lambda graph: graph.conv(1, 4, dilations=[1, 2])), 4, "Conv",
     "is dilated", "train without dilation"),
    (image(lambda graph: graph.conv(1, 4, pads=[1, 0, 0, 0])), 4, "Conv", SIDES, TRAIN_SIDES),
    (image(lambda graph: graph.conv(1, 4, auto_pad="SAME_UPPER")), 4, "Conv", SIDES, TRAIN_SIDES),
    (image(lambda graph: graph.conv(1, 4, group=3), (3, SIDE, SIDE)), 4, "Conv",
     "has weights of shape (4, 1, 3, 3), but takes 3 channels", ELSE),
    (image(lambda graph: graph.conv(1, 4, kernel=7)), 4, "Conv",
     "has a kernel that is larger than its map", "train with a smaller kernel"),
    (image(lambda graph: (graph.conv(1, 4), graph.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2]))),
     5, "MaxPool",
     WINDOWS, "train with a pool whose strides are its size"),
    (image(lambda graph: (graph.conv(1, 4), graph.add("MaxPool", kernel_shape=[2, 2]))), 5, "MaxPool",
     WINDOWS, "train with a pool whose strides are its size"),
    (image(lambda graph: (graph.conv(1, 4), pool(graph, 5, 1))), 5, "MaxPool",
     "takes a map of less than 5 by 1", "train without it"),
    (image(lambda graph: (graph.conv(1, 4), pool(graph), pool(graph))), 6, "MaxPool",
     "is the second pool of a layer, or behind a Resize", "train with a convolution between them"),
    (image(pool), 3, "MaxPool",
     "takes pixels, a vector, or what is joined", "pool the map that leaves a convolution"),
    (image(lambda graph: pad(graph, -1.0, (1, 0, 0, 0))), 3, "Pad",
     "must add as many rows above as below a map, and as many columns left as right", TRAIN_SIDES),
    (image(lambda graph: pad(graph, 0.0)), 3, "Pad",
     "adds a border of 0", "a border holds the lowest level of the activations"),
    (image(lambda graph: (pad(graph), graph.add("Flatten"))), 4, "Flatten",
     "takes a padded map", "only a convolution can follow a border"),
    (full(lambda graph: (graph.add("Softmax", axis=1), graph.add("Identity"))), 7, "Identity",
     "comes after the softmax", "end the graph with its logits"),
])
def test_refuses(make, number, kind, what, way_out, tmp_path):
    path = make().save(tmp_path / "graph.onnx")
    message = f"QONNX file {path} has node 'node{number}' ({kind}), which {what}; {way_out}"
    with pytest.raises(QonnxError, match=f"^{re.escape(message)}$"):
        read(path)


def joined(kind="Add", quantize=four, first=four, **attributes):
    """A block and ``kind`` of its ends."""
    def make(graph):
        stem(graph, first)
        beside(graph, *block(graph, 4, quantize, stride=attributes.pop("stride", 1)), kind, **attributes)
    return make


def nested(graph):
    """Two blocks beside each other."""
    stem(graph, four)
    before, ends = graph.newest, []
    for _ in range(2):
        graph.newest = before
        beside(graph, *block(graph, 4, four))
        four(graph)
        ends.append(graph.newest)
    beside(graph, *ends)


ALIKE = "let both have the same quantizer"


@pytest.mark.parametrize("make, number, kind, what, way_out", [
    (joined("Mul"), 13, "Mul", "takes several activations", MEET),
    (joined(quantize=lambda graph: None), 12, "Add",
     "takes what no quantizer of a layer has made", "put a quantizer before it"),
    (joined(quantize=lambda graph: graph.quant(4, 0.5)), 13, "Add",
     "adds activations with scales of 0.25 and 0.5", ALIKE),
    (joined("Concat", lambda graph: graph.quant(4, 0.25, 0.5), axis=1), 13, "Concat",
     "puts activations of different scales, or zero points, side by side",
     "let all have the same quantizer"),
    (joined("Concat", axis=2), 13, "Concat",
     "must put channels of activations side by side", "concatenate maps along axis 1"),
    (joined(stride=2), 13, "Add",
     "takes maps of 4 by 4 by 4 and 4 by 2 by 2", "let both have the same size"),
    (lambda graph: (stem(graph, four), graph.add("Add", graph.newest)), 7, "Add",
     "brings two ways together of which each has a join on it, or neither a layer",
     "let one have none, and the other a layer"),
    (nested, 23, "Add",
     "brings two ways together of which each has a join on it, or neither a layer",
     "let one have none, and the other a layer"),
    (lambda graph: (joined(quantize=lambda graph: graph.quant(8, 1 / 64),
                           first=lambda graph: graph.quant(8, 1 / 64))(graph), graph.quant(8, 1 / 32)),
     17, "MatMul",
     "takes levels of a sum that values of 8 bits do not hold", "quantize what is added to fewer bits"),
    (lambda graph: (residual()(graph), *(resize(graph, ([], [1, 1, 2, 2])) for _ in range(2))), 16,
     "Resize", "is the second Resize of a join", "train with a convolution between them"),
    (lambda graph: (residual()(graph), pool(graph)), 15, "MaxPool",
     "takes pixels, a vector, or what is joined", "pool the map that leaves a convolution"),
    (lambda graph: (stem(graph, four), graph.add("Identity"), pool(graph),
                    beside(graph, "tensor6", graph.newest)), 8, "MaxPool",
     "takes a map that something else takes, too, of before the pool", "let all take the pooled one"),
    (lambda graph: (stem(graph, lambda graph: (four(graph), pool(graph))),
                    beside(graph, *block(graph, 4, four)), graph.bipolar()), 14, "Add",
     "takes what a pool leaves", "put a stride in its place"),
    (lambda graph: (joined("Concat", axis=1)(graph), beside(graph, *block(graph, 8, four))), 20, "Add",
     "takes maps that other ones side by side make, in another order",
     "put those in the same order side by side"),
    (lambda graph: (residual(lambda graph: (graph.normalize(4), graph.bipolar()))(graph),
                    beside(graph, *block(graph, 4, four))), 16, "BipolarQuant",
     "takes levels of a sum by thresholds that differ between channels, or falling",
     "put a layer behind their quantizer, or normalize what is added, before its quantizers"),
    (lambda graph: (stem(graph, four), graph.conv(4, 4), setattr(graph, "newest", "tensor6")), 8, "Conv",
     "computes what is not used", "take it out"),
    (joined(), 16, "MatMul",
     "takes what is not quantized, or a map", "quantize what enters it, and flatten maps before"),
])
def test_refuses_joins(make, number, kind, what, way_out, tmp_path):
    graph = signs(Graph(seed=3))
    make(graph)
    side = 2 if any(node.op_type == "MaxPool" for node in graph.nodes) else 4
    path = head(graph, 4 * side**2).save(tmp_path / "graph.onnx")
    message = f"QONNX file {path} has node 'node{number}' ({kind}), which {what}; {way_out}"
    with pytest.raises(QonnxError, match=f"^{re.escape(message)}$"):
        read(path)


@pytest.mark.parametrize("make, message", [
    (full(lambda graph: graph.bipolar()),
     "ends with activations that are quantized; end the graph with the logits of its classes"),
    (full(lambda graph: graph.add("Relu")),
     "ends with a limit of its values, as Relu and Clip are; end the graph with the logits of its "
     "classes"),
    (lambda: activations(Graph(), Graph.bipolar) and Graph((2, SIDE, SIDE)),
     "has an input of shape [1, 2, 6, 6]; it must be (images, 1 or 3, height, width) or (images, pixels)"),
])
def test_refuses_graphs(make, message, tmp_path):
    path = make().save(tmp_path / "graph.onnx")
    with pytest.raises(QonnxError, match=f"^{re.escape(f'QONNX file {path} {message}')}$"):
        read(path)


def test_refuses_pixels_that_are_all_alike(tmp_path):
    graph = Graph()
    graph.bipolar()
    path = graph.save(tmp_path / "graph.onnx")
    with pytest.raises(QonnxError, match=re.escape("has node 'node0' (BipolarQuant), which quantizes all "
                                                   "pixels alike; the graph takes pixels divided by 255")):
        read(path)


def test_refuses_colours_that_differ(tmp_path):
    graph = Graph((3, SIDE, SIDE))
    multi_threshold(graph, 3)
    path = graph.save(tmp_path / "graph.onnx")
    with pytest.raises(QonnxError, match="which has thresholds that differ between colours; quantize all "
                                         "colours alike$"):
        read(path)


def test_refuses_files(tmp_path):
    missing, damaged, folder = (tmp_path / name for name in ("none.onnx", "bad.onnx", "folder.onnx"))
    damaged.write_bytes(b"no protobuf at all")
    folder.mkdir()
    for path, message in ((missing, r"cannot be read \(No such file or directory\); name another file"),
                          (folder, r"cannot be read \(Is a directory\); name another file"),
                          (damaged, r"is damaged, or no file of ONNX \(.*\); export it again")):
        with pytest.raises(QonnxError, match=f"^QONNX file {re.escape(str(path))} {message}$"):
            read(path)


def test_refuses_another_network(tmp_path):
    path = activations(signs(Graph()), Graph.bipolar).save(tmp_path / "graph.onnx")
    other = activations(signs(Graph()), Graph.bipolar, middle=13).save(tmp_path / "other.onnx")
    with pytest.raises(CheckpointError, match=re.escape(
            f"QONNX file {path} is of another network than 'other': its layer 'fc1' differs; name the file "
            "as the network")):
        read(path, read_qonnx(other)[0])
