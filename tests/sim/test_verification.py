import json

import pytest

from sim.verification import TARGETS, document, main, table


FORMAL = {
    "command": "make formal", "seconds": 90.0, "proven": 1, "properties": 2, "without": {"array": "none"},
    "blocks": {"arbiter": [
        {"claim": "One is up.", "status": "proven", "mode": "unbounded", "parameters": "N = 4",
         "seconds": 3},
        {"claim": "Is fair.", "status": "failed", "mode": "to depth 20", "parameters": "N = 4",
         "seconds": 4}]}}

MUTATION = {
    "command": "make mutation", "seconds": 60.0, "mutants_per_block": 10, "seed": 1, "not_run": ["pool"],
    "without": {"guard": "no reason"},
    "blocks": {"arbiter": {
        "mutants": 11, "caught": 8, "proven_unseen": 1, "explained": 1, "score": 0.8889, "survivors": [
            {"outcome": "equivalent", "src": ["/hdl/layer/arbiter.py:1"], "cell": "c", "port": "A",
             "reason": "same"},
            {"outcome": "visible",
             "src": ["/hdl/layer/arbiter.py:40", "/x/site-packages/amaranth/fifo.py:2"],
             "cell": "c", "port": "B", "reason": "seen | at 3"}]}}}


def test_blocks_and_summaries():
    text = document({"formal": FORMAL, "mutation": MUTATION}, {"arbiter": 3, "pool": 4})
    lines = text.splitlines()
    assert "| `make formal` | 1 of 2 properties proven | 1.5 |" in lines
    assert ("| `make mutation` | 8 of 9 mutants caught (88.9 %); below 95 %: `arbiter`; not run: `pool` "
            "| 1.0 |") in lines
    assert "| `make regress` | not run: `make regress` | - |" in lines
    assert "| `arbiter` | 3 | 1 of 2 | - | - | - | 8 of 9 | 88.9 % |" in lines
    assert "| `pool` | 4 | - | - | - | - | - | - |" in lines
    assert "| `arbiter` | Is fair. | failed | to depth 20 | N = 4 | 4 |" in lines
    # Of the survivors only the one that changes something; what it says cannot end a cell.
    assert "| `arbiter` | hdl/layer/arbiter.py:40, amaranth/fifo.py:2 | B | seen \\| at 3 |" in lines
    assert "hdl/layer/arbiter.py:1 " not in text
    assert "- `guard`: no reason" in lines


def test_costs_of_protection():
    cells = {"pool": {"LUT": 700, "FF": 20, "BRAM": 1, "DSP": 0},
             "other": {"LUT": 500, "FF": 1, "BRAM": 0, "DSP": 2}}
    build = {"shares": {"masked": 0.75, "silent": 0.25}, "faults": 4, "images": 2, "passes": 3,
             "classes": {"maps": {"bits": 10, "faults": 4, "masked": 3, "silent": 1}}}
    builds = {"unprotected": build | {"cells": cells},
              "protected": build | {"cells": {
                  "LUT": 1300, "FF": 21, "BRAM": 1, "DSP": 2, "blocks": cells, "fmax_mhz": 99.96}}}
    found = {"command": "x", "seconds": 1, "networks": {"net": builds}}
    lines = document({"faults": found}, {}).splitlines()
    assert "| unprotected | 1,200 | 21 | 1 | 2 | - |" in lines
    assert "| protected | 1,300 | 21 | 1 | 2 | 100.0 |" in lines
    assert "| maps | 10 | 4 | 75.0 % | 25.0 % |" in lines


def test_nothing_has_run():
    text = document({}, {})
    assert text.count("not run") == len(TARGETS)


def test_table():
    assert table(["a", "b"], [[1, None]]) == ["| a | b |", "|---|---|", "| 1 | - |", ""]


@pytest.mark.parametrize("written, status", [({"formal": FORMAL}, 1), (dict.fromkeys(["formal"], None), 2)])
def test_command(written, status, tmp_path, capsys):
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_arbiter.py").write_text("def test_a():\n    pass\n\n\ndef test_b():\n    pass\n")
    for name, contents in written.items():
        (tmp_path / f"{name}.json").write_text("half" if contents is None else json.dumps(contents))
    out = tmp_path / "VERIFICATION.md"
    assert main(["--found", str(tmp_path), "--tests", str(tests), "--out", str(out)]) == status
    error = capsys.readouterr().err
    if status == 2:
        assert not out.exists() and "cannot be read" in error and error.endswith("with: make formal\n")
    else:
        assert "| `arbiter` | 2 | 1 of 2 |" in out.read_text()
        assert "mutation.json does not exist; make it with: make mutation" in error
