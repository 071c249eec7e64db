"""Commands run, and their reports are kept."""

from pathlib import Path

import pytest

from bench import measurements
from bench.measurements import KEPT, MEASUREMENTS, Measurement, MeasurementError, kept, measure
from gen.tools import checked_out


#: A command that writes its arguments as a report, and ends with the status that the last one names.
WRITER = """
import json, sys
*words, status = sys.argv[1:]
if words:
    open("report.json", "w").write(json.dumps(words))
print("compile", "it went wrong", sep="\\n", file=sys.stderr)
sys.exit(int(status))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "writer.py").write_text(WRITER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def writer(words, status=0):
    return Measurement("writer", f"python -m writer {words} {status}".replace("  ", " "), ("report.json",))


def listed(monkeypatch, one):
    monkeypatch.setattr(measurements, "MEASUREMENTS", {one.name: one})


@pytest.mark.parametrize("status", [0, 1])
def test_reports_are_kept_with_their_command(status, monkeypatch):
    """Status 1 is that of a simulation that differs, which must be seen in the page."""
    one = writer("'two words' DIR", status)
    assert one.needs_data
    listed(monkeypatch, one)
    assert kept() == {}
    measure(one, Path("some images"))
    [record] = kept().values()
    assert isinstance(record.pop("seconds"), float)
    assert record == {"command": f"python -m writer 'two words' DIR {status}", "version": checked_out(),
                      "reports": {"report": ["two words", "some images"]}}


@pytest.mark.parametrize("words, status", [("", 0), ("", 1), ("word", 2)])
def test_a_command_that_fails_leaves_what_was_kept(words, status, monkeypatch):
    """It also fails if its report is the one that was there before."""
    one = writer("word")
    measure(one)
    listed(monkeypatch, one)
    before = kept()
    with pytest.raises(MeasurementError) as error:
        measure(writer(words, status))
    command = f"python -m writer {words} {status}".replace("  ", " ")
    assert str(error.value) == f"{command} failed (status {status}): it went wrong"
    assert kept() == before


def test_what_another_command_measured_is_left_out(monkeypatch):
    measure(writer("old"))
    listed(monkeypatch, writer("new"))
    assert kept() == {}


@pytest.mark.parametrize("content", ["half", "[]", '{"command": "python -m writer word 0"}'])
def test_a_damaged_file_is_refused(content, monkeypatch):
    one = writer("word")
    listed(monkeypatch, one)
    Path(KEPT).mkdir(parents=True)
    Path(KEPT, "writer.json").write_text(content)
    with pytest.raises(MeasurementError) as error:
        kept()
    assert str(error.value) == ("File build/results/writer.json holds no measurement; remove it, and "
                                "writer is measured again")


def test_designs_are_built_before_they_are_simulated():
    built = set()
    for one in MEASUREMENTS.values():
        words = one.command.split()
        if words[2] == "gen.build":
            built.add(words[words.index("--out") + 1])
        elif words[2] == "sim.run":
            assert words[3] in built
