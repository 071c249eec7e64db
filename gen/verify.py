"""What must hold of a target, and of a network after every transform."""

import math
from dataclasses import fields
from numbers import Integral, Real

from gen.command import UserError
from gen.ir import Affine, Comparison, Layer, Logit, Network, Normalization, Target
from gen.names import NAME_LENGTH, identifier
from gen.transforms.tile import columns_max
from gen.weights import unpack


__all__ = ["ImpossibleTarget", "MalformedNetwork", "check_shapes", "check_target", "verify"]


class ImpossibleTarget(UserError):
    """A target asks for what cannot be built."""


class MalformedNetwork(UserError):
    """A network breaks the rules of :mod:`gen.ir`."""


#: A pass set has one bit per pass; beyond this many its wires outgrow the logic.
PASSES_LIMIT = 1024

#: Bits of a logit, so that a host can hold it, and bits that may be dropped before it is one, so that the
#: golden model can.
LOGIT_BITS, DROPPED_BITS = 32, 31

#: Fraction bits of a logit: fewer cannot reach :data:`gen.precision.BOUND`, more are a table too large.
FRACTION_BITS = range(10, 17)

#: Bits of an exponential beyond 16, so that the golden model can add up those of any number of classes.
GUARD_BITS = 30

#: Bits of a level and of a weight; a bit more doubles the thresholds, and the levels of a read.
LEVEL_BITS, WEIGHT_BITS = 8, 8


#: Ends of what a clock can be, and cycles of a time: counters and simulated time hold these.
CLOCK_MHZ, TIME_CYCLES = (0.001, 10_000), 1024

#: Beyond these no network and no array is any different.
ARRAY_SIDE, INTERVAL_LIMIT, CODE_BITS = 2**20, 10**9, 32

#: What a value of each type is called, and whether one is.
_TYPES = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: isinstance(value, Integral) and not isinstance(value, bool)),
    float: ("a number", lambda value: isinstance(value, Real) and not isinstance(value, bool)),
    str: ("a text", lambda value: isinstance(value, str)),
    int | None: ("a whole number or none", lambda value: value is None or _TYPES[int][1](value)),
    tuple[int, ...]: ("whole numbers", lambda value: isinstance(value, tuple) and all(
        map(_TYPES[int][1], value))),
}


def check_target(target: Target):
    """Raise :exc:`ImpossibleTarget` unless each field of ``target`` has its type and is in its range."""
    def need(holds, what, value):
        if not holds:
            raise ImpossibleTarget(f"{what}, not {value!r}")

    for field in fields(target):
        value, (name, fits) = getattr(target, field.name), _TYPES[field.type]
        need(fits(value), f"Target {field.name} must be {name}", value)
        choices = field.metadata["choices"]
        need(not choices or value in choices,
             f"Target {field.name} must be {' or '.join(map(repr, choices))}", value)
    need(2 <= target.array_rows <= ARRAY_SIDE and target.array_rows % 2 == 0,
         f"Array rows must be even and from 2 to {ARRAY_SIDE}, as a weight takes two complementary cells",
         target.array_rows)
    need(1 <= target.array_columns <= ARRAY_SIDE, f"Array columns must be from 1 to {ARRAY_SIDE}",
         target.array_columns)
    need(1 <= target.passes_max <= PASSES_LIMIT,
         f"The largest number of passes must be from 1 to {PASSES_LIMIT}", target.passes_max)
    need(1 <= target.passes <= target.passes_max,
         f"The number of passes must be from 1 to the largest, {target.passes_max}", target.passes)
    need(1 <= target.cells_per_read <= ARRAY_SIDE,
         f"The multi-level cells of a bit line in a read must be from 1 to {ARRAY_SIDE}",
         target.cells_per_read)
    need(target.interval is None or 1 <= target.interval <= INTERVAL_LIMIT,
         f"The interval must be from 1 to {INTERVAL_LIMIT} cycles", target.interval)
    least, most = CLOCK_MHZ
    need(least <= target.clock_mhz <= most, f"The clock must be from {least} to {most} MHz",
         target.clock_mhz)
    longest_ns = TIME_CYCLES * 1000 / target.clock_mhz
    for name in ("set", "read", "reset", "array"):
        value = getattr(target, f"{name}_ns")
        need(0 < value <= longest_ns, f"The {name} time must be above 0 and at most {longest_ns:g} ns, "
                                      f"{TIME_CYCLES} cycles of {target.clock_mhz:g} MHz", value)
    need(1 <= target.mtj_bits <= CODE_BITS, f"A SET current code must have from 1 to {CODE_BITS} bits",
         target.mtj_bits)
    for code in target.mtj_currents:
        need(0 <= code < 1 << target.mtj_bits,
             f"A SET current code must be from 0 to {(1 << target.mtj_bits) - 1}", code)
    need(1 <= target.seed < 2**64, f"The seed must be from 1 to {2**64 - 1}", target.seed)


