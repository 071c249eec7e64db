"""Standard cells, as a Liberty file describes them.

What is read is what area, timing and power need: areas, pins with their capacitances and functions, delay
and transition tables, setup times, internal energies and leakage (Liberty User Guides and Reference
Manual Suite, version 2017.06). All values are in SI units.
"""

import gzip
import hashlib
import itertools
import math
import re
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gen.command import UserError
from gen.standard_cells.functions import FunctionError, evaluator, inputs_of


__all__ = ["Arc", "Cell", "Internal", "Leakage", "Library", "LibraryError", "Pin", "Table", "find_library",
           "read_library"]


#: Bytes of a library at most, before and after it is decompressed.
BYTES_MAX = 2**28

#: Where Debian's package qflow-tech-osu018 installs its cells.
INSTALLED = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")

_WAY_OUT = "name a Liberty file of combinational cells and flip-flops (.lib or .lib.gz) with --liberty"

#: Watt, second, farad of a unit.
_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}


class LibraryError(UserError):
    """A Liberty file that cannot be used, with the way out in its message."""


@dataclass(frozen=True, slots=True)
class Table:
    """Values over the transition time of an input in seconds, and the capacitance at an output in farad, or
    the transition time of the clock in seconds."""

    rows: tuple[float, ...]                 #: Of the first; one entry if nothing depends on it.
    columns: tuple[float, ...]              #: Of the second; one entry if nothing depends on it.
    values: tuple[tuple[float, ...], ...]

    def at(self, row: float, column: float) -> float:
        """Return the value there by bilinear interpolation, beyond the table by extrapolation."""
        i, a = _place(self.rows, row)
        j, b = _place(self.columns, column)
        above = self.values[i]
        value = above[j] if b is None else above[j] + b * (above[j + 1] - above[j])
        if a is None:
            return value
        below = self.values[i + 1]
        return value + a * ((below[j] if b is None else below[j] + b * (below[j + 1] - below[j])) - value)


def _place(axis, value):
    """The entry before ``value``, and the share of the step behind it; None where there is one entry."""
    if len(axis) == 1:
        return 0, None
    at = min(max(bisect_right(axis, value) - 1, 0), len(axis) - 2)
    return at, (value - axis[at]) / (axis[at + 1] - axis[at])


@dataclass(frozen=True, slots=True)
class Arc:
    """A way from a pin to this one, with tables by the name that Liberty gives them."""

    related: str
    kind: str           #: Timing type: ``combinational``, ``rising_edge``, ``setup_rising``, ...
    sense: str          #: ``positive_unate``, ``negative_unate`` or ``non_unate``.
    tables: dict[str, Table]


@dataclass(frozen=True, slots=True)
class Internal:
    """Energy in joule that a cell takes as a pin of it rises or falls, beside that of the load."""

    related: str | None     #: Input that causes it, of an output.
    when: str | None        #: State of the other pins in which it holds.
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True, slots=True)
class Leakage:
    """Power in watt in a state, or in all states that no other names."""

    when: str | None
    watt: float


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin of a cell."""

    name: str
    output: bool
    farad: float
    function: str | None                    #: Of an output of combinational logic, or a state.
    arcs: tuple[Arc, ...] = ()
    internal: tuple[Internal, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: combinational logic, a flip-flop, or one that gates a clock."""

    name: str
    area: float                             #: In units of the library, um^2 as a rule.
    pins: dict[str, Pin]
    leakage: tuple[Leakage, ...]
    clocked_on: str | None = None           #: Of a flip-flop.
    next_state: str | None = None
    states: tuple[str, str] = ("", "")      #: Names of the state and of its inverse.
    #: Clock, enable and output of a cell that gates a clock: the output rises with the clock where the
    #: enable was 1 before.
    gating: tuple[str, str, str] | None = None

    @property
    def clock(self) -> str | None:
        """The clock pin, if there is one."""
        return self.gating[0] if self.gating else self.clocked_on

    @property
    def inputs(self) -> list[Pin]:
        return [pin for pin in self.pins.values() if not pin.output]

    @property
    def outputs(self) -> list[Pin]:
        return [pin for pin in self.pins.values() if pin.output]


@dataclass(frozen=True)
class Library:
    """Standard cells of one corner."""

    path: Path
    sha256: str
    name: str
    voltage: float                          #: In volt.
    temperature: float                      #: In degrees Celsius.
    wire_load: str                          #: Name of the model of wires, empty if there is none.
    wires: tuple[float, ...]                #: By it, farad of the wire of a net of 1, 2, ... pins.
    wire_slope: float                       #: Farad of each pin more than the last of these.
    text: str = field(repr=False)           #: The file.
    groups: dict = field(repr=False)        #: Descriptions of the cells, by name.
    units: dict = field(repr=False)
    templates: dict = field(repr=False)

    @cached_property
    def _cells(self):
        return {}

    @cached_property
    def gates_clocks(self) -> bool:
        """Whether there is a cell that gates a clock."""
        return any(map(_gates_clocks, self.groups.values()))

    def wire(self, pins: int) -> float:
        """Return the capacitance in farad of the wire to so many pins, by the model of the library; 0
        without one."""
        if not self.wires or not pins:
            return 0.0
        return self.wires[min(pins, len(self.wires)) - 1] + self.wire_slope * max(0, pins - len(self.wires))

    def cell(self, name: str) -> Cell:
        """Return the cell ``name``.

        Raises
        ------
        LibraryError
            If the library describes no such cell, or not as this program can use it.
        """
        if name not in self._cells:
            if name not in self.groups:
                raise LibraryError(f"Library {self.path} has no cell {name!r}; {_WAY_OUT}")
            try:
                self._cells[name] = _cell(name, self.groups[name], self.units, self.templates)
            except (ValueError, IndexError, KeyError, FunctionError) as error:
                raise LibraryError(f"Library {self.path}: cell {name!r} cannot be read ({error}); "
                                   f"{_WAY_OUT}") from None
        return self._cells[name]


def find_library() -> Path | None:
    """Return the Liberty file of Debian's package qflow-tech-osu018, if it is installed."""
    return INSTALLED if INSTALLED.exists() else None


