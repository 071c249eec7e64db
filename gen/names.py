"""Identifiers for Verilog and for files, from the names of layers."""

import re


__all__ = ["NAME_LENGTH", "identifier"]


#: Characters of the longest name of a layer; names of files and signals contain it.
NAME_LENGTH = 100


def identifier(name: str) -> str:
    """Return ``name`` with ``_`` for each run of characters other than ASCII letters and digits, and none
    at either end.

    So torch's ``features.0`` becomes ``features_0`` and QONNX's ``/conv/MatMul`` becomes ``conv_MatMul``.
    The identifier never has two underscores in a row, which join the names of ports in Verilog. It is empty
    if ``name`` has no ASCII letter or digit.
    """
    return re.sub("[^A-Za-z0-9]+", "_", name).strip("_")
