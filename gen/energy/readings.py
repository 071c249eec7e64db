"""What the papers may have counted: named readings of the "operation" that their energies are of.

Scale-Dropout gives the energy of six circuits "for one reading operation" (Table II) and of an image of
LeNet-5 (Table VIII), and not what an operation is, nor how many there are. Each reading here says what it
could be, in terms of a network and of arrays of 256 by 256 cells that are read at once. None knows how
hardware of ours is folded.
"""

import math
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gen.energy.table import EnergyTable, read_table
from gen.ir import Layer, MaskChoice, Network
from gen.methods import METHODS, base_of
from gen.networks import NETWORKS


__all__ = ["PASSES", "READINGS", "STATED", "Reading", "Stated", "closest", "compared", "layers_of",
           "shape_of", "stated_for"]


#: Passes of the images that the papers give energies of.
PASSES = 10

#: Arrays of the papers, and cells of a bit line that are read at once where these have several levels.
_SIDE, _CELLS = 256, 4


@dataclass(frozen=True, slots=True)
class Stated:
    """Energy of an image of :data:`PASSES` passes that a paper states."""

    base: str      #: Network of :mod:`gen.networks` that it is taken to be of.
    method: str
    joule: float
    source: str
    table: str     #: Energies of circuits of the same paper, or of the nearest.


#: All that they state; which method is which is data, as code here knows none by its name.
STATED = tuple(Stated(**each) for each in tomllib.loads(
    Path(__file__).with_name("stated.toml").read_text(encoding="utf-8"))["stated"])


@dataclass(frozen=True, slots=True)
class Shape:
    """What the readings know of a layer: all of a pass."""

    positions: int  #: P, of the kernel.
    outputs: int    #: C
    reads: int      #: A, reads of an array for all its columns, and rows as far as they are read at once.
    codes: int      #: N, of all columns in all these reads.
    modules: int    #: D, random sources that the paper of the method has for it.


@dataclass(frozen=True, slots=True)
class Reading:
    """A named reading: what it takes an operation to be, its formula for a pass, and that as a function of
    the shapes and of the energies in joule of the circuits: crossbar X, memory M, adder A, comparator C,
    averaging V and random source R."""

    name: str
    text: str
    formula: str
    joule: Callable[[Sequence[Shape], dict[str, float]], float]


def _per_position(shapes, energy, names):
    return sum(shape.positions for shape in shapes) * sum(energy[name] for name in names)


def _once(shapes, energy):
    """Comparisons of all sums but the logits, and random bits of a pass."""
    return (energy["c"] * sum(shape.positions * shape.outputs for shape in shapes[:-1])
            + energy["r"] * sum(shape.modules for shape in shapes))


#: All readings that were tried.
READINGS = (
    Reading(
        "array", "an operation is a read of an array, all its columns at once; what was read is added code "
        "by code; a random bit for each module and pass; an average for each class",
        "sum(A) (x + m) + sum(N) a + sum(P C) c + sum(D) r + K v",
        lambda shapes, e: (sum(shape.reads for shape in shapes) * (e["x"] + e["m"])
                           + sum(shape.codes for shape in shapes) * e["a"] + _once(shapes, e)
                           + shapes[-1].outputs * e["v"])),
    Reading(
        "column", "an operation is a column of an array that is read, decoded and sensed",
        "sum(N) (x + m + a) + sum(P C) c + sum(D) r + K v",
        lambda shapes, e: (sum(shape.codes for shape in shapes) * (e["x"] + e["m"] + e["a"])
                           + _once(shapes, e) + shapes[-1].outputs * e["v"])),
    Reading(
        "sensed column", "an array is read once for all columns, but decoded and sensed for each",
        "sum(A) x + sum(N) (m + a) + sum(P C) c + sum(D) r + K v",
        lambda shapes, e: (sum(shape.reads for shape in shapes) * e["x"]
                           + sum(shape.codes for shape in shapes) * (e["m"] + e["a"])
                           + _once(shapes, e) + shapes[-1].outputs * e["v"])),
    Reading(
        "position", "an operation is a kernel position of a layer, whatever arrays and columns it takes; "
        "random bits and average once a pass",
        "sum(P) (x + m + a + c) + sum(D) r + v",
        lambda shapes, e: (_per_position(shapes, e, "xmac")
                           + e["r"] * sum(shape.modules for shape in shapes) + e["v"])),
    Reading(
        "position with all circuits", "at each kernel position every circuit of the table works once, also "
        "the random source and the averaging block",
        "sum(P) (x + m + a + c + r + v)",
        lambda shapes, e: _per_position(shapes, e, "xmacrv")),
    Reading(
        "position with all modules", "the same, but each random source of the layer draws a bit",
        "sum(P) (x + m + a + c + v) + sum(P D) r",
        lambda shapes, e: (_per_position(shapes, e, "xmacv")
                           + e["r"] * sum(shape.positions * shape.modules for shape in shapes))),
    Reading(
        "position with two bits a module", "the same, but two bits for each random source: one for each "
        "word line of a pair",
        "sum(P) (x + m + a + c + v) + 2 sum(P D) r",
        lambda shapes, e: (_per_position(shapes, e, "xmacv")
                           + 2 * e["r"] * sum(shape.positions * shape.modules for shape in shapes))),
    Reading(
        "layer", "an operation is a layer: every circuit works once in each layer and pass",
        "L (x + m + a + c + r + v)",
        lambda shapes, e: len(shapes) * sum(e.values())),
)

