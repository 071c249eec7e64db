"""Names that users give, as names in Verilog and of files."""

import re


__all__ = ["NAME_LENGTH", "identifier"]


#: Longest name of a layer; files and signals are named after it.
NAME_LENGTH = 100


def identifier(name: str) -> str:
    """Return ``name`` with letters and digits of ASCII as they are, and ``_`` for all between them.

    So torch's ``features.0`` is ``features_0`` and QONNX's ``/conv/MatMul`` is ``conv_MatMul``. Two
    underscores in a row, with which Verilog's names of ports are made, never occur. It is empty where
    ``name`` has no such letter or digit.
    """
    return re.sub("[^A-Za-z0-9]+", "_", name).strip("_")
