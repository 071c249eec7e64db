"""Netlists as Yosys writes them."""

from gen.standard_cells.netlist import read_netlist


def module(ports, cells, names=()):
    """A module: direction and bits of each port, type and bits of the pins of each cell, and bits of more
    signals, by name."""
    return {
        "ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()},
        "cells": {name: {"type": kind, "connections": pins} for name, (kind, pins) in cells.items()},
        "netnames": {name: {"hide_name": 0, "bits": bits} for name, bits in
                     {**{name: bits for name, (_, bits) in ports.items()}, **dict(names)}.items()},
    }


def ring(library):
    """A flip-flop that takes the NAND of itself, by way of a buffer, and of an input."""
    return read_netlist({"top": module(
        {"clk": ("input", [2]), "i": ("input", [3]), "o": ("output", [4])},
        {"state": ("DFF", {"CK": [2], "D": [6], "Q": [4], "QN": [7]}),
         "again": ("BUF", {"A": [4], "Y": [5]}),
         "gate":  ("NAND2", {"A": [5], "B": [3], "Y": [6]})})}, "top", {"top": "ring"}, library, {}, [])
