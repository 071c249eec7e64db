"""The file of a checkpoint: the float parameters of a trained network, as one ``.npz`` without pickles.

It may come from anywhere, so nothing in it is trusted: all is checked before it is used.

Per layer, by name, with ``C`` output channels, fan-in ``F``, ``N`` arrays, and ``B`` banks of all arrays,
those of the first array first:

===================  =================================================================
``<layer>.weight``   integers ``(C, F)``, or ``(N, C, F)`` where a layer chooses among
                     arrays. Each -1 or +1, or with weights of Q bits a number from -W
                     to W, which stands for its part of ``W = 2 ** (Q - 1) - 1``
                     (SpinBayes, eq. 3)
``<layer>.bias``     float ``(C,)``, or ``(B, C)`` where they differ; likewise all that
                     follow but the last two
``<layer>.scale``    alpha; ``(C,)`` where the method says what a dropped scale is, and
                     left out of methods without scales
``<layer>.gamma``    of the batch normalization, as all below; ``(C,)`` where the method
                     says what a dropped gamma or beta is
``<layer>.beta``
``<layer>.mean``
``<layer>.variance`` without epsilon
``<layer>.epsilon``  float ``()``
``<layer>.dropout``  float ``()``, probability p that the scale is dropped; only of
                     methods with a keep bit
``<layer>.threshold`` integers ``(C, L)``, ascending: the level of a channel is the
                     number of them that its sum has reached (:class:`gen.ir.Comparison`),
                     of L + 1 levels. In a hidden layer, with ``invert`` in place of all
                     floats, where the numbers that thresholds are made of are not known
``<layer>.invert``   integers ``(C,)``, 1 where the bits of the level are inverted, or 0
``thresholds``       integers, of each component of the pixels, channel by
                     channel; empty where there are none
``weight_bits``      integer ``()``, Q; 1 or that of the method unless given
``network``          the name of the network, a string ``()``; with the ending of the
                     method, or without
``method``           the name of the method, a string ``()`` (:mod:`gen.methods`)
``order``            of the inputs of a weight, a string ``()``; :data:`STATED`
``pool``             where a layer pools, a string ``()``; likewise
``padding``          what a border holds, a string ``()``; likewise
``structure``        the network itself, a string ``()`` of JSON (:mod:`gen.structure`);
                     without it, it must be one of :mod:`gen.networks`, or given
===================  =================================================================

Floats may be of 16, 32 or 64 bits and integers of any width. Each is widened to 64 bits before
anything is computed, which loses nothing, so the same numbers make the same network whatever type the
file has. The last members are strings that say what the numbers mean. A file that lacks the method is of
the one that the name of the network ends with, or else that scales tell of, or not; one that lacks another
of them is taken to mean what this project does, and the log says so.

So a file with a structure is a network of one's own, whole: :func:`write_file` writes one, and
:func:`read_file` reads it without being told a network. It may come from anywhere.

The compiler and the float models of :mod:`golden` both begin with this file and share no arithmetic, so
there is none here.
"""

import io
import logging
import math
import os
import stat
import warnings
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gen.command import UserError
from gen.files import replacing
from gen.ir import Layer, Network
from gen.methods import (
    METHODS,
    base_of,
    choose,
    has_dropout,
    known_names,
    method_for,
    method_of,
    name_of,
    stated,
    untrained,
)
from gen.networks import NETWORKS
from gen.structure import LONGEST, StructureError, dump_structure, load_structure, plain


__all__ = ["CheckpointError", "Parameters", "SHIPPED", "STATED", "members", "read_file",
           "read_structure", "write_file"]


#: Folder of the checkpoints that come with the project, ``<network>.npz``.
SHIPPED = Path(__file__).parent / "checkpoints"


#: What a file can state of its numbers, and the only value of each that can be built.
STATED = {
    "order": "height, width, channel",
    "pool": "before normalization",
    "padding": "lowest level",
}

#: How to come to these values, for a file that states others.
_CONVERT = {
    "order": "from the order of torch, each weight (outputs, channels, height, width) becomes "
             "weight.permute(0, 2, 3, 1).flatten(1), that of a linear layer behind a map likewise",
    "pool": "train with the max-pool before the batch normalization; where no gamma and no scale of the "
            "layer is negative, both are the same, and the file may state it so",
    "padding": "train with a border of the lowest value, such as torch.nn.functional.pad(x, border, "
               "value=-1)",
}

#: Most bits of a weight.
_WEIGHT_BITS = 8

