"""What must hold of a network after every transform."""

import math
from dataclasses import fields

from gen.check_shapes import MalformedNetwork, by, check_shapes
from gen.ir import Affine, Centred, Comparison, Layer, Logit, Network, Normalization, Target, Value
from gen.transforms.tile import columns_max
from gen.weights import tied, unpack


__all__ = ["MalformedNetwork", "verify"]


#: Bits of a logit, so that a host can hold it, and bits that may be dropped before it is one, so that the
#: golden model can.
LOGIT_BITS, DROPPED_BITS = 32, 31

#: The same of a value in fixed point, which is dropped to a few bits: before that, and how many of them.
VALUE_BITS, VALUE_DROPPED = 48, 40

#: Fraction bits of a logit: fewer cannot reach :data:`gen.precision.BOUND`, more are a table too large.
FRACTION_BITS = range(10, 17)

#: Bits of a coordinate of a point, which are those of a probability.
POINT_BITS = 16

#: Bits of an exponential beyond 16, so that the golden model can add up those of any number of classes.
GUARD_BITS = 30


def verify(network: Network, target: Target):
    """Raise :exc:`MalformedNetwork` unless ``network`` is well formed for ``target``.

    The shapes are always checked. A field that a transform fills in is checked once it is there.
    """
    check_shapes(network)
    for layer in network.layers:
        _check_parameters(layer, last=layer is network.layers[-1])
        _check_banks(layer, last=layer is network.layers[-1])
        _check_folding(layer, target)
        _check_tiles(layer, target)
    _check_head(network)


def _check_parameters(layer, last):
    if layer.arrays and len(layer.arrays) != layer.crossbars:
        raise MalformedNetwork(f"Layer {layer.name!r} has the weights of {len(layer.arrays)} arrays, "
                               f"but chooses from {layer.crossbars}")
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
        if layer.average != (1, 1) and ((found := unpack(layer, number)) != tied(layer, found)).any():
            raise MalformedNetwork(f"Layer {layer.name!r} must have the same weights in each window of "
                                   f"{by(*layer.average)} that it averages")
    _check_centred(layer, [part.centred for part in _each(layer, "normalizations")], last)
    for part in _each(layer, "normalizations"):
        for name in (field.name for field in fields(Normalization) if field.name != "centred"):
            values = getattr(part, name)
            _check_length(layer, f"{name} values", values)
            _check_finite(layer, name, values)
        if not min(part.deviation) > 0:
            raise MalformedNetwork(f"Layer {layer.name!r} must have deviation above 0, "
                                   f"not {min(part.deviation)}")


def _each(layer, name):
    """The normalizations or banks of a layer, one for each set of arrays and bank."""
    found, sets = getattr(layer, name), len(layer.array_sets)
    if found and (len(found) != sets or any(len(each) != layer.bank_count for each in found)):
        what = "arrays" if layer.ways == 1 else "sets of arrays"
        raise MalformedNetwork(f"Layer {layer.name!r} must have {name} of {sets} {what}, each of "
                               f"{layer.bank_count} banks, not of {list(map(len, found))}")
    return [part for of_array in found for part in of_array]


def _check_banks(layer, last):
    if not layer.banks:
        return
    if layer.normalizations:
        raise MalformedNetwork(f"Layer {layer.name!r} has both normalizations and banks, but banks are "
                               "made of them")
    kinds = ((Affine, Logit) if last else (Comparison, Centred) if layer.fraction is None else
             (Value, Comparison))
    _check_centred(layer, [isinstance(bank, Centred) for bank in _each(layer, "banks")], last=False)
    for bank in _each(layer, "banks"):
        if not isinstance(bank, kinds):
            raise MalformedNetwork(f"Layer {layer.name!r} has a bank of {type(bank).__name__}, but "
                                   f"{_what(layer, last)} takes "
                                   f"{' or '.join(kind.__name__ for kind in kinds)}")
        for field in fields(bank):
            if field.name != "dropped":
                _check_length(layer, f"{field.name} values", getattr(bank, field.name),
                              each=2**layer.output_bits - 1 if field.name == "threshold" else 1)
        if isinstance(bank, Comparison):
            _check_comparison(layer, bank)
        elif isinstance(bank, Centred):
            _check_lines(layer, bank, 0, "value to compare with the mean")
        elif isinstance(bank, Value):
            _check_dropped(layer, bank, VALUE_DROPPED)
            _check_lines(layer, bank, 0, "value before bits are dropped", VALUE_BITS)
        elif isinstance(bank, Affine):
            _check_finite(layer, "gain", bank.gain)
            _check_finite(layer, "offset", bank.offset)
        else:
            _check_logit(layer, bank)


def _what(layer, last):
    return "the last layer" if last else "a hidden layer" if layer.fraction is None else "one of values"


