"""Functions of pins, as Liberty writes them: ``!(A1 & A2)``, ``A' B + C``, ``D * !Q``."""

import operator
import re
from collections.abc import Callable
from functools import cache


__all__ = ["FunctionError", "evaluator", "inputs_of"]


#: A name; a sign.
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w\[\]]*|[01])|([!'&*|+^()]))")


class FunctionError(ValueError):
    """A text that is no function."""


@cache
def inputs_of(text: str) -> frozenset[str]:
    """Return the names in the function ``text``."""
    return frozenset(name for name, _ in _tokens(text) if name and name not in "01")


@cache
def evaluator(text: str) -> Callable:
    """Return a function of a mapping of names to vectors of bits, which gives ``text`` of them.

    The vectors need ``&``, ``|``, ``^`` and ``~``; so integers and arrays of them will do. Constants are
    ``0`` and ``-1``: all bits are alike.
    """
    tokens = [*_tokens(text), (None, None)]
    found, at = _or(tokens, 0)
    if tokens[at] != (None, None):
        raise FunctionError(f"{text!r} is no function")
    return found


def _tokens(text):
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise FunctionError(f"{text!r} is no function")
        found.append(match.groups())
        at = match.end()
    if not found:
        raise FunctionError("it is empty")
    return found


def _or(tokens, at):
    return _joined(tokens, at, _xor, "|+", lambda a, b: lambda pins: a(pins) | b(pins))


def _xor(tokens, at):
    return _joined(tokens, at, _and, "^", lambda a, b: lambda pins: a(pins) ^ b(pins))


def _joined(tokens, at, below, signs, join):
    found, at = below(tokens, at)
    while tokens[at][1] and tokens[at][1] in signs:
        other, at = below(tokens, at + 1)
        found = join(found, other)
    return found, at


def _and(tokens, at):
    found, at = _not(tokens, at)
    while True:
        name, sign = tokens[at]
        # Two terms side by side are a product, too.
        if sign in ("&", "*"):
            other, at = _not(tokens, at + 1)
        elif name or sign in ("!", "("):
            other, at = _not(tokens, at)
        else:
            return found, at
        found = _product(found, other)


def _product(a, b):
    return lambda pins: a(pins) & b(pins)


def _not(tokens, at):
    name, sign = tokens[at]
    if sign == "!":
        found, at = _not(tokens, at + 1)
        return _inverse(found), at
    if sign == "(":
        found, at = _or(tokens, at + 1)
        if tokens[at][1] != ")":
            raise FunctionError("a parenthesis is not closed")
    elif name in ("0", "1"):
        found = _constant(-int(name))
    elif name:
        found = operator.itemgetter(name)
    else:
        raise FunctionError(f"{sign or 'the end'!r} is in a wrong place")
    at += 1
    while tokens[at][1] == "'":
        found, at = _inverse(found), at + 1
    return found, at


def _constant(value):
    return lambda pins: value


def _inverse(a):
    return lambda pins: ~a(pins)
