"""Operations of the hardware for one image, by layer and part, from the maps that it takes."""

import math
from dataclasses import dataclass

from amaranth.hdl import Value

from gen.graph import graph_of
from gen.ir import Centred, Comparison, Network
from gen.maps import Maps
from hdl.accelerator import Accelerator


__all__ = ["HEAD", "INPUT", "OPERATIONS", "RANDOM", "SYMBOLS", "Operation", "operations"]


#: What is no layer.
INPUT, RANDOM, HEAD = "input", "random bits", "softmax and averages"


@dataclass(frozen=True, slots=True)
class Operation:
    """What is counted: a sentence, and the formula of the count for one map that enters the layer, if it is
    one of a layer, else for an image."""

    text: str
    formula: str


#: Symbols of the formulas. All are of a layer, and follow from its shape and folding.
SYMBOLS = {
    "P":   "kernel positions of a map",
    "F":   "inputs of a kernel",
    "C":   "output channels",
    "G":   "row groups: reads for the inputs of a position",
    "H":   "column groups: reads for its columns",
    "Q":   "bits of an input, one bit plane a read",
    "W":   "arrays that a sum adds up",
    "R":   "row tiles: arrays that hold the inputs of a column",
    "L":   "banks that sums are compared with",
    "S":   "thresholds of a channel, 2 ** bits - 1",
    "T":   "passes",
    "K":   "classes",
    "M":   "maps that leave the last layer, those of several positions once for each",
}

OPERATIONS = {
    "array_reads": Operation(
        "an array is read once: some of its word lines are active, some of its columns are converted",
        "P G H Q W R"),
    "rows_activated": Operation(
        "a row of an array (of binary weights a pair of word lines) takes part in a read; not one whose "
        "input a mask drops",
        "P H Q W F"),
    "columns_converted": Operation(
        "an ADC converts what the cells of a weight column add up to in a read",
        "P G Q W R C"),
    "accumulations": Operation(
        "a code is added to a sum; in a join that adds, a value to another",
        "P G Q W R C; for each map that leaves a join, those of its positions and channels"),
    "comparisons": Operation(
        "a sum is compared with a threshold; of the input, a pixel",
        "P C L S; with inverted normalization, of a pooled map, P C L; of the input, thresholds of all "
        "pixels"),
    "pool_comparisons": Operation(
        "a max-pool compares a level with another",
        "P C L 3 / 4 for windows of 2 by 2; likewise for others"),
    "multiplications": Operation(
        "a sum is multiplied by a gain; an exponential by the reciprocal of their sum",
        "P C L in the last layer; of pooled sums with inverted normalization, one for each gain that "
        "differs among banks; M K in the softmax"),
    "exponentials": Operation(
        "a power of two is looked up and shifted",
        "M K"),
    "divisions": Operation(
        "a reciprocal is computed",
        "M"),
    "probabilities_averaged": Operation(
        "a probability is added to the sum, the sum of squares and the votes of its class",
        "M K"),
    "random_bits": Operation(
        "a random bit is drawn: of a junction, SET, read and RESET",
        "T times the bits of a pass; those of the shifts of points once for as many passes as there are "
        "points"),
    "memory_accesses": Operation(
        "a word of a memory around the arrays is read or written: of line buffers, thresholds and gains, "
        "map buffers, masks, and sums that wait for their mean; not the row of a pool, nor which masks are "
        "equal, nor what the softmax and the averages hold",
        "of a line buffer a read and a write for each word of the padded map; of thresholds P H; of map "
        "buffers and masks a write for each word that is stored and a read for each that is sent"),
    "memory_bits": Operation(
        "a bit of such a word is read or written",
        "memory accesses times the bits of a word"),
}


def operations(accelerator: Accelerator, network: Network, maps: Maps, passes: int) -> dict:
    """Return how often each of :data:`OPERATIONS` happens for an image of ``passes`` passes, by layer or
    other place, then by part, then by operation.

    Parameters
    ----------
    accelerator, network
        The hardware, and the compiled network that it is of.
    maps : Maps
        Maps of the image; where these are means, so are the counts.
    """
    result = {INPUT: _input(accelerator, network, maps)}
    edges  = accelerator.edges
    ahead  = _sent(accelerator, network, maps)
    for index, (layer, engine, edge) in enumerate(zip(network.layers, accelerator.engines, edges,
                                                      strict=True)):
        runs  = maps.entering[index]
        parts = _engine(layer, engine, runs, maps.active[index])
        again = accelerator.array_edges.get(accelerator.names[index])
        sent  = maps.leaving[index] if again else ahead[index]
        parts["map buffer"] = _stored(edge, runs, sent)
        if again:
            parts["map buffer"] = _sum(parts["map buffer"], _stored(again, sent, ahead[index]))
        # Each run of a layer with a mask, and each map that is mixed, asks for the word of its pass.
        words = [*([engine.masks.groups] if engine.masks else []),
                 *([engine.mix.bits] if engine.mix else [])]
        if words:
            parts["mask memory"] = {"memory_accesses": 2 * passes * len(words),
                                    "memory_bits": 2 * passes * sum(words)}
        result[layer.name] = parts
    for branch in accelerator.branches:
        result[branch.name] = _join(accelerator, branch, maps.entering[branch.first], ahead[branch.last])
    leaves, classes = maps.leaving[-1] * math.prod(network.answered), network.classes
    result[RANDOM] = {"random source": {"random_bits": network.generator.bits(passes)}}
    result[HEAD] = {
        **({} if network.head.regression else {"softmax": {
            "exponentials": leaves * classes, "divisions": leaves, "multiplications": leaves * classes}}),
        "averaging": {"probabilities_averaged": leaves * classes},
    }
    return result


def _sent(accelerator, network, maps):
    """Maps that the edge behind each layer sends on: of a branch, in front of its join as many as the trunk
    sends there."""
    graph = graph_of(network)
    ahead = {index: maps.leaving[index] if (behind := graph.following(index)) is None else
             maps.entering[behind] for index in graph.trunk}
    for branch in accelerator.branches:
        for index in branch.layers:
            ahead[index] = ahead[branch.last] if index == branch.layers[-1] else maps.leaving[index]
    return ahead


def _join(accelerator, branch, entering, sent):
    """The end of a branch, of which ``entering`` maps leave the trunk, and ``sent`` meet it."""
    parts = {}
    if branch.name in accelerator.branch_edges:
        parts["map buffer"] = _stored(accelerator.branch_edges[branch.name], entering, sent)
    if branch.added:
        channels = len(accelerator.joins[branch.name].o.payload) // branch.bits
        parts["adder"] = {"accumulations": accelerator.edges[branch.last].buffer.sent * channels * sent}
    return parts


def _input(accelerator, network, maps):
    """The binarizer, and the map buffers in front of the first layer."""
    pixels = network.input.height * network.input.width
    parts  = {"binarizer": {"comparisons": pixels * network.input.colours * len(network.input.thresholds)}}
    stored, entering = [], 1
    for edge, sent in ((accelerator.sequential_edge, maps.entering[0]), (accelerator.first_edge,
                                                                         maps.entering[0])):
        if edge is not None:
            stored.append(_stored(edge, entering, sent))
            entering = sent
    if stored:
        parts["map buffer"] = _sum(*stored)
    return parts


def _engine(layer, engine, runs, active):
    """Parts of a layer that is read ``runs`` times, with ``active`` inputs in all runs together."""
    geometry  = engine.crossbar.geometry
    positions = math.prod(layer.positions)
    planes    = layer.input_bits * layer.ways
    reads     = positions * geometry.row_groups * planes * engine.crossbar.tiles * runs
    parts = {
        "line buffer": _line_buffer(engine.line_buffer, runs),
        "arrays": {"array_reads": reads * geometry.column_groups,
                   "rows_activated": positions * geometry.column_groups * planes * active,
                   "columns_converted": reads * layer.outputs},
        "adder": {"accumulations": reads * layer.outputs},
    }
    sums, pooled = positions * layer.outputs * runs, math.prod(layer.pooled_shape) * runs
    bank = layer.banks[0][0]
    if isinstance(bank, Centred):
        parts["pool"] = {"pool_comparisons": pooled * (math.prod(layer.pool) - 1)}
        groups = engine.words * geometry.column_groups * runs
        parts["scales"] = _sum(*(_words_of(mux, groups) for mux in engine.muxes))
        # Sums wait until the mean of their map is known.
        width = len(Value.cast(engine.stages["instance_norm"].offset_mux.i.payload)) + engine.protect
        parts["sums"] = {"memory_accesses": 2 * groups, "memory_bits": 2 * groups * width}
        parts["activation"] = {"multiplications": pooled * _gains(layer),
                               "comparisons": pooled * engine.lanes}
        return {name: part for name, part in parts.items() if part}
    parts["scales"] = _words_of(engine.muxes[0], positions * geometry.column_groups * runs)
    if isinstance(bank, Comparison):
        parts["activation"] = {"comparisons": sums * engine.lanes * (2**layer.output_bits - 1)}
        parts["pool"] = {"pool_comparisons": pooled * engine.lanes * (math.prod(layer.pool) - 1)}
    else:
        parts["activation"] = {"multiplications": sums * engine.lanes}
    return {name: part for name, part in parts.items() if part}


def _line_buffer(buffer, runs):
    """Each word of a map and its border is written, and the rows above it are read."""
    rows = buffer.kernel[0] - 1
    if not rows:
        return {} # there is no memory
    accesses = 2 * math.prod(buffer.padded) * runs
    return {"memory_accesses": accesses,
            "memory_bits": accesses * (rows * buffer.word_bits + buffer.protect)}


def _words_of(mux, reads):
    """A memory of thresholds or gains; one word is no memory."""
    words = -(-mux.channels // mux.columns) * mux.stored
    return {} if words == 1 else {"memory_accesses": reads, "memory_bits": reads * mux.row_width}


def _stored(edge, entering, sent):
    """A map buffer: a word of all lanes is written, and read for each map that is sent."""
    buffer   = edge.buffer
    accesses = buffer.words * entering + buffer.sent * sent
    return {"memory_accesses": accesses,
            "memory_bits": accesses * buffer.lanes * (len(buffer.o.payload) + buffer.protect)}


def _gains(layer):
    """Products that a pooled sum with inverted normalization takes: one for each vector of gains that
    differs among its banks, and is not the same gain for all channels."""
    vectors = set()
    for lane in range(len(layer.banks[0])):
        gains = tuple(of_array[lane].gain for of_array in layer.banks)
        if len(set(sum(gains, ()))) > 1:
            vectors.add(gains)
    return len(vectors)


def _sum(*parts):
    total = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total
