"""What the inputs of a block are driven with in its test bench: random, but as a neighbour would."""

import itertools
import random
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from amaranth.hdl import Shape
from amaranth.lib import data

from hdl.pass_sets.part_sequencer import PartSequencer
from hdl.uart.frames import CHECK_BYTES, ESCAPE, FLAG, INVERTED
from hdl.uart.result_buffer import SETTLES


__all__ = ["Traffic", "number", "words"]


@dataclass
class Traffic:
    """What some inputs are driven with; others are random.

    ``words`` has the words of input streams, by the name of the port. ``pins`` gives for each cycle the
    values of inputs by their names in Verilog, and of outputs whether they mean something in that cycle;
    and is sent the values of all ports in that cycle. Outputs that it leaves out do if they are valid.
    """

    words: dict[str, Iterator[int]] = field(default_factory=dict)
    pins: Generator[dict[str, int], dict[str, int], None] | None = None


def number(shape, rng: random.Random):
    """Return a random value of a shape: an integer, or of a layout the values of its fields. Extremes are
    frequent, and thresholds ascend."""
    if isinstance(shape, data.StructLayout):
        fields = {name: number(each.shape, rng) for name, each in shape}
        if "threshold" in fields:
            fields["threshold"].sort()
        return fields
    if isinstance(shape, data.ArrayLayout):
        return [number(shape.elem_shape, rng) for _ in range(shape.length)]
    if isinstance(shape, range):
        return rng.choice((shape[0], shape[-1], rng.choice(shape), rng.choice(shape))) if shape else 0
    shape = Shape.cast(shape)
    least = -1 << shape.width - 1 if shape.signed else 0
    most  = least + (1 << shape.width) - 1
    return rng.choice((least, most)) if rng.random() < 0.1 else rng.randint(least, most)


def words(shape, rng: random.Random) -> Iterator[int]:
    """Yield random words of a shape as their bits. Pass sets divide the passes of an image."""
    if isinstance(shape, data.StructLayout) and {"set", "last"} <= set(shape.members):
        for passes, last in _sets(shape["set"].width, rng):
            yield _bits(shape, number(shape, rng) | {"set": passes, "last": last})
    while True:
        yield _bits(shape, number(shape, rng))


def _bits(shape, value):
    if isinstance(shape, data.Layout):
        return shape.const(value).as_bits()
    return value & (1 << Shape.cast(shape).width) - 1


def _sets(passes, rng):
    """Yield sets that divide the passes of an image, image after image, and whether each is the last."""
    while True:
        left = (1 << rng.randint(1, passes)) - 1
        while left:
            part = left & (rng.getrandbits(passes) if rng.random() < 0.7 else left)
            left &= ~part
            if part:
                yield part, not left


def nothing(block, rng):
    return Traffic()


# Pass sets.

def equal_sets(block, rng):
    """Both ways of a join have the same sets."""
    ways = itertools.tee(_sets(block.i_sets.payload.shape()["set"].width, rng))
    def sent(port, sets):
        shape = port.payload.shape()
        return (_bits(shape, number(shape, rng) | {"set": passes, "last": last}) for passes, last in sets)
    return Traffic({"i_sets": sent(block.i_sets, ways[0]), "branch_sets": sent(block.branch_sets, ways[1])})


def branches(block, rng):
    """The passes of a map that enters a layer have come to one of its branches each."""
    shape = block.i_sets.payload.shape()
    def sent():
        for passes, last in _sets(shape["sets"].shape.elem_shape, rng):
            sets = [0] * shape["sets"].shape.length
            for number in range(passes.bit_length()):
                sets[rng.randrange(len(sets))] |= passes & 1 << number
            yield _bits(shape, {"sets": sets, "last": last})
    return Traffic({"i_sets": sent()})


def single_passes(block, rng):
    """The maps of an image are those of its passes."""
    shape = block.i_sets.payload.shape()
    def sent():
        while True:
            count = rng.randint(1, shape["set"].width)
            for number in range(count):
                yield _bits(shape, {"set": 1 << number, "last": number == count - 1, "choice": number})
    return Traffic({"i_sets": sent()})


# Random bits.

def _answers(rng):
    """A source answers the requests of ``draw`` with ``bits``, some cycles later."""
    asked, valid, bit = 0, 0, 0
    while True:
        ports = yield {"bits__valid": valid, "bits__payload": bit}
        asked += ports["draw__valid"] & ports["draw__ready"]
        if valid and ports["bits__ready"]:
            asked, valid = asked - 1, 0
        if not valid and asked and rng.random() < 0.8:
            valid, bit = 1, rng.getrandbits(1)