#: A file may unpack to so many bytes, and to so many more for each of its own.
_UNPACKED, _PACKED = 2**26, 100

#: Types by the kind that a member must have: how the message calls them, the letters that numpy has for
#: their kinds, and the type that they are widened to.
_TYPES = {
    "float":   ("a float of 16, 32 or 64 bits", "f", np.float64),
    "integer": ("an integer of at most 64 bits with a sign", "iu", np.int64),
    "string":  ("a string", "U", None),
}

_LOG = logging.getLogger(__name__)


class CheckpointError(UserError):
    """A checkpoint that cannot be used, with the way out in its message."""


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """The parameters of one layer, as its file has them; vectors are float64 ``(1, C)`` or ``(B, C)``.

    A hidden layer has these, or thresholds.
    """

    weight: np.ndarray         #: int64 (N, C, F).
    weight_bits: int           #: Q, or 1 for weights of -1 and +1.
    bias: np.ndarray | None = None
    gamma: np.ndarray | None = None
    beta: np.ndarray | None = None
    mean: np.ndarray | None = None
    variance: np.ndarray | None = None
    epsilon: float | None = None
    scale: np.ndarray | None = None   #: None where the method has none, as below.
    dropout: float | None = None
    threshold: np.ndarray | None = None #: int64 (C, L), of all arrays.
    invert: np.ndarray | None = None  #: int64 (C,), likewise.


def read_file(path: Path, network: Network | None = None) -> tuple[Network, np.ndarray, list[Parameters]]:
    """Return ``network``, the thresholds, int64 ``(thresholds,)``, and the parameters of each layer.

    The file is one of QONNX (:mod:`gen.from_qonnx`) if its name ends with ``.onnx``. Where no network is
    given, it is the one that the file holds. A network without a method gets the choices of that of the
    file. Of more arrays or banks than a layer chooses from, the first are taken. What the file leaves open
    of what it means (:data:`STATED`) is logged as a warning of one line.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or made for another network; or if none is given, and it
        holds none.
    """
    return _of_qonnx(path, network) if is_qonnx(path) else _opened(path, network, _read)


def read_structure(path: Path) -> Network:
    """Return the network that a file holds, without its parameters.

    Raises
    ------
    CheckpointError
        If the file is missing or damaged, or holds none.
    """
    if is_qonnx(path):
        return _of_qonnx(path, None)[0]
    return _opened(path, None, lambda file, path, _, refuse: _held(_Archive(file, path, refuse), refuse))


def is_qonnx(path: Path | str) -> bool:
    """Return whether ``path`` is a file of :mod:`gen.from_qonnx`, by its ending, and none of ours."""
    return Path(path).suffix.lower() == ".onnx"


def _of_qonnx(path, network):
    """As :func:`read_file`, of a file of QONNX."""
    from gen.from_qonnx import read_qonnx  # its package is in an extra
    found, thresholds, layers = read_qonnx(path)
    if network is not None and (different := _different(found, network)):
        raise CheckpointError(f"QONNX file {path} is of another network than {network.name!r}: "
                              f"{different}; name the file as the network")
    if network is not None and network.draws:
        raise CheckpointError(f"QONNX file {path} makes no random choices, but network {network.name!r} "
                              "does; leave them out")
    return network or found, thresholds, layers


def _opened(path, network, read):
    """What ``read`` makes of the file, given also its path, ``network``, and how to refuse it."""
    again = "gen/checkpoint_file.py says what it must hold"
    if network is not None and network.name in known_names():
        base, method = method_of(network.name)
        why   = untrained(NETWORKS[base], method)
        again = (f"no training makes it, as {why}; take another --method" if why else
                 f"make it again with: python -m golden.train {network.name} --data DIR")

    def refuse(what, way_out=again):
        raise CheckpointError(f"Checkpoint {path} {what}; {way_out}") from None

    try:
        kind = os.stat(path).st_mode
        if not stat.S_ISREG(kind): # a pipe would be waited for
            refuse("is a folder, not a file" if stat.S_ISDIR(kind) else "is no regular file",
                   "name a file that golden.train has written")
        with open(path, "rb") as file:
            return read(file, path, network, refuse)
    except FileNotFoundError:
        refuse("does not exist")
    except OSError as error:
        refuse(f"cannot be read ({error.strerror or error})",
               "name another file, or change its permissions")


