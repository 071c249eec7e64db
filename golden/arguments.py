"""What the commands of this package do alike with their arguments."""

import argparse
from collections.abc import Callable


__all__ = ["Parser", "whole"]


class Parser(argparse.ArgumentParser):
    """A parser that answers a wrong argument in one line, with status 2."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}\n")


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a type of arguments: a whole number of at least ``least``, and at most ``most`` if given."""
    allowed = f"of at least {least}" if most is None else f"from {least} to {most}"

    def convert(text):
        value = int(text) if text.isascii() and text.isdecimal() else least - 1
        if value < least or most is not None and value > most:
            raise argparse.ArgumentTypeError(f"must be a whole number {allowed}, not {text!r}")
        return value

    return convert