def read_library(path: Path | str) -> Library:
    """Read a Liberty file, which may be compressed by gzip.

    Raises
    ------
    LibraryError
        If it cannot be read, or is none.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            data = file.read(BYTES_MAX + 1)
        if data[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(wbits=31)
            data = unpacker.decompress(data, BYTES_MAX + 1)
            if not unpacker.eof and len(data) <= BYTES_MAX:
                raise gzip.BadGzipFile("it ends too early")
    except (OSError, zlib.error) as error:
        raise LibraryError(f"Library {path} cannot be read ({getattr(error, 'strerror', None) or error}); "
                           f"{_WAY_OUT}") from None
    if len(data) > BYTES_MAX:
        raise LibraryError(f"Library {path} has more than {BYTES_MAX:,} bytes; {_WAY_OUT}")
    text = data.decode("utf-8", "replace")
    try:
        top = _parse(text)
        (kind, (name, *_), group), = top["groups"]
        if kind != "library":
            raise ValueError(f"it begins with {kind!r}")
        units = _units(group)
        plain = group["values"]
        conditions = next((each["values"] for kind, _, each in group["groups"]
                           if kind == "operating_conditions"), {})
        return Library(
            path, hashlib.sha256(text.encode()).hexdigest(), name,
            float(plain.get("nom_voltage", conditions.get("voltage"))),
            float(plain.get("nom_temperature", conditions.get("temperature", "25"))),
            *_wires(group, units["farad"]), text,
            {names[0]: each for kind, names, each in group["groups"] if kind == "cell"}, units,
            {names[0]: each for kind, names, each in group["groups"] if kind.endswith("_template")})
    except (ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise LibraryError(f"Library {path} is no Liberty file that can be read ({_line(error)}); "
                           f"{_WAY_OUT}") from None


def _line(error):
    text = " ".join(str(error).split())
    return text if len(text) <= 100 else f"{text[:100]}..."


#: A comment, or the end of a line that goes on; a string; a sign of the grammar; a word.
_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|\\[ \t\r]*\n|"((?:[^"\\]|\\.)*)"|([(){}:;,])'
                    r'|([^\s(){}:;,"]+)', re.DOTALL)


class _Tokens:
    """Signs and texts of a file, and whether a line has ended before each."""

    def __init__(self, text):
        self._text, self._matches, self._end = text, _TOKEN.finditer(text), 0
        self.step()

    def step(self):
        """Go to the next one, None at the end."""
        for match in self._matches:
            quoted, self.sign, word = match.groups()
            if quoted is None and self.sign is None and word is None:
                continue # no line has ended where it goes on
            self.text    = word if quoted is None else re.sub(r"\\\s*", " ", quoted)
            self.on_line = "\n" not in self._text[self._end:match.start()]
            self._end    = match.end()
            return
        self.sign, self.text, self.on_line = "", None, False

    def take(self, sign):
        if self.sign != sign:
            raise ValueError(f"{sign!r} is missing before {(self.sign or self.text or 'the end')!r}")
        self.step()


def _parse(text):
    """What is in a file: ``groups`` of a kind, names and contents, of the same form; ``values`` by name;
    and ``lists`` of texts by name."""
    tokens = _Tokens(text)
    top    = _statements(tokens)
    if tokens.sign == "}":
        raise ValueError("a brace is closed that was not opened")
    return top


def _statements(tokens):
    found = {"groups": [], "values": {}, "lists": {}}
    while tokens.text is not None or tokens.sign == ";":
        if tokens.sign == ";":
            tokens.step()
            continue
        name = tokens.text
        tokens.step()
        if tokens.sign == ":":
            found["values"][name] = _value(tokens)
            continue
        tokens.take("(")
        texts = []
        while tokens.sign != ")":
            if tokens.text is not None:
                texts.append(tokens.text)
            elif tokens.sign != ",":
                tokens.take(")")
            tokens.step()
        tokens.step()
        if tokens.sign == "{":
            tokens.step()
            found["groups"].append((name, texts, _statements(tokens)))
            tokens.take("}")
        else:
            found["lists"].setdefault(name, []).extend(texts)
    return found


def _value(tokens):
    """What follows a colon, up to a semicolon or the end of the line."""
    tokens.step()
    texts = [tokens.text]
    tokens.step()
    while tokens.text is not None and tokens.on_line:
        texts.append(tokens.text)
        tokens.step()
    return " ".join(texts)


def _units(group):
    """The SI value of each unit: ``time``, ``farad``, ``joule`` of internal energies, ``watt`` of
    leakage."""
    volt = _unit(group["values"].get("voltage_unit", "1V"), "V")
    factor, of = group["lists"]["capacitive_load_unit"]
    farad = float(factor) * _unit(f"1{of}", "F")
    return {"time": _unit(group["values"].get("time_unit", "1ns"), "s"), "farad": farad,
            "joule": farad * volt**2, "watt": _unit(group["values"].get("leakage_power_unit", "1nW"), "W")}


def _wires(group, farad):
    """Name, capacitances and slope of the default model of wires."""
    name  = group["values"].get("default_wire_load")
    model = next((each for kind, names, each in group["groups"]
                  if kind == "wire_load" and names == [name]), None)
    if model is None:
        return "", (), 0.0
    each    = float(model["values"]["capacitance"]) * farad # of a unit of length
    lengths = dict(zip(*[iter(_numbers(model["lists"]["fanout_length"]))] * 2, strict=True))
    lengths.setdefault(0.0, 0.0)
    known   = sorted(lengths)
    by_pins = []
    for pins in range(1, int(known[-1]) + 1):
        at, share = _place(known, pins)
        by_pins.append(each * (lengths[known[at]] + share * (lengths[known[at + 1]] - lengths[known[at]])))
    return name, tuple(by_pins), float(model["values"].get("slope", "0")) * each


def _unit(text, of):
    number, prefix = re.fullmatch(rf"([\d.eE+-]+?)\s*([munpf]?){of}", text.strip(), re.IGNORECASE).groups()
    return float(number) * _PREFIXES[prefix.lower()]


def _cell(name, group, units, templates):
    plain, pins, flip_flop = group["values"], {}, {}
    for kind, names, each in group["groups"]:
        if kind == "pin":
            pins |= {pin: _pin(pin, each, units, templates) for pin in names}
        elif kind == "ff":
            flip_flop = {"clocked_on": each["values"]["clocked_on"],
                         "next_state": each["values"]["next_state"], "states": tuple(names)}
    states  = [each["values"] for kind, _, each in group["groups"] if kind == "leakage_power"]
    leakage = [Leakage(state.get("when"), float(state["value"]) * units["watt"]) for state in states]
    if not any(each.when is None for each in leakage):
        leakage.append(Leakage(None, float(plain.get("cell_leakage_power", "0")) * units["watt"]))
    for text in (*(pin.function for pin in pins.values()), flip_flop.get("clocked_on"),
                 flip_flop.get("next_state"), *(each.when for each in leakage),
                 *(each.when for pin in pins.values() for each in pin.internal)):
        if text is not None and evaluator(text) and (
                unknown := inputs_of(text) - {*pins, *flip_flop.get("states", ())}):
            raise ValueError(f"it has no pin {min(unknown)!r}")
    return Cell(name, float(plain["area"]), pins, tuple(leakage), gating=_gating(group), **flip_flop)


#: What the pins of a cell that gates a clock are: the clock, the enable, the output.
_GATING = "clock_gate_clock_pin", "clock_gate_enable_pin", "clock_gate_out_pin"


def _gating(group):
    """The pins of a cell that gates a clock with a latch, for flip-flops of the rising edge; or None."""
    if not _gates_clocks(group):
        return None
    return tuple(next(names[0] for kind, names, pin in group["groups"]
                      if kind == "pin" and pin["values"].get(of) == "true") for of in _GATING)


def _gates_clocks(group):
    return group["values"].get("clock_gating_integrated_cell", "").startswith("latch_posedge")


def _pin(name, group, units, templates):
    plain = group["values"]
    arcs, internal = [], []
    for kind, _, each in group["groups"]:
        tables = {of: _table(names, table, units, templates, units["joule" if "power" in of else "time"])
                  for of, names, table in each["groups"] if of in _TABLES}
        if kind == "timing":
            arcs.append(Arc(each["values"].get("related_pin", ""),
                            each["values"].get("timing_type", "combinational"),
                            each["values"].get("timing_sense", "non_unate"), tables))
        elif kind == "internal_power":
            both = tables.get("power")
            internal.append(Internal(each["values"].get("related_pin"), each["values"].get("when"),
                                     tables.get("rise_power", both), tables.get("fall_power", both)))
    return Pin(name, plain["direction"] == "output", float(plain.get("capacitance", "0")) * units["farad"],
               plain.get("function"), tuple(arcs), tuple(internal))


#: Tables that are read.
_TABLES = {"cell_rise", "cell_fall", "rise_transition", "fall_transition", "rise_constraint",
           "fall_constraint", "rise_power", "fall_power", "power"}

#: What an index of a table is over.
_TRANSITIONS = ("input_net_transition", "input_transition_time", "constrained_pin_transition")


def _table(names, group, units, templates, unit):
    template  = templates.get(names[0] if names else "scalar", {"values": {}, "lists": {}})
    variables = [template["values"].get(f"variable_{number}") for number in (1, 2, 3)]
    lists     = template["lists"] | group["lists"]
    axes = []
    for number, variable in enumerate(variables, 1):
        if variable is not None:
            scale = units["farad"] if "capacitance" in variable else units["time"]
            axes.append((variable, [entry * scale for entry in _numbers(lists[f"index_{number}"])]))
    if len(axes) > 2:
        raise ValueError("it has a table of three variables")
    values = [entry * unit for entry in _numbers(group["lists"]["values"])]
    if len(values) != math.prod(len(entries) for _, entries in axes):
        raise ValueError("a table has not as many values as places")
    if any(later <= entry for _, entries in axes for entry, later in itertools.pairwise(entries)):
        raise ValueError("an index of a table does not rise")
    if len(axes) == 1:
        axes.insert(0 if axes[0][0] not in _TRANSITIONS else 1, (None, [0.0]))
    elif not axes:
        axes = [(None, [0.0])] * 2
    (first, rows), (_, columns) = axes
    grid = [tuple(values[at:at + len(columns)]) for at in range(0, len(values), len(columns))]
    if first is not None and first not in _TRANSITIONS:
        rows, columns, grid = columns, rows, list(zip(*grid, strict=True))
    return Table(tuple(rows), tuple(columns), tuple(grid))


def _numbers(texts):
    return [float(number) for text in texts for number in text.replace(",", " ").split()]
