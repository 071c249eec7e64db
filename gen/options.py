"""Options of commands: one for each field of a target, and a file that holds them."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from gen.boards import BOARDS
from gen.check_shapes import check_shapes
from gen.check_target import check_target
from gen.checkpoint import check_probability, with_parameters, with_thresholds
from gen.checkpoint_file import Parameters, read_file
from gen.command import UserError, comma_separated
from gen.energy.table import TABLES
from gen.fpga import FPGAS
from gen.ir import Network, Target
from gen.methods import (
    DEFAULT,
    METHODS,
    WAYS_OF,
    known_names,
    method_for,
    method_of,
    name_of,
    untrained,
    with_draws,
    with_random_layers,
)
from gen.networks import NETWORKS
from gen.point_sets import POINTS
from gen.random_parameters import random_parameters
from gen.sources import SourceError, find, is_file
from gen.transforms.exhaust import pass_count
from gen.transforms.seed import seed


__all__ = ["BESIDE_TARGET", "BuildError", "add_options", "chosen_network", "chosen_target", "named",
           "random_in", "read_options", "stored", "trained"]


#: What a file of options holds beside the fields of the target.
BESIDE_TARGET = ("network", "method", "crossbars", "ways", "ways_of", "masked", "random_layers", "p",
                 "checkpoint", "random", "synth", "energy", "liberty", "memory_cells", "mtj_dropout")

#: What the codes of currents depend on, and what it is called.
CALIBRATED = {"network": "network", "mtj_bits": "a number of bits of", "clock_mhz": "a clock in MHz of",
              "set_ns": "a SET time in ns of", "reset_ns": "a RESET time in ns of"}

#: Options that only one bus has: which one, what they are of, and how it is asked for.
OF_BUS = {"baud": ("uart", "a serial line", "--bus uart or --board NAME"),
          "bus_width": ("axi", "AXI4-Stream", "--bus axi")}

_CURRENTS = "python -m golden.currents NETWORK --json FILE"


class BuildError(UserError):
    """A build that cannot be made of what was asked for, with the way out in its message."""


def _whole_or_none(text):
    try:
        return _NONE if text == _NONE else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number or none, not {text!r}") from None


#: How a command takes a number of each type, and what it is called. Where there may be none, the word
#: stands for it, so that an option can take back what a file of options holds.
_NONE    = "none"
_NUMBERS = {int: (int, "N"), float: (float, "X"), int | None: (_whole_or_none, "N|none")}


def add_options(parser: argparse.ArgumentParser):
    """Add the options that choose a network and its target; those that are not given are None."""
    parser.add_argument("--config", type=Path, metavar="FILE",
        help="take what is not given here from the config.json of a build")
    parser.add_argument("--method", choices=METHODS,
        help="what is random (default: what the name of the network ends with, as in "
             f"{known_names()[-1]}, or {DEFAULT})")
    parser.add_argument("--crossbars", type=int, metavar="N",
        help="arrays or banks that each layer chooses from, for methods that have several (default: by "
             "method)")
    parser.add_argument("--ways", type=int, metavar="n",
        help="arrays whose mean a pass takes, for methods that choose arrays (default: 1)")
    parser.add_argument("--ways-of", choices=WAYS_OF,
        help="sets of so many arrays that a pass chooses from: those of consecutive ones, or any "
             "(SpinBayes, eq. 4) (default: ring)")
    parser.add_argument("--masked", metavar="LAYERS",
        help="layers whose inputs are dropped, for methods that drop inputs: names with commas between "
             "(default: by method)")
    parser.add_argument("--random-layers", metavar="LAYERS",
        help="layers that choose at random, names with commas between; others keep all that was trained, "
             "for methods that drop something; golden.random_layers finds the best (default: all)")
    parser.add_argument("--p", type=float, metavar="P",
        help="dropout probability of all layers, for methods that have one (default: as trained)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE",
        help="trained parameters (default: those that come with the project, or with the file of the "
             "network)")
    parser.add_argument("--random", type=int, metavar="SEED",
        help="random parameters instead, which need no training: cycles and area, but no answers")
    parser.add_argument("--energy", metavar="FILE",
        help=f"energies of circuits: {', '.join(TABLES)}, or a file of your own (default: that of the "
             "paper of the cells)")
    parser.add_argument("--liberty", metavar="FILE",
        help="map to the standard cells of this Liberty file (.lib or .lib.gz): area and clock")
    parser.add_argument("--memory-cells", action="store_true", default=None,
        help="with --liberty: make memories of flip-flops that are counted in bits otherwise, the most "
             "that they take")
    for field in fields(Target):
        name, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        default = {"passes": f"that of the paper of the method, or {field.default}; all combinations, with "
                             "--masks all",
                   "passes_max": f"{field.default}, or T where that is larger",
                   "mtj_currents": None, "mtj_reset_current": None, "interval": None,
                   "adcs": None, "luts": None, "fps": None, "bus": "streams; uart on a board",
                   "clock_mhz": "125; on a board that which closes there"}.get(field.name, field.default)
        text += f" (default: {default})" if default is not None else ""
        if field.type is bool:
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif field.name == "mtj_currents":
            parser.add_argument(name, type=Path, metavar="FILE", help=f"file with the {text}")
        elif field.metadata["choices"]:
            parser.add_argument(name, type=field.type, choices=field.metadata["choices"], help=text)
        else:
            kind, metavar = _NUMBERS[field.type]
            parser.add_argument(name, type=kind, metavar=metavar, help=text)


def read_options(args: argparse.Namespace, network: str | None) -> dict:
    """Return what was asked for, by name: the network ``network`` and the options that are given, and what
    else is in the file that ``--config`` names. Paths are texts, currents a tuple of codes.

    Raises
    ------
    BuildError
        If a file cannot be read or holds what no build writes, or there is no network.
    """
    known = [*BESIDE_TARGET, *(field.name for field in fields(Target))]
    asked = _read(args.config, known) if args.config else {}
    currents = _currents(args.mtj_currents) if args.mtj_currents else {}
    given = {name: getattr(args, name, None) for name in known} | {
        "network": network, "mtj_currents": currents.get("currents")}
    if given["mtj_reset_current"] is None or currents and given["mtj_reset_current"] == _NONE:
        given["mtj_reset_current"] = currents.get("reset_current")
    if "dropout" in currents:
        given["mtj_dropout"] = tuple(currents["dropout"])
    if given["checkpoint"]:
        given["checkpoint"] = str(given["checkpoint"])
    if given["energy"] and given["energy"] not in TABLES:
        given["energy"] = str(Path(given["energy"]).absolute()) # as it holds in any folder
    if given["liberty"]:
        given["liberty"] = str(Path(given["liberty"]).absolute())
    asked |= {name: None if value == _NONE else value for name, value in given.items() if value is not None}
    if asked.get("rng") != "mtj":
        asked.pop("mtj_dropout", None)
        for name in ("mtj_currents", "mtj_reset_current"):
            if asked.pop(name, None) not in (None, ()) and getattr(args, name) is not None:
                raise BuildError("Write current codes are for the pins of an MTJ; add --rng mtj")
    for name, (bus, *_) in OF_BUS.items():
        if getattr(args, name) is None and _bus(asked) != bus:
            asked.pop(name, None) # of the file of options
    if "network" not in asked:
        raise BuildError(f"No network is named; choose one of: {', '.join(NETWORKS)}; or name a file that "
                         "ends with .npz, .onnx or .toml")
    if is_file(asked["network"]):
        asked["network"] = str(Path(asked["network"]).absolute()) # as it holds in any folder
    elif method := asked.pop("method", None):
        asked["network"] = _of_method(asked["network"], method)
    for one, other in ("random", "checkpoint"), ("checkpoint", "random"):
        if given[one] is not None and given[other] is None:
            asked.pop(other, None) # of the file of options
    for name, what in CALIBRATED.items():
        wanted = (chosen_network(asked).name if name == "network" and currents else
                  asked.get(name, getattr(Target(), name, None)))
        if name in currents and currents[name] != wanted:
            option = "" if name == "network" else f" --{name.replace('_', '-')} {wanted}"
            raise BuildError(f"File {args.mtj_currents} has codes for {what} {currents[name]}, not "
                             f"{wanted}; make them with: python -m golden.currents {asked['network']} "
                             f"--json FILE{option}")
    return asked


def named(name: str, method: str | None = None, crossbars: int | None = None, ways: int = 1,
          ways_of: str = "ring", masked: Sequence[str] | None = None) -> Network:
    """Return the network ``name``, or the same one of ``method`` if given, with ``crossbars`` arrays or
    banks per layer if given, sums of the sets of ``ways`` arrays that ``ways_of`` says, and masks
    of the layers ``masked`` if given.

    Raises
    ------
    BuildError
        If there is none, or its method has nothing to choose from.
    """
    try:
        return find(name).network(method, crossbars, ways, ways_of, masked)
    except SourceError as error:
        raise BuildError(str(error)) from None


def chosen_network(asked: dict) -> Network:
    """Return the network that the options ``asked`` name, without parameters; raises as :func:`named`."""
    masked = comma_separated(asked["masked"]) if "masked" in asked else None
    return named(asked["network"], masked=masked, **{
        name: asked[name] for name in ("method", "crossbars", "ways", "ways_of") if name in asked})


def trained(asked: dict) -> Network:
    """Return the network that the options ``asked`` name with its parameters, of which the layers chosen
    are random; otherwise as :func:`stored`.

    Raises
    ------
    BuildError
        As :func:`stored`; or if they cannot be.
    """
    network = with_parameters(*stored(asked))
    names = asked.get("random_layers")
    return random_in(network, comma_separated(names)) if names else network


def random_in(network: Network, layers: Sequence[str]) -> Network:
    """Return ``network``, which has its parameters, with choices in ``layers`` alone, as
    :func:`gen.methods.with_random_layers`.

    Raises
    ------
    BuildError
        If they cannot be.
    """
    try:
        return with_random_layers(network, layers)
    except ValueError as error:
        raise BuildError(str(error)) from None


def stored(asked: dict) -> tuple[Network, list[Parameters]]:
    """Return the network that the options ``asked`` name, with its thresholds, and the parameters of its
    layers.

    Raises
    ------
    BuildError
        As :func:`named`; or if it has none yet.
    CheckpointError
        If its checkpoint cannot be used; or if a dropout probability is asked for that cannot be.
    MalformedNetwork
        If there can be no such network.
    """
    network = chosen_network(asked)
    p, seed = asked.get("p"), asked.get("random")
    if p is not None:
        check_probability(network, p)
    network, parameters = _stored(network, asked, seed)
    if p is not None:
        network = network if network.method else with_draws(network, p)
        parameters = [own if own.dropout is None else replace(own, dropout=p) for own in parameters]
    return network, parameters


def _stored(network, asked, seed):
    if seed is not None:
        if asked.get("checkpoint"):
            raise BuildError("Parameters are random or those of a checkpoint; leave out --random or "
                             "--checkpoint")
        if seed < 0:
            raise BuildError(f"A seed of random parameters must be at least 0, not {seed}")
        return network, random_parameters(network, seed)
    path = Path(asked.get("checkpoint") or find(asked["network"]).checkpoint(network.method))
    if is_file(asked["network"]) and not asked.get("checkpoint") and not path.exists():
        what = f"Network {network.name!r} has no parameters, as there is no {path}"
        random = "or build it with random ones by the option --random SEED of gen.build"
        if why := untrained(find(asked["network"]).plain, network.method):
            raise BuildError(f"{what}, and no training makes them: {why}; take another --method, {random}")
        raise BuildError(f"{what}; train it with: python -m golden.train {asked['network']} --data DIR"
                         + (f" --method {asked['method']}" if asked.get("method") else "")
                         + f", {random}")
    check_shapes(network)
    network, thresholds, parameters = read_file(path, network)
    return with_thresholds(network, thresholds), parameters


def _of_method(name, method):
    base, _ = method_of(name)
    return name_of(base, method)


def chosen_target(asked: dict, network: Network) -> Target:
    """Return the target that the options ``asked`` mean for ``network``; whether it can be built is for
    :func:`gen.check_target.check_target` to say.

    Raises
    ------
    BuildError
        If an option is of another bus; or if junctions have no current codes, not one for each random bit,
        or those of other probabilities.
    ImpossibleTarget
        If passes cannot go through all combinations (:func:`gen.transforms.exhaust.pass_count`).
    """
    values = {field.name: asked[field.name] for field in fields(Target) if field.name in asked}
    for name, (bus, what, way_out) in OF_BUS.items():
        if name in values and _bus(values) != bus:
            option = f"--{name.replace('_', '-')}"
            raise BuildError(f"{option} is for {what}; add {way_out}, or leave {option} out")
    if "passes" not in values:
        values["passes"] = (pass_count(network) if values.get("masks") == "all" else
                            method_for(network).passes)
    if values.get("board", "none") != "none":
        values = {"bus": _bus(values), "clock_mhz": BOARDS[values["board"]].clock_mhz} | values
    target = Target(**values)
    if "passes_max" not in values and isinstance(target.passes, int):
        target = Target(**values, passes_max=max(target.passes, target.passes_max))
    if target.rng != "mtj" or not network.drops:
        return target # without random bits there are no junctions, which is for the compiler to say
    if not target.mtj_currents or target.mtj_reset_current is None:
        raise BuildError(f"Pins of an MTJ need the SET current codes of the random bits and the RESET "
                         f"current code; make them with: {_CURRENTS}, and add --mtj-currents FILE")
    drawn, who = network.drops, "pass"
    if target.masks in POINTS:
        check_target(target)
        drawn, who = seed(network, target).drawn, "shift"
    if len(target.mtj_currents) != len(drawn):
        raise BuildError(f"SET current codes must be one for each of the {len(drawn)} random bits "
                         f"of a {who}, not {len(target.mtj_currents)}; make them with: {_CURRENTS}"
                         + f" --masks {target.masks} --passes {target.passes}" * (who == "shift"))
    for place, (made, wanted) in enumerate(zip(asked.get("mtj_dropout", ()), drawn, strict=False)):
        if made != wanted:
            raise BuildError(f"SET current codes are for a dropout probability of {made:g} of random bit "
                             f"{place}, not {wanted:g}; make them with: {_CURRENTS}, and the --crossbars, "
                             "--ways, --ways-of, --masked, --random-layers, --p and --checkpoint of the "
                             "build")
    return target


def _bus(asked):
    """The bus that the options ``asked`` mean."""
    return asked.get("bus") or ("streams" if asked.get("board", "none") == "none" else "uart")


def _read(path, known):
    """The options in the file ``path``."""
    way_out = "give the config.json of a build"
    try:
        asked = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BuildError(f"Config {path} cannot be read ({getattr(error, 'strerror', None) or error}); "
                          f"{way_out}") from None
    if not isinstance(asked, dict):
        raise BuildError(f"Config {path} must be an object of options; {way_out}")
    for name, value in asked.items():
        if name not in known:
            raise BuildError(f"Config {path} has the unknown option {name!r}; known are: "
                             f"{', '.join(known)}")
        if name == "ways_of" and value not in WAYS_OF:
            raise BuildError(f"Config {path} must have {' or '.join(map(repr, WAYS_OF))} for ways_of, not "
                             f"{value!r}")
        for kind, names, what in ((str, ("network", "method", "masked", "random_layers",
                                         "checkpoint", "synth", "energy", "liberty"), "a text"),
                                  (int, ("crossbars", "ways", "random"), "a whole number"),
                                  (int | float, ("p",), "a number"), (list, ("mtj_dropout",), "a list")):
            if name in names and (not isinstance(value, kind) or isinstance(value, bool)):
                raise BuildError(f"Config {path} must have {what} for {name}, not {value!r}")
    if not isinstance(asked.get("memory_cells", True), bool):
        raise BuildError(f"Config {path} must have true or false for memory_cells, not "
                         f"{asked['memory_cells']!r}")
    if isinstance(asked.get("mtj_currents"), list):
        asked["mtj_currents"] = tuple(asked["mtj_currents"])
    if asked.get("method", DEFAULT) not in METHODS:
        raise BuildError(f"Config {path} must have one of {', '.join(METHODS)} for method, not "
                         f"{asked['method']!r}")
    if asked.get("synth", "ecp5") not in FPGAS:
        raise BuildError(f"Config {path} must have one of {', '.join(FPGAS)} for synth, not "
                         f"{asked['synth']!r}")
    return asked


def _currents(path):
    """What :mod:`golden.currents` wrote, with the SET current codes as a tuple."""
    try:
        contents = json.loads(path.read_text())
        codes, _ = contents["currents"], contents["reset_current"]
        if not isinstance(codes, list):
            raise TypeError(f"not {codes!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BuildError(f"File {path} has no list 'currents' and 'reset_current' ({reason}); make it "
                         f"with: {_CURRENTS}") from None
    return contents | {"currents": tuple(codes)}
