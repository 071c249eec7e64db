# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.bus.image_input import WIDTHS, ImageInput, beat_layout
from sim.component import transfer


def image_input(packets, pixels, colours):
    """Golden function: the pixels that leave, and the mark of each image."""
    size, words, marks = pixels * colours, [], []
    for packet in packets:
        image = packet[:size].ljust(size, b"\0")
        words += [int.from_bytes(image[place:place + colours], "little")
                  for place in range(0, size, colours)]
        marks.append(int(len(packet) != size))
    return words, marks


def beats(packets, width, rng):
    """Beats of the packets, with anything in bytes that are not kept; an empty packet is a beat without
    bytes."""
    lanes, words = width // 8, []
    for packet in packets:
        for first in range(0, max(1, len(packet)), lanes):
            part = packet[first:first + lanes]
            words.append(beat_layout(width).const({
                "data": int.from_bytes(part + rng.randbytes(lanes - len(part)), "little"),
                "keep": (1 << len(part)) - 1,
                "last": first + lanes >= len(packet)}).as_bits())
    return words


def ragged(size, rng):
    """Packets of all lengths around that of an image, whole ones between them."""
    lengths = [0, 1, *range(max(1, size - 9), size + 10), 2 * size, 3 * size]
    rng.shuffle(lengths)
    return [rng.randbytes(length) for wrong in lengths for length in (wrong, size)]


@pytest.mark.some(12)
@pytest.mark.parametrize("duty", [1.0, 0.5, {"i": 0.3}, {"o": 0.3}, {"marks": 0.05}], ids=str)
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("width", WIDTHS)
def test_packets_of_any_length_are_images(width, colours, duty):
    """Each packet is an image; none moves those that follow."""
    rng     = random.Random(f"{width} {colours}")
    packets = ragged(7 * colours, rng)
    words, marks = image_input(packets, 7, colours)
    assert 0 < sum(marks) < len(marks)
    passed = transfer(ImageInput(7, width=width, colours=colours, ahead=4),
                      {"i": beats(packets, width, rng)}, {"o": len(words), "marks": len(marks)}, duty=duty,
                      pins={"enable": 1})
    assert passed["o"].words == words
    assert passed["marks"].words == marks


@pytest.mark.parametrize("width", WIDTHS)
def test_images_of_a_byte(width):
    rng     = random.Random(width)
    packets = [rng.randbytes(length) for length in (1, 1, 2, 0, 9, 1, 17, 1)]
    words, marks = image_input(packets, 1, 1)
    passed = transfer(ImageInput(1, width=width), {"i": beats(packets, width, rng)},
                      {"o": 8, "marks": 8}, pins={"enable": 1})
    assert (passed["o"].words, passed["marks"].words) == (words, marks)


@pytest.mark.parametrize("width, colours, per_pixel", [
    (8, 1, 1), (16, 1, 1), (32, 1, 1), (64, 1, 1), (32, 3, 1), (64, 3, 1), (8, 3, 3), (16, 3, 1.5)])
def test_throughput(width, colours, per_pixel):
    """A pixel per cycle, where a beat has the bytes of one: whole images follow each other without a
    gap."""
    rng     = random.Random(0)
    packets = [rng.randbytes(24 * colours) for _ in range(4)]
    passed  = transfer(ImageInput(24, width=width, colours=colours), {"i": beats(packets, width, rng)},
                       {"o": 96, "marks": 4}, pins={"enable": 1})
    cycles  = passed["o"].cycles
    assert cycles[0] - passed["i"].cycles[0] == -(-8 * colours // width) * ImageInput.latency
    assert cycles[-1] - cycles[0] == pytest.approx(95 * per_pixel, abs=1)


def test_bytes_end_at_the_first_that_is_not_kept():
    """A packet of such a beat is too short, whatever follows the gap."""
    whole = [{"data": byte, "keep": 15, "last": byte == 2} for byte in (1, 2)]
    words = [beat_layout(32).const(beat).as_bits() for beat in (
        {"data": 0x04030201, "keep": 0b1011, "last": 0}, {"data": 0x08070605, "keep": 15, "last": 1},
        *whole)]
    passed = transfer(ImageInput(8, width=32), {"i": words}, {"o": 16, "marks": 2}, pins={"enable": 1})
    assert passed["o"].words == [1, 2, 5, 6, 7, 8, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]
    assert passed["marks"].words == [1, 0]


@pytest.fixture
def watched():
    """A function that sends packets of bytes to a component; it returns the cycles in which each report was
    1, and those in which beats were taken. With ``enabled`` packets may only begin before this cycle."""
    def watched(packets, pixels, images, enabled=1000):
        dut, cycles = ImageInput(pixels, width=8), {"whole": [], "mismatch": [], "busy": [], "taken": []}

        async def process(ctx):
            for cycle in range(1000):
                ctx.set(dut.enable, cycle < enabled)
                *_, whole, mismatch, busy, valid, ready = await ctx.tick().sample(
                    dut.whole, dut.mismatch, dut.busy, dut.i.valid, dut.i.ready)
                for name, value in zip(cycles, (whole, mismatch, busy, valid and ready), strict=True):
                    cycles[name] += [cycle] * value

        sent = beats(packets, 8, random.Random(0))
        if enabled < 1000:
            with pytest.raises(AssertionError, match="^after 100 cycles only"):
                transfer(dut, {"i": sent}, {"o": pixels * images, "marks": images}, processes=[process],
                         deadline=100)
        else:
            transfer(dut, {"i": sent}, {"o": pixels * images, "marks": images}, processes=[process])
        return cycles

    return watched


def test_reports(watched):
    """An image is whole with its last byte; a packet that is too short proves so with its last beat, one
    that is too long with the last byte of the image."""
    cycles = watched([b"abc", b"a", b"abcde", b"abc"], 3, 4)
    assert cycles["taken"] == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13]
    assert cycles["whole"] == [2, 5, 8, 13]
    assert cycles["mismatch"] == [3, 8]


def test_no_packet_begins_where_it_may_not(watched):
    """But what has begun goes on, to the end of a packet that is too long."""
    assert watched([b"abc"] * 3, 3, 3, enabled=5)["taken"] == [0, 1, 2, 3, 4, 5]
    assert watched([b"abcde"] * 3, 3, 3, enabled=4)["taken"] == [0, 1, 2, 3, 4]


def test_busy(watched):
    """From the first byte of an image until its mark is taken."""
    assert watched([b"abc"], 3, 1)["busy"] == [1, 2, 3]


@pytest.mark.parametrize("options, message", [
    ({"pixels": 0}, "Images must have at least 1 pixel, not 0"),
    ({"pixels": 3, "width": 24}, "Width must be 8, 16, 32 or 64, not 24"),
    ({"pixels": 3, "colours": 0}, "Pixels must have at least 1 component, not 0"),
])
def test_refuses(options, message):
    with pytest.raises(ValueError) as error:
        ImageInput(**options)
    assert str(error.value) == message
