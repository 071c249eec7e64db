import pytest

from gen.tools import checked_out
from sim.report import write_report
from sim.verification import TABLE, TARGETS, main


def report(folder, name, **changes):
    write_report(folder / f"{name}.json", **{
        "target": name, "command": f"make {name} DATA=/home/me", "seconds": 90.0, "passed": True,
        "summary": "3 of 3 proofs hold",
        "tables": {"Proofs": [
            {"block": "arbiter", "claim": "one | only", "seconds": 3, "rate": 0.25, "holds": True},
            {"block": "pool", "claim": "is fair", "seconds": 1250, "rate": None, "holds": False}]},
        "notes": ["A remark."]} | changes)


@pytest.fixture
def write(tmp_path, capsys):
    """A function that writes the document for the reports of some targets, and returns its lines."""
    def write(status, **targets):
        for name, changes in targets.items():
            report(tmp_path / "found", name, **changes)
        out = tmp_path / "VERIFICATION.md"
        assert main(["--found", str(tmp_path / "found"), "--out", str(out)]) == status
        printed, errors = capsys.readouterr()
        return out.read_text().splitlines(), printed, errors.splitlines()

    return write


def cells(line):
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_overview_and_sections(write):
    """A line per target on top; then each with its tables, like all others."""
    lines, printed, errors = write(1, formal={}, faults={"passed": False, "summary": "1 bit is silent"},
                                   mutation={"partial": "the blocks pool, arbiter"})
    top = {cells(line)[0]: cells(line)[1:]
           for line in lines[:lines.index("## formal")] if line[:2] == "| "}
    assert list(top) == ["target", *TARGETS]
    assert top["target"] == ["passed", "what it found", "command", "commit"]
    assert top["formal"] == ["yes", "3 of 3 proofs hold", "`make formal`", checked_out()]
    assert top["faults"] == ["**no**", "1 bit is silent", "`make faults`", checked_out()]
    assert top["mutation"] == ["in part", "3 of 3 proofs hold", "`make mutation`", checked_out()]
    assert top["regress"] == ["not run", "-", "`make regress`", "-"]
    section = lines[lines.index("## formal"):lines.index("## mutation")]
    assert section == [
        "## formal", "", "3 of 3 proofs hold.", "", "```", "make formal DATA=DIR", "```", "",
        "1.5 minutes.", "", "### Proofs", "",
        "| block   | claim       |   seconds |   rate | holds   |",
        "|---------|-------------|-----------|--------|---------|",
        "| arbiter | one \\| only |         3 |   0.25 | yes     |",
        "| pool    | is fair     |     1,250 |      - | no      |", "", "A remark.", ""]
    assert "Not the whole target: the blocks pool, arbiter." in lines
    assert printed.endswith("VERIFICATION.md: 1 of 11 targets have passed\n")
    assert len(errors) == 8
    assert errors[0].endswith("/run_lenet5.json does not exist; make it with: make testset")


def test_blocks(write):
    """One table of what all targets say of a block."""
    lines, _, _ = write(1, formal={"blocks": {"pool": {"proven": "3 of 3"}, "arbiter": {"proven": None}}},
                        coverage={"blocks": {"pool": {"lines": "99.1 %", "branches": "-"}}})
    begin = lines.index("## Blocks")
    assert [cells(line) for line in lines[begin + 4:begin + 8]] == [
        ["block", "lines", "branches", "proven"], [lines[begin + 5].strip("|")],
        ["`arbiter`", "-", "-", "-"], ["`pool`", "99.1 %", "-", "3 of 3"]]


def test_lines_are_short(write):
    """What is too long for a line of a table becomes a list."""
    lines, _, _ = write(1, formal={
        "tables": {"Long": [{"block": "pool", "reason": "word " * 60, "way": None, "number": 7}]},
        "command": "python -m sim.run " + "--option value " * 30, "notes": ["note " * 90]})
    assert max(map(len, lines)) <= TABLE
    begin = lines.index("### Long")
    assert lines[begin + 2].startswith("- block: pool; reason: word word ")
    assert lines[begin + 3].startswith("  word ") and lines[begin + 5].endswith(" word; number: 7")


def test_overview_is_always_a_table(write):
    lines, _, _ = write(1, formal={"summary": "word " * 40})
    assert any(line.startswith("| formal ") and "word word" in line for line in lines)


def test_all_have_passed(write):
    lines, printed, errors = write(0, **dict.fromkeys(TARGETS, {}))
    assert printed.endswith("VERIFICATION.md: 11 of 11 targets have passed\n") and not errors
    assert sum(line.startswith("## ") for line in lines) == len(TARGETS)


@pytest.mark.parametrize("changes", [{"passed": False}, {"partial": "few cases"}])
def test_one_has_not_passed(write, changes):
    """Then make signoff fails."""
    write(1, **dict.fromkeys(TARGETS, {}) | {"regress": changes})


def test_nothing_has_run(write):
    lines, printed, errors = write(1)
    assert sum("not run" in line for line in lines) == len(errors) == len(TARGETS)
    assert printed.endswith("VERIFICATION.md: 0 of 11 targets have passed\n")


def test_report_that_cannot_be_read(tmp_path, capsys):
    report(tmp_path, "formal")
    (tmp_path / "mutation.json").write_text("half")
    out = tmp_path / "VERIFICATION.md"
    assert main(["--found", str(tmp_path), "--out", str(out)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"sim.verification: Report {tmp_path}/mutation.json cannot be read (it is no JSON); make it "
        "again with: make mutation")
    assert not out.exists()


def test_output_that_cannot_be_written(tmp_path, capsys):
    assert main(["--found", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"sim.verification: File {tmp_path} cannot be written (Is a directory); name another")
