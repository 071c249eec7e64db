# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.sim import Simulator

from hdl.uart.result_buffer import SETTLES, ResultBuffer


@pytest.mark.parametrize("duty", [1.0, 0.3])
def test_again(duty):
    """Bytes come in order, and again from wherever it is asked for; none is overwritten before it is
    released."""
    dut, data = ResultBuffer(depth=16), random.Random(0).randbytes(200)
    had = bytearray() # what has arrived

    async def send(ctx):
        for byte in data:
            ctx.set(dut.i.payload, {"data": byte})
            ctx.set(dut.i.valid, 1)
            taken = False
            while not taken:
                *_, taken = await ctx.tick().sample(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def take(ctx):
        rng, released = random.Random(1), 0
        for _ in range(1000):
            if len(had) == len(data):
                return
            # Of places that were never, or are released, nothing is done.
            ctx.set(dut.place, rng.choice(((released - 1) % 65536, len(had) + 17, 40_000)))
            ctx.set(dut.release, 1)
            ctx.set(dut.again, 1)
            before = ctx.get(dut.next)
            await ctx.tick()
            assert ctx.get(dut.next) == before
            again, released = rng.random() < 0.4, len(had)
            ctx.set(dut.place, released)
            ctx.set(dut.again, again)
            await ctx.tick()
            ctx.set(dut.release, 0)
            await ctx.tick().repeat(2)
            place, waiting = ctx.get(dut.next), ctx.get(dut.waiting)
            assert place == (len(had) if again else before)
            count, came = min(waiting, rng.randrange(8)), bytearray()
            while len(came) < count:
                ctx.set(dut.o.ready, ready := rng.random() < duty)
                *_, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                if valid and ready:
                    came.append(byte)
            ctx.set(dut.o.ready, 0)
            assert came == data[place:place + count]
            if place == len(had) and rng.random() < 0.6: # it has arrived
                had.extend(came)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(send)
    sim.add_testbench(take)
    sim.run()
    assert had == data


@pytest.mark.long
def test_numbers_begin_again():
    """Places are numbered modulo 65,536: also there bytes come, and again; and no byte is before the first
    one that is kept, whatever the numbers."""
    dut = ResultBuffer(depth=16)

    async def release(ctx, place, again):
        ctx.set(dut.place, place % 65536)
        ctx.set(dut.again, again)
        ctx.set(dut.release, 1)
        await ctx.tick()
        ctx.set(dut.release, 0)
        await ctx.tick().repeat(SETTLES)

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        for block in range(4100):
            first = 16 * block
            ctx.set(dut.i.valid, 1)
            for place in range(first, first + 16):
                ctx.set(dut.i.payload, {"data": place * 7 & 255})
                await ctx.tick()
            assert not ctx.get(dut.i.ready)
            ctx.set(dut.i.valid, 0)
            await ctx.tick()
            assert ctx.get(dut.o.valid) and ctx.get(dut.o.payload) == (first + 15) * 7 & 255
            await ctx.tick()
            assert (ctx.get(dut.next), ctx.get(dut.waiting)) == ((first + 16) % 65536, 0)
            for start in (first, first + 9) if block % 128 > 125 else ():
                for far in (-1, *(3 + sign * 2**bit for bit in range(5, 16) for sign in (-1, 1)), 17):
                    await release(ctx, first + far, True) # which is no place
                assert not ctx.get(dut.o.valid)
                ctx.set(dut.o.ready, 0)
                await release(ctx, start, True)
                assert (ctx.get(dut.next), ctx.get(dut.waiting)) == (start % 65536, first + 16 - start)
                assert ctx.get(dut.i.ready) == (start > first)
                ctx.set(dut.o.ready, 1)
                for place in range(start, first + 16):
                    *_, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                    assert valid and byte == place * 7 & 255
            await release(ctx, first + 16, False)
            assert ctx.get(dut.i.ready) and not ctx.get(dut.o.valid)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("depth", [4, 12, 65536])
def test_wrong_depth(depth):
    with pytest.raises(ValueError, match=f"^Depth must be a power of two from 8 to 32768, not {depth}$"):
        ResultBuffer(depth)
