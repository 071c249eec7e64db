import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gen.tools import version
from spincim.__main__ import COMMANDS, main


ROOT = Path(__file__).parent.parent.parent

#: Names of files that a user may have, and that packages have too.
NAMES = "gen", "golden", "hdl", "sim", "constraints", "bench"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_is_the_command_of_its_module(name, capsys):
    module = importlib.import_module(COMMANDS[name][0])
    for run in (lambda: main([name, "--help"])), (lambda: module.main(["--help"])):
        with pytest.raises(SystemExit) as end:
            run()
        assert end.value.code == 0
    one, other = capsys.readouterr().out.split("usage: ")[1:]
    assert one == other


def test_usage(capsys):
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "usage: spincim COMMAND ..."
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"spincim {version()}\n"


@pytest.mark.parametrize("arguments, message", [
    ([], "no command is named"), (["make"], "command 'make' is unknown"), ([""], "no command is named")])
def test_no_command(arguments, message, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err == (
        f"spincim: {message}; choose one of: build, block, report, sim, power, train, evaluate, plot, "
        "chips, explore, compare\n")


def test_status_of_a_command(capsys):
    assert main(["build", "--layers", "lenet6"]) == 2
    assert capsys.readouterr().err.startswith("gen.build: Network 'lenet6' is unknown; ")


def test_files_in_the_working_folder_are_not_seen(tmp_path):
    """As a module that is run; as a program, tests/test_packaging.py."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user')\n")
    run = subprocess.run([sys.executable, "-m", "spincim", "build", "--layers", "lenet6"], cwd=tmp_path,
                         env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("gen.build: Network 'lenet6' is unknown; ")
