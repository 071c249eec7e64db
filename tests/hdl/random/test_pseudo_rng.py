# amaranth: UnusedElaboratable=no

import pytest
from amaranth.sim import Simulator

from gen.ir import Generator
from golden.random.generator import choices
from hdl.random.pseudo_rng import PseudoRng
from sim.component import PERIOD, transfer


def with_limits(seed, drop):
    """``drop`` of some layers, and of more of them that the first pass just reaches, just misses, or
    passes by one bit."""
    mask, state, upper = (1 << 64) - 1, seed, []
    for _ in range(len(drop) + 34):
        state ^= state << 13 & mask
        state ^= state >> 7
        state ^= state << 17 & mask
        upper.append(state >> 48)
    drawn = upper[len(drop):]
    return (*drop, drawn[0], drawn[1] + 1,
            *(value ^ 1 << bit % 16 for bit, value in enumerate(drawn[2:])))


#: Seed, and dropout of each layer.
SOURCES = [(seed, with_limits(seed, drop)) for seed, drop in (
    (1, (32768,) * 5),
    (2**64 - 1, (0, 65536, 6554)),      # never and always dropped
    (0x123456789abcdef, (40000,)),
)]


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("seed, drop", SOURCES)
def test_matches_golden(seed, drop, duty):
    """The bits of two images of five passes, drawn in pass-major order."""
    bits = choices(Generator((seed,), drop), 2, 5).ravel().tolist()
    layers = list(range(len(drop))) * 10
    passed = transfer(PseudoRng(drop, seed=seed), {"i": layers}, {"o": len(bits)}, duty=duty)
    assert passed["o"].words == bits


def test_timing():
    passed = transfer(PseudoRng((1, 2), seed=1), {"i": [0, 1] * 10}, {"o": 20})
    assert passed["i"].cycles == [PseudoRng.interval * index for index in range(20)]
    assert passed["o"].cycles == [cycle + PseudoRng.latency for cycle in passed["i"].cycles]


@pytest.mark.parametrize("seed, drop", SOURCES)
def test_draws_one_bit_ahead(seed, drop):
    """A bit is drawn although it is not taken; then one is drawn as one is taken."""
    layers = [number % len(drop) for number in range(10)]
    passed = transfer(PseudoRng(drop, seed=seed), {"i": layers}, {"o": 10}, starts={"o": 20})
    assert passed["i"].cycles == [0, *range(20, 29)]
    assert passed["o"].cycles == list(range(20, 30))


def test_reseed():
    """From a new state on the bits are those of a source with this seed."""
    seeds, drop = (3, 2**64 - 5, 1 << 33), (30000,)
    dut   = PseudoRng(drop, seed=seeds[0], seedable=True)
    drawn = []

    async def bench(ctx):
        for seed in seeds:
            ctx.set(dut.reseed.payload, seed)
            ctx.set(dut.reseed.valid, seed != seeds[0])
            await ctx.tick()
            ctx.set(dut.reseed.valid, 0)
            ctx.set(dut.reseed.payload, 77)
            ctx.set(dut.o.ready, 1)
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            for _ in range(20):
                assert ctx.get(dut.o.valid)
                drawn.append(ctx.get(dut.o.payload))
                await ctx.tick()
            ctx.set(dut.i.valid, 0)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    assert drawn == [bit for seed in seeds
                     for bit in choices(Generator((seed,), drop), 1, 20).ravel().tolist()]


@pytest.mark.parametrize("drop, seed, message", [
    ((1,), 0, r"Seed must be from 1 to 2 \*\* 64 - 1, not 0"),
    ((1,), 1 << 64, r"Seed must be from 1 to 2 \*\* 64 - 1, not 18446744073709551616"),
    ((0, 65537), 1, "Dropout must be from 0 to 65536, not 65537"),
    ((-1,), 1, "Dropout must be from 0 to 65536, not -1"),
])
def test_rejects(drop, seed, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        PseudoRng(drop, seed=seed)
