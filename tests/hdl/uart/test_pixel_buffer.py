# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.sim import Simulator

from hdl.uart.pixel_buffer import PixelBuffer


def run(dut, frames, duty):
    """Send frames, of each whether it is meant and its bytes; a frame that is meant counts if it fits.
    Return those that counted, and all that has come out, each byte with whether it is the last one."""
    counted, came, done = [], [], []

    async def send(ctx):
        for meant, frame in frames:
            for byte in frame + b"CHCK":
                ctx.set(dut.i.payload, byte)
                ctx.set(dut.i.valid, 1)
                await ctx.tick()
            ctx.set(dut.i.valid, 0)
            fits = ctx.get(dut.fits)
            ctx.set(dut.commit, meant and fits)
            ctx.set(dut.abandon, not (meant and fits))
            expected = sum(map(len, counted)) + len(frame) * fits
            assert not fits or ctx.get(dut.after) == (sum(map(len, counted)) + len(frame)) % 65536
            await ctx.tick()
            ctx.set(dut.commit, 0)
            ctx.set(dut.abandon, 0)
            if meant and fits:
                counted.append(frame)
                assert ctx.get(dut.taken) == expected % 65536
        done.append(True)

    async def take(ctx):
        rng, quiet = random.Random(0), 0
        while quiet < 200:
            ctx.set(dut.o.ready, ready := rng.random() < duty)
            *_, valid, byte, last = await ctx.tick().sample(
                dut.o.valid, dut.o.payload.data, dut.o.payload.last)
            if valid and ready:
                came.append((byte, last))
            quiet = quiet + 1 if done and not valid else 0

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(send)
    sim.add_testbench(take)
    sim.run()
    return counted, came


@pytest.mark.parametrize("duty", [1.0, 0.2])
def test_frames(duty):
    """What counts comes out once and in order, whatever does not; where there is no room, nothing
    counts."""
    rng    = random.Random(1)
    frames = [(rng.random() < 0.7, rng.randbytes(rng.choice((0, 1, 20, 60, 61)))) for _ in range(150)]
    counted, came = run(PixelBuffer(5, depth=64), frames, duty)
    assert bytes(byte for byte, _ in came) == b"".join(counted)
    assert [last for _, last in came] == [place % 5 == 4 for place in range(len(came))]
    # There is never room for 61 bytes and their check sequence; where all is taken at once, mostly for 20.
    meant = [len(frame) for meant, frame in frames if meant]
    sizes = list(map(len, counted))
    assert sizes.count(61) == 0 < meant.count(61)
    assert (sizes.count(20) > 0.8 * meant.count(20)) == (duty == 1)


@pytest.mark.long
def test_numbers_begin_again():
    """Bytes are numbered modulo 65,536, and what is sent then is what came."""
    dut, came = PixelBuffer(5, depth=64), []

    async def send(ctx, data):
        ctx.set(dut.i.valid, 1)
        for byte in data + b"CHCK":
            ctx.set(dut.i.payload, byte)
            await ctx.tick()
        await commit(ctx)

    async def commit(ctx):
        ctx.set(dut.i.valid, 0)
        assert ctx.get(dut.fits)
        ctx.set(dut.commit, 1)
        await ctx.tick()
        ctx.set(dut.commit, 0)

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        for number in range(1, 1100):
            ctx.set(dut.i.valid, 1)
            await ctx.tick().repeat(64)
            assert ctx.get(dut.after) == 60 * number % 65536
            await commit(ctx)
            assert ctx.get(dut.taken) == 60 * number % 65536
            await ctx.tick().repeat(124)
            assert not ctx.get(dut.o.valid)
        await send(ctx, bytes(range(20)))
        for _ in range(50):
            *_, valid, byte, last = await ctx.tick().sample(
                dut.o.valid, dut.o.payload.data, dut.o.payload.last)
            if valid:
                came.append((byte, last))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert came == [(byte, (1099 * 60 + byte) % 5 == 4) for byte in range(20)]


@pytest.mark.parametrize("depth", [4, 12, 65536])
def test_wrong_depth(depth):
    with pytest.raises(ValueError, match=f"^Depth must be a power of two from 8 to 32768, not {depth}$"):
        PixelBuffer(5, depth)


def test_wrong_size():
    with pytest.raises(ValueError, match="^Images must have at least 1 byte, not 0$"):
        PixelBuffer(0)
