"""A network that a person describes in a file, in TOML: its input, its layers, and what is random in it.

All shapes follow from the input. This is LeNet-5::

    name = "mine"           # that of the file, unless given
    data = "mnist"          # what it is trained with (golden.data), "mnist" unless given
    method = "sub-set"      # scale-dropout, unless given
    answer = "classes"      # unless given; "numbers", for a regression

    [input]
    height = 28
    width = 28
    thresholds = [64, 128, 192]

    [[layers]]
    kind = "conv"
    outputs = 6
    kernel = 5
    pool = 2

    [[layers]]
    kind = "conv"
    outputs = 16
    kernel = 5
    pool = 2

    [[layers]]
    kind = "linear"
    outputs = 120

    [[layers]]
    kind = "linear"
    outputs = 84

    [[layers]]
    kind = "linear"
    outputs = 10

============  ========================================================================================
of the input
============  ========================================================================================
``height``    of an image, in pixels; likewise ``width``
``colours``   1, grey, unless given; or 3
``thresholds``  from 1 to 255: for each, a channel is 1 where a pixel reaches it
``bits``      in place of thresholds, 1 to 7: pixels are rounded to so many bits; or 8: taken as they are.
              With both, each ``2 ** bits - 1`` thresholds make a channel
``low``       what the lowest level stands for, -1 unless given; or 0
============  ========================================================================================

============  ========================================================================================
of a layer
============  ========================================================================================
``kind``      ``"conv"``; or ``"linear"``, fully connected
``outputs``   channels or neurons; of the last layer, classes, or numbers of a regression
``kernel``    side of a convolution, or height and width as ``[5, 3]``
``stride``    1, unless given; or down and to the right as ``[2, 1]``
``padding``   0, unless given: a border of the lowest level on every side; or ``[1, 2]``: of one row above
              and below, and of two columns left and right
``pool``      1, unless given: side of a max-pool, or height and width as ``[1, 4]``; the windows stand side
              by side, and what fills none is dropped
``resize``    1, unless given: how many rows and columns each of the map becomes that leaves, behind the
              pool: its nearest neighbours; or ``[1, 4]``
``average``   1, unless given: side of windows of what enters that are averaged first, or height and width;
              they stand side by side, what fills none is dropped, and kernel, stride and border are of
              averages
``groups``    1, unless given: of channels and of outputs of a convolution, as many of each; outputs see the
              channels of their group alone. With as many as channels it is depthwise
``dropout``   probability that a training begins with, 0.5 unless given
``bits``      of what leaves the layer, 1 unless given
``low``       what the lowest of these levels stands for, -1 unless given; or 0
``fraction``  if given, values in fixed point leave, of ``bits`` bits, 8 unless given, so many of them
              fraction bits; the next layer takes their signs
``source``    name of the layer or join whose map enters; the one before, unless given
``name``      ``conv1``, ``conv2``, ... and ``fc1``, ``fc2``, ..., unless given
============  ========================================================================================

The last layer has logits, so ``pool``, ``resize``, ``bits``, ``low`` and ``fraction`` mean nothing there.
Its map may have several positions, each with an answer, as in a segmentation.

Ways part and meet again where there are tables ``[[joins]]``, as in a residual block::

    [[joins]]
    name = "sum"
    trunk = "conv3"
    branch = "conv1"

=============  =======================================================================================
of a join
=============  =======================================================================================
``name``       by which layers and joins have it as their source
``trunk``      name of the layer or join that ends the way on which passes choose at random
``branch``     name of that which ends the other: what enters a layer before the trunk ends, or layers
               that take it, which choose nothing
``operation``  ``"add"``, unless given, of values in fixed point; or ``"concat"``, of channels
``resize``     1, unless given: how many rows and columns each of the joined map becomes; or ``[1, 4]``
=============  =======================================================================================
"""

import operator
import os
import stat
import tomllib
from dataclasses import replace
from pathlib import Path

from gen.check_shapes import VALUE_FRACTIONS, MalformedNetwork, check_layer
from gen.command import UserError
from gen.graph import MalformedGraph, graph_of
from gen.ir import REGRESSION, Head, Input, Join, Layer, Network
from gen.methods import DEFAULT, METHODS, known_names
from gen.networks import levels_of_pixels
from gen.structure import LONGEST, StructureError, check_network


__all__ = ["DescriptionError", "TABLES", "read_description"]


class DescriptionError(UserError):
    """A file that describes no network, with the way out in its message."""


def _whole(least, most):
    return (lambda value: type(value) is int and least <= value <= most,
            f"a whole number from {least} to {most}")


def _either(*words):
    return lambda value: type(value) in (int, str) and value in words, " or ".join(map(repr, words))


def _pair(least):
    right, _ = _whole(least, 2**20)
    return (lambda value: right(value) or type(value) is list and len(value) == 2
            and all(map(right, value)), f"a whole number of at least {least}, or two: height and width")


_SIZE = _whole(1, 2**20)
_NAME = (lambda value: type(value) is str and 0 < len(value) <= 100 and value.isprintable(),
         "a text of 1 to 100 printable characters")
_THRESHOLDS = (lambda value: type(value) is list and 0 < len(value) <= 2**16
               and all(map(_whole(1, 255)[0], value)), "a list of whole numbers from 1 to 255")
_SHARE = (lambda value: type(value) in (int, float) and 0 <= value <= 1, "a number from 0 to 1")
_PARTS = (lambda value: type(value) is dict, "a table, [input]")
_LIST  = (lambda value: type(value) is list and value and all(type(item) is dict for item in value),
          "tables, one [[layers]] for each")

#: What each table may have: whether a value is right, and what it must be.
_TOP   = {"name": _NAME, "data": _NAME, "method": _either(*METHODS),
          "answer": _either("classes", "numbers"), "input": _PARTS, "layers": _LIST,
          "joins": (_LIST[0], "tables, one [[joins]] for each")}
_INPUT = {"height": _SIZE, "width": _SIZE, "colours": _either(1, 3), "thresholds": _THRESHOLDS,
          "bits": _whole(1, 8), "low": _either(-1, 0)}
_LAYER = {"kind": _either("conv", "linear"), "name": _NAME, "outputs": _SIZE, "kernel": _pair(1),
          "stride": _pair(1), "padding": _pair(0), "pool": _pair(1), "average": _pair(1),
          "resize": _pair(1), "groups": _SIZE, "dropout": _SHARE, "bits": _whole(1, 8),
          "low": _either(-1, 0), "source": _NAME,
          "fraction": _whole(VALUE_FRACTIONS.start, VALUE_FRACTIONS.stop - 1)}
_JOIN  = {"name": _NAME, "trunk": _NAME, "branch": _NAME, "operation": _either("add", "concat"),
          "resize": _pair(1)}

#: The same by the heading of the table.
TABLES = {"": _TOP, "[input]": _INPUT, "[[layers]]": _LAYER, "[[joins]]": _JOIN}

#: Bits of values in fixed point, unless given.
_VALUE_BITS = 8

#: Fields of a layer that are pairs of numbers, beside the kernel.
_PAIRS = "stride", "padding", "pool", "resize", "average"

#: What only a convolution has.
_CONVOLUTION = "kernel", "stride", "padding", "groups"


def read_description(path: Path) -> tuple[Network, str]:
    """Return the network that the file ``path`` describes, without choices, and its method.

    Raises
    ------
    DescriptionError
        If there is no such file, or no such network.
    """
    def refuse(what, way_out="gen/description.py says what it may hold"):
        raise DescriptionError(f"File {path} {what}; {way_out}") from None

    text = _read(path, refuse)
    try:
        found = tomllib.loads(text)
    except RecursionError:
        refuse("is nested too deeply")
    except ValueError as error:
        refuse(f"is no TOML ({' '.join(str(error).split())[:120]})")
    _check(found, _TOP, ("input", "layers"), "", refuse)
    name = found.get("name", path.stem)
    if name in known_names():
        refuse(f"has the name {name!r}, that of a network of the project", "give it another 'name'")
    try:
        pixels, low = _input(found["input"], refuse)
        joins   = _joins(found.get("joins", ()), refuse)
        network = Network(name, pixels, _layers(found["layers"], joins, pixels, low, refuse),
                          REGRESSION if found.get("answer") == "numbers" else Head(),
                          data=found.get("data", "mnist"), joins=joins)
        check_network(network)
    except (MalformedGraph, MalformedNetwork, StructureError) as error:
        refuse(f"describes no network: {error}")
    return network, found.get("method", DEFAULT)


def _read(path, refuse):
    other = "name a file that describes a network"
    try:
        kind = os.stat(path).st_mode
        if not stat.S_ISREG(kind): # a pipe would be waited for
            refuse("is a folder, not a file" if stat.S_ISDIR(kind) else "is no regular file", other)
        with open(path, "rb") as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            refuse(f"has more than {LONGEST:,} bytes", other)
        return content.decode()
    except FileNotFoundError:
        refuse("does not exist", other)
    except OSError as error:
        refuse(f"cannot be read ({error.strerror or error})",
               "name another file, or change its permissions")
    except UnicodeDecodeError as error:
        refuse(f"is no text in UTF-8 ({error.reason} at byte {error.start})")


def _check(table, known, needed, where, refuse):
    """Refuse a table that has what none may have, lacks what each must have, or has wrong values."""
    of = f" in {where}" if where else ""
    for name, value in table.items():
        if name not in known:
            refuse(f"has {_short(name)}{of}, which is unknown", f"known are {', '.join(known)}")
        right, what = known[name]
        if not right(value):
            refuse(f"has {name!r}{of} of {_short(value)}, but it must be {what}")
    for name in needed:
        if name not in table:
            refuse(f"has no {name!r}{of}")


def _input(table, refuse):
    """The input, and what its lowest level stands for."""
    where = "[input]"
    _check(table, _INPUT, ("height", "width"), where, refuse)
    thresholds, bits = table.get("thresholds"), table.get("bits")
    if thresholds is None and bits is None:
        refuse(f"has neither 'thresholds' nor 'bits' in {where}")
    if thresholds is None:
        thresholds = () if bits == 8 else levels_of_pixels(bits)
    return Input(table["height"], table["width"], tuple(thresholds), bits or 1,
                 table.get("colours", 1)), table.get("low", -1)


def _joins(tables, refuse):
    joins = []
    for number, table in enumerate(tables, 1):
        _check(table, _JOIN, ("name", "trunk", "branch"), f"join {number}", refuse)
        joins.append(Join(**_with_pairs(table, ("resize",))))
    return tuple(joins)


def _with_pairs(table, names):
    """``table`` with pairs of numbers, of those of its fields that ``names`` has, as a layer has them."""
    return {name: tuple(value) if name in names and type(value) is list else value
            for name, value in table.items()}


def _layers(tables, joins, pixels, low, refuse):
    """The layers, each with the shape of what enters it."""
    numbers, drafts = {"conv": 0, "fc": 0}, []
    for number, table in enumerate(tables, 1):
        where = f"layer {number}"
        _check(table, _LAYER, ("kind", "outputs"), where, refuse)
        convolution = table["kind"] == "conv"
        if convolution and "kernel" not in table:
            refuse(f"has no 'kernel' in {where}, a convolution")
        for name in () if convolution else _CONVOLUTION:
            if name in table:
                refuse(f"has {name!r} in {where}, which is fully connected",
                       "take it out, or make it a 'conv'")
        kind = "conv" if convolution else "fc"
        numbers[kind] += 1
        pairs = {name: value for name, value in _with_pairs(table, _PAIRS).items() if name in _PAIRS}
        drafts.append(Layer(
            table.get("name", f"{kind}{numbers[kind]}"), 1, 1, 1, (1, 1), outputs=table["outputs"],
            **pairs, groups=table.get("groups", 1), dropout=float(table.get("dropout", 0.5)),
            output_bits=table.get("bits", _VALUE_BITS if "fraction" in table else 1),
            output_low=table.get("low", -1), fraction=table.get("fraction"),
            source=table.get("source", "")))
    graph = graph_of(Network("", pixels, tuple(drafts), joins=joins))
    made, leaving = {}, {None: ((pixels.height, pixels.width, pixels.channels), pixels.bits, low)}
    for node in graph.nodes:
        (shape, bits, least), *others = (leaving[source] for source in graph.sources[node.name])
        if isinstance(node, Join):
            channels = shape[2] + sum(
                other[0][2] for other in others if node.operation == "concat")
            size = map(operator.mul, shape, node.resize)
            leaving[node.name] = (*size, channels), bits, least
            continue
        averages = tuple(max(1, side // window) for side, window in zip(shape, node.average, strict=False))
        kernel = tables[drafts.index(node)].get("kernel", averages)
        kernel = (kernel, kernel) if type(kernel) is int else tuple(kernel)
        made[node.name] = layer = replace(
            node, height=shape[0], width=shape[1], channels=shape[2], input_bits=bits, input_low=least,
            **{name: tuple(side * window for side, window in zip(sizes, node.average, strict=True))
               for name, sizes in (("kernel", kernel), ("stride", node.stride), ("padding", node.padding))})
        check_layer(layer)
        # Of values in fixed point the layers behind take the signs.
        leaving[node.name] = layer.output_shape, *((1, -1) if layer.fraction is not None else
                                                   (layer.output_bits, layer.output_low))
    return tuple(made[draft.name] for draft in drafts)


def _short(value):
    whole = repr(value)
    return whole if len(whole) <= 60 else f"{whole[:57]}..."
