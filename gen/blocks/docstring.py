"""What the docstring of a component says, part by part."""

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass


__all__ = ["Text", "layouts", "member", "parameters", "plain", "text_of"]


#: An entry that is that of another component, or of a function, and maybe more.
_FOLLOWED = re.compile(r"See :(?:class|func):`~?([\w.]+)`[.;]?\s*(.*)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Text:
    """A docstring: what stands before its sections; by section and name the entries; and of these, by name,
    what stands behind the colon."""

    body: str
    sections: dict[str, dict[str, str]]
    kinds: dict[str, str]

    @property
    def line(self) -> str:
        """What the first sentence says before a colon."""
        return re.split(r"\.(?=\s|$)|:\s", " ".join(self.body.split()))[0]


def text_of(documented) -> Text:
    """Take apart the docstring of a class or a function, as numpydoc has it."""
    body, *parts = re.split(r"^([A-Z]\w+)\n-+\n", inspect.getdoc(documented) or "", flags=re.MULTILINE)
    sections, kinds = {}, {}
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        sections[title] = entries = {}
        for entry in re.split(r"\n(?=\S)", text.strip("\n")):
            head, _, below = entry.partition("\n")
            names, _, kind = head.partition(" : ")
            below = inspect.cleandoc(below)
            if not below and kind.startswith("see "):
                below = f"See {kind.removeprefix('see ')}"
            for name in names.split(","):
                entries[name.strip()] = below
                kinds[name.strip()]   = kind
    return Text(body.strip(), sections, kinds)


def parameters(make: Callable, component: type) -> dict[str, str]:
    """Return what the docstrings of ``make`` and of ``component`` say of parameters, by name; but for what
    is of use in Python alone."""
    found = {}
    for documented in (component, make):
        entries = text_of(documented).sections.get("Parameters", {}) if inspect.getdoc(documented) else {}
        found |= {name: _followed(documented, "Parameters", name, text) for name, text in entries.items()}
    return {name: re.sub(r"\s*A :exc:`ValueError` is\s+raised\s+otherwise\.", "", text)
            for name, text in found.items()}


def member(component: type, name: str) -> str | None:
    """Return what the docstring of ``component`` says of its member ``name``: of itself, or of those of
    which it is one, such as ``mask_1`` of ``mask_0, ...``; None if it says nothing."""
    entries = text_of(component).sections.get("Members", {})
    for known in (name, *(re.sub(pattern, other, name) for pattern, other in (
            (r"\d+$", "0"), (r"_\d+$", "s"), (r"_\d+$", "")))):
        if known in entries:
            return _followed(component, "Members", known, entries[known])
    return None


def layouts(component: type) -> dict[str, str]:
    """Return what is said of the layouts and signatures that members of ``component`` have, by the name of
    the function that makes each."""
    module = importlib.import_module(component.__module__)
    named  = {name: getattr(module, name, None) for kind in text_of(component).kinds.values()
              for name in re.findall(r"\b\w+_(?:layout|signature|members)\b", kind)}
    return {name: text_of(function).body for name, function in named.items() if inspect.getdoc(function)}


def _followed(documented, section, name, text):
    """The entry that ``text`` refers to, if that is another one."""
    if found := _FOLLOWED.fullmatch(text):
        other, more = found.groups()
        parts = other.split(".")
        try:
            module = importlib.import_module(".".join(parts[:-1]) or documented.__module__)
            there  = text_of(getattr(module, parts[-1])).sections.get(section, {})
        except (ImportError, AttributeError):
            there = {}
        if name in there:
            text = _followed(getattr(module, parts[-1]), section, name, there[name])
            return f"{text} {more[:1].upper()}{more[1:]}".strip()
    return text


def plain(text: str) -> str:
    """Return ``text`` without the roles of Sphinx, in Markdown."""
    text = re.sub(r":[a-z]+:`~?(?:[a-z_]+\.)*([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")
