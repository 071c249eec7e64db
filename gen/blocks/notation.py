"""Values of parameters, as they are typed: in Python's notation, without Python."""

import ast
from pathlib import Path

from amaranth.hdl import signed, unsigned

from hdl.pass_sets.mixer import Mix
from hdl.pass_sets.pass_split import Choice


__all__ = ["NAMES", "NotationError", "value_of"]


#: What can be called.
NAMES = {"signed": signed, "unsigned": unsigned, "range": range, "Choice": Choice, "Mix": Mix}

#: Elements that a sequence may be repeated to, and what most numbers of things may be.
MOST = 1 << 20


class NotationError(ValueError):
    """A text is no value; the message says why."""


def value_of(text: str):
    """Return the value of ``text``: numbers, ``True``, ``False``, ``None``, texts, tuples, lists and dicts
    of values, a list or tuple times a number, and calls of :data:`NAMES`. After an ``@`` it is in the file
    of this name.

    Raises
    ------
    NotationError
        If it is something else.
    """
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise NotationError(f"file {text[1:]!r} cannot be read ({reason})") from None
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except NotationError:
        raise
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError, AssertionError) as error:
        raise NotationError(f"{_short(text)} is no value ({_line(error)})") from None


def _line(error):
    return (str(getattr(error, "msg", error)).splitlines() or [type(error).__name__])[0]


def _short(text):
    text = " ".join(text.split())
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _value(node):
    match node:
        case ast.Constant(value=int() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand)
        case ast.Tuple(elts=parts):
            return tuple(map(_value, parts))
        case ast.List(elts=parts):
            return list(map(_value, parts))
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return dict(zip(map(_value, keys), map(_value, values), strict=True))
        case ast.BinOp(op=ast.Mult(), left=ast.List() | ast.Tuple() | ast.BinOp() as left, right=right):
            sequence, times = _value(left), _number(right)
            if len(sequence) * times > MOST:
                raise NotationError(f"more than {MOST:,} elements")
            return sequence * times
        case ast.Call(func=ast.Name(id=name), args=args, keywords=named) if name in NAMES and all(
                each.arg for each in named):
            return NAMES[name](*map(_value, args), **{each.arg: _value(each.value) for each in named})
    raise NotationError(f"{_short(ast.unparse(node))} is no value; there are numbers, lists, "
                        f"{', '.join(f'{name}(...)' for name in NAMES)}")


def _number(node):
    value = _value(node)
    if type(value) is not int:
        raise NotationError(f"{_short(ast.unparse(node))} is no number")
    return value
