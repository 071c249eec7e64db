# amaranth: UnusedElaboratable=no
"""Choose the hardware for a compiled network."""

import math
from dataclasses import replace
from fractions import Fraction

from amaranth.hdl import signed

from gen.ir import Comparison, Layer, Logit, Network, Target
from gen.names import identifier
from gen.transforms.tile import row_tiles
from gen.weights import in_files
from hdl.accelerator import Accelerator
from hdl.engine import Engine
from hdl.pass_sets.pass_split import Choice
from hdl.random.health import Health
from hdl.random.mtj_rng import MtjRng
from hdl.random.pseudo_rng import PseudoRng
from hdl.random.rng_bank import RngBank


__all__ = ["cycles", "lower", "lower_layer"]


def lower(network: Network, target: Target) -> Accelerator:
    """Return the accelerator of a compiled network."""
    height, width, classes = (network.input.height, network.input.width, network.layers[-1].outputs)
    filed = in_files(network)
    return Accelerator(
        height * width,
        thresholds=network.input.thresholds,
        bits=network.input.bits,
        colours=network.input.colours,
        engines=[lower_layer(network, index, target, filed) for index in range(len(network.layers))],
        draws=[len(draw.drops) for draw in network.draws if draw.drops],
        names=[identifier(layer.name) for layer in network.layers],
        rng=_rng(network, target),
        health=[(test.places, Health(repetition=test.repetition, window=test.window,
                                     proportion=test.proportion, distance=test.distance))
                for test in network.health],
        classes=classes,
        passes=target.passes_max,
        fraction=network.head.fraction,
        guard=network.head.guard,
        confidence=network.head.confidence,
        agreement=network.head.agreement,
        sequential=target.schedule == "sequential",
        protect=target.protect,
    )


def lower_layer(network: Network, index: int, target: Target, filed: bool = False) -> Engine:
    """Return the engine of layer ``index`` of ``network``; its weights are in files if ``filed``."""
    layer  = network.layers[index]
    output = isinstance(layer.banks[0][0], Logit)
    after  = None if output else network.layers[index + 1]
    drawn  = [draw.name for draw in network.draws if draw.drops]
    masked = {} if layer.mask_choice is None else {
        "groups": layer.mask_choice.groups, "mask_draw": drawn.index(layer.mask_choice.draw)}
    sums, banks = _of_codes(layer)
    return Engine(
        layer.height, layer.width, layer.channels,
        kernel=layer.kernel, stride=layer.stride, padding=layer.padding, pool=layer.pool,
        bits=layer.input_bits,
        weights=layer.arrays,
        weight_bits=layer.weight_bits,
        ways=layer.ways,
        tile_rows=len(row_tiles(layer, target)[0]),
        rows_per_read=layer.folding.rows_per_read,
        columns_per_read=layer.folding.columns_per_read,
        macro=None if target.view == "emulated" else cycles(target.array_ns, target),
        file=f"{identifier(layer.name)}_weights" if filed else None,
        sums=sums,
        banks=[[_words(bank, 2**layer.output_bits - 1) for bank in of_array] for of_array in banks],
        array_choice=_choice(network, layer.array_choice),
        bank_choice=_choice(network, layer.bank_choice),
        next_early_choice=_early(network, after, target),
        **masked,
        output_bits=layer.output_bits,
        logit=_logit(layer) if output else None,
        dropped=banks[0][0].dropped if output else 0,
        passes=target.passes_max,
        protect=target.protect,
    )


def cycles(time_ns: float, target: Target) -> int:
    """Return the clock cycles that last at least ``time_ns``."""
    # Exactly: 16 ns at 125 MHz are two cycles, whatever floats make of the product.
    time, clock = (Fraction(repr(float(value))) for value in (time_ns, target.clock_mhz))
    return max(1, math.ceil(time * clock / 1000))


def _rng(network, target):
    generator = network.generator
    if target.rng == "emulated":
        sources = [PseudoRng(generator.drop, seed=seed) for seed in generator.seeds]
    else:
        sources = [MtjRng(
            target.mtj_currents, code=target.mtj_bits,
            set_cycles=cycles(target.set_ns, target),
            read_cycles=cycles(target.read_ns, target),
            reset_cycles=cycles(target.reset_ns, target)) for _ in generator.seeds]
    if not sources:
        return None
    return sources[0] if len(sources) == 1 else RngBank(sources)


def _early(network, layer, target):
    """How passes come to enter ``layer`` apart from each other."""
    if layer is None or layer.mask_choice is None:
        return _choice(network, layer and layer.array_choice)
    return Choice(tuple(range(target.passes_max)), draw=None)


def _choice(network, choice):
    """How the passes of a pass set come to the outcomes of ``choice``."""
    if choice is None:
        return None
    drawn = [draw.name for draw in network.draws if draw.drops]
    return Choice(choice.table, drawn.index(choice.draw) if choice.draw in drawn else None)


def _of_codes(layer: Layer) -> tuple[range, tuple[tuple[Comparison | Logit, ...], ...]]:
    """Return the values that the codes of an array can add up to, and the banks of ``layer`` over these.

    Those of binary weights add up to ``n``, and the sum is ``2 * n - A``. As all inputs are active, A is
    the same for all sums, namely the largest one: the banks absorb it, and no logic subtracts.
    """
    if layer.weight_bits > 1 or layer.mask_choice is not None:
        return layer.sums, layer.banks
    active = layer.sums.stop - 1
    return range(active + 1), tuple(tuple(
        replace(bank, threshold=tuple(-(-(value + active) // 2) for value in bank.threshold))
        if isinstance(bank, Comparison) else _logit_of_codes(bank, active) for bank in of_array)
        for of_array in layer.banks)


def _logit_of_codes(bank: Logit, active: int) -> Logit:
    """Return the words of the same logits, ``gain * (2 * n - active) + offset >> dropped``, over ``n``."""
    offset = tuple(offset - gain * active for gain, offset in zip(bank.gain, bank.offset, strict=True))
    if not bank.dropped:
        return Logit(tuple(2 * gain for gain in bank.gain), offset, 0)
    # The lowest bit that is dropped is that of the offset alone, so it may as well not be there.
    return Logit(bank.gain, tuple(value >> 1 for value in offset), bank.dropped - 1)


def _words(bank: Comparison | Logit, thresholds: int = 1) -> list[dict]:
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
    return signed(1 + max((value if value >= 0 else ~value).bit_length() for value in extremes))