def requested_bits(block, rng):
    """A source answers requests."""
    images = (rng.randint(1, block.passes) for _ in itertools.count())
    return Traffic({"images": images}, _answers(rng))


def requested_passes(block, rng):
    """All bits of the passes of an image are asked for, and when all are given those of the next one."""
    def asks():
        idle = {"begin": 0, "i__valid": 0}
        while True:
            yield idle | {"begin": 1}
            left = rng.randint(1, 2 * len(block.points)) * len(block.drop)
            for number in range(left):
                question = {"begin": 0, "i__valid": 1, "i__payload": number % len(block.drop)}
                taken = False
                while not taken:
                    ports = yield question
                    left -= ports["o__valid"] & ports["o__ready"]
                    taken = ports["i__ready"]
            while left:
                ports = yield idle
                left -= ports["o__valid"] & ports["o__ready"]
    def pins():
        both = [asks(), _answers(rng)]
        now  = [next(each) for each in both]
        while True:
            ports = yield now[0] | now[1]
            now   = [each.send(ports) for each in both]
    return Traffic({}, pins())


def _of_images(most, rng):
    """Yield for each image its number of passes."""
    while True:
        yield rng.randint(1, most)


def drawn_words(block, rng):
    """Words of all passes of an image, and then maps of some of them."""
    here, there = itertools.tee(_of_images(block.most, rng))
    def pins():
        ports = yield {"drawn__words__valid": 0, "drawn__handed": 0}
        for count in here:
            while not ports["drawn__room"] or ports["drawn__handed"]: # which is known a cycle later
                ports = yield {"drawn__words__valid": 0, "drawn__handed": 0}
            for left in reversed(range(count)):
                while rng.random() < 0.3:
                    yield {"drawn__words__valid": 0, "drawn__handed": 0}
                ports = yield {"drawn__words__valid": 1, "drawn__handed": not left}
    def asked():
        shape = block.passes.payload.shape()
        for count in there:
            for left in reversed(range(rng.randint(1, 2 * count))):
                yield _bits(shape, {"number": rng.randrange(count), "last": not left})
    return Traffic({"passes": asked()}, pins())


def drawn_bits(block, rng):
    """The bits of all passes of an image, and then questions for its rows."""
    def asks(queue):
        idle = {"rows__numbers__valid": 0, "rows__done": 0}
        while True:
            while not queue:
                yield idle
            for _ in range(rng.randint(1, 2 * queue[0])):
                question = idle | {"rows__numbers__valid": 1,
                                   "rows__numbers__payload": rng.randrange(queue[0])}
                while not (yield question)["rows__numbers__ready"]:
                    pass
                while rng.random() < 0.3:
                    yield idle
            yield idle | {"rows__done": 1}
            del queue[0]
    def draws(queue):
        idle = {"strobe": 0, "handed": 0}
        for count in _of_images(block.most, rng):
            while len(queue) >= block.IMAGES:
                yield idle
            for left in reversed(range(count * block.bits)):
                while rng.random() < 0.3:
                    yield idle
                yield {"strobe": 1, "handed": not left}
            yield idle
            queue.append(count)
    def pins():
        queue, since = [], 0 # the last question, if there was one
        both = [draws(queue), asks(queue)]
        now  = [next(each) for each in both]
        while True:
            ports = yield now[0] | now[1] | {"rows__row": since >= PartSequencer.ROW}
            asked = ports["rows__numbers__valid"] and ports["rows__numbers__ready"]
            since = 1 if asked else since and since + 1
            now   = [each.send(ports) for each in both]
    return Traffic({}, pins())


def repeated_bits(block, rng):
    """Bits that repeat more and more often."""
    def pins():
        bit = 0
        for cycle in itertools.count():
            bit ^= rng.random() > 0.5 + cycle / 800
            yield {"bit": bit}
    return Traffic({}, pins())


def uneven_bits(block, rng):
    """Bits of which more and more are 0, but never many in a row."""
    def pins():
        run = 0
        for cycle in itertools.count():
            bit = rng.random() > 0.5 + cycle / 800 or run > block.window // 8
            run = 0 if bit else run + 1
            yield {"strobe": 1, "bit": bit}
    return Traffic({}, pins())


# Pixels, arrays and probabilities.

def near_thresholds(block, rng):
    """Components of a pixel are often a threshold, or one less."""
    width = len(block.i.payload) // block.colours
    def component():
        if block.thresholds and rng.random() < 0.5:
            return min(rng.choice(block.thresholds) - rng.randrange(2), (1 << width) - 1)
        return rng.getrandbits(width)
    return Traffic({"i": (sum(component() << width * number for number in range(block.colours))
                          for _ in itertools.count())})