def verify(network: Network, target: Target):
    """Raise :exc:`MalformedNetwork` unless ``network`` is well formed for ``target``.

    The shapes are always checked. A field that a transform fills in is checked once it is there.
    """
    check_shapes(network)
    for layer in network.layers:
        _check_parameters(layer)
        _check_banks(layer, last=layer is network.layers[-1])
        _check_folding(layer, target)
        _check_tiles(layer, target)
    _check_head(network)


def check_shapes(network: Network):
    """Raise :exc:`MalformedNetwork` unless the layers of ``network`` can be and fit each other."""
    if not network.layers:
        raise MalformedNetwork(f"Network {network.name!r} has no layers")
    _check_input(network.input)
    for layer in network.layers:
        _check_shape(layer)
    _check_chain(network)


def _check_input(part):
    thresholds = part.thresholds
    if not all(1 <= value <= 255 for value in thresholds) or list(thresholds) != sorted(thresholds):
        raise MalformedNetwork(f"Input thresholds must ascend from 1 to 255, not {thresholds}")
    if not 1 <= part.bits <= LEVEL_BITS:
        raise MalformedNetwork(f"The input must have levels of 1 to {LEVEL_BITS} bits, "
                               f"not {part.bits}")
    if len(thresholds) % (2**part.bits - 1):
        raise MalformedNetwork(f"The input has {len(thresholds)} thresholds, but a channel of "
                               f"{part.bits} bits takes {2**part.bits - 1}")


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
    if layer.crossbars == 1 and 0 < layer.dropout < 1:
        need(0 < round(layer.dropout * 65536) < 65536, "a dropout probability of 0, of 1, or farther than "
             "2**-17 from both, as random bits are compared with 16 bits of it", layer.dropout)
    need(layer.crossbars >= 1 and layer.crossbars.bit_count() == 1,
         "a number of crossbars that is a power of two, as random bits choose one", layer.crossbars)
    need(1 <= layer.ways <= layer.crossbars,
         f"from 1 to {layer.crossbars} ways, as many as it has crossbars", layer.ways)
    need(1 <= layer.weight_bits <= WEIGHT_BITS, f"weights of 1 to {WEIGHT_BITS} bits",
         layer.weight_bits)
    for side in ("input", "output"):
        bits, low = getattr(layer, f"{side}_bits"), getattr(layer, f"{side}_low")
        need(1 <= bits <= LEVEL_BITS, f"{side} levels of 1 to {LEVEL_BITS} bits", bits)
        need(low in (-1, 0), f"{side} levels from -1 or 0", low)
    if layer.weight_bits == 1 and (layer.input_bits, layer.input_low) != (1, -1):
        raise MalformedNetwork(f"Layer {layer.name!r} has binary weights and must have input levels "
                               f"of 1 bit from -1, not of {_levels(layer.input_bits, layer.input_low)}")


