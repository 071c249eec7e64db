"""What must hold of a target, and of a network after every pass."""

import math
from dataclasses import fields

from gen.ir import Affine, Comparison, Layer, Logit, Network, Normalization, Target


__all__ = ["ImpossibleTarget", "MalformedNetwork", "check_target", "verify"]


class ImpossibleTarget(Exception):
    """A target asks for what cannot be built."""


class MalformedNetwork(Exception):
    """A network breaks the rules of :mod:`gen.ir`."""


#: A pass set has one bit per pass; beyond this many its wires outgrow the logic.
PASSES_LIMIT = 1024

#: Bits of a logit, so that the golden model and a host can hold it.
LOGIT_BITS = 32


def check_target(target: Target):
    """Raise :exc:`ImpossibleTarget` unless each number of ``target`` is in its range."""
    def need(holds, what, value):
        if not holds:
            raise ImpossibleTarget(f"{what}, not {value!r}")

    need(target.array_rows >= 2 and target.array_rows % 2 == 0,
         "Array rows must be even and at least 2, as a weight takes two complementary cells",
         target.array_rows)
    need(target.array_columns >= 1, "Array columns must be at least 1", target.array_columns)
    need(1 <= target.passes_max <= PASSES_LIMIT,
         f"The largest number of passes must be from 1 to {PASSES_LIMIT}", target.passes_max)
    need(1 <= target.passes <= target.passes_max,
         f"The number of passes must be from 1 to the largest, {target.passes_max}", target.passes)
    for name, choices in (("schedule", ("shared", "sequential")), ("rng", ("emulated", "mtj")),
                          ("crossbars", ("emulated", "macro"))):
        value = getattr(target, name)
        need(value in choices, f"Target {name} must be {choices[0]!r} or {choices[1]!r}", value)
    need(target.interval is None or target.interval >= 1,
         "The interval must be at least 1 cycle", target.interval)
    need(0 < target.clock_mhz < math.inf, "The clock must be above 0 MHz", target.clock_mhz)
    for name in ("set", "read", "reset", "array"):
        value = getattr(target, f"{name}_ns")
        need(0 < value < math.inf, f"The {name} time must be above 0 ns", value)
    need(target.mtj_bits >= 1, "A SET current code must have at least 1 bit", target.mtj_bits)
    for code in target.mtj_currents:
        need(0 <= code < 1 << target.mtj_bits,
             f"A SET current code must be from 0 to {(1 << target.mtj_bits) - 1}", code)
    need(1 <= target.seed < 2**64, f"The seed must be from 1 to {2**64 - 1}", target.seed)


def verify(network: Network, target: Target):
    """Raise :exc:`MalformedNetwork` unless ``network`` is well formed for ``target``.

    The shapes are always checked. A field that a pass fills in is checked once it is there.
    """
    if not network.layers:
        raise MalformedNetwork(f"Network {network.name!r} has no layers")
    _check_input(network)
    for layer in network.layers:
        _check_shape(layer)
    _check_chain(network)
    for layer in network.layers:
        _check_parameters(layer)
        _check_banks(layer, last=layer is network.layers[-1])
        _check_folding(layer, target)
        _check_tiles(layer, target)
    _check_head(network)


def _check_input(network):
    thresholds = network.input.thresholds
    if not all(1 <= value <= 255 for value in thresholds) or list(thresholds) != sorted(thresholds):
        raise MalformedNetwork(f"Input thresholds must ascend from 1 to 255, not {thresholds}")


def _check_shape(layer):
    def need(holds, what, value):
        if not holds:
            raise MalformedNetwork(f"Layer {layer.name!r} must have {what}, not {value}")

    for name in ("height", "width", "channels", "outputs", "stride"):
        need(getattr(layer, name) >= 1, f"{name} of at least 1", getattr(layer, name))
    need(min(layer.kernel) >= 1, "a kernel of at least 1 by 1", _by(*layer.kernel))
    need(layer.pool in (1, 2), "a pool of 1 or 2", layer.pool)
    need(0 <= layer.padding < min(layer.kernel),
         f"padding from 0 to {min(layer.kernel) - 1}, less than its kernel", layer.padding)
    height, width = layer.height + 2 * layer.padding, layer.width + 2 * layer.padding
    if layer.kernel[0] > height or layer.kernel[1] > width:
        raise MalformedNetwork(f"Layer {layer.name!r} has a kernel of {_by(*layer.kernel)}, but its "
                               f"padded map is only {_by(height, width)}")
    if min(layer.positions) < layer.pool:
        raise MalformedNetwork(f"Layer {layer.name!r} has a pool of {_by(layer.pool, layer.pool)}, "
                               f"but its map of sums is only {_by(*layer.positions)}")
    need(0 <= layer.dropout <= 1, "a dropout probability from 0 to 1", layer.dropout)