_CIRCUITS = {"x": "crossbar array", "m": "memory (decoding, sensing)", "a": "adder-accumulator",
             "c": "comparator", "v": "averaging block", "r": "spintronic RNG"}


def stated_for(network: Network) -> Stated | None:
    """Return what a paper states for the layers and the method of ``network``, if one does."""
    for stated in STATED:
        if (stated.base, stated.method) == (base_of(network), network.method):
            return stated
    return None


def shape_of(layer: Layer, method: str) -> Shape:
    """Return what the readings know of ``layer`` with the weights and random sources of ``method``."""
    made, positions = METHODS[method], math.prod(layer.positions)
    if made.weight_bits == 1:
        rows, columns, together = 2 * layer.fan_in, layer.outputs, _SIDE
    else: # of 4 bits two cells on either bit line
        rows, columns, together = layer.fan_in, 4 * layer.outputs, _CELLS
    tiles  = -(-rows // _SIDE)
    groups = -(-min(rows, _SIDE) // together)
    return Shape(positions, layer.outputs, positions * tiles * groups * -(-columns // _SIDE),
                 positions * tiles * groups * layer.outputs, _modules(layer, method))


def layers_of(base: str) -> tuple[Layer, ...]:
    """Return the layers that a paper names by ``base``, with pixels of one channel a colour: LeNet-5; and a
    VGG with a single layer behind the convolutions (methods that binarize it, such as IR-Net, have that
    one)."""
    network = NETWORKS[base]
    first, *others = network.layers
    layers = replace(first, channels=network.input.colours), *others
    if base != "vgg_small":
        return layers
    *convolutions, wide, _, last = layers
    return *convolutions, replace(wide, name=last.name, outputs=last.outputs)


def _modules(layer, method):
    """Random sources of a layer in the papers (Scale-Dropout, Table VII; SpinBayes, 4.3.1)."""
    made = METHODS[method]
    if made.choice is MaskChoice:
        # As if the kernel were the whole map: the papers drop neurons of convolutions too.
        return made.groups(replace(layer, height=layer.kernel[0], width=layer.kernel[1]))
    return len(made.drops(0.5, made.count) or ())


def compared(stated: Stated) -> dict:
    """Return what each reading makes of the energy of an image that a paper states."""
    energy = _energies(read_table(stated.table))
    shapes = [shape_of(layer, stated.method) for layer in layers_of(stated.base)]
    return {
        "network": stated.base,
        "method": stated.method,
        "passes": PASSES,
        "stated_j_per_image": stated.joule,
        "stated_source": stated.source,
        "table": stated.table,
        "readings": {reading.name: {
            "text": reading.text,
            "formula": f"{PASSES} ({reading.formula})",
            "energy_j_per_image": (joule := PASSES * reading.joule(shapes, energy)),
            "of_stated": joule / stated.joule,
        } for reading in READINGS},
        "closest": closest({reading.name: PASSES * reading.joule(shapes, energy) for reading in READINGS},
                           stated.joule),
    }


def closest(energies: dict[str, float], stated: float) -> str:
    """Return the name of the energy whose ratio to ``stated`` is nearest to one."""
    return min(energies, key=lambda name: abs(math.log(energies[name] / stated)))


def _energies(table: EnergyTable) -> dict[str, float]:
    """Joule of the circuits by their letters; 0 where a paper has no number."""
    known = {circuit.name: circuit.joule for circuit in table.circuits}
    return {letter: known.get(name, 0.0) for letter, name in _CIRCUITS.items()}