def _check_chain(network):
    known = {}
    for layer in network.layers:
        name = identifier(layer.name)
        if not name or len(layer.name) > NAME_LENGTH or not layer.name.isprintable():
            raise MalformedNetwork(f"Layer {layer.name!r} must have a name of 1 to {NAME_LENGTH} printable "
                                   "characters, with at least one of the letters a to z or digits")
        # Some file systems take upper and lower case for the same.
        other = known.setdefault(name.lower(), layer)
        if other is not layer:
            raise MalformedNetwork(f"Network {network.name!r} has layers named {other.name!r} and "
                                   f"{layer.name!r}, but names must differ in their letters (of either "
                                   "case) or digits")
    source = network.input.height, network.input.width, network.input.channels
    levels = network.input.bits, network.layers[0].input_low
    where = "The input"
    for layer in network.layers:
        entering = layer.height, layer.width, layer.channels
        if source != entering:
            raise MalformedNetwork(f"{where} has a map of {_by(*source)}, but layer {layer.name!r} "
                                   f"takes one of {_by(*entering)}")
        if levels != (layer.input_bits, layer.input_low):
            raise MalformedNetwork(
                f"{where} has levels of {_levels(*levels)}, but layer {layer.name!r} takes levels of "
                f"{_levels(layer.input_bits, layer.input_low)}")
        source, where = layer.output_shape, f"Layer {layer.name!r}"
        levels = layer.output_bits, layer.output_low
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
    if layer.arrays and len(layer.arrays) != layer.crossbars:
        raise MalformedNetwork(f"Layer {layer.name!r} has the weights of {len(layer.arrays)} arrays, "
                               f"but {layer.crossbars} crossbars")
    for number, columns in enumerate(layer.arrays):
        _check_length(layer, "weight columns", columns)
        for value in columns:
            if not 0 <= value < 1 << layer.fan_in * layer.weight_bits:
                raise MalformedNetwork(f"Layer {layer.name!r} has a fan-in of {layer.fan_in}, but "
                                       f"the weight column {value:#x}")
        least = -2**(layer.weight_bits - 1)
        if layer.weight_bits > 1 and unpack(layer, number).min() == least:
            raise MalformedNetwork(f"Layer {layer.name!r} must have weights from {least + 1} to "
                                   f"{~least}, not {least}")
    part = layer.normalization
    if part is not None:
        for name in (field.name for field in fields(Normalization)):
            values = getattr(part, name)
            _check_length(layer, f"{name} values", values)
            _check_finite(layer, name, values)
        if not min(part.deviation) > 0:
            raise MalformedNetwork(f"Layer {layer.name!r} must have deviation above 0, "
                                   f"not {min(part.deviation)}")
        if layer.crossbars > 1 and set(part.scale) != {1.0}:
            raise MalformedNetwork(f"Layer {layer.name!r} chooses among {layer.crossbars} arrays and "
                                   f"must have no scale but 1, not {part.scale}")


def _check_banks(layer, last):
    if not layer.banks:
        return
    if layer.normalization is not None:
        raise MalformedNetwork(f"Layer {layer.name!r} has both a normalization and banks, but banks "
                               "are made of it")
    if len(layer.banks) != layer.choices:
        what = "a keep bit" if layer.crossbars == 1 else "the choice of an array"
        raise MalformedNetwork(f"Layer {layer.name!r} has {len(layer.banks)} banks, but {what} "
                               f"selects one of {layer.choices}")
    kinds = (Affine, Logit) if last else (Comparison,)
    for bank in layer.banks:
        if not isinstance(bank, kinds):
            raise MalformedNetwork(f"Layer {layer.name!r} has a bank of {type(bank).__name__}, but "
                                   f"{'the last' if last else 'a hidden'} layer takes "
                                   f"{' or '.join(kind.__name__ for kind in kinds)}")
        for field in fields(bank):
            if field.name != "dropped":
                _check_length(layer, f"{field.name} values", getattr(bank, field.name),
                              each=2**layer.output_bits - 1 if field.name == "threshold" else 1)
        if isinstance(bank, Comparison):
            _check_comparison(layer, bank)
        elif isinstance(bank, Affine):
            _check_finite(layer, "gain", bank.gain)
            _check_finite(layer, "offset", bank.offset)
        else:
            _check_logit(layer, bank)


def _check_comparison(layer, bank):
    first, last, each = layer.sums.start, layer.sums.stop, 2**layer.output_bits - 1
    for value in bank.threshold:
        if not first <= value <= last:
            raise MalformedNetwork(f"Layer {layer.name!r} must have thresholds from {first} to "
                                   f"{last}, not {value}")
    for start in range(0, len(bank.threshold), each):
        values = bank.threshold[start:start + each]
        if list(values) != sorted(values):
            raise MalformedNetwork(f"Layer {layer.name!r} must have thresholds that ascend in each "
                                   f"channel, not {values}")
    for value in bank.invert:
        if value not in (0, 1):
            raise MalformedNetwork(f"Layer {layer.name!r} must have invert bits 0 or 1, not {value}")


def _check_logit(layer, bank):
    if not 0 <= bank.dropped <= DROPPED_BITS or bank.dropped != layer.banks[0].dropped:
        raise MalformedNetwork(f"Layer {layer.name!r} must drop from 0 to {DROPPED_BITS} bits of a scaled "
                               f"sum, the same in all banks, not {bank.dropped}")
    for gain, offset in zip(bank.gain, bank.offset, strict=True):
        for value in (layer.sums.start, layer.sums.stop - 1):
            logit = gain * value + offset >> bank.dropped
            if not -1 << LOGIT_BITS - 1 <= logit < 1 << LOGIT_BITS - 1:
                raise MalformedNetwork(f"Layer {layer.name!r} has a logit of {_size(logit)}, but it must "
                                       f"fit in {LOGIT_BITS} bits")


