# amaranth: UnusedElaboratable=no

import random
import struct

import pytest
from amaranth.sim import Simulator

from hdl.uart.requests import QUEUE, Kind, Requests


HEAD = struct.Struct("<BBHI")


def run(frames, *, taken=0, fits=True):
    """Send frames, of each whether it is good and its bytes; return what waits, the bytes of pixels of each
    frame, whether they are committed, and the number of bad ones."""
    dut, asked, pixels = Requests(), [], []

    async def bench(ctx):
        ctx.set(dut.taken, taken)
        ctx.set(dut.after, 77)
        ctx.set(dut.fits, fits)
        for good, frame in frames:
            handed = bytearray()
            for byte in frame:
                ctx.set(dut.i.payload, byte)
                ctx.set(dut.i.valid, 1)
                if ctx.get(dut.pixels.valid):
                    handed.append(ctx.get(dut.pixels.payload))
                await ctx.tick()
            ctx.set(dut.i.valid, 0)
            ctx.set(dut.end, 1)
            ctx.set(dut.good, good)
            commit = ctx.get(dut.commit)
            assert ctx.get(dut.abandon) == (not commit)
            pixels.append((bytes(handed), commit))
            await ctx.tick()
            ctx.set(dut.end, 0)
        for _ in range(3): # what waits stays
            await ctx.tick()
        ctx.set(dut.o.ready, 1)
        while ctx.get(dut.o.valid):
            word = ctx.get(dut.o.payload)
            asked.append((word.kind, word.tag, word.place, word.value))
            await ctx.tick()
        asked.append(ctx.get(dut.bad))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return asked, pixels


def request(kind, tag, place, value, pixels=b""):
    return HEAD.pack(kind, tag, place, value) + pixels + b"CHCK"


def test_requests():
    """All that is said comes out; pixels count where they are the next ones, and their place is the new
    one."""
    asked, pixels = run([
        (1, request(Kind.EXCHANGE, 1, 500, 0xAABBCCDD, b"pixels")), (1, request(Kind.AGAIN, 2, 500, 7)),
        (1, request(Kind.EXCHANGE, 3, 501, 9, b"others")),
        (1, request(Kind.WRITE, 4, 0x14, 20))], taken=500)
    assert asked == [(Kind.EXCHANGE, 1, 77, 0xAABBCCDD), (Kind.AGAIN, 2, 77, 7), (Kind.EXCHANGE, 3, 500, 9),
                     (Kind.WRITE, 4, 0x14, 20), 0]
    assert pixels == [(b"pixelsCHCK", 1), (b"CHCK", 1), (b"", 0), (b"", 0)]


def test_no_room_for_pixels():
    asked, pixels = run([(1, request(Kind.EXCHANGE, 1, 500, 0, b"pixels"))], taken=500, fits=False)
    assert asked == [(Kind.EXCHANGE, 1, 500, 0), 0] and pixels == [(b"pixelsCHCK", 0)]


def test_wrong_frames():
    """What is wrong, or no request, has no effect; the next frame is right."""
    good = request(Kind.EXCHANGE, 1, 0, 0, b"pixels")
    for wrong in ((0, good), (1, b"\x01"), (1, good[:11]), (1, request(0, 1, 0, 0)),
                  (1, request(6, 1, 0, 0))):
        asked, pixels = run([wrong, (1, good)])
        assert asked == [(Kind.NACK, 0, 0, 0), (Kind.EXCHANGE, 1, 77, 0), 1]
        assert [commit for _, commit in pixels] == [0, 1]


def test_kinds():
    """No other first byte is that of a request, though it differs in one bit."""
    real = range(Kind.EXCHANGE, Kind.RESET + 1)
    near = sorted({kind ^ 1 << bit for kind in real for bit in range(8)} - {*real})
    for begin in range(0, len(near), QUEUE):
        kinds = near[begin:begin + QUEUE]
        asked, _ = run([(1, request(kind, 1, 500, 2)) for kind in kinds])
        assert asked == [(Kind.NACK, 0, 0, 0)] * len(kinds) + [len(kinds)], kinds


@pytest.mark.parametrize("flip", [False, True])
def test_waiting_requests_stay(flip):
    """Those that find no place, though they differ in all bits but those of the kind, change none that
    wait."""
    rng   = random.Random(0)
    heads = [(Kind.WRITE, *(rng.getrandbits(bits) ^ flip * ((1 << bits) - 1) for bits in (8, 16, 32)))
             for _ in range(QUEUE)]
    lost  = [(kind, tag ^ 0xFF, place ^ 0xFFFF, value ^ 0xFFFFFFFF) for kind, tag, place, value in heads]
    asked, _ = run([(1, request(*head)) for head in heads + lost])
    assert asked == [*heads, QUEUE]


def test_too_many():
    """What finds no place has no effect."""
    rng    = random.Random(0)
    frames = [request(Kind.EXCHANGE, tag, 0, 0, rng.randbytes(3)) for tag in range(QUEUE + 2)]
    asked, pixels = run([(1, frame) for frame in frames])
    assert asked == [(Kind.EXCHANGE, tag, 77, 0) for tag in range(QUEUE)] + [2]
    assert [commit for _, commit in pixels] == [1] * QUEUE + [0, 0]