def one_array(block, rng):
    """One array is read at a time, in every second cycle, and its codes mean something later."""
    def pins():
        asked = [False] * block.latency
        while True:
            array = rng.randrange(2 * block.geometry.arrays)
            read  = array < block.geometry.arrays
            asked = [*asked, read]
            yield {"pins__read": 1 << array if read else 0, "pins__codes": asked.pop(0)}
    return Traffic({}, pins())


def exponentials(block, rng):
    """The largest of a leaf is 1."""
    one = 1 << len(block.i.payload) - 1
    def sent():
        while True:
            leaf = [rng.randrange(one >> rng.randrange(17)) for _ in range(block.classes)]
            leaf[rng.randrange(len(leaf))] = one
            yield from leaf
    return Traffic({"i": sent()})


def leaves(block, rng):
    """Faults are rare."""
    def pins():
        while True:
            yield {"fault": rng.random() < 0.002}
    return Traffic({}, pins())


# A bus and a line.

def images(block, rng):
    """Packets of an image each; some are too short or too long."""
    lanes = len(block.i.payload.data) // 8
    shape = block.i.payload.shape()
    def sent():
        while True:
            length = block.pixels * block.colours
            left   = length if rng.random() < 0.8 else rng.randint(1, 2 * length)
            while left > 0:
                yield _bits(shape, {"data": rng.getrandbits(8 * lanes), "keep": (1 << min(left, lanes)) - 1,
                                    "last": left <= lanes})
                left -= lanes
    def pins():
        while True:
            yield {"enable": rng.random() < 0.95}
    return Traffic({"i": sent()}, pins())


def results(block, rng):
    """The words of a result: one for each class."""
    shape   = block.i.payload.shape()
    classes = shape["prediction"].shape.stop
    def sent():
        while True:
            for number_ in range(classes):
                yield _bits(shape, number(shape, rng) | {"last": number_ == classes - 1})
    return Traffic({"i": sent()})


def line(block, rng):
    """Bytes, some of which have no stop bit, and gaps between them."""
    clock, baud = block.rate
    def pins():
        while True:
            byte = [0, *(rng.getrandbits(1) for _ in range(8)), rng.random() < 0.9]
            for bit in [*byte, *[1] * rng.choice((0, 0, 1, 2, 15))]:
                for _ in range(clock // baud + (rng.random() < clock % baud / baud)):
                    yield {"rx": bit}
    return Traffic({}, pins())


def frames(block, rng):
    """Frames, one of four with a byte that is lost, doubled or changed."""
    def sent():
        while True:
            frame = bytes(rng.choice((FLAG, ESCAPE, rng.getrandbits(8), rng.getrandbits(8)))
                          for _ in range(rng.randint(1, 12)))
            frame += zlib.crc32(frame).to_bytes(CHECK_BYTES, "little")
            coded = [FLAG]
            for byte in frame:
                coded += [ESCAPE, byte ^ INVERTED] if byte in (FLAG, ESCAPE) else [byte]
            if rng.random() < 0.25:
                place = rng.randrange(len(coded))
                coded[place:place + 1] = rng.choice(([], coded[place:place + 1] * 2, [rng.getrandbits(8)]))
            yield from coded
            if rng.random() < 0.5:
                yield FLAG
    return Traffic({"i": sent()})


def committed(block, rng):
    """Bytes of frames with their check sequence. Most frames count, if there was room for them."""
    idle = {"i__valid": 0, "commit": 0, "abandon": 0}
    def pins():
        while True:
            for _ in range(rng.randint(1, block.depth // 2) + CHECK_BYTES):
                while rng.random() < 0.2:
                    yield idle
                yield idle | {"i__valid": 1}
            ports  = yield idle
            counts = ports["fits"] and rng.random() < 0.9
            yield idle | {"commit": counts, "abandon": not counts}
    return Traffic({}, pins())


def released(block, rng):
    """Bytes arrive, and sometimes those that are not released are asked for again."""
    def pins():
        first, ports = 0, (yield {"place": 0, "release": 0, "again": 0})
        while True:
            for _ in range(rng.randint(SETTLES + 1, 30)):
                ports = yield {"place": first, "release": 0, "again": 0}
            first = first + rng.randint(0, ports["next"] - first & 0xFFFF) & 0xFFFF
            ports = yield {"place": first, "release": 1, "again": rng.random() < 0.3}
            for _ in range(SETTLES + 1): # in which the place stays
                ports = yield {"place": first, "release": 0, "again": 0}
    return Traffic({}, pins())
