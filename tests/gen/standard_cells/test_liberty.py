import gzip

import pytest

from gen.standard_cells.liberty import LibraryError, read_library
from tests.gen.standard_cells import library


@pytest.fixture
def read(tmp_path):
    def read(text, name="cells.lib"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_library(path)
    return read


def test_cells(read):
    tiny = read(library.text())
    assert (tiny.name, tiny.voltage, tiny.temperature, tiny.wire_load) == ("tiny", 1.0, 25.0, "small")
    nand = tiny.cell("NAND2")
    assert nand.area == 2.0 and [pin.name for pin in nand.inputs] == ["A", "B"]
    assert nand.pins["A"].farad == pytest.approx(2e-15) and nand.pins["Y"].function == "!(A & B)"
    assert [(arc.related, arc.kind, arc.sense) for arc in nand.pins["Y"].arcs] == [
        ("A", "combinational", "negative_unate"), ("B", "combinational", "negative_unate")]
    flip_flop = tiny.cell("DFF")
    assert (flip_flop.clocked_on, flip_flop.next_state, flip_flop.states) == ("CK", "D", ("IQ", "IQN"))
    assert [(each.when, each.watt) for each in tiny.cell("INV").leakage] == [
        ("A", pytest.approx(3e-9)), (None, pytest.approx(1e-9))]
    assert [each.when for each in flip_flop.pins["CK"].internal] == ["D & Q", None]


def test_tables(read):
    """All units are those of SI, and whatever the order of the axes the first is the transition."""
    tiny  = read(library.text())
    delay = tiny.cell("INV").pins["Y"].arcs[0].tables["cell_fall"]
    assert delay.at(0.0, 0.0) == pytest.approx(0.10e-9)
    assert delay.at(0.5e-9, 5e-15) == pytest.approx(0.40e-9)
    assert delay.at(2e-9, 30e-15) == pytest.approx((0.10 + 2 * 0.5 + 0.3) * 1e-9) # beyond the table
    energy = tiny.cell("INV").pins["Y"].internal[0].rise
    assert energy.at(0.3e-9, 5e-15) == pytest.approx(6e-15)
    setup = tiny.cell("DFF").pins["D"].arcs[0].tables["rise_constraint"]
    assert setup.at(0.5e-9, 0.9e-9) == pytest.approx(0.10e-9) # by the pin, not by the clock
    clock = tiny.cell("DFF").pins["CK"].internal[0].rise
    assert clock.at(0.7e-9, 3e-15) == pytest.approx(3e-15)


def test_wires(read):
    """Lengths of 1, 2.5, 4 and 2 more for each further pin, of 0.5 fF each."""
    tiny = read(library.text())
    assert [tiny.wire(pins) for pins in range(6)] == pytest.approx(
        [0.0, 0.5e-15, 1.25e-15, 2e-15, 3e-15, 4e-15])
    without = read(library.text().replace("default_wire_load", "other"))
    assert without.wire_load == "" and without.wire(3) == 0.0


def test_compressed(read):
    tiny = read(gzip.compress(library.text().encode()), "cells.lib.gz")
    assert tiny.sha256 == read(library.text()).sha256


@pytest.mark.parametrize("text, why", [
    ("", "no Liberty file"), ("library (x) {", "no Liberty file"), ("cell (x) { }", "no Liberty file"),
    ("library (x) { } }", "no Liberty file"), ("library (x) { a : 1; }", "no Liberty file"),
    ("{" * 5000, "no Liberty file"), ("a (b) {" * 5000, "no Liberty file"),
    (b"\x1f\x8b\x08\x00 broken", "cannot be read"),
    (gzip.compress(library.text().encode())[:-20], "cannot be read"), ("\0\xff" * 50, "no Liberty file"),
])
def test_what_is_no_library(read, text, why):
    with pytest.raises(LibraryError, match=rf"^Library \S+cells.lib .*{why}.*name a Liberty file") as error:
        read(text)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(LibraryError, match="cannot be read .No such file"):
        read_library(tmp_path / "none.lib")


@pytest.mark.parametrize("old, new, why", [
    ("area : 1.0;", "", "'area'"), ('function : "!A"', 'function : "!C"', "no pin 'C'"),
    ('function : "!A"', 'function : "!"', "wrong place"),
    ('values ("0.10, 0.20", "0.60, 0.70")', 'values ("0.10, 0.20, 0.60")', "as many values as places"),
    ('index_1 ("0, 1"); index_2 ("0, 10");', 'index_1 ("1, 0"); index_2 ("0, 10");', "does not rise"),
])
def test_a_cell_that_cannot_be_read(read, old, new, why):
    assert old in library.text()
    tiny = read(library.text().replace(old, new, 1))
    with pytest.raises(LibraryError, match=rf"cell 'INV' cannot be read \(.*{why}"):
        tiny.cell("INV")
    with pytest.raises(LibraryError, match="has no cell 'NAND9'"):
        tiny.cell("NAND9")
