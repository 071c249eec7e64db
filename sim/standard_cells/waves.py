"""Values of signals in each cycle, from waves that Verilator has written (IEEE 1364-2005, 18.2)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sim.verilator.simulator import SimulatorFailed


__all__ = ["read_waves"]


def read_waves(path: Path, clock: str, wanted: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Return the values of signals in each cycle.

    Parameters
    ----------
    path
        A file of waves (VCD).
    clock
        Path of the clock: scopes, and its name, with points between them.
    wanted
        Width of each signal, by its path; of one that is wider there, the lowest bits.

    Returns
    -------
    dict of path to bool array (width, cycles)
        Values just before each rising edge of the clock but the first, lowest bit first; without those
        signals that the file has not.

    Raises
    ------
    SimulatorFailed
        If the file ends early, or there is no clock.
    """
    with path.open(encoding="latin1") as file:
        codes, clock_code = _declarations(file, clock, wanted)
        if clock_code is None:
            raise SimulatorFailed(f"Waves {path} have no clock {clock}")
        changes = {code: ([], []) for code in codes}
        cycle = _changes(file, changes, clock_code)
    found = {}
    for code, names in codes.items():
        bits = _expand(*changes[code], max(wanted[name] for name in names), cycle)
        found |= {name: bits[:wanted[name]] for name in names}
    return found


def _declarations(file, clock, wanted):
    """Names by code of the signals that are wanted, and the code of the clock."""
    scopes, codes, clock_code = [], {}, None
    for line in file:
        words = line.split()
        if not words:
            continue
        if words[0] == "$scope":
            scopes.append(words[2])
        elif words[0] == "$upscope":
            scopes.pop()
        elif words[0] == "$var" and len(words) > 5:
            # $var wire 12 CODE NAME [11:0] $end
            name = ".".join((*scopes, words[4].removeprefix("\\")))
            if name == clock:
                clock_code = words[3]
            if wanted.get(name, np.inf) <= int(words[2]):
                codes.setdefault(words[3], []).append(name)
        elif words[0] == "$enddefinitions":
            return codes, clock_code
    raise SimulatorFailed(f"Waves {file.name} end in the declarations")


def _changes(file, changes, clock_code):
    """Take the changes of the values: cycles and values of each code. Return the number of cycles."""
    cycle, high = -1, False
    for line in file:
        if line[0] in "01":
            value, code = line[0], line[1:].rstrip()
        elif line[0] == "b":
            value, code = line[1:].split()
        else:
            continue
        if code == clock_code:
            cycle += value == "1" and not high
            high = value == "1"
        if code in changes:
            times, values = changes[code]
            times.append(cycle)
            values.append(int(value, 2))
    return cycle


def _expand(times, values, width, cycles):
    """The lowest bits of a value in each of so many cycles; the last value counts where one has several."""
    bytes_each = -(-max(width, *(value.bit_length() for value in values)) // 8)
    packed = np.frombuffer(b"".join(value.to_bytes(bytes_each, "little") for value in values), np.uint8)
    bits   = np.unpackbits(packed.reshape(-1, bytes_each), axis=1, count=width, bitorder="little")
    # In which cycle each value was the last one: it holds until the next.
    last   = np.searchsorted(times, np.arange(cycles), side="right") - 1
    return bits[np.maximum(last, 0)].T.astype(bool)