def _check_folding(layer, target):
    part = layer.folding
    if part is None:
        return
    most = columns_max(layer, target)
    if not 1 <= part.columns_per_read <= most:
        raise MalformedNetwork(f"Layer {layer.name!r} must read from 1 to {most} columns at a time, "
                               f"not {part.columns_per_read}")
    if part.column_groups != math.ceil(layer.outputs / part.columns_per_read):
        raise MalformedNetwork(f"Layer {layer.name!r} has {part.column_groups} column groups of "
                               f"{part.columns_per_read}, but {layer.outputs} outputs")
    most = target.array_rows // layer.rows_per_weight
    if layer.weight_bits > 1:
        most = min(most, target.cells_per_read)
    if not 1 <= part.rows_per_read <= most:
        raise MalformedNetwork(f"Layer {layer.name!r} must read from 1 to {most} inputs of a tile at "
                               f"a time, not {part.rows_per_read}")
    if part.row_groups < 1:
        raise MalformedNetwork(f"Layer {layer.name!r} must have at least 1 row group, "
                               f"not {part.row_groups}")


def _check_tiles(layer, target):
    if not layer.tiles:
        return
    inputs, outputs = target.array_rows // layer.rows_per_weight, columns_max(layer, target)
    for tile in layer.tiles:
        if len(tile.rows) > inputs or len(tile.columns) > outputs:
            raise MalformedNetwork(f"Layer {layer.name!r} has a tile of "
                                   f"{_by(len(tile.rows), len(tile.columns))}, but an array holds "
                                   f"only {_by(inputs, outputs)}")
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
    if head.fraction not in FRACTION_BITS:
        raise MalformedNetwork(f"The head must have a logit of {FRACTION_BITS.start} to "
                               f"{FRACTION_BITS.stop - 1} fraction bits, not {head.fraction}")
    if not 0 <= head.guard <= GUARD_BITS:
        raise MalformedNetwork(f"The head must have from 0 to {GUARD_BITS} guard bits in an exponential, "
                               f"not {head.guard}")
    if not 0 <= head.confidence <= 65535:
        raise MalformedNetwork(f"The head must have a confidence from 0 to 65535, "
                               f"not {head.confidence}")
    if not 1 <= head.agreement <= 100:
        raise MalformedNetwork(f"The head must have an agreement from 1 to 100 per cent, "
                               f"not {head.agreement}")
    if generator is None:
        return
    for test in network.health:
        if not test.places or not 0 <= min(test.places) <= max(test.places) < sum(generator.bits):
            raise MalformedNetwork(f"A health test must watch some of the {sum(generator.bits)} bits of a "
                                   f"pass, not {test.places}")
    for seed in generator.seeds:
        if not 1 <= seed < 2**64:
            raise MalformedNetwork(f"The generator must have seeds from 1 to {2**64 - 1}, not {seed}")
    for what, values in (("drop values", generator.drop), ("numbers of bits", generator.bits)):
        if len(values) != len(network.layers):
            raise MalformedNetwork(f"The generator has {len(values)} {what}, but the network has "
                                   f"{len(network.layers)} layers")
    for layer, bits in zip(network.layers, generator.bits, strict=True):
        if bits != layer.choice_bits:
            raise MalformedNetwork(f"Layer {layer.name!r} must have a choice of {layer.choice_bits} "
                                   f"random bits from the generator, not {bits}")
    if len(generator.seeds) not in (1, sum(generator.bits)):
        raise MalformedNetwork(f"The generator must have one source or one for each of the "
                               f"{sum(generator.bits)} bits of a pass, not {len(generator.seeds)}")
    for value in generator.drop:
        if not 0 <= value <= 65536:
            raise MalformedNetwork(f"The generator must have drop values from 0 to 65536, "
                                   f"not {value}")


def _check_length(layer: Layer, what: str, values: tuple, each: int = 1):
    if len(values) != layer.outputs * each:
        raise MalformedNetwork(f"Layer {layer.name!r} has {len(values)} {what}, but "
                               f"{layer.outputs} outputs" + f" that take {each} each" * (each > 1))


def _levels(bits: int, low: int) -> str:
    return f"{bits} bit{'s' * (bits > 1)} from {low}"


def _size(value: int) -> str:
    """``value``, or how large it is where nobody would read its digits."""
    if value.bit_length() <= 64:
        return str(value)
    return f"about {'-' if value < 0 else ''}10**{round(value.bit_length() * math.log10(2))}"


def _check_finite(layer: Layer, what: str, values: tuple):
    for value in values:
        if not math.isfinite(value):
            raise MalformedNetwork(f"Layer {layer.name!r} must have a finite {what}, not {value}")


def _by(*sizes: int) -> str:
    return " by ".join(map(str, sizes))


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop
