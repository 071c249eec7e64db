"""Commands: parsing of arguments, errors of the user, exit statuses, and interruption."""

import argparse
import functools
import gc
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager

from gen.progress import wipe


__all__ = ["PATIENT", "Parser", "UserError", "comma_separated", "command", "interruptible", "whole"]


#: Thresholds of Python's garbage collector for commands. A design is millions of objects, all of them in
#: use; to look among them for unused ones every 700 objects takes a quarter of the time of a build.
PATIENT = 1_000_000, 10, 10


class UserError(Exception):
    """An error that a user can mend; the message is one line that names the fault and the way out."""


class Parser(argparse.ArgumentParser):
    """A parser of arguments that reports a wrong argument in one line, with status 2."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")

    def parse_args(self, arguments=None, namespace=None):
        """Parse the arguments; refuse an empty one, which as a path would be the working folder."""
        arguments = sys.argv[1:] if arguments is None else list(map(str, arguments))
        for before, argument in zip(["", *arguments], arguments, strict=False):
            option, equals, value = argument.partition("=")
            if not argument or option.startswith("--") and equals and not value:
                option = option or (before if before.startswith("-") else "")
                self.error(f"argument {option}: must not be empty" if option else "an argument is empty")
        return super().parse_args(arguments, namespace)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a type of arguments for :mod:`argparse`: a whole number of at least ``least``, and of at most
    ``most`` if that is given."""
    allowed = f"of at least {least}" if most is None else f"from {least} to {most}"

    def convert(text):
        value = int(text) if text.isascii() and text.isdecimal() else least - 1
        if value < least or most is not None and value > most:
            raise argparse.ArgumentTypeError(f"must be a whole number {allowed}, not {text!r}")
        return value

    return convert


def comma_separated(text: str) -> list[str]:
    """Return the parts of an argument that has commas between them, and spaces or none beside these."""
    return [part.strip() for part in text.split(",")]


def command(name: str, stopped: str = "stopped, nothing was written"):
    """Return a decorator that makes ``main(arguments=None)`` the command ``name``, which returns an exit
    status.

    A :exc:`UserError` or an :exc:`OSError` gives one line on standard error and status 2. Ctrl-C, SIGTERM
    and SIGHUP give the message of the :exc:`KeyboardInterrupt`, or else the line ``stopped``, and
    status 130. The status is 0 if ``main`` returns None. Garbage is collected as :data:`PATIENT` says.
    """
    def decorate(main):
        @functools.wraps(main)
        def run(arguments: list[str] | None = None) -> int:
            before = gc.get_threshold()
            try:
                gc.set_threshold(*PATIENT)
                with interruptible():
                    return main(arguments) or 0
            except UserError as error:
                return fail(error, 2)
            except OSError as error:
                place = f"{error.filename}: " if error.filename else ""
                return fail(f"{place}{error.strerror or error}", 2)
            except KeyboardInterrupt as interrupt:
                return fail(str(interrupt) or stopped, 130)
            finally:
                gc.set_threshold(*before)
        return run

    def fail(message, status):
        wipe()
        print(f"{name}: {message}", file=sys.stderr)
        return status

    return decorate


@contextmanager
def interruptible():
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does, in a block of ``with``. Only the first
    signal counts: later ones are ignored, so that ``finally`` blocks run to their end."""
    known  = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {}

    def interrupt(number, frame):
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in known
                  if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
