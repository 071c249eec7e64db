# amaranth: UnusedElaboratable=no

import random

import pytest

from gen.ir import Generator
from golden.random.generator import choices
from hdl.random.mtj_rng import MtjRng
from hdl.random.pseudo_rng import PseudoRng
from hdl.random.rng_bank import RngBank
from sim.component import transfer


SEEDS = (1, 0x123456789ABCDEF, 77)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
def test_matches_golden(duty, count):
    """Three bits of a pass from as many sources, asked in turn, or from one: a request in every cycle."""
    drop = 32768, 32768, 20000
    flat = choices(Generator(SEEDS[:count], drop), 2, 15).ravel().tolist()
    bank = RngBank([PseudoRng(drop, seed=seed) for seed in SEEDS[:count]])
    passed = transfer(bank, {"i": [0, 1, 2] * 30}, {"o": 90}, duty=duty)
    assert passed["o"].words == flat
    assert passed["i"].cycles == list(range(90)) or duty < 1


@pytest.mark.parametrize("duty", [1.0, 0.5])
def test_reseed(duty):
    """Each source gets the state that is for it."""
    bank = RngBank([PseudoRng((32768,), seed=5, seedable=True) for _ in SEEDS])
    flat = choices(Generator(SEEDS, (32768,) * 3), 1, 40).ravel().tolist()

    async def give(ctx):
        for number, seed in enumerate(SEEDS):
            ctx.set(bank.reseed.payload, {"state": seed, "source": number})
            ctx.set(bank.reseed.valid, 1)
            await ctx.tick()
        ctx.set(bank.reseed.valid, 0)
        while True:
            await ctx.tick()

    passed = transfer(bank, {"i": [0] * 120}, {"o": 120}, duty=duty, starts={"i": 5}, processes=[give])
    assert passed["o"].words == flat


def test_timing():
    """Answers come a cycle after requests, of which one is taken in every cycle."""
    bank = RngBank([PseudoRng((1,), seed=seed) for seed in SEEDS])
    passed = transfer(bank, {"i": [0] * 12}, {"o": 12})
    assert passed["i"].cycles == list(range(12))
    assert passed["o"].cycles == [cycle + bank.latency for cycle in passed["i"].cycles]


#: Codes of the SET current of two layers.
CURRENTS = (3, 200)


def make_junctions(count, cycles):
    return RngBank([MtjRng(CURRENTS, 255, code=8, set_cycles=cycles[0], read_cycles=cycles[1],
                           reset_cycles=cycles[2]) for _ in range(count)])


@pytest.mark.parametrize("duty", [1.0, 0.3])
@pytest.mark.parametrize("count, cycles", [
    (1, (2, 1, 1)), (2, (2, 1, 1)), (3, (1, 1, 5)), (7, (1, 1, 1))])
def test_junctions_work_at_the_same_time(count, cycles, duty):
    """Junctions that sense what was drawn for them, each with the current of the layer of its request; each
    round of requests takes that of a junction, or a cycle for each."""
    bank   = make_junctions(count, cycles)
    rng    = random.Random(0)
    drawn  = rng.choices((0, 1), k=5 * count)
    layers = rng.choices((0, 1), k=5 * count)
    currents = [[] for _ in range(count)]

    async def play(ctx):
        left = [drawn[number::count] for number in range(count)]
        while True:
            _, _, *pins = await ctx.tick().sample(
                *(pin for mtj in bank.mtj for pin in (mtj.read, mtj.set)))
            for number, mtj in enumerate(bank.mtj):
                read, set_ = pins[2 * number:2 * number + 2]
                if read and not ctx.get(mtj.read):
                    left[number].pop(0)
                if ctx.get(mtj.set) and not set_:
                    currents[number].append(ctx.get(mtj.current))
                if ctx.get(mtj.set) and left[number]:
                    ctx.set(mtj.sense, 1 - left[number][0])

    passed = transfer(bank, {"i": layers}, {"o": len(drawn)}, duty=duty, processes=[play])
    assert passed["o"].words == drawn
    assert currents == [[CURRENTS[layer] for layer in layers[number::count]] for number in range(count)]
    starts = passed["i"].cycles[count:len(drawn):count]
    assert duty < 1 or {after - before for before, after in zip(starts, starts[1:], strict=False)} == {
        max(count, bank.interval)}


def test_rejects():
    with pytest.raises(ValueError, match="^A bank must have at least one source, not 0$"):
        RngBank([])
    with pytest.raises(ValueError, match="^All sources of a bank must have the same ports$"):
        RngBank([PseudoRng((1,), seed=1), PseudoRng((1, 2), seed=1)])
