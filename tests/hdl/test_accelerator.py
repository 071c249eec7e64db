# amaranth: UnusedElaboratable=no

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Cat, ResetInserter, Signal
from amaranth.sim import Simulator

from gen.compile import compile_network
from gen.ir import Target
from gen.lower import lower
from golden.network import predict
from hdl.head.result import result_layout
from sim.component import PERIOD, transfer
from tests.outcomes import bits_of


PASSES = 6
TARGET = Target(array_rows=32, array_columns=4, passes=PASSES, passes_max=PASSES, seed=3)


def make_images(network, count, seed=0):
    return np.random.default_rng(seed).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)


def results_of(network, images, bits):
    """Fields of each word of the results, by the golden model, with the random bits of each image."""
    classes = network.layers[-1].outputs
    for image, keep in zip(images, bits, strict=True):
        golden, _ = predict(network, image[None], keep[None])
        for index in range(classes):
            yield {"sum": golden.sums[0, index], "square": golden.squares[0, index],
                   "votes": golden.votes[0, index], "confident": golden.confident[0, index],
                   "last": index == classes - 1, "error": 0,
                   **({"prediction": golden.prediction[0], "reject": golden.reject[0],
                       "passes": golden.passes} if index == classes - 1 else {})}


def check(network, images, bits, words, left_out=()):
    """Compare each field; those that hold for an image where they are stated to be read. ``bits`` are those
    of each image, or how many passes it has, with the bits of the network's generator. Of other images
    these would be other results."""
    if isinstance(bits[0], int):
        bits = bits_of(network.generator, bits)
    layout = result_layout(network.layers[-1].outputs, PASSES)
    wanted = list(results_of(network, images, bits))
    assert all(one != other for one, other in zip(
        wanted, results_of(network, 255 - images, bits), strict=True) if one["last"])
    for word, expected in zip(words, wanted, strict=True):
        word = layout.from_bits(word)
        for name in left_out:
            del expected[name]
        assert {name: int(word[name]) for name in expected} == {
            name: int(value) for name, value in expected.items()}


def changing(dut, counts):
    """A process that sets the number of passes of each image as its first pixel is due, and to
    another as soon as it has been taken."""
    async def process(ctx):
        for count in counts:
            ctx.set(dut.passes, count)
            for number in range(dut.pixel_input.pixels):
                taken = False
                while not taken:
                    *_, valid, ready = await ctx.tick().sample(dut.pixels.valid, dut.pixels.ready)
                    taken = valid and ready
                if number + 1 < dut.pixel_input.pixels:
                    ctx.set(dut.passes, 1 + number % PASSES)
    return process


def run(network, target, counts, duty=1.0):
    dut    = lower(network, target)
    images = make_images(network, len(counts))
    return images, transfer(dut, {"pixels": images.ravel().tolist()},
                            {"results": len(counts) * network.layers[-1].outputs}, duty=duty,
                            processes=[changing(dut, counts)])["results"]


@pytest.mark.some(4)
@pytest.mark.parametrize("schedule", ["shared", "sequential"])
@pytest.mark.parametrize("seed, hidden, duty", [(2, 2, 1.0), (3, 0, 1.0), (14, 2, 0.5)])
def test_matches_golden(compiled, seed, hidden, duty, schedule):
    """Every number of passes, one image after another; so the schedules agree with each other as well."""
    target  = replace(TARGET, schedule=schedule)
    network, target = compiled(seed, target, hidden)
    counts  = [PASSES, 1, 3, 2, 4, 5]
    images, results = run(network, target, counts, duty)
    check(network, images, counts, results.words)


def test_points(random_network):
    """Four, for as many passes as there can be: for some images shifts are drawn twice, and some leave the
    last points."""
    target  = replace(TARGET, masks="balanced", passes=4)
    network = compile_network(random_network(14, 1), target)
    counts  = [PASSES, 1, 4, 3, 5, 4, PASSES]
    images, results = run(network, target, counts)
    check(network, images, counts, results.words)


@pytest.mark.some(2)
@pytest.mark.parametrize("schedule", ["shared", "sequential"])
def test_protection_changes_no_word_and_no_cycle(compiled, schedule):
    passed = []
    for protect in (False, True):
        network, target = compiled(3, replace(TARGET, schedule=schedule, protect=protect), hidden=0)
        passed.append(run(network, target, [PASSES, 2], 0.8)[1])
    assert passed[0].words == passed[1].words
    assert passed[0].cycles == passed[1].cycles


def test_two_blocks_of_one_name(random_network):
    dut = lower(compile_network(random_network(0, 2), TARGET), TARGET)
    dut.names = ("conv", "fc", "conv")
    with pytest.raises(ValueError, match="^Each block must have a name of its own, but two are named "
                                         "'layer_conv'$"):
        dut.elaborate(None)