def write_file(path: Path, network: Network, parameters: list[Parameters]):
    """Write ``network`` with the parameters of its layers to ``path``, whole or not at all.

    What the network itself has of parameters is left out, but for its thresholds. A weight has the bits
    that its parameters state, in all layers the same or those of the network.

    Raises
    ------
    CheckpointError
        If they are no parameters of this network, or there can be no such network.
    FileError
        If ``path`` cannot be written.
    """
    path, content = Path(path), io.BytesIO()
    network = replace(network, layers=tuple(
        replace(layer, weight_bits=own.weight_bits)
        for layer, own in zip(network.layers, parameters, strict=True)))
    arrays = members(network)
    for layer, own in zip(network.layers, parameters, strict=True):
        arrays[f"{layer.name}.weight"] = own.weight.astype(
            np.int8).reshape(own.weight.shape[layer.array_choice is None:])
        for name in ("bias", "scale", "gamma", "beta", "mean", "variance"):
            rows = getattr(own, name)
            if rows is not None:
                arrays[f"{layer.name}.{name}"] = rows if len(rows) > 1 else rows[0]
        for name in ("epsilon", "dropout", "threshold", "invert"):
            if getattr(own, name) is not None:
                arrays[f"{layer.name}.{name}"] = np.array(getattr(own, name))
    np.savez_compressed(content, **arrays)

    def refuse(what, way_out="so it is not written"):
        raise CheckpointError(f"Checkpoint {path} {what}; {way_out}") from None

    _read(content, path, None, refuse)
    with replacing(path) as file:
        file.write(content.getvalue())


def members(network: Network) -> dict[str, np.ndarray]:
    """Return the members of a file for ``network`` that are none of its layers'."""
    found = {"network": np.array(base_of(network)),
             **{name: np.array(text) for name, text in STATED.items()},
             "structure": np.array(dump_structure(network)),
             "thresholds": np.array(network.input.thresholds, np.int64)}
    if network.method:
        found["method"] = np.array(network.method)
    bits = {layer.weight_bits for layer in network.layers}
    if len(bits) == 1 and bits != {1}:
        found["weight_bits"] = np.int64(bits.pop())
    return found


def _read(file, path, network, refuse):
    archive = _Archive(file, path, refuse)
    if network is None:
        network = _held(archive, refuse)
    elif "structure" in archive and (different := _different(_held(archive, refuse), network)):
        refuse(f"is of another network than {network.name!r}: {different}", "name a checkpoint of this "
               "network, or leave out its name and take the network of the file")
    archive.network = network
    meaning = {"network": network.name, **STATED}
    found_method = archive.take("method", (), "string") if "method" in archive else None
    method = stated(found_method, f"{network.layers[0].name}.scale" in archive)
    names  = {network.name, base_of(network), name_of(base_of(network), method)}
    for name in filter(archive.__contains__, meaning):
        found = archive.take(name, (), "string")
        if name == "network" and found in names:
            continue
        if name == "network":
            refuse(f"is of network {_short(found)}, not {network.name!r}",
                   f"name that network, or a checkpoint of {network.name!r}")
        if found != meaning[name]:
            refuse(f"states {name!r} of {_short(found)}, but it must be {meaning[name]!r}", _CONVERT[name])
    if found_method is None and "network" in archive and network.name != base_of(network) and (
            archive.take("network", (), "string") == network.name):
        method = network.method # the name with its ending states it
    network = _with_method(network, found_method, method, refuse)
    thresholds = archive.take("thresholds", (len(network.input.thresholds),), "integer")
    if ((thresholds < 1) | (thresholds > 256)).any() or (np.diff(thresholds) < 0).any():
        refuse(f"has 'thresholds' {_short(thresholds.tolist())}, which must ascend from 1 to 256")
    layers = [_read_layer(archive, layer, network, refuse) for layer in network.layers]
    if missing := [name for name in meaning if name not in archive]:
        _LOG.warning("Checkpoint %s does not state %s; taken as %s", archive.path, _listed(missing),
                     _listed([meaning[name] for name in missing]))
    return network, thresholds, layers


def _held(archive, refuse):
    """The network that a file holds."""
    if "structure" not in archive:
        refuse("holds parameters and no network", "name the network that they are of")
    try:
        return load_structure(archive.take("structure", (), "string"))
    except StructureError as error:
        refuse(f"has 'structure' that cannot be: {error}", "gen/structure.py says what it must hold")


def _different(held, network):
    """In what the network of a file differs from the one that is asked for; nothing if they are alike."""
    held, network = plain(held), plain(network)
    if held.input != network.input:
        return "its input differs"
    names = [layer.name for layer in held.layers], [layer.name for layer in network.layers]
    if names[0] != names[1]:
        return "its layers have other names"
    if held.joins != network.joins:
        return "its joins differ"
    return next((f"its layer {found.name!r} differs"
                 for found, layer in zip(held.layers, network.layers, strict=True) if found != layer), "")


def _with_method(network, found, method, refuse):
    """Return ``network`` with the choices of ``method``, which the file is of, if it has none; ``found`` is
    what the file states of it."""
    if found is not None and found not in METHODS:
        refuse(f"states method {_short(found)}, which is none of {', '.join(METHODS)}")
    if network.method:
        if method != network.method:
            states = "" if found else "states no method, so it "
            refuse(f"{states}is of method {method!r}, not {network.method!r}", "name that method with "
                   f"--method, or a checkpoint of {network.method!r}")
        return network
    if network.draws:
        return network # its choices are its own
    return replace(choose(network, method), name=network.name)


def _read_layer(archive, layer: Layer, network, refuse) -> Parameters:
    bits   = layer.weight_bits
    method = method_for(network, scaled=f"{layer.name}.scale" in archive)
    name, shape = f"{layer.name}.weight", (layer.outputs, layer.fan_in)
    several = layer.array_choice is not None
    count   = 1 if method.single else max(layer.crossbars, layer.bank_count - method.keeps)
    more    = [f"ask for fewer, or make one with: python -m golden.train {network.name} --data DIR "
               f"--crossbars {count} --out FILE"] if count > 1 else []
    if several:
        found = archive.shape_of(name)
        first = found[0] if len(found) == 3 else layer.crossbars
        if first < layer.crossbars:
            refuse(f"has {first} arrays in layer {layer.name!r}, not {layer.crossbars}", *more)
        shape = first, *shape
    if "weight_bits" in archive:
        bits = int(archive.take("weight_bits", (), "integer"))
        if not 1 <= bits <= _WEIGHT_BITS:
            refuse(f"has 'weight_bits' of {bits}, but they must be from 1 to {_WEIGHT_BITS}")
    weight = archive.take(name, shape, "integer").reshape(-1, *shape[-2:])[:layer.crossbars]
    most = 2**(bits - 1) - 1
    if bits == 1 and not np.isin(weight, (-1, 1)).all():
        refuse(f"has {name!r} with values other than -1 and +1")
    if bits > 1 and (weight.min() < -most or weight.max() > most):
        refuse(f"has {name!r} with values not from {-most} to {most}")

    def rows(name, one=False):
        """The vectors of a member: one for all or, unless it must be ``one``, one for each bank."""
        name = f"{layer.name}.{name}"
        found, most = archive.shape_of(name), len(layer.array_sets) * layer.bank_count
        if len(found) != 2 or one:
            return archive.take(name, (layer.outputs,), "float")[None]
        if found[0] < most:
            refuse(f"has {name!r} of {found[0]} rows in layer {layer.name!r}, not {most}", *more)
        return archive.take(name, (found[0], layer.outputs), "float")[:most]

    dropout = None
    if has_dropout(network, layer):
        if layer.mask_choice and f"{layer.name}.dropout" not in archive:
            masked = ",".join(each.name for each in network.layers if each.mask_choice)
            refuse(f"is of a network that masks no inputs of layer {layer.name!r}",
                   "name those that it masks with --masked, or make one with: python -m golden.train "
                   f"{network.name} --data DIR --masked {masked} --out FILE")
        dropout = archive.take(f"{layer.name}.dropout", (), "float").item()
    if dropout is not None and not 0 <= dropout <= 1:
        refuse(f"has '{layer.name}.dropout' of {dropout}, which is no probability")
    if f"{layer.name}.threshold" in archive:
        return _with_thresholds(archive, layer, Parameters(weight, bits, dropout=dropout), network, refuse)
    parameters = Parameters(
        weight, bits, **{name: rows(name, name in ("gamma", "beta") and method.affines is not None)
                         for name in ("bias", "gamma", "beta", "mean", "variance")},
        epsilon=archive.take(f"{layer.name}.epsilon", (), "float").item(),
        scale=rows("scale", method.single) if method.scaled else None, dropout=dropout)
    if network.method and layer.bank_count > 1 and not method.single and all(
            vectors is None or len(vectors) == 1 for vectors in (
                parameters.bias, parameters.scale, parameters.gamma, parameters.beta, parameters.mean,
                parameters.variance)):
        refuse(f"has the same constants for all {layer.bank_count} banks of layer {layer.name!r}, so there "
               "is nothing to choose", *more)
    for extreme in parameters.variance.min().item(), parameters.variance.max().item():
        if not 0 < extreme + parameters.epsilon < math.inf:
            refuse(f"has '{layer.name}.variance' of {extreme}, but with epsilon it must be above zero, and "
                   "finite")
    return parameters