def _check_chain(network):
    names = [layer.name for layer in network.layers]
    for name in names:
        if not name.isidentifier():
            raise MalformedNetwork(f"Layer {name!r} must have a name of letters, digits and _ only")
        if names.count(name) > 1:
            raise MalformedNetwork(f"Network {network.name!r} has {names.count(name)} layers named "
                                   f"{name!r}, but each must have a name of its own")
    source = network.input.height, network.input.width, len(network.input.thresholds)
    where = "The input"
    for layer in network.layers:
        entering = layer.height, layer.width, layer.channels
        if source != entering:
            raise MalformedNetwork(f"{where} has a map of {_by(*source)}, but layer {layer.name!r} "
                                   f"takes one of {_by(*entering)}")
        source, where = layer.output_shape, f"Layer {layer.name!r}"
    last = network.layers[-1]
    if source[:2] != (1, 1):
        raise MalformedNetwork(f"Layer {last.name!r} is the last and must end in a map of 1 by 1, "
                               f"not {_by(*source[:2])}")
    if last.pool != 1:
        raise MalformedNetwork(f"Layer {last.name!r} is the last and must have a pool of 1, as it "
                               f"has logits and no bits, not {last.pool}")
    if last.outputs < 2:
        raise MalformedNetwork(f"Layer {last.name!r} is the last and must have at least 2 classes, "
                               f"not {last.outputs}")


def _check_parameters(layer):
    if layer.weights:
        _check_length(layer, "weight columns", layer.weights)
        for value in layer.weights:
            if not 0 <= value < 1 << layer.fan_in:
                raise MalformedNetwork(f"Layer {layer.name!r} has a fan-in of {layer.fan_in}, but "
                                       f"the weight column {value:#x}")
    part = layer.normalization
    if part is not None:
        for name in (field.name for field in fields(Normalization)):
            values = getattr(part, name)
            _check_length(layer, f"{name} values", values)
            _check_finite(layer, name, values)
        if not min(part.deviation) > 0:
            raise MalformedNetwork(f"Layer {layer.name!r} must have deviation above 0, "
                                   f"not {min(part.deviation)}")


def _check_banks(layer, last):
    if not layer.banks:
        return
    if layer.normalization is not None:
        raise MalformedNetwork(f"Layer {layer.name!r} has both a normalization and banks, but banks "
                               "are made of it")
    if len(layer.banks) != 2:
        raise MalformedNetwork(f"Layer {layer.name!r} has {len(layer.banks)} banks, but a keep bit "
                               "selects one of 2")
    kinds = (Affine, Logit) if last else (Comparison,)
    for bank in layer.banks:
        if not isinstance(bank, kinds):
            raise MalformedNetwork(f"Layer {layer.name!r} has a bank of {type(bank).__name__}, but "
                                   f"{'the last' if last else 'a hidden'} layer takes "
                                   f"{' or '.join(kind.__name__ for kind in kinds)}")
        for field in fields(bank):
            _check_length(layer, f"{field.name} values", getattr(bank, field.name))
        if isinstance(bank, Comparison):
            _check_comparison(layer, bank)
        elif isinstance(bank, Affine):
            _check_finite(layer, "gain", bank.gain)
            _check_finite(layer, "offset", bank.offset)
        else:
            _check_logit(layer, bank)


def _check_comparison(layer, bank):
    for value in bank.threshold:
        if not 0 <= value <= layer.fan_in + 1:
            raise MalformedNetwork(f"Layer {layer.name!r} must have thresholds from 0 to "
                                   f"{layer.fan_in + 1}, not {value}")
    for value in bank.invert:
        if value not in (0, 1):
            raise MalformedNetwork(f"Layer {layer.name!r} must have invert bits 0 or 1, not {value}")


def _check_logit(layer, bank):
    for gain, offset in zip(bank.gain, bank.offset, strict=True):
        for logit in (offset, gain * layer.fan_in + offset):
            if not -1 << LOGIT_BITS - 1 <= logit < 1 << LOGIT_BITS - 1:
                raise MalformedNetwork(f"Layer {layer.name!r} has a logit of {logit}, but it must "
                                       f"fit in {LOGIT_BITS} bits")


def _check_folding(layer, target):
    part = layer.folding
    if part is None:
        return
    if not 1 <= part.columns_per_read <= target.array_columns:
        raise MalformedNetwork(f"Layer {layer.name!r} must read from 1 to {target.array_columns} "
                               f"columns at a time, not {part.columns_per_read}")
    if part.column_groups != math.ceil(layer.outputs / part.columns_per_read):
        raise MalformedNetwork(f"Layer {layer.name!r} has {part.column_groups} column groups of "
                               f"{part.columns_per_read}, but {layer.outputs} outputs")
    if not 1 <= part.rows_per_read <= target.array_rows // 2:
        raise MalformedNetwork(f"Layer {layer.name!r} must read from 1 to {target.array_rows // 2} "
                               f"inputs of a tile at a time, not {part.rows_per_read}")
    if part.row_groups < 1:
        raise MalformedNetwork(f"Layer {layer.name!r} must have at least 1 row group, "
                               f"not {part.row_groups}")


