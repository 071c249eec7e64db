"""The methods, each in a file of its name: how a network makes its random choices, and what training does
for them.

The file of a method has ``LAYER``, its layer in floating point, and if it is trained as most are, by
:mod:`golden.training.tune`, ``TUNING``.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from gen.checkpoint_file import SHIPPED
from gen.command import Parser, UserError, comma_separated
from gen.methods import METHODS, name_of, untrained
from gen.networks import NETWORKS
from gen.sources import Source, is_file


__all__ = ["BASELINES", "FLOAT", "asked_methods", "file_of", "shipped"]


#: Methods of floating point to compare with, of which nothing is built, and T.
BASELINES = {"mc-dropout": 20, "mc-dropconnect": 20}

#: Folder of their checkpoints that come with the project.
FLOAT = Path(__file__).parents[1] / "checkpoints"


def file_of(method: str) -> ModuleType:
    """Return the file of a method, which needs torch."""
    return import_module(f"{__name__}.{method.replace('-', '_')}")


def shipped(network: str, method: str) -> Path:
    """Return where the checkpoint of ``network``, without an ending, is that comes with the project."""
    return (FLOAT if method in BASELINES else SHIPPED) / f"{name_of(network, method)}.npz"


def asked_methods(parser: Parser, source: Source, named: str | None, known: Iterable[str] = METHODS,
                  checkpoint: Callable[[Source, str], Path] = Source.checkpoint) -> list[str]:
    """Return the methods of the network ``source`` that a user means: those ``named``, with commas between
    them, or all that have a checkpoint.

    Parameters
    ----------
    parser : Parser
        Of the command, which refuses what is no method.
    known : iterable of str
        Methods that there are.
    checkpoint : function
        Where the checkpoint of a source and method is.

    Raises
    ------
    UserError
        If no method has a checkpoint.
    """
    if source.held is not None:
        if named is not None:
            parser.error("a checkpoint has its method; leave out --methods")
        return [source.method]
    if not is_file(source.text) and source.text not in NETWORKS:
        parser.error(f"argument NETWORK: must be without the ending of a method, {source.plain.name!r}, "
                     f"not {source.text!r}; choose methods with --methods")
    if named is None:
        there = [method for method in known if checkpoint(source, method).exists()
                 and (method not in BASELINES or find_spec("torch"))]
        if not there:
            by = "" if not untrained(source.plain, source.method) else next(
                f" --method {method}" for method in METHODS if not untrained(source.plain, method))
            raise UserError(f"Network {source.plain.name!r} has no checkpoint of any method; make one "
                            f"with: python -m golden.train {source.text} --data DIR{by}")
        return there
    for method in comma_separated(named):
        if method not in known:
            parser.error(f"method {method!r} is unknown; choose from: {', '.join(known)}")
    return list(dict.fromkeys(comma_separated(named)))
