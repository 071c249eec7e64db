"""A layer by tables: what words of levels add to its sums is looked up.

The inputs in a row of the kernel are divided into words of some levels each. For each word a table has, by
its value, what these inputs add to the sum of each channel. So a sum takes a look-up and an addition for
each word, and both are done for all channels at once, in integers as narrow as hold them.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from gen.ir import Comparison, Layer, Value
from golden.network import activate, entering, layer_sums, layer_weights, resized


__all__ = ["LayerTables", "parts"]


#: Most bits of a word, and most entries of its table, which so stays in a first-level cache.
WORD_BITS, ENTRIES = 14, 2**14

#: Bytes that are worked on at once, so that they stay in the cache of the processor.
CACHED = 2**21


class LayerTables:
    """``layer``, by tables; values of ``value_bits`` bits in fixed point enter it, or levels if None.

    Two things are left to the reference. Sums are by :func:`golden.network.layer_sums` where inputs are
    masked or of several groups of channels, or the table of a word of two levels would be too large; and
    what they become is by :func:`golden.network.activate` where channels choose banks by themselves, or
    where banks are neither comparisons nor values.
    """

    def __init__(self, layer: Layer, value_bits: int | None):
        self.layer, self.value_bits = layer, value_bits
        self.words = None if layer.mask_choice or layer.groups > 1 else _words(layer)
        # Sums have a lane for each channel, and more, which mean nothing, to fill a power of two of bytes.
        self.lanes, self.wide = layer.outputs, np.float32 if layer.sums.stop <= 2**24 else np.float64
        if self.words:
            level, weight = 2**layer.input_bits - 1, max(1, 2**(layer.weight_bits - 1) - 1)
            self.largest  = level * weight * layer.ways * max(map(len, self.words)) # that a word adds
            self.narrow   = _integer(2 * self.largest)
            self.wide     = _integer(max(layer.sums.stop, np.iinfo(self.narrow).max))
            size = np.dtype(self.narrow).itemsize
            if size * self.lanes <= 32:
                self.lanes = (1 << (size * self.lanes - 1).bit_length()) // size
            self.tables = [_tables(layer, self.words, arrays, self.narrow, self.lanes)
                           for arrays in layer.array_sets]
        # Bytes of a map, that enters or of sums
        self.bytes = max(math.prod(layer.pooled_shape[:2]) * self.lanes * np.dtype(self.wide).itemsize,
                         math.prod(layer.padded) * layer.channels)
        self.banks = None
        if layer.mix_choice is None and isinstance(layer.banks[0][0], Comparison | Value):
            self.banks = [self._bank(bank) for of_array in layer.banks for bank in of_array]

    def maps(self, x: np.ndarray, source: np.ndarray, read: np.ndarray, run: np.ndarray, bank: np.ndarray
             ) -> np.ndarray:
        """Return the maps that leave, or the logits, as :func:`golden.network.activate` does.

        Parameters
        ----------
        x : uint8 (M, H, W, C)
            What enters, of levels or values.
        source, read : int (R,), and int (R,) or bool (R, groups)
            Of each of R runs of the crossbar the map ``x[source]``, and the set of arrays or the mask.
        run, bank : int (L,), and int (L,) or bool (L, O)
            Of each of L maps that leave the run, ascending, and the bank, or that of each channel.
        """
        layer, left = self.layer, None
        array = np.zeros_like(source) if layer.mask_choice else read
        for part in parts(len(source), self.bytes):
            first, last = np.searchsorted(run, (part.start, part.stop))
            taken = run[first:last] - part.start
            found = self._levels(self._sums(x, source[part], read[part]), taken, array[part][taken],
                                 bank[first:last])
            if left is None:
                left = np.empty((len(run), *found.shape[1:]), found.dtype)
            left[first:last] = found
        return left

    def _sums(self, x, source, read):
        """Return the sums of runs, (R, h, w, lanes)."""
        layer, x = self.layer, x[source]
        if not self.words:
            x = entering(layer, x, self.value_bits)
        if layer.mask_choice:
            return layer_sums(layer, x, kept=read)
        height, width, _ = layer.pooled_shape
        sums = np.empty((len(source), height, width, self.lanes), self.wide)
        for outcome in range(len(layer.array_sets)):
            chosen = read == outcome if len(layer.array_sets) > 1 else slice(None)
            sums[chosen] = (self._added(x[chosen], self.tables[outcome]) if self.words else
                            layer_sums(layer, x[chosen], outcome))
        return sums

    def _added(self, x, tables):
        """Return the sums of maps, (M, h, w, lanes), of what words add by ``tables``."""
        layer, words = self.layer, self._values(x)
        height, width, _ = layer.pooled_shape
        shape = len(x), height, width, self.lanes
        # Some words are added up in narrow integers, and these sums in wide ones.
        some  = np.iinfo(self.narrow).max // self.largest
        few, added, largest = np.empty(shape, self.narrow), np.empty(shape, self.narrow), None
        steps = [stride * pool for stride, pool in zip(layer.stride, layer.pool, strict=True)]
        rows, columns = (height - 1) * steps[0] + 1, (width - 1) * steps[1] + 1
        for place in itertools.product(*map(range, layer.pool)):
            down, right = (number * stride for number, stride in zip(place, layer.stride, strict=True))
            total = None
            for number, ((row, word), table) in enumerate(zip(
                    itertools.product(range(layer.kernel[0]), words), tables, strict=True)):
                index = word[:, row + down:row + down + rows:steps[0], right:right + columns:steps[1]]
                first = number % some == 0
                # Clipping clips nothing, and is faster than raising.
                table.take(index, 0, few if first else added, "clip")
                if not first:
                    few += added
                if number % some == some - 1 or number == len(tables) - 1:
                    total = few.astype(self.wide) if total is None else np.add(total, few, out=total)
            largest = total if largest is None else np.maximum(largest, total, out=largest)
        return largest

    def _values(self, x):
        """Return the values of the words of maps, where a row of the kernel begins: of each word (M, H, W)
        of the padded map."""
        layer, bits = self.layer, self.layer.input_bits
        packed = 8 if bits == 1 else 1 # levels of a byte
        count  = math.ceil(layer.channels / packed)
        (top, left), columns = layer.padding, layer.padded[1] - layer.kernel[1] + 1
        filled = np.zeros((len(x), *layer.padded, count * packed), np.uint8)
        filled[:, top:top + layer.height, left:left + layer.width, :layer.channels] = self._entering(x)
        if packed > 1:
            filled = np.packbits(filled, bitorder="little").reshape(*filled.shape[:3], count)
        values = []
        for word in self.words:
            value, first = np.zeros((*filled.shape[:2], columns), np.uint16), word.start
            while first < word.stop: # of each byte some levels
                column, channel = divmod(first, layer.channels)
                byte, place = divmod(channel, packed)
                levels = min(word.stop - first, packed - place, layer.channels - channel)
                piece  = filled[:, :, column:column + columns, byte]
                if levels < packed:
                    piece = piece >> place * bits & (1 << levels * bits) - 1
                if levels < len(word):
                    value |= piece.astype(np.uint16) << (first - word.start) * bits
                else:
                    value = piece
                first += levels
            values.append(value)
        return values

    def _entering(self, x):
        """Return what :func:`golden.network.entering` does."""
        if self.value_bits is None:
            return x
        thresholds, inverts = map(np.array, zip(*self.layer.entrance, strict=True))
        zero, most = 2**(self.value_bits - 1), 2**self.layer.input_bits - 1
        # A number in place of as many that are equal is compared in bytes, which is faster.
        levels = sum((x >= (int(each[0]) if (each == each[0]).all() else each) + zero).view(np.uint8)
                     for each in thresholds.T)
        return np.where(inverts, most - levels, levels).astype(np.uint8) if inverts.any() else levels

    def _levels(self, sums, run, array, bank):
        """Return what ``sums[run]`` become."""
        layer = self.layer
        if self.banks is None:
            return activate(layer, sums[run][..., :layer.outputs], array, bank)
        sums, shape = sums.reshape(len(sums), -1), sums.shape[1:]
        levels = np.empty((len(run), sums.shape[1]), np.uint8)
        number = array * layer.bank_count + bank
        for of_bank, levels_of in enumerate(self.banks):
            chosen = np.flatnonzero(number == of_bank)
            for part in parts(len(chosen), 8 * sums.shape[1]):
                levels[chosen[part]] = levels_of(sums[run[chosen[part]]])
        return resized(layer, levels.reshape(len(run), *shape)[..., :layer.outputs])

    def _everywhere(self, values, kind):
        """Repeat the values of channels for all positions, (h * w * lanes,)."""
        height, width, channels = self.layer.pooled_shape
        lanes = np.zeros(self.lanes, kind)
        lanes[:channels] = values
        return np.tile(lanes, height * width)

    def _bank(self, bank):
        """Return a function of sums (L, h * w * lanes) that returns their levels with ``bank``."""
        layer, everywhere = self.layer, self._everywhere
        if isinstance(bank, Value):
            # Level q stands for q - 2 ** (output_bits - 1), which is added before bits are dropped.
            zero = 2**(layer.output_bits - 1 + bank.dropped)
            most = max(abs(gain) * layer.sums.stop + abs(offset)
                       for gain, offset in zip(bank.gain, bank.offset, strict=True)) + zero
            kind = _integer(max(most, 2**31 - 1))
            gain, offset = everywhere(bank.gain, kind), everywhere(bank.offset, kind) + kind(zero)

            def levels(sums):
                value = sums.astype(kind)
                value *= gain
                value += offset
                value >>= bank.dropped
                np.maximum(value, 0, out=value)
                return np.minimum(value, 2**layer.output_bits - 1, out=value)
        else:
            count = 2**layer.output_bits - 1
            thresholds = [everywhere(bank.threshold[number::count], self.wide) for number in range(count)]
            invert = everywhere(bank.invert, np.uint8) * np.uint8(count)

            def levels(sums):
                reached = np.zeros(sums.shape, np.uint8)
                for threshold in thresholds:
                    reached += sums >= threshold
                return reached ^ invert

        return levels


def _words(layer) -> list[range] | None:
    """The inputs of each word of a row of the kernel; None where words of two are too long."""
    inputs = layer.kernel[1] * layer.channels
    aligned = layer.input_bits == 1 and layer.channels % 8 == 0
    for most in range(8 if aligned else WORD_BITS // layer.input_bits, 1, -1):
        size = math.ceil(inputs / math.ceil(inputs / most)) # each word about as long
        if 2**(size * layer.input_bits) * layer.outputs <= ENTRIES:
            return [range(start, min(start + size, inputs)) for start in range(0, inputs, size)]
    return None


def _tables(layer, words, arrays, kind, lanes):
    """What each value of a word adds to the sums of ``arrays``, by row of the kernel and word."""
    weights = sum(layer_weights(layer, array) for array in arrays).T.astype(np.float32)
    weights = weights.reshape(layer.kernel[0], -1, layer.outputs)
    high, tables = 2**layer.input_bits - 1, []
    for of_row, word in itertools.product(weights, words):
        count  = 2**(layer.input_bits * len(word))
        levels = np.arange(count)[:, None] >> layer.input_bits * np.arange(len(word)) & high
        if layer.weight_bits == 1:
            levels = 2 * levels - high
        table = np.zeros((count, lanes), kind)
        table[:, :layer.outputs] = levels.astype(np.float32) @ of_row[word.start:word.stop]
        tables.append(table)
    return tables


def _integer(most):
    """The narrowest integers that hold numbers up to ``most``."""
    return next(kind for kind in (np.int8, np.int16, np.int32, np.int64) if most <= np.iinfo(kind).max)


def parts(count: int, size: int) -> Iterator[slice]:
    """Yield slices of ``count`` maps of ``size`` bytes, few enough for the cache."""
    most = max(1, CACHED // size)
    return (slice(start, min(start + most, count)) for start in range(0, count, most))
