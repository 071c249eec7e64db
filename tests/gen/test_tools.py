import sys
from pathlib import Path

import pytest

from gen.tools import ToolMissing, find


def make_program(folder, name):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return str(folder / name)


def test_finds_beside_python_first(tmp_path, monkeypatch):
    beside, elsewhere = (make_program(tmp_path / name, "tool") for name in ("venv", "elsewhere"))
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    assert find("tool") == beside
    Path(beside).unlink()
    assert find("tool") == elsewhere


@pytest.mark.parametrize("extra, what", [(None, "tool"), ("synth", r"-e '\.\[synth\]'")])
def test_missing(tmp_path, monkeypatch, extra, what):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ToolMissing, match=f"^Program 'tool' is not installed; install it with: "
                                          f"pip install {what}$"):
        find("tool", extra=extra)


def test_without_path(tmp_path, monkeypatch):
    monkeypatch.delenv("PATH")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ToolMissing):
        find("tool")
