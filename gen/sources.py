"""What a user names a network by: its name, or a file.

A name is one of :mod:`gen.networks`, with or without the ending of a method. A file that ends with
``.npz`` is a checkpoint that holds its network (:mod:`gen.checkpoint_file`), and one that ends with
``.onnx`` a network that others trained (:mod:`gen.from_qonnx`). One that ends with ``.toml`` describes a
network (:mod:`gen.description`), whose parameters are in the checkpoint of the same name beside it, with
the ending of the method.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gen.checkpoint_file import SHIPPED, read_structure
from gen.command import UserError
from gen.description import read_description
from gen.ir import Head, Network
from gen.methods import METHODS, asked_of, base_of, choose, count_of, method_of, name_of, untrained
from gen.networks import NETWORKS


__all__ = ["HELP", "Source", "SourceError", "classifier_argument", "find", "is_file", "source_argument"]


#: What the argument of a command may be that names a network.
HELP = (f"{', '.join(NETWORKS)}, one of these with the ending of a method, or a file: .npz, a checkpoint "
        "that holds its network; .onnx, a trained network of QONNX; or .toml, which describes one")


class SourceError(UserError):
    """No network has this name, or not with these choices; with the way out in its message."""


@dataclass(frozen=True, slots=True)
class Source:
    """A network that is named."""

    text: str             #: As it was named; of a file, its path.
    plain: Network        #: Without choices, by its name without the ending of a method.
    method: str           #: Its method, unless asked for another; empty where its choices are its own.
    held: Network | None = None #: As its file holds it, if that is a checkpoint.

    def network(self, method: str | None = None, count: int | None = None, ways: int = 1,
                ways_of: str = "ring", masked: Sequence[str] | None = None) -> Network:
        """Return the network with its choices, or with those of ``method`` if given, otherwise as
        :func:`gen.methods.choose`; without parameters.

        Raises
        ------
        SourceError
            If its method has nothing to choose of, or is not for it; or if it is that of a checkpoint, and
            ``method`` is another.
        """
        if self.held is not None and method not in (None, self.method):
            of = f"is of method {self.method!r}" if self.method else "has choices of its own"
            train = "" if untrained(self.plain, method) else (
                f", or train it with: python -m golden.train {self.text} --method {method} --data DIR "
                "--out FILE")
            raise SourceError(f"Checkpoint {self.text} {of}, not of {method!r}; leave --method out{train}")
        if self.held is not None and count is None:
            asked = {"ways": ways, "ways_of": ways_of, "masked": masked}
            usual = {"ways": 1, "ways_of": "ring", "masked": None}
            if asked == usual or self.method and asked == asked_of(self.held):
                return self.held
            count = count_of(self.held) if self.method else None
        if not (method or self.method):
            raise SourceError(f"Checkpoint {self.text} has choices of its own; leave --crossbars, --ways, "
                              "--ways-of and --masked out")
        try:
            return choose(self.plain, method or self.method, count, ways, ways_of, masked)
        except ValueError as error:
            raise SourceError(str(error)) from None

    def checkpoint(self, method: str | None = None) -> Path:
        """Return where its parameters are, of ``method`` if given; the file may not be there."""
        ending = method or self.method
        if not is_file(self.text):
            return SHIPPED / f"{name_of(self.plain.name, ending)}.npz"
        path = Path(self.text)
        return path if self.held is not None else path.with_name(f"{name_of(path.stem, ending)}.npz")


def is_file(text: str) -> bool:
    """Return whether ``text`` names a file, by its ending."""
    return Path(text).suffix.lower() in (".npz", ".onnx", ".toml")


def find(text: str) -> Source:
    """Return the network that ``text`` names.

    Raises
    ------
    CheckpointError, DescriptionError
        If it is a file that holds no network.
    SourceError
        If it is neither a file nor a name.
    """
    if not is_file(text):
        base, method = method_of(text)
        if base not in NETWORKS:
            raise SourceError(f"Network {text!r} is unknown; choose one of: {', '.join(NETWORKS)}; or name "
                              "a file that ends with .npz, .onnx or .toml")
        return Source(text, NETWORKS[base], method)
    path = Path(text)
    if path.suffix.lower() == ".toml":
        return Source(text, *read_description(path))
    held  = read_structure(path)
    usual = METHODS[held.method].head if held.method else None
    plain = replace(
        held, name=base_of(held), draws=(), method="", head=Head() if held.head == usual else held.head,
        layers=tuple(replace(layer, choices=(), weight_bits=1) for layer in held.layers))
    return Source(text, plain, held.method, held)


def source_argument(text: str) -> Source:
    """As :func:`find`, as a type of arguments for :mod:`argparse`."""
    try:
        return find(text)
    except SourceError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def classifier_argument(text: str) -> Source:
    """As :func:`source_argument`, of a command that judges classes: a regression is refused."""
    source = source_argument(text)
    if source.plain.head.regression:
        raise argparse.ArgumentTypeError(
            f"network {source.plain.name!r} is a regression, and this command is for classes; "
            "golden.evaluate judges it")
    return source
