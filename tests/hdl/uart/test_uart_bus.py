# amaranth: UnusedElaboratable=no

import random
import struct

from amaranth.hdl import Value
from amaranth.sim import Simulator

from hdl.head.result import result_layout
from hdl.uart.requests import Kind
from hdl.uart.uart_bus import UartBus
from host.frames import Deframer, encode
from tests.hdl.uart.test_uart_receiver import line


HEAD = struct.Struct("<BBHI")

#: Cycles of a bit.
BIT = 4

#: Two images of three pixels, with both values of each bit.
PIXELS = bytes((0x9A, 0x65, 0x3C, 0xC3, 0x5A, 0xA5))


def test_images_and_registers():
    """Pixels of two frames are the images of an accelerator, those of the second one before it takes them;
    its results come back, and light what they say; a frame that is hit has no effect; a reset begins
    anew."""
    dut = UartBus(clock_hz=400, baud=100, pixels=3, colours=1, classes=2, passes=4, passes_max=5)
    pixels, levels, resets = [], [], []

    def send(*requests):
        return [*line(b"".join(map(encode, requests)), BIT), *[1] * 800]

    wrong = bytearray(encode(HEAD.pack(Kind.EXCHANGE, 2, 5, 0) + bytes([9])))
    wrong[5] ^= 1
    plan = [
        *send(HEAD.pack(Kind.WRITE, 1, 0x14, 3), HEAD.pack(Kind.EXCHANGE, 2, 0, 0) + PIXELS[:5]),
        *line(wrong, BIT), *[1] * 800,
        *send(HEAD.pack(Kind.EXCHANGE, 3, 5, 0) + PIXELS[5:]), *[1] * 400,
        *send(HEAD.pack(Kind.EXCHANGE, 4, 6, 200 << 16)), *[1] * 6000,
        *send(HEAD.pack(Kind.READ, 5, 0x24, 0)), *send(HEAD.pack(Kind.RESET, 6, 0, 0)),
        *send(HEAD.pack(Kind.READ, 7, 0x24, 0)),
    ]

    async def wires(ctx):
        for level in plan:
            ctx.set(dut.rx, level)
            *_, tx, reset, fault = await ctx.tick().sample(dut.tx, dut.reset, dut.fault)
            levels.append(tx)
            resets.append(reset)
            assert not fault
        ctx.set(dut.alarm, 1)
        await ctx.tick()
        assert ctx.get(dut.fault)

    async def accelerator(ctx):
        rng = random.Random(0)
        layout = result_layout(2, 5)
        shown = 0, 0
        assert (ctx.get(dut.prediction), ctx.get(dut.reject)) == shown
        for image in range(2):
            for _ in range(3):
                ctx.set(dut.pixels.ready, 1)
                valid = False
                while not valid:
                    *_, valid, pixel = await ctx.tick().sample(dut.pixels.valid, dut.pixels.payload)
                pixels.append(pixel)
                ctx.set(dut.pixels.ready, 0)
            for word in range(2):
                ctx.set(Value.cast(dut.results.payload), layout.const({
                    "sum": 100 * image + word, "square": rng.randrange(1000), "passes": 3,
                    "prediction": image, "reject": image, "last": word}).as_bits())
                ctx.set(dut.results.valid, 1)
                taken = False
                while not taken:
                    *_, taken, prediction, reject = await ctx.tick().sample(
                        dut.results.ready, dut.prediction, dut.reject)
                    assert (prediction, reject) == shown # until the edge
                ctx.set(dut.results.valid, 0)
                shown = image, image
            assert (ctx.get(dut.prediction), ctx.get(dut.reject), ctx.get(dut.passes)) == (*shown, 3)

    sim = Simulator(dut)
    sim.add_clock(1e-3)
    sim.add_testbench(wires)
    sim.add_testbench(accelerator)
    sim.run()

    assert bytes(pixels) == PIXELS
    came, place = bytearray(), 0
    while place < len(levels): # a start bit, eight bits, a stop bit
        if levels[place]:
            place += 1
            continue
        bits = levels[place + BIT // 2:place + 10 * BIT:BIT]
        came.append(sum(bit << number for number, bit in enumerate(bits[1:9])))
        place += 10 * BIT - 1
    heads = [(*HEAD.unpack(frame[:8]), frame[8:]) for frame in Deframer().feed(bytes(came))]
    results = heads[4][4]
    assert [head[:4] for head in heads] == [
        (Kind.WRITE | 0x80, 1, 0x14, 3), (Kind.EXCHANGE | 0x80, 2, 5, 0), (0xFF, 0, 0, 0),
        (Kind.EXCHANGE | 0x80, 3, 6, 1 << 16), (Kind.EXCHANGE | 0x80, 4, 6, 1 << 16),
        (Kind.READ | 0x80, 5, 0x24, 2), (Kind.RESET | 0x80, 6, 0, 0), (Kind.READ | 0x80, 7, 0x24, 0)]
    rows = [struct.unpack("<QIIIIII", results[start:start + 32]) for start in range(0, 128, 32)]
    assert [row[1] for row in rows] == [0, 1, 100, 101] and [row[6] for row in rows] == [0, 1, 2, 3]
    assert resets[0] and sum(resets[1:]) == 16
