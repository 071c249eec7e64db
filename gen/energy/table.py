"""Tables of energies: what an operation of a circuit takes, and who says so.

A table is a file in TOML, or in JSON with the same names::

    name = "mine"
    description = "28 nm, typical corner"

    [[circuit]]
    name = "ADC"
    per = "columns_converted"
    energy = 1.5
    unit = "pJ"
    source = "post-layout simulation, 2026"
    conditions = "0.9 V, 25 degrees"

Several circuits can be charged for the same operation.
"""

import json
import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path

from gen.command import UserError
from gen.energy.operations import OPERATIONS


__all__ = ["TABLES", "UNITS", "Circuit", "EnergyTable", "EnergyTableError", "read_table", "table_path"]


#: Tables that come with the project, by name.
TABLES = {path.stem: path for path in sorted((Path(__file__).parent / "tables").glob("*.toml"))}

#: Joule of a unit.
UNITS = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "nJ": 1e-9, "pJ": 1e-12, "fJ": 1e-15, "aJ": 1e-18}

#: Limits of a table: bytes, circuits, characters of a text, and joule of an operation, which is far more
#: than any takes.
BYTES_MAX, CIRCUITS_MAX, TEXT_MAX, ENERGY_MAX_J = 2**20, 1000, 1000, 1.0

_TEXTS = {"name": True, "per": True, "unit": True, "source": True, "conditions": False}

_WAY_OUT = "docs/energy.md says what a table is"


class EnergyTableError(UserError):
    """A table of energies that cannot be used, with the way out in its message."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What an operation takes in a circuit."""

    name: str
    per: str          #: One of :data:`gen.energy.operations.OPERATIONS`.
    energy: float     #: In ``unit``.
    unit: str         #: One of :data:`UNITS`.
    source: str       #: Paper and table, or measurement.
    conditions: str   #: Under which it holds; may be empty.

    @property
    def joule(self) -> float:
        return self.energy * UNITS[self.unit]


@dataclass(frozen=True, slots=True)
class EnergyTable:
    """Energies of circuits."""

    name: str
    description: str
    circuits: tuple[Circuit, ...]

    def joule_of(self, operation: str) -> float:
        """Energy of an operation: that of all circuits that are charged for it."""
        return sum(circuit.joule for circuit in self.circuits if circuit.per == operation)


def table_path(given: str) -> Path:
    """Return the file of the table ``given``, a name of :data:`TABLES` or a path."""
    return TABLES.get(given) or Path(given)


def read_table(given: str) -> EnergyTable:
    """Read the table ``given``, a name of :data:`TABLES` or the path of a file.

    Raises
    ------
    EnergyTableError
        If there is none, it is malformed, or a number in it is impossible.
    """
    path = table_path(given)
    wrong = f"Energy table {given}"
    contents = _contents(path, given)
    if not isinstance(contents, dict):
        raise EnergyTableError(f"{wrong} must be an object with 'circuit', a list; {_WAY_OUT}")
    for name in contents:
        if name not in ("name", "description", "circuit"):
            raise EnergyTableError(f"{wrong} has {_shown(name)}, which means nothing; known are: name, "
                                   "description, circuit")
    circuits = contents.get("circuit")
    if not isinstance(circuits, list) or not 1 <= len(circuits) <= CIRCUITS_MAX:
        raise EnergyTableError(f"{wrong} must have 1 to {CIRCUITS_MAX:,} circuits, each a [[circuit]]; "
                               f"{_WAY_OUT}")
    read = tuple(_circuit(wrong, number, each) for number, each in enumerate(circuits, 1))
    for number, each in enumerate(read, 1):
        if (each.name, each.per) in [(other.name, other.per) for other in read[:number - 1]]:
            raise EnergyTableError(f"{wrong} has circuit {number} twice, {_shown(each.name)} for "
                                   f"{each.per}; name them apart")
    return EnergyTable(_text(wrong, contents, "name", path.stem), _text(wrong, contents, "description", ""),
                       read)


def _contents(path, given):
    wrong = f"Energy table {given}"
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise EnergyTableError(f"{wrong} is no file; name one of {', '.join(TABLES)}, or a file")
        with open(path, "rb") as file:
            data = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        raise EnergyTableError(f"{wrong} cannot be read ({getattr(error, 'strerror', None) or error}); "
                               f"name one of {', '.join(TABLES)}, or a file") from None
    if len(data) > BYTES_MAX:
        raise EnergyTableError(f"{wrong} must have at most {BYTES_MAX:,} bytes; {_WAY_OUT}")
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = data.decode()
        return json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise EnergyTableError(f"{wrong} is no {kind} ({_one_line(reason)}); {_WAY_OUT}") from None


def _circuit(wrong, number, values):
    place = f"{wrong}, circuit {number}:"
    if not isinstance(values, dict):
        raise EnergyTableError(f"{place} must be a table of names and values; {_WAY_OUT}")
    known = [*_TEXTS, "energy"]
    for name in values:
        if name not in known:
            raise EnergyTableError(f"{place} {_shown(name)} means nothing; known are: {', '.join(known)}")
    for name in known:
        if name not in values and _TEXTS.get(name, True):
            raise EnergyTableError(f"{place} lacks {name!r}; {_WAY_OUT}")
    texts = {name: _text(place, values, name, None if needed else "") for name, needed in _TEXTS.items()}
    for name, allowed in (("per", OPERATIONS), ("unit", UNITS)):
        if texts[name] not in allowed:
            raise EnergyTableError(f"{place} {name!r} must be one of {', '.join(allowed)}, not "
                                   f"{_shown(texts[name])}")
    energy = values["energy"]
    if isinstance(energy, bool) or not isinstance(energy, int | float):
        raise EnergyTableError(f"{place} 'energy' must be a number, not {_shown(energy)}")
    if not 0 <= energy <= ENERGY_MAX_J / UNITS[texts["unit"]]:
        raise EnergyTableError(f"{place} 'energy' must be from 0 to {ENERGY_MAX_J:g} J, not "
                               f"{_shown(energy)} {texts['unit']}")
    return Circuit(energy=float(energy), **texts)


def _text(place, values, name, default=None):
    """One line of text, which may be missing or empty if there is a ``default``."""
    text = values.get(name, default)
    if not isinstance(text, str):
        raise EnergyTableError(f"{place} {name!r} must be a text, not {_shown(text)}")
    if not text and default is None or len(text) > TEXT_MAX or not text.isprintable():
        raise EnergyTableError(f"{place} {name!r} must be a line of 1 to {TEXT_MAX:,} characters")
    return text


def _shown(value):
    """A value of a table as a message can have it."""
    return _one_line(repr(value)) if isinstance(value, str | int | float) else f"a {type(value).__name__}"


def _one_line(text):
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= 100 else f"{line[:100]}..."