@pytest.mark.some(2)
@pytest.mark.parametrize("sources, stuck", [("model", 0), ("layer", 0), ("layer", 1), ("layer", 2)])
def test_stuck_junction_raises_the_alarm(random_network, sources, stuck):
    """One of the sources, or the only one, always senses that it has switched. The alarm rises two
    cycles after the bit that makes 61 of it equal, and results that follow bear the error; but they are
    those of the bits that were sensed. Pixels wait for the reads of the first layer."""
    network = random_network(2, 2)
    network = replace(network, draws=tuple(replace(draw, drops=(0.5,)) for draw in network.draws))
    target  = replace(TARGET, rng="mtj", mtj_currents=(1, 2, 3), mtj_reset_current=255, sources=sources,
                      interval=150)
    network = compile_network(network, target)
    assert network.layers[0].folding.column_groups > 1
    dut     = lower(network, target)
    pins    = list(dut.mtj)
    alarms, flags, sensed = [], [], [[] for _ in pins]

    async def play(ctx):
        rng, before, drawn, raised = np.random.default_rng(0), [0] * len(pins), 0, None
        ctx.set(dut.passes, PASSES)
        while True:
            *_, sets, alarm, valid, ready, word = await ctx.tick().sample(
                Cat(mtj.set for mtj in pins), dut.alarm, dut.results.valid, dut.results.ready,
                dut.results.payload.as_value())
            for number, mtj in enumerate(pins):
                up = sets >> number & 1
                if up and not before[number]:
                    drawn += number == stuck
                    sensed[number].append(1 if number == stuck else int(rng.integers(2)))
                    ctx.set(mtj.sense, sensed[number][-1])
                before[number] = up
            raised = drawn if alarm and raised is None else raised
            if valid and ready:
                alarms.append(alarm)
                flags.append(result_layout(network.layers[-1].outputs, PASSES).from_bits(word).error)
            if raised is not None and not stopped:
                stopped.append(raised)

    stopped = []
    images = make_images(network, 16)
    passed = transfer(dut, {"pixels": images.ravel().tolist()},
                      {"results": 16 * network.layers[-1].outputs}, processes=[play])
    # Sources are asked in turn, so each bit of a pass has one of its own, or all have the same; a junction
    # that has switched is a 0.
    bits = ~np.array([each[:min(map(len, sensed))] for each in sensed], bool).T.ravel()
    bits = bits[:16 * PASSES * len(network.drops)].reshape(16, PASSES, -1)
    check(network, images, bits, passed["results"].words, left_out=["error"])
    assert stopped == [62] # the pulse of the next bit has begun
    assert flags == sorted(flags) and 0 < sum(flags) < len(flags)
    # The flag stands in the words that are made after the alarm, which wait for a while.
    assert all(alarm or not flag for alarm, flag in zip(alarms, flags, strict=True))
    assert sum(alarms) - sum(flags) <= network.layers[-1].outputs


@pytest.mark.some(2)
@pytest.mark.parametrize("cycles, schedule", [(20, "shared"), (301, "shared"), (150, "sequential")])
def test_reset_leaves_no_trace(compiled, schedule, cycles):
    """Reset amid images, then as if nothing had been."""
    target  = replace(TARGET, schedule=schedule)
    network, target = compiled(14, target, hidden=2)
    dut, reset = lower(network, target), Signal()
    images, counts = make_images(network, 3), [PASSES, 2, PASSES]
    wanted = 3 * network.layers[-1].outputs
    words = []

    async def send(ctx):
        rng = np.random.default_rng(0)
        ctx.set(dut.pixels.valid, 1)
        ctx.set(dut.passes, PASSES)
        for _ in range(cycles):
            ctx.set(dut.pixels.payload, int(rng.integers(256)))
            await ctx.tick()
        ctx.set(dut.pixels.valid, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        words.clear()
        for count, image in zip(counts, images, strict=True):
            ctx.set(dut.passes, count)
            for pixel in image.ravel():
                ctx.set(dut.pixels.payload, int(pixel))
                ctx.set(dut.pixels.valid, 1)
                await ctx.tick().until(dut.pixels.ready)
        ctx.set(dut.pixels.valid, 0)

    async def receive(ctx):
        ctx.set(dut.results.ready, 1)
        for _ in range(20_000):
            *_, valid, word = await ctx.tick().sample(
                dut.results.valid, dut.results.payload.as_value())
            if valid:
                words.append(word)
            if ctx.get(reset) == 0 and len(words) >= wanted and not ctx.get(dut.pixels.valid):
                break

    sim = Simulator(ResetInserter(reset)(dut))
    sim.add_clock(PERIOD)
    sim.add_testbench(send)
    sim.add_testbench(receive)
    sim.run()
    check(network, images, counts, words)
