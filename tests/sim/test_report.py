import json

import pytest

from gen.command import UserError
from gen.tools import checked_out
from sim.report import ReportError, read_report, write_report


GIVEN = {"target": "formal", "command": "make formal", "seconds": 12.34, "passed": True,
         "summary": "125 of 125 proofs hold"}
REPORT = GIVEN | {"commit": checked_out()}


def test_exactly_these_keys(tmp_path):
    path = tmp_path / "below" / "formal.json"
    tables = {"Proofs": [{"block": "arbiter", "bound": None, "seconds": 2.5, "holds": True}]}
    write_report(path, **GIVEN, tables=tables, notes=("One.", "Two."))
    expected = REPORT | {"seconds": 12.3, "tables": tables, "notes": ["One.", "Two."]}
    assert json.loads(path.read_text()) == expected == read_report(path)
    assert list(json.loads(path.read_text())) == [
        "target", "command", "commit", "seconds", "passed", "summary", "tables", "notes"]


def test_what_may_be_added(tmp_path):
    path = tmp_path / "formal.json"
    blocks = {"arbiter": {"proven": "3 of 3"}}
    write_report(path, **GIVEN, partial="only arbiter", blocks=blocks, seed=1)
    expected = REPORT | {"seconds": 12.3, "tables": {}, "notes": [], "partial": "only arbiter",
                         "blocks": blocks, "seed": 1}
    assert read_report(path) == expected


@pytest.mark.parametrize("changes, message", [
    ({"tables": {"Proofs": [["arbiter"]]}},
     "a row must be a dictionary of text and numbers, not ['arbiter']"),
    ({"blocks": {"arbiter": {"proofs": []}}},
     "a row must be a dictionary of text and numbers, not {'proofs': []}"),
])
def test_what_is_no_table(tmp_path, changes, message):
    with pytest.raises(TypeError) as raised:
        write_report(tmp_path / "formal.json", **GIVEN, **changes)
    assert str(raised.value) == message and not list(tmp_path.iterdir())


@pytest.mark.parametrize("text, reason", [
    ("half", "it is no JSON"), ("[]", "it is no JSON object"),
    (json.dumps(REPORT), "it has no 'tables'"),
    (json.dumps(REPORT | {"passed": "yes"}), "passed is 'yes'"),
    (json.dumps(REPORT | {"tables": {"Proofs": [1]}, "notes": []}),
     "a row must be a dictionary of text and numbers, not 1"),
])
def test_what_is_no_report(tmp_path, text, reason):
    path = tmp_path / "formal.json"
    path.write_text(text)
    with pytest.raises(ReportError) as raised:
        read_report(path)
    assert str(raised.value) == f"Report {path} cannot be read ({reason})"
    assert issubclass(ReportError, UserError)