def _with_thresholds(archive, layer, parameters, network, refuse):
    """Return ``parameters`` with the thresholds of a layer."""
    if layer is network.layers[-1]:
        refuse(f"has thresholds in layer {layer.name!r}, which is the last and has logits")
    if layer.bank_choice is not None:
        refuse(f"has thresholds in layer {layer.name!r}, which chooses among banks",
               "thresholds are of layers that mask inputs, choose among arrays, or choose nothing")
    return replace(parameters, threshold=archive.take(
        f"{layer.name}.threshold", (layer.outputs, 2**layer.output_bits - 1), "integer"),
        invert=archive.take(f"{layer.name}.invert", (layer.outputs,), "integer"))


class _Archive:
    """The members of an ``.npz``, each read when its type and shape are as they must be.

    So whatever a header claims, nothing is held in memory that the file does not have.
    """

    def __init__(self, file, path, refuse):
        self.path, self.network, self._refuse = path, None, refuse
        self._archive = self._guard(zipfile.ZipFile, file)
        self._members = {}
        for info in self._archive.infolist():
            if info.filename in self._members:
                refuse(f"has {_short(info.filename)} twice")
            self._members[info.filename] = info
        there = file.seek(0, os.SEEK_END)
        if (size := sum(info.file_size for info in self._members.values())) > _UNPACKED + _PACKED * there:
            refuse(f"unpacks to {size:,} bytes from {there:,}, as no trained parameters do")

    def __contains__(self, name):
        return f"{name}.npy" in self._members

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape that the header of a member states."""
        return self._guard(self._open, name, lambda file, shape, *rest: shape)

    def take(self, name: str, shape: tuple[int, ...], kind: str) -> np.ndarray | str:
        """Return the member ``name`` of this shape, widened to the type of its ``kind``; or a string."""
        def check(file, found, fortran, dtype):
            what, letters, widest = _TYPES[kind]
            if found != shape:
                of = f"network {self.network.name!r}" if self.network else "every network"
                self._refuse(f"has {name!r} of shape {_short(found)}, but {of} needs {shape}")
            if dtype.kind not in letters or widest and not np.can_cast(dtype, widest):
                self._refuse(f"has {name!r} of type {_short(dtype, str)}, but it must be {what}")
            if kind == "string" and dtype.itemsize > 4 * LONGEST:
                self._refuse(f"has {name!r} of {dtype.itemsize // 4:,} characters, not at most {LONGEST:,}")
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            content = file.read(size)
            if len(content) < size or file.read(1):
                raise ValueError("its header states another size")
            array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
            return array.astype(widest) if widest else array.item()

        array = self._guard(self._open, name, check)
        if kind == "float" and not np.isfinite(array).all():
            self._refuse(f"has {name!r} with values that are not finite numbers")
        return array

    def _open(self, name, use):
        if name not in self:
            self._refuse(f"has no {name!r}")
        with self._archive.open(self._members[f"{name}.npy"]) as file:
            match np.lib.format.read_magic(file):
                case 1, 0:
                    header = np.lib.format.read_array_header_1_0(file)
                case 2, 0:
                    header = np.lib.format.read_array_header_2_0(file)
                case version:
                    raise ValueError(f"version {version} of its format is for other arrays")
            return use(file, *header)

    def _guard(self, function, *arguments):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error") # of a header that is not quite one
                return function(*arguments)
        except CheckpointError:
            raise
        except Exception as error: # zipfile, zlib and numpy raise whatever damaged bytes lead them to
            words = " ".join(str(error).split()) or type(error).__name__
            where = f"{arguments[0]!r}: " if isinstance(arguments[0], str) else ""
            self._refuse(f"is damaged ({where}{words[:160]})")


def _short(value, text=repr):
    """Return ``value`` as text for a message of one line."""
    whole = text(value)
    return whole if len(whole) <= 80 else f"{whole[:77]}..."


def _listed(names):
    *first, last = map(repr, names)
    return f"{', '.join(first)} and {last}" if first else last
