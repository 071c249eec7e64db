# amaranth: UnusedElaboratable=no
"""Choose the hardware for a compiled network."""

import math
from dataclasses import replace

from gen.graph import graph_of
from gen.ir import Centred, Comparison, Layer, Logit, Network, Target, Value
from gen.names import identifier
from gen.transforms.tile import row_tiles
from gen.weights import in_files
from hdl.accelerator import Accelerator, Branch
from hdl.engine import CentredBits, Engine, Levels, Logits, Masks, Values
from hdl.layer.crossbar import Crossbar
from hdl.layer.line_buffer import LineBuffer
from hdl.layer.scale_mux import signed_shape
from hdl.pass_sets.mixer import Mix
from hdl.pass_sets.pass_split import Choice
from hdl.random.health import Health
from hdl.random.mtj_rng import MtjRng
from hdl.random.pseudo_rng import PseudoRng
from hdl.random.rng_bank import RngBank
from hdl.random.shifted_points import ShiftedPoints


__all__ = ["lower", "lower_layer"]


def lower(network: Network, target: Target, *, instance=False, engines=None) -> Accelerator:
    """Return the accelerator of a compiled network, or an ``instance`` of several
    (:mod:`gen.instances`). It has the ``engines`` of another one of the same network and target but for the
    schedule, if given: then it can be asked, not emitted beside that."""
    if engines is None:
        filed   = in_files(network)
        engines = [lower_layer(network, index, target, filed) for index in range(len(network.layers))]
    sent = graph_of(network).sent
    return Accelerator(
        network.input.height * network.input.width,
        thresholds=network.input.thresholds,
        bits=network.input.bits,
        colours=network.input.colours,
        engines=engines,
        branches=_branches(network),
        resizes=[sent[layer.name] for layer in network.layers],
        draws=[len(draw.drops) for draw in network.draws if draw.drops],
        names=[identifier(layer.name) for layer in network.layers],
        rng=_rng(network, target),
        points=_points(network),
        health=[(test.places, Health(repetition=test.repetition, window=test.window,
                                     proportion=test.proportion, distance=test.distance))
                for test in network.health],
        classes=network.classes,
        positions=math.prod(network.answered),
        passes=target.passes_max,
        regression=network.head.regression,
        fraction=network.head.fraction,
        guard=network.head.guard,
        confidence=network.head.confidence,
        agreement=network.head.agreement,
        settable=_settable(target),
        sequential=target.schedule == "sequential",
        instance=instance,
        protect=target.protect,
    )


def _branches(network):
    """The ways beside the trunk."""
    layers, graph = network.layers, graph_of(network)
    return [Branch(identifier(branch.join.name), layers=branch.layers, first=branch.between[0],
                   last=branch.between[-1], bits=layers[branch.between[-1]].output_bits,
                   added=branch.join.operation == "add", thresholds=branch.join.thresholds,
                   resize=graph.sent[branch.join.name]) for branch in graph.branches]


def lower_layer(network: Network, index: int, target: Target, filed: bool = False) -> Engine:
    """Return the engine of layer ``index`` of ``network``; its weights are in files if ``filed``."""
    layer, graph = network.layers[index], graph_of(network)
    sums, banks = _of_codes(layer)
    return Engine(
        LineBuffer(layer.height, layer.width, layer.channels * layer.input_bits, kernel=layer.kernel,
                   stride=layer.stride, padding=layer.padding, protect=target.protect),
        Crossbar(layer.arrays, layer.fan_in,
                 tile_rows=len(row_tiles(layer, target, layer.folding)[0]),
                 rows_per_read=layer.folding.rows_per_read,
                 columns_per_read=layer.folding.columns_per_read,
                 weight_bits=layer.weight_bits,
                 sets=layer.array_sets,
                 masked=layer.mask_choice is not None,
                 macro=None if target.view == "emulated" else target.cycles(target.array_ns),
                 file=f"{identifier(layer.name)}_weights" if filed else None,
                 protect=target.protect),
        _results(layer, banks[0][0]),
        sums=sums,
        banks=[[_words(bank, 2**layer.output_bits - 1) for bank in of_array] for of_array in banks],
        bits=layer.input_bits,
        value_bits=graph.values[graph.sources[layer.name][0]],
        entrance=layer.entrance,
        array_choice=_choice(network, layer.array_choice),
        bank_choice=_choice(network, layer.bank_choice),
        mix=_mix(network, layer),
        masks=_masks(network, layer),
        passes=target.passes_max,
        protect=target.protect,
    )


def _results(layer, bank):
    """What the engine of ``layer`` sends, of which ``bank`` is one."""
    if isinstance(bank, Logit):
        return Logits(_logit(layer), bank.dropped)
    if isinstance(bank, Value):
        return Values(layer.output_bits, bank.dropped)
    return CentredBits(layer.pool) if isinstance(bank, Centred) else Levels(layer.output_bits, layer.pool)


def _rng(network, target):
    generator = network.generator
    if target.rng == "emulated":
        sources = [PseudoRng(generator.drop, seed=seed, seedable=_settable(target))
                   for seed in generator.seeds]
    else:
        sources = [MtjRng(
            target.mtj_currents, target.mtj_reset_current, code=target.mtj_bits,
            set_cycles=target.cycles(target.set_ns),
            read_cycles=target.cycles(target.read_ns),
            reset_cycles=target.cycles(target.reset_ns)) for _ in generator.seeds]
    return RngBank(sources) if sources else None


def _settable(target):
    """Whether registers of a bus say what a build otherwise does: seed and thresholds of rejection."""
    return target.bus != "streams"


def _points(network):
    """What passes go through in place of drawing each bit."""
    points = network.generator.points
    return points and ShiftedPoints(points.bits, points.points, points.drop)


def _choice(network, choice):
    """How the passes of a pass set come to the outcomes of ``choice``."""
    if choice is None:
        return None
    drawn = _drawn(network)
    return Choice(choice.table, drawn.index(choice.draw) if choice.draw in drawn else None)


def _masks(network, layer):
    """The masks of the inputs of ``layer``."""
    choice = layer.mask_choice
    return None if choice is None else Masks(choice.groups, _drawn(network).index(choice.draw),
                                             merged=layer.merged)


def _mix(network, layer):
    """How each pass mixes the banks of ``layer``; logits leave one class after another."""
    choice, serial = layer.mix_choice, layer is network.layers[-1]
    return None if choice is None else Mix(layer.outputs, 1 if serial else layer.outputs,
                                           _drawn(network).index(choice.draw))


def _drawn(network):
    """Names of the draws that have random bits."""
    return [draw.name for draw in network.draws if draw.drops]


def _of_codes(layer: Layer) -> tuple[range, tuple[tuple[Comparison | Centred | Value | Logit, ...], ...]]:
    """Return the values that the codes of an array can add up to, and the banks of ``layer`` over these.

    Those of binary weights add up to ``n``, and the sum is ``2 * n - A``. As all inputs are active, A is
    the same for all sums, namely the largest one: the banks absorb it, and no logic subtracts.
    """
    if layer.weight_bits > 1 or layer.mask_choice is not None:
        return layer.sums, layer.banks
    active = layer.sums.stop - 1
    return range(active + 1), tuple(tuple(
        replace(bank, threshold=tuple(-(-(value + active) // 2) for value in bank.threshold))
        if isinstance(bank, Comparison) else _line_of_codes(bank, active) for bank in of_array)
        for of_array in layer.banks)


def _line_of_codes(bank: Centred | Value | Logit, active: int) -> Centred | Value | Logit:
    """Return the words of the same values, ``gain * (2 * n - active) + offset``, over ``n``; or of the same
    logits, which are these less ``dropped`` bits."""
    offset = tuple(offset - gain * active for gain, offset in zip(bank.gain, bank.offset, strict=True))
    if isinstance(bank, Centred | Value) or not bank.dropped:
        return replace(bank, gain=tuple(2 * gain for gain in bank.gain), offset=offset)
    # The lowest bit that is dropped is that of the offset alone, so it may as well not be there.
    return Logit(bank.gain, tuple(value >> 1 for value in offset), bank.dropped - 1)


def _words(bank: Comparison | Centred | Value | Logit, thresholds: int = 1) -> list[dict]:
    if isinstance(bank, Comparison):
        return [{"threshold": bank.threshold[channel * thresholds:(channel + 1) * thresholds],
                 "invert": invert} for channel, invert in enumerate(bank.invert)]
    return [{"gain": gain, "offset": offset}
            for gain, offset in zip(bank.gain, bank.offset, strict=True)]


def _logit(layer: Layer):
    """Shape of the logits: wide enough for every word and sum, and for their differences."""
    extremes = [word["gain"] * n + word["offset"] >> bank.dropped
                for of_array in layer.banks for bank in of_array for word in _words(bank)
                for n in (layer.sums.start, layer.sums.stop - 1)]
    return signed_shape(extremes)