def _check_centred(layer, centred, last):
    """Check which normalizations or banks, by whether each of them is inverted, a layer has."""
    if not any(centred):
        return
    if not all(centred):
        raise MalformedNetwork(f"Layer {layer.name!r} must have inverted normalization in all banks or in "
                               f"none, not in {sum(centred)} of {len(centred)}")
    if last:
        raise MalformedNetwork(f"Layer {layer.name!r} is the last and must have no inverted normalization, "
                               "as it has logits and no bits")
    if layer.mix_choice is not None:
        raise MalformedNetwork(f"Layer {layer.name!r} must have no choice of a bank for each channel with "
                               "inverted normalization, as each pass would have a mean of its own")
    if layer.output_bits != 1: # values in fixed point have several
        raise MalformedNetwork(f"Layer {layer.name!r} must have output levels of 1 bit with inverted "
                               f"normalization, not {layer.output_bits}")


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


def _check_dropped(layer, bank, most=DROPPED_BITS):
    if not 0 <= bank.dropped <= most or bank.dropped != layer.banks[0][0].dropped:
        raise MalformedNetwork(f"Layer {layer.name!r} must drop from 0 to {most} bits of a scaled "
                               f"sum, the same in all banks, not {bank.dropped}")


def _check_logit(layer, bank):
    _check_dropped(layer, bank)
    _check_lines(layer, bank, bank.dropped, "logit")


def _check_lines(layer, bank, dropped, what, bits=LOGIT_BITS):
    """Check that ``gain * sum + offset`` of each channel is a number of at most so many ``bits``."""
    for gain, offset in zip(bank.gain, bank.offset, strict=True):
        for value in (layer.sums.start, layer.sums.stop - 1):
            found = gain * value + offset >> dropped
            if not -1 << bits - 1 <= found < 1 << bits - 1:
                raise MalformedNetwork(f"Layer {layer.name!r} has a {what} of {_size(found)}, but it must "
                                       f"fit in {bits} bits")


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
    if layer.groups > 1 and layer.group_outputs % part.columns_per_read:
        raise MalformedNetwork(f"Layer {layer.name!r} must read columns of one group at a time, an equal "
                               f"part of {layer.group_outputs}, not {part.columns_per_read}")
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
                                   f"{by(len(tile.rows), len(tile.columns))}, but an array holds "
                                   f"only {by(inputs, outputs)}")
        if tile.rows.stop > layer.fan_in or tile.columns.stop > layer.outputs:
            raise MalformedNetwork(f"Layer {layer.name!r} has a tile that ends at "
                                   f"{by(tile.rows.stop, tile.columns.stop)}, but weights of "
                                   f"{by(layer.fan_in, layer.outputs)}")
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
    if head.regression and head.fraction not in range(16):
        raise MalformedNetwork(f"The head must have a number of 0 to 15 fraction bits, not {head.fraction}")
    if not head.regression and head.fraction not in FRACTION_BITS:
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
    bits, who = len(network.drops), "a pass"
    if generator.points is not None:
        _check_points(generator.points, bits)
        bits, who = bits * generator.points.bits, "a shift"
    for test in network.health:
        if not test.places or not 0 <= min(test.places) <= max(test.places) < bits:
            raise MalformedNetwork(f"A health test must watch some of the {bits} bits of {who}, not "
                                   f"{test.places}")
    for seed in generator.seeds:
        if not 1 <= seed < 2**64:
            raise MalformedNetwork(f"The generator must have seeds from 1 to {2**64 - 1}, not {seed}")
    if len(generator.drop) != bits:
        raise MalformedNetwork(f"The generator has {len(generator.drop)} drop values, but {who} draws "
                               f"{bits} bits")
    if len(generator.seeds) not in (min(1, bits), bits):
        raise MalformedNetwork(f"The generator must have one source or one for each of the {bits} bits of "
                               f"{who}, not {len(generator.seeds)}")
    for value in generator.drop:
        if not 0 <= value <= 65536:
            raise MalformedNetwork(f"The generator must have drop values from 0 to 65536, "
                                   f"not {value}")


def _check_points(points, bits):
    if not 1 <= points.bits <= POINT_BITS:
        raise MalformedNetwork(f"Points must have coordinates of 1 to {POINT_BITS} bits, not {points.bits}")
    most = 2**points.bits
    if len(points.drop) != bits or not all(0 <= value <= most for value in points.drop):
        raise MalformedNetwork(f"Points must have a drop value from 0 to {most} for each of the {bits} "
                               f"bits of a pass, not {points.drop}")
    if not points.points or any(len(point) != bits or not all(0 <= value < most for value in point)
                                for point in points.points):
        raise MalformedNetwork(f"Points must be one or more, each with a coordinate from 0 to {most - 1} "
                               f"for each of the {bits} bits of a pass")


def _check_length(layer: Layer, what: str, values: tuple, each: int = 1):
    if len(values) != layer.outputs * each:
        raise MalformedNetwork(f"Layer {layer.name!r} has {len(values)} {what}, but "
                               f"{layer.outputs} outputs" + f" that take {each} each" * (each > 1))


def _size(value: int) -> str:
    """``value``, or how large it is where nobody would read its digits."""
    if value.bit_length() <= 64:
        return str(value)
    return f"about {'-' if value < 0 else ''}10**{round(value.bit_length() * math.log10(2))}"


def _check_finite(layer: Layer, what: str, values: tuple):
    for value in values:
        if not math.isfinite(value):
            raise MalformedNetwork(f"Layer {layer.name!r} must have a finite {what}, not {value}")


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop
