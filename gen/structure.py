"""The structure of a network as text: all that is known of it before it has parameters, as JSON.

Each part is an object with its ``kind``, the name of a class of :mod:`gen.ir`, and the fields of that
class; one that has a default may be left out. So a file of a checkpoint holds the network that it is of
(:mod:`gen.checkpoint_file`). What is read may come from anywhere: whatever it is, it becomes a network that
can be, or one line that says what is wrong.
"""

import json
import math
import re
from dataclasses import MISSING, fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import get_args, get_origin

from gen.check_shapes import MalformedNetwork, check_shapes
from gen.ir import REGRESSION, Head, Layer, Network
from gen.methods import METHODS, is_chosen


__all__ = ["LONGEST", "StructureError", "check_network", "dump_structure", "load_structure", "plain"]


#: Fields that a network gets with its parameters or from the compiler.
LATER = {Network: ("generator", "health"),
         Layer: ("arrays", "normalizations", "banks", "tiles", "merged", "folding")}

#: Most characters of a text, of a name in it, items of a list, layers and draws; bounds of a number.
LONGEST, NAME, ITEMS, PARTS, WHOLE = 2**20, 100, 2**16, 1000, 2**31

#: Most inputs of a kernel, and weights of a network.
INPUTS, WEIGHTS = 2**20, 2**28

#: Names of networks and data sets: they become names of folders and files.
_NETWORK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class StructureError(ValueError):
    """A text that is no structure of a network; the message is one line without the name of a file."""


def dump_structure(network: Network) -> str:
    """Return the structure of ``network`` as JSON."""
    return json.dumps(_encode(network))


def load_structure(text: str) -> Network:
    """Return the network that :func:`dump_structure` made ``text`` of.

    Raises
    ------
    StructureError
        If there can be no such network.
    """
    if len(text) > LONGEST:
        raise StructureError(f"it must have at most {LONGEST:,} characters, not {len(text):,}")
    try:
        network = _decode(Network, json.loads(text, object_pairs_hook=_object, parse_constant=_no_number),
                          "the network")
    except StructureError:
        raise
    except RecursionError:
        raise StructureError("it is nested too deeply") from None
    except ValueError as error:
        raise StructureError(f"it is no JSON ({str(error).splitlines()[0][:70]})") from None
    check_network(network)
    return network


def check_network(network: Network):
    """Raise :exc:`StructureError` unless ``network``, without parameters, can be."""
    if not _NETWORK.fullmatch(network.name):
        raise StructureError("the network must have a name of letters, digits, '_', '-' and '.', not "
                             f"{network.name!r}")
    if not _NETWORK.fullmatch(network.data):
        raise StructureError("its data set must have a name of letters, digits, '_', '-' and '.', not "
                             f"{network.data!r}")
    for what, parts in ("layers", network.layers), ("draws", network.draws), ("joins", network.joins):
        if len(parts) > PARTS:
            raise StructureError(f"the network must have at most {PARTS:,} {what}, not {len(parts):,}")
    if network.method and network.method not in METHODS:
        raise StructureError(f"method {network.method!r} is none of {', '.join(METHODS)}")
    try:
        check_shapes(network)
    except MalformedNetwork as error:
        raise StructureError(_lower(str(error)[:200])) from None
    for layer in network.layers:
        if (inputs := layer.inputs) > INPUTS:
            raise StructureError(f"layer {layer.name!r} must have at most {INPUTS:,} inputs of a kernel, "
                                 f"not {inputs:,}")
    if (count := sum(layer.crossbars * layer.outputs * layer.fan_in for layer in network.layers)) > WEIGHTS:
        raise StructureError(f"the network must have at most {WEIGHTS:,} weights, not {count:,}")
    if network.method and not is_chosen(network):
        raise StructureError(f"the choices of its layers are not those of method {network.method!r}; with "
                             "choices of its own, it must have the method ''")


def plain(network: Network) -> Network:
    """Return ``network`` without what a method or a training changes: its name, choices, probabilities,
    thresholds of the same number, and bits of weights."""
    return replace(
        network, name="", draws=(), method="", head=REGRESSION if network.head.regression else Head(),
        input=replace(network.input, thresholds=(1,) * len(network.input.thresholds)),
        layers=tuple(replace(layer, choices=(), dropout=0.5, weight_bits=1,
                             value_thresholds=(0,) * len(layer.value_thresholds),
                             value_inverts=(0,) * len(layer.value_inverts), **{
            name: Layer.__dataclass_fields__[name].default for name in LATER[Layer]})
            for layer in network.layers), generator=None, health=())


def _lower(message):
    return message[0].lower() + message[1:]


def _encode(value):
    if is_dataclass(value):
        return {"kind": type(value).__name__, **{
            field.name: _encode(getattr(value, field.name)) for field in _fields(type(value))}}
    return [_encode(item) for item in value] if isinstance(value, tuple) else value


def _fields(kind):
    return [field for field in fields(kind) if field.name not in LATER.get(kind, ())]


def _object(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise StructureError(f"it has {_short(max(names, key=names.count))} twice")
    return found


def _no_number(name):
    raise StructureError(f"{name} is no number that it may have")


def _decode(kind, value, where):
    """Return ``value``, of JSON, as what a field of the type ``kind`` holds; ``where`` is for messages."""
    if get_origin(kind) is UnionType:
        return _decode_union(get_args(kind), value, where)
    if get_origin(kind) is tuple:
        return _decode_list(get_args(kind), value, where)
    if is_dataclass(kind):
        return _decode_part((kind,), value, where)
    what, holds = {
        int:   (f"a whole number from {-WHOLE} to {WHOLE}",
                lambda: type(value) is int and -WHOLE <= value <= WHOLE),
        float: ("a number", lambda: type(value) in (int, float) and abs(value) <= WHOLE
                and math.isfinite(value)),
        bool:  ("true or false", lambda: type(value) is bool),
        str:   (f"a text of at most {NAME} printable characters",
                lambda: type(value) is str and len(value) <= NAME and value.isprintable()),
    }[kind]
    if not holds():
        raise StructureError(f"{where} must be {what}, not {_short(value)}")
    return kind(value)


def _decode_union(kinds, value, where):
    if NoneType in kinds:
        if value is None:
            return None
        kinds = tuple(kind for kind in kinds if kind is not NoneType)
    return _decode(kinds[0], value, where) if len(kinds) == 1 else _decode_part(kinds, value, where)


def _decode_list(kinds, value, where):
    several = kinds[-1] is Ellipsis
    if kinds == (int, int) and type(value) is int:
        value = [value, value] # as the files of older versions have it
    if type(value) is not list or not several and len(value) != len(kinds):
        what = "a list" if several else f"a list of {len(kinds)}"
        raise StructureError(f"{where} must be {what}, not {_short(value)}")
    if len(value) > ITEMS:
        raise StructureError(f"{where} must have at most {ITEMS:,} items, not {len(value):,}")
    return tuple(_decode(kinds[0] if several else kinds[index], item, f"{where}[{index}]")
                 for index, item in enumerate(value))


def _decode_part(kinds, value, where):
    """Return ``value`` as the one of the classes ``kinds`` that it names."""
    known = {kind.__name__: kind for kind in kinds}
    found = value.get("kind") if type(value) is dict else value
    if type(value) is not dict or type(found) is not str or found not in known:
        raise StructureError(f"{where} must be of kind {' or '.join(known)}, not {_short(found)}")
    kind  = known[found]
    parts = {field.name: field for field in _fields(kind)}
    if unknown := [name for name in value if name not in parts and name != "kind"]:
        raise StructureError(f"{where} has {_short(unknown[0])}, which no {kind.__name__} has")
    for name, field in parts.items():
        if name not in value and field.default is MISSING:
            raise StructureError(f"{where} has no {name!r}")
    inside = "" if kind is Network else f"{where}."
    return kind(**{name: _decode(field.type, value[name], f"{inside}{name}")
                   for name, field in parts.items() if name in value})


def _short(value):
    whole = repr(value)
    return whole if len(whole) <= 60 else f"{whole[:57]}..."
