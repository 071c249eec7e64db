import json
import os
import re
import tomllib

import pytest

from gen.energy.operations import OPERATIONS
from gen.energy.table import TABLES, UNITS, EnergyTableError, read_table


GOOD = """
name = "mine"
description = "28 nm"

[[circuit]]
name = "ADC"
per = "columns_converted"
energy = 1.5
unit = "pJ"
source = "measured"
conditions = ""

[[circuit]]
name = "word lines"
per = "columns_converted"
energy = 20
unit = "fJ"
source = "measured"
"""

OPS, KNOWN = ", ".join(OPERATIONS), ", ".join(TABLES)

DOCS = "docs/energy.md says what a table is"


def test_reads_a_table(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    table = read_table(str(path))
    assert (table.name, table.description) == ("mine", "28 nm")
    assert table.joule_of("columns_converted") == pytest.approx(1.52e-12, rel=1e-15)
    assert table.joule_of("array_reads") == 0
    as_json = tmp_path / "mine.json"
    as_json.write_text(json.dumps(tomllib.loads(GOOD)))
    assert read_table(str(as_json)) == table


def test_name_is_that_of_the_file_unless_given(tmp_path):
    path = tmp_path / "corner_ss.toml"
    path.write_text(GOOD.replace('name = "mine"', "", 1))
    assert read_table(str(path)).name == "corner_ss"


@pytest.mark.parametrize("name, energies", [
    ("paper-scale-dropout", {"array_reads": 5.41, "accumulations": 0.12, "comparisons": 0.01,
                             "probabilities_averaged": 18.42, "random_bits": 3.8}),
    ("paper-spinbayes", {"array_reads": 4.71, "accumulations": 0.06, "comparisons": 0.01,
                         "probabilities_averaged": 18.42, "random_bits": 3.8})])
def test_tables_of_the_papers(name, energies):
    """As printed; each with its source and its conditions."""
    table = read_table(name)
    assert table.name == name == TABLES[name].stem
    assert {operation: pytest.approx(table.joule_of(operation) * 1e12) for operation in OPERATIONS
            if table.joule_of(operation)} == energies
    assert all(circuit.source and circuit.conditions for circuit in table.circuits)


@pytest.mark.parametrize("before, after, message", [
    ('unit = "pJ"', 'unit = "eV"', f", circuit 1: 'unit' must be one of {', '.join(UNITS)}, not 'eV'"),
    ('"columns_converted"', '"reads"', f", circuit 1: 'per' must be one of {OPS}, not 'reads'"),
    ("energy = 1.5", "energy = -1.5", ", circuit 1: 'energy' must be from 0 to 1 J, not -1.5 pJ"),
    ("energy = 1.5", "energy = nan", ", circuit 1: 'energy' must be from 0 to 1 J, not nan pJ"),
    ("energy = 1.5", "energy = inf", ", circuit 1: 'energy' must be from 0 to 1 J, not inf pJ"),
    ("energy = 1.5", "energy = 1e13",
     ", circuit 1: 'energy' must be from 0 to 1 J, not 10000000000000.0 pJ"),
    ("energy = 1.5", 'energy = "1.5"', ", circuit 1: 'energy' must be a number, not '1.5'"),
    ("energy = 1.5", "energy = true", ", circuit 1: 'energy' must be a number, not True"),
    ("energy = 1.5", "energy = [1]", ", circuit 1: 'energy' must be a number, not a list"),
    ("energy = 1.5", "", f", circuit 1: lacks 'energy'; {DOCS}"),
    ("energy = 1.5", "energy = 1.5\nvolt = 1",
     ", circuit 1: 'volt' means nothing; known are: name, per, unit, source, conditions, energy"),
    ('source = "measured"', 'source = ""', ", circuit 1: 'source' must be a line of 1 to 1,000 characters"),
    ('source = "measured"', r'source = "a\nb"',
     ", circuit 1: 'source' must be a line of 1 to 1,000 characters"),
    ('source = "measured"', f'source = "{"x" * 1001}"',
     ", circuit 1: 'source' must be a line of 1 to 1,000 characters"),
    ('source = "measured"', "source = 3", ", circuit 1: 'source' must be a text, not 3"),
    ('"word lines"', '"ADC"', " has circuit 2 twice, 'ADC' for columns_converted; name them apart"),
    ('description = "28 nm"', "volt = 1",
     " has 'volt', which means nothing; known are: name, description, circuit"),
    ('description = "28 nm"', "description = 1", " 'description' must be a text, not 1"),
    ("[[circuit]]", "[circuit]", None),
])
def test_refuses(tmp_path, before, after, message):
    path = tmp_path / "table.toml"
    path.write_text(GOOD.replace(before, after, 1))
    with pytest.raises(EnergyTableError) as error:
        read_table(str(path))
    assert "\n" not in str(error.value)
    if message is not None:
        assert str(error.value) == f"Energy table {path}{message}"


@pytest.mark.parametrize("suffix, contents, message", [
    ("toml", b"", f" must have 1 to 1,000 circuits, each a [[circuit]]; {DOCS}"),
    ("toml", b"circuit = 3", f" must have 1 to 1,000 circuits, each a [[circuit]]; {DOCS}"),
    ("toml", b"circuit = []", f" must have 1 to 1,000 circuits, each a [[circuit]]; {DOCS}"),
    ("toml", b"circuit = [3]", f", circuit 1: must be a table of names and values; {DOCS}"),
    ("json", b"[]", f" must be an object with 'circuit', a list; {DOCS}"),
    ("json", b"[" * 100_000, f" is no JSON (it is nested too deep); {DOCS}"),
    ("toml", b"a = " + b"[" * 100_000, f" is no TOML (it is nested too deep); {DOCS}"),
    ("toml", b"#" * (2**20 + 1), f" must have at most 1,048,576 bytes; {DOCS}"),
    ("json", b"{\"circuit\": [{\"energy\": " + b"9" * 5000 + b"}]}", None),
    ("toml", b"\xff", None),
    ("toml", b"x = ", None),
])
def test_refuses_what_is_no_table(tmp_path, suffix, contents, message):
    path = tmp_path / f"table.{suffix}"
    path.write_bytes(contents)
    with pytest.raises(EnergyTableError) as error:
        read_table(str(path))
    text = str(error.value)
    assert "\n" not in text and len(text) < 500
    if message:
        assert text == f"Energy table {path}{message}"
    else:
        assert text.startswith(f"Energy table {path} is no {suffix.upper()} (")


def test_refuses_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for given, reason in ((tmp_path, "is no file; "), (tmp_path / "pipe", "is no file; "),
                          (tmp_path / "none", "cannot be read (No such file or directory); "),
                          ("a\0b", "cannot be read (")): # versions of Python call it differently
        with pytest.raises(EnergyTableError, match=f"^{re.escape(f'Energy table {given} {reason}')}.*"
                           f"{re.escape(f'name one of {KNOWN}, or a file')}$"):
            read_table(str(given))
