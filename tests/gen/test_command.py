"""How programs of this project are commands."""

import argparse
import gc
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gen.command import PATIENT, Parser, UserError, comma_separated, command, interruptible, whole


ROOT = Path(__file__).parents[2]


def made(does, **options):
    @command("gen.made", **options)
    def main(arguments=None):
        return does(arguments)
    return main


def raising(error):
    def does(arguments):
        raise error
    return does


@pytest.mark.parametrize("status, returned", [(0, None), (0, 0), (1, 1)])
def test_status(capsys, status, returned):
    assert made(lambda arguments: returned)(["x"]) == status
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error, line", [
    (UserError("Image x must be y, not z"), "gen.made: Image x must be y, not z\n"),
    (FileNotFoundError(2, "No such file", "a/b"), "gen.made: a/b: No such file\n"),
    (OSError("disk is away"), "gen.made: disk is away\n"),
])
def test_an_error_of_the_user_is_one_line(capsys, error, line):
    assert made(raising(error))() == 2
    assert capsys.readouterr() == ("", line)


def test_a_fault_of_ours_is_no_error_of_the_user():
    with pytest.raises(ZeroDivisionError):
        made(raising(ZeroDivisionError()))()


@pytest.mark.parametrize("stopped, line", [
    ({}, "stopped, nothing was written"), ({"stopped": "stopped"}, "stopped"),
    ({"stopped": "stopped; go on"}, "stopped; go on")])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped(capsys, stopped, line, sent):
    def does(arguments):
        os.kill(os.getpid(), sent)
        time.sleep(10)

    before = signal.getsignal(sent)
    assert made(does, **stopped)() == 130
    assert capsys.readouterr() == ("", f"gen.made: {line}\n")
    assert signal.getsignal(sent) is before


def test_the_second_signal_is_ignored():
    """So that what must be done at the end is done."""
    ended = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            ended.append(True)
    assert ended


def test_a_signal_that_is_ignored_stays_so():
    """As SIGHUP is after nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.1)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("module", ["gen.build", "golden.evaluate", "sim.run"])
def test_stopped_while_modules_are_imported(tmp_path, module):
    """No traceback: the command has not begun."""
    begun = str(tmp_path / "begun")
    (tmp_path / "tqdm.py").write_text(f"import time\nopen({begun!r}, 'w').close()\ntime.sleep(60)\n")
    with subprocess.Popen([sys.executable, "-m", module, "x"], cwd=tmp_path, text=True,
                          stderr=subprocess.PIPE, env={
            **os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}) as process:
        while not os.path.exists(begun):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == -signal.SIGINT


def test_an_import_elsewhere_leaves_ctrl_c_as_it_is():
    code = "import signal, gen, golden, sim; print(signal.getsignal(signal.SIGINT).__name__)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "default_int_handler\n"


@pytest.mark.parametrize("arguments, message", [
    (["--out", ""], "argument --out: must not be empty"), (["--out="], "argument --out: must not be empty"),
    ([""], "an argument is empty"), (["x", ""], "an argument is empty")])
@pytest.mark.parametrize("module", ["gen.build", "golden.evaluate", "golden.train", "sim.run",
                                    "sim.verification", "bench.results"])
def test_an_empty_argument_is_refused(capsys, module, arguments, message):
    """A path would be the folder in which the command runs."""
    with pytest.raises(SystemExit, match="^2$"):
        importlib.import_module(module).main(arguments)
    assert capsys.readouterr() == ("", f"{module}: {message}\n")


def test_a_wrong_argument_is_one_line(capsys):
    parser = Parser(prog="gen.made")
    parser.add_argument("--images", type=whole(1, 9))
    with pytest.raises(SystemExit, match="^2$"):
        parser.parse_args(["--images", "10"])
    assert capsys.readouterr() == (
        "", "gen.made: argument --images: must be a whole number from 1 to 9, not '10'\n")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "one", "²", "１"])
def test_whole_refuses(text):
    with pytest.raises(argparse.ArgumentTypeError, match="^must be a whole number of at least 1, not "):
        whole(1)(text)


def test_comma_separated():
    assert comma_separated("a,b , c d") == ["a", "b", "c d"]


def test_whole():
    assert [whole(0)("0"), whole(1)("1024"), whole(2, 3)("3")] == [0, 1024, 3]


@pytest.mark.parametrize("error", [None, UserError("no")])
def test_garbage_is_collected_seldom(error, capsys):
    """Only while a command runs, whatever comes of it."""
    def does(arguments):
        seen.append(gc.get_threshold())
        if error:
            raise error

    seen, before = [], gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        made(does)()
        assert (seen, gc.get_threshold()) == ([PATIENT], (700, 10, 10))
    finally:
        gc.set_threshold(*before)
