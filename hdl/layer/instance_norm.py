# amaranth: UnusedElaboratable=no
"""Inverted normalization: the sums of a map against their mean, the activation of a hidden layer."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.layer.adder_accumulator import sums_layout
from hdl.layer.pool import Pool
from hdl.layer.scale_mux import ScaleMux, signed_shape
from hdl.stream import counter, delayed


__all__ = ["InstanceNorm"]


class InstanceNorm(wiring.Component):
    """Max-pool the sums of a map, and compare each with the mean of all, in every lane.

    With ``z = gain * sum + offset``, of the gain and offset of its channel and bank, the outcome is the bit
    ``N * z >= total``, where ``total`` is that of z over the N pooled sums of the map, of all channels and
    positions (Ahmed et al., Inverted Normalization with Stochastic Affine Transformations, III; the
    deviation that z is divided by is positive, and so does not matter). All integers are exact.

    The sums of a map wait in a memory until the last one is there, and are compared while those of the next
    map come. What is multiplied is stored with them: a sum times the gains of its channel, one product for
    each gain that differs among the banks. Banks with the same gains share it, and one gain for all
    channels needs none. The total of what offsets add is a constant, so they only come in at the
    comparison, as ``N * offset`` less that constant.

    Nothing waits: there is always room, however fast maps come. As there is a group of sums a cycle at
    most, a map takes no less time to come than its :attr:`words` cycles, in which it is compared; so
    comparisons are over before the total of the next map is there, and a word is replaced only
    :attr:`depth` words later.

    Latency is ``latency`` cycles from the last sums of a map that are pooled to its last bits, throughput
    one group per cycle.

    Parameters
    ----------
    banks : sequence of sequence of sequence of dict
        Per array, bank and channel the integers ``gain`` and ``offset``.
    sums : range
        Values of a sum.
    height, width : int
        Positions of the map of sums.
    size : tuple of int
        Height and width of the window of the max-pool; see :class:`hdl.layer.pool.Pool`.
    columns : int
        Channels of a group. What comes for channels of the last group beyond those of a bank is ignored.
    protect : bool
        Check the parity of all that is stored.

    Members
    -------
    i : In(stream.Signature(sums_layout(sums, columns, arrays), always_ready=True))
        Sums of maps: positions in raster order, the groups of a position one after another, each map of one
        of the arrays.
    o : Out(stream.Signature(ArrayLayout(columns, lanes), always_ready=True))
        Bits of the pooled map in each lane, the first channel lowest; those of a map in consecutive cycles.
    error : Out(1)
        1 for a cycle after a stored word has lost its parity. Only with ``protect``.
    """

    #: Cycles of a product, and of a comparison. A product has two registers more than it needs because a
    #: multiplier block is slow and placed far from logic.
    MULTIPLY, COMPARE = 3, 3

    def __init__(self, banks, sums, height, width, *, size, columns, protect=False):
        self.banks    = tuple(tuple(map(tuple, of_array)) for of_array in banks)
        self.sums     = sums
        self.columns  = columns
        self.protect  = protect
        self.lanes    = len(self.banks[0])
        self.channels = len(self.banks[0][0])
        self.groups   = -(-self.channels // columns)
        positions     = (height // size[0]) * (width // size[1])
        #: Groups, and sums, of a pooled map.
        self.words = positions * self.groups
        self.count = positions * self.channels
        self._choose_terms(positions)

        arrays = len(self.banks)
        shape  = Shape.cast(sums)
        self.pool = None if size == (1, 1) else Pool(
            height, width, self.groups, size=size, lanes=1, columns=columns, bits=shape.width,
            protect=protect)
        self.gain_mux   = self._mux(self._products, sums)
        term = data.StructLayout({f"term_{index}": each for index, each in enumerate(self._terms)})
        self.offset_mux = self._mux(self._offsets, term)
        # From the product of a word to its comparison, and to the total of its map, if it is the last.
        self._levels = (columns - 1).bit_length()
        to_compare   = 1 + ScaleMux.latency + self.COMPARE - 1
        #: Cycles from the product of the last word of a map until its first word is read.
        self.lead  = max(1, self._levels + 2 - to_compare)
        self._wait = self.lead + to_compare - (self._levels + 2)
        #: Words that are stored.
        self.depth   = self.words + self.lead
        self.latency = ((0 if self.pool is None else Pool.latency) + ScaleMux.latency + self.MULTIPLY
                        + self.lead + self.words - 1 + 1 + ScaleMux.latency + self.COMPARE)
        super().__init__({
            "i": In(stream.Signature(sums_layout(sums, columns=columns, arrays=arrays), always_ready=True)),
            "o": Out(stream.Signature(data.ArrayLayout(columns, self.lanes), always_ready=True)),
            **error_port(protect),
        })

    def _choose_terms(self, positions):
        """Choose what is added up and stored: of each lane a *term*, whose multiple is ``gain * sum``, and
        an offset."""
        gains, offsets = ([[[word[name] for word in of_array[lane]] for of_array in self.banks]
                           for lane in range(self.lanes)] for name in ("gain", "offset"))
        offsets = [[[self.count * value - positions * sum(row) for value in row] for row in offset]
                   for offset in offsets]
        same = [gain[0][0] if all(value == gain[0][0] for row in gain for value in row) else None
                for gain in gains]
        #: Vectors of gains that sums are multiplied by, and ranges of all terms; the first one is the sum
        #: itself where a lane has one gain for all channels.
        self._products = _different(gain for gain, one in zip(gains, same, strict=True) if one is None)
        raw = [] if set(same) == {None} else [self.sums]
        self._terms    = raw + [_products_of(gain, self.sums) for gain in self._products]
        self._offsets  = _different(offset for offset in offsets if any(map(any, offset)))
        #: Of each lane the number of its term, the multiple, and the number of its offset or None for 0.
        self._lanes = [
            (0, one, at) if one is not None else (len(raw) + self._products.index(gain), 1, at)
            for gain, one, at in zip(gains, same, (
                self._offsets.index(offset) if offset in self._offsets else None for offset in offsets),
                strict=True)]

    def _mux(self, vectors, shape):
        """A memory that joins what comes of each channel, of this shape, with its values in ``vectors``."""
        # A word of a memory has one bit at least.
        vectors = vectors or [[[0] * self.channels] * len(self.banks)]
        value   = signed_shape(value for vector in vectors for row in vector for value in row)
        words   = [[[{"value": of_channel} for of_channel in zip(*of_array, strict=True)]]
                   for of_array in zip(*vectors, strict=True)]
        return ScaleMux(data.StructLayout({"value": data.ArrayLayout(value, len(vectors))}), words, shape,
                        columns=self.columns, protect=self.protect)

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.gains   = gains   = self.gain_mux
        m.submodules.offsets = offsets = self.offset_mux
        self._pool_sums(m, gains.i)
        m.d.comb += [gains.o.ready.eq(1), offsets.o.ready.eq(1)]

        # A group of sums becomes a word of terms.
        word = Signal(offsets.i.payload.shape())
        self._multiply(m, gains.o.payload, word.sums)
        arrived = delayed(m, gains.o.valid, self.MULTIPLY, name="arrived")
        m.d.comb += word.choice.eq(delayed(
            m, gains.i.payload.choice, ScaleMux.latency + self.MULTIPLY, name="choice"))
        number, last = counter(m, self.words, arrived, name="word")
        complete = Signal()
        m.d.comb += complete.eq(arrived & last)
        totals = self._add_up(m, word.sums, arrived, number == 0, complete)

        # The words of a map are read once it is complete, in the order in which they came.
        reading  = Signal()
        begin    = delayed(m, complete, self.lead - 1, name="begin")
        _, final = counter(m, self.words, reading, name="read")
        with m.If(reading & final):
            m.d.sync += reading.eq(0)
        with m.If(begin):
            m.d.sync += reading.eq(1)
        m.submodules.words = words = memory.Memory(
            shape=len(Value.cast(word)) + parity.bits, depth=self.depth, init=[])
        store = words.write_port()
        read = words.read_port()
        fetched = delayed(m, reading, 1, name="fetched")
        m.d.comb += [
            store.addr.eq(counter(m, self.depth, arrived, name="write_address")[0]),
            store.data.eq(parity.stored(Value.cast(word))),
            store.en.eq(arrived),
            read.addr.eq(counter(m, self.depth, reading, name="read_address")[0]),
            read.en.eq(reading),
            offsets.i.valid.eq(fetched),
            Value.cast(offsets.i.payload).eq(read.data),
        ]
        parity.check(read.data, fetched, slow=True)

        self._compare(m, offsets.o.payload, totals)
        m.d.comb += self.o.valid.eq(delayed(m, offsets.o.valid, self.COMPARE, name="compared"))
        parity.watch(*([] if self.pool is None else [self.pool]), gains, offsets)
        parity.report()

        return m

    def _pool_sums(self, m, o):
        """Hand the largest sums of each window to ``o``, with the array that they are of."""
        if self.pool is None:
            m.d.comb += [o.valid.eq(self.i.valid), Value.cast(o.payload).eq(Value.cast(self.i.payload))]
            return
        m.submodules.pool = pool = self.pool
        # The pool takes levels, from 0 up: of a signed sum, the number of values below it.
        shape = Shape.cast(self.sums)
        flip  = Const(1 << shape.width - 1 if shape.signed else 0, shape.width).replicate(self.columns)
        m.d.comb += [
            pool.i.valid.eq(self.i.valid),
            pool.i.payload.reached[0].eq(Value.cast(self.i.payload.sums) ^ flip),
            pool.o.ready.eq(1),
            o.valid.eq(pool.o.valid),
            Value.cast(o.payload.sums).eq(pool.o.payload[0] ^ flip),
            o.payload.choice.eq(delayed(m, self.i.payload.choice, Pool.latency, name="pooled_choice")),
        ]

    def _multiply(self, m, scaled, terms):
        """Make the ``terms`` of each column of sums and gains, :attr:`MULTIPLY` cycles later."""
        operands = Signal.like(scaled)
        m.d.sync += operands.eq(scaled)
        raw = len(self._terms) - len(self._products)
        for column in range(self.columns):
            if raw:
                m.d.comb += terms[column].term_0.eq(delayed(
                    m, scaled.sums[column], self.MULTIPLY, name=f"sum_{column}"))
            for index in range(len(self._products)):
                gain  = operands.words[0][column].value[index]
                first = Signal(self._terms[raw + index], name=f"product_{column}_{index}")
                m.d.sync += first.eq(gain * operands.sums[column])
                m.d.comb += terms[column][f"term_{raw + index}"].eq(
                    delayed(m, first, self.MULTIPLY - 2, name=f"product_{column}_{index}"))

    def _add_up(self, m, terms, arrived, first, complete):
        """Return the total of each term, held while the words of its map are compared."""
        if self.channels % self.columns:
            _, last_group = counter(m, self.groups, arrived, name="group")
        adding  = delayed(m, arrived, self._levels, name="adding")
        anew    = delayed(m, first, self._levels, name="anew")
        totaled = delayed(m, complete, self._levels + 1 + self._wait, name="totaled")
        totals  = []
        for index, each in enumerate(self._terms):
            values = []
            for column in range(self.columns):
                value = terms[column][f"term_{index}"]
                if self.channels % self.columns and column >= self.channels % self.columns:
                    value = Mux(last_group, 0, value)
                values.append((value, 1))
            for level in range(self._levels):
                pairs = [values[start:start + 2] for start in range(0, len(values), 2)]
                values = []
                for number, pair in enumerate(pairs):
                    count = sum(count for _, count in pair)
                    added = Signal(_times_range(each, count), name=f"added_{index}_{level}_{number}")
                    m.d.sync += added.eq(sum(value for value, _ in pair))
                    values.append((added, count))
            running = Signal(self._whole(index), name=f"running_{index}")
            total   = Signal.like(running, name=f"total_{index}")
            with m.If(adding):
                m.d.sync += running.eq(Mux(anew, 0, running) + values[0][0])
            waited = delayed(m, running, self._wait, name=f"waiting_{index}")
            with m.If(totaled):
                m.d.sync += total.eq(waited)
            totals.append(total)
        return totals

    def _whole(self, index):
        """Values of the total of a term, and of N times the term."""
        return _times_range(self._terms[index], self.count)

    def _compare(self, m, stored, totals):
        """Make the bits of all lanes, :attr:`COMPARE` cycles later."""
        for column in range(self.columns):
            scaled = []
            for index in range(len(self._terms)):
                value = Signal(self._whole(index), name=f"scaled_{column}_{index}")
                m.d.sync += value.eq(_multiple(stored.sums[column][f"term_{index}"], self.count))
                scaled.append(value)
            offsets = Signal.like(stored.words[0][column].value, name=f"offsets_{column}")
            m.d.sync += offsets.eq(stored.words[0][column].value)
            for lane, (term, factor, offset) in enumerate(self._lanes):
                z = _multiple(scaled[term], factor) + (0 if offset is None else offsets[offset])
                level = Signal.like(z, name=f"level_{column}_{lane}")
                m.d.sync += [
                    level.eq(z),
                    self.o.payload[lane][column].eq(level >= _multiple(totals[term], factor)),
                ]


def _different(vectors):
    """Those of ``vectors`` that differ."""
    found = []
    for vector in vectors:
        if vector not in found:
            found.append(vector)
    return found


def _products_of(gains, sums):
    """Range of the products of any of ``gains`` and 0, with any of ``sums``."""
    ends = [gain * value for row in gains for gain in row for value in (sums[0], sums[-1])]
    return range(min(0, *ends), max(0, *ends) + 1)


def _times_range(values, count):
    """Range of the sum of as many of ``values`` as ``count``, or fewer."""
    return range(min(0, count * values[0]), max(0, count * values[-1]) + 1)


def _multiple(value, factor):
    """``factor`` times the value, made of sums, which take no multiplier."""
    places = [place for place in range(factor.bit_length()) if abs(factor) >> place & 1]
    parts  = sum((value << place for place in places), Const(0))
    return -parts if factor < 0 else parts
