# amaranth: UnusedElaboratable=no
"""Choose the hardware for a compiled network."""

import math
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
    after  = None if output else network.layers[index + 1].array_choice
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
        sums=layer.sums,
        banks=[[_words(bank, 2**layer.output_bits - 1) for bank in of_array] for of_array in layer.banks],
        array_choice=_choice(network, layer.array_choice),
        bank_choice=_choice(network, layer.bank_choice),
        next_array_choice=_choice(network, after),
        output_bits=layer.output_bits,
        logit=_logit(layer) if output else None,
        dropped=layer.banks[0][0].dropped if output else 0,
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


def _choice(network, choice):
    """How the passes of a pass set come to the outcomes of ``choice``."""
    if choice is None:
        return None
    drawn = [draw.name for draw in network.draws if draw.drops]
    return Choice(choice.table, drawn.index(choice.draw) if choice.draw in drawn else None)


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
