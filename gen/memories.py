"""The memories of a design, by block, before any Verilog is made of it."""

from collections import Counter

from amaranth.hdl import Fragment, MemoryInstance, Shape


__all__ = ["memories"]


def memories(component) -> dict[str, int]:
    """Return the bits of all memories of ``component``, by the block of ``hdl/`` that has them, the most
    first; with parity, its bits too."""
    found = Counter()
    _count(Fragment.get(component, None), "", found)
    return dict(found.most_common())


def _count(fragment, block, found):
    if isinstance(fragment, MemoryInstance):
        # Amaranth 0.5 has no other way to the size of a memory that stands in a design.
        found[block] += fragment._data.depth * Shape.cast(fragment._data.shape).width
        return
    for origin in fragment.origins or ():
        package, *_, stem = type(origin).__module__.split(".")
        if package == "hdl":
            block = stem
    for below, *_ in fragment.subfragments:
        _count(below, block, found)