def _check_tiles(layer, target):
    if not layer.tiles:
        return
    inputs = target.array_rows // 2
    for tile in layer.tiles:
        if len(tile.rows) > inputs or len(tile.columns) > target.array_columns:
            raise MalformedNetwork(f"Layer {layer.name!r} has a tile of "
                                   f"{_by(len(tile.rows), len(tile.columns))}, but an array holds "
                                   f"only {_by(inputs, target.array_columns)}")
        if tile.rows.stop > layer.fan_in or tile.columns.stop > layer.outputs:
            raise MalformedNetwork(f"Layer {layer.name!r} has a tile that ends at "
                                   f"{_by(tile.rows.stop, tile.columns.stop)}, but weights of "
                                   f"{_by(layer.fan_in, layer.outputs)}")
    order = [(tile.columns.start, tile.rows.start) for tile in layer.tiles]
    if order != sorted(order):
        raise MalformedNetwork(f"Layer {layer.name!r} must have its tiles in the order of their "
                               f"columns, then of their rows, not {order}")
    covered = sum(len(tile.rows) * len(tile.columns) for tile in layer.tiles)
    if covered != layer.fan_in * layer.outputs:
        raise MalformedNetwork(f"Layer {layer.name!r} has {layer.fan_in * layer.outputs} weights, "
                               f"but its tiles hold {covered}")
    for index, tile in enumerate(layer.tiles):
        for other in layer.tiles[:index]:
            if _meet(tile.rows, other.rows) and _meet(tile.columns, other.columns):
                raise MalformedNetwork(f"Layer {layer.name!r} has two tiles that hold the weight of "
                                       f"input {max(tile.rows.start, other.rows.start)} and output "
                                       f"{max(tile.columns.start, other.columns.start)}")
    if layer.folding is not None:
        _check_reads(layer)


def _check_reads(layer):
    """Check that tiles and folding agree: the hardware walks through all row tiles in step."""
    part = layer.folding
    rows = len(layer.tiles[0].rows)
    if part.row_groups != math.ceil(rows / part.rows_per_read):
        raise MalformedNetwork(f"Layer {layer.name!r} has {part.row_groups} row groups of "
                               f"{part.rows_per_read}, but tiles of {rows} inputs")
    for tile in layer.tiles:
        if len(tile.rows) != rows and tile.rows.stop != layer.fan_in or len(tile.rows) > rows:
            raise MalformedNetwork(f"Layer {layer.name!r} has tiles of {rows} and of "
                                   f"{len(tile.rows)} inputs, but only the last may be smaller")
        if tile.columns.start % part.columns_per_read:
            raise MalformedNetwork(f"Layer {layer.name!r} has a tile from column "
                                   f"{tile.columns.start}, but groups of {part.columns_per_read} "
                                   "columns, and none may lie in two tiles")


def _check_head(network):
    head, generator = network.head, network.generator
    if not 0 <= head.table_bits <= head.fraction:
        raise MalformedNetwork(f"The head has {head.fraction} fraction bits in a logit, but "
                               f"{head.table_bits} in its table")
    if not 0 <= head.confidence <= 65535:
        raise MalformedNetwork(f"The head must have a confidence from 0 to 65535, "
                               f"not {head.confidence}")
    if generator is None:
        return
    if not 1 <= generator.seed < 2**64:
        raise MalformedNetwork(f"The generator must have a seed from 1 to {2**64 - 1}, "
                               f"not {generator.seed}")
    if len(generator.drop) != len(network.layers):
        raise MalformedNetwork(f"The generator has {len(generator.drop)} drop values, but the "
                               f"network has {len(network.layers)} layers")
    for value in generator.drop:
        if not 0 <= value <= 65536:
            raise MalformedNetwork(f"The generator must have drop values from 0 to 65536, "
                                   f"not {value}")


def _check_length(layer: Layer, what: str, values: tuple):
    if len(values) != layer.outputs:
        raise MalformedNetwork(f"Layer {layer.name!r} has {len(values)} {what}, but "
                               f"{layer.outputs} outputs")


def _check_finite(layer: Layer, what: str, values: tuple):
    for value in values:
        if not math.isfinite(value):
            raise MalformedNetwork(f"Layer {layer.name!r} must have a finite {what}, not {value}")


def _by(*sizes: int) -> str:
    return " by ".join(map(str, sizes))


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop
