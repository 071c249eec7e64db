# amaranth: UnusedElaboratable=no
"""Build a case, use the accelerator as the case says, and compare every bit with the golden model."""

import functools
import shutil
import signal
import tempfile
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from amaranth.hdl import ClockDomain, Module, Value
from amaranth.sim import Simulator
from case import Case, Gaps, make_images, prepare

from gen.build import BuildError, build_network
from gen.check_target import ImpossibleTarget
from gen.checkpoint import CheckpointError, read
from gen.compile import compile_network
from gen.estimate import estimate_network, timeline
from gen.lower import lower
from gen.verify import MalformedNetwork
from golden.device.junction import Mtj
from golden.network import predict
from golden.random.generator import choices
from golden.random.outcomes import outcomes
from hdl.head.averaging import result_layout
from sim import run
from sim.component import PERIOD


__all__ = ["Outcome", "play"]


#: Errors of a build that are refusals, in one line.
REFUSALS = BuildError, CheckpointError, ImpossibleTarget, MalformedNetwork

#: Cycles that a case may take by the estimate; a longer case is played with fewer images, then passes.
CYCLES_LIMIT = 4000

#: Seconds that a case may take, all in all.
SECONDS_LIMIT = 1800


class Failure(Exception):
    """What is wrong with a case."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case."""

    kind: str                     #: ``"equal"``, ``"refused"`` or ``"failed"``.
    message: str = ""             #: Of a refusal or a failure.
    detail: str = ""              #: The traceback of a failure.
    played: Case | None = None    #: What was simulated of the case.
    totals: dict = field(default_factory=dict) #: How much was simulated and compared.


def play(case: Case, runtime: Path | None = None) -> Outcome:
    """Run ``case``; Verilator's run-time library is kept in the folder ``runtime``."""
    with tempfile.TemporaryDirectory(prefix="regress.") as work, warnings.catch_warnings(), \
            _time_limit(SECONDS_LIMIT):
        warnings.simplefilter("error") # as in the tests
        try:
            checkpoint = Path(work, "checkpoint.npz")
            network, target = prepare(case, checkpoint)
            try:
                # As gen.build does.
                network = read(checkpoint, network)
                compiled = compile_network(network, target)
            except REFUSALS as error:
                return _refused(str(error), work)
            if case.fault is not None:
                raise Failure(f"A case that has the fault {case.fault!r} was not refused")
            accelerator = lower(compiled, target)
            if case.simulator == "verilator":
                return _verilator(case, network, target, accelerator, Path(work, "build"), runtime)
            return _amaranth(case, compiled, target, accelerator)
        except Exception as error: # whatever is no refusal is what this looks for
            return Outcome("failed", f"{type(error).__name__}: {error}", traceback.format_exc())


def _refused(message, work):
    if not message.strip() or "\n" in message:
        raise Failure(f"Message must be one line, not {message!r}")
    return Outcome("refused", message.replace(work, "DIR"))


def _amaranth(case, network, target, accelerator):
    """Simulate with Amaranth; compare every result, and the cycles with the estimate."""
    case, idle_limit = _shorten(case, network, accelerator)
    counts  = [min(max(count, 1), target.passes_max) for count in case.counts]
    classes = network.layers[-1].outputs
    images  = make_images(case)
    words, cycles, bits = _simulate(case, accelerator, images, classes * len(images), idle_limit)
    width = len(network.drops)
    drawn = (bits[:sum(counts) * width].reshape(-1, width) if target.rng == "mtj" else
             choices(network.generator, sum(counts), 1)[:, 0])
    _compare(network, images, counts, drawn, words, target.passes_max)
    estimate = _estimate(case, network, accelerator, counts, drawn)
    if estimate is not None:
        first = cycles["pixels"][0]
        for name, got, expected in (
                ("first pixels", cycles["pixels"][::images[0].size], estimate.first_pixels),
                ("results", cycles["results"][classes - 1::classes], estimate.results)):
            got = tuple(cycle - first for cycle in got)
            if got != expected:
                raise Failure(f"Cycles of {name} are {got}, but the estimate, which says that it is "
                              f"exact, has {expected}")
    return Outcome("equal", played=case, totals={
        "images": len(images), "passes": sum(counts), "cycles": cycles["end"],
        "estimates_equal": int(estimate is not None)})


def _estimate(case, network, accelerator, counts, drawn):
    """Return the estimate of all cycles, or None where it is not exact; ``drawn`` has the bits of each
    pass."""
    if case.pixels.duty < 1 or case.results.duty < 1 or len(set(counts)) > 1:
        return None
    taken    = outcomes(network, drawn.reshape(len(counts), counts[0], -1))
    estimate = timeline(accelerator, np.stack(taken, axis=-1))
    return estimate if estimate.exact else None


def _shorten(case, network, accelerator):
    """Return ``case`` with as many images and passes as :data:`CYCLES_LIMIT` allows, and after how many
    cycles without a result it counts as hanging."""
    # A port that is rarely active makes each step take longer.
    slow, counts = 1 / min(case.pixels.duty, case.results.duty), list(case.counts)
    cycles_of = functools.cache(functools.partial(_cycles, network, accelerator))
    while True:
        cycles = [cycles_of(count) for count in counts]
        if slow * sum(cycles) <= CYCLES_LIMIT or sum(counts) <= 1 == len(counts):
            break
        counts = ([count // 2 or 1 for count in counts] if max(counts) > 1 and len(counts) <= 2
                  else counts[:-1])
    stall = 50 * max(case.pixels.run, case.results.run)
    return replace(case, counts=tuple(counts)), 1000 + round(slow**2 * (4 * max(cycles) + stall))


def _cycles(network, accelerator, count):
    """Return about the most cycles of an image that asks for ``count`` passes."""
    passes = min(max(count, 1), accelerator.pixel_input.most)
    bound  = estimate_network(accelerator, network, passes, 1.0)
    return bound["latency_cycles_largest"] + bound["random_cycles_per_image"]


def _simulate(case, accelerator, images, wanted, idle_limit):
    """Send ``images`` and take ``wanted`` words; a reset before them leaves no trace.

    Returns the words, the cycles in which they and the pixels passed, and the bits that junctions drew.
    """
    domain, top = ClockDomain("sync"), Module()
    top.domains.sync = domain
    top.submodules.dut = accelerator
    pixels, results = accelerator.pixels, accelerator.results
    word_of = Value.cast(results.payload)
    words, cycles = [], {"pixels": [], "results": []}
    junctions = _junctions(accelerator)

    async def drive(ctx, data, counts, seed, cycles_most=None):
        sent, size, idle, cycle, held = 0, images[0].size, 0, 0, None
        junk = np.random.default_rng(seed)
        top_count = 2**len(accelerator.passes) - 1
        send, take = case.pixels.draw((seed, 0)), case.results.draw((seed, 1))
        valid = False
        while len(words) < wanted and cycle != cycles_most:
            if not valid and sent < len(data) and next(send):
                valid = True
                ctx.set(pixels.payload, int(data[sent]))
                ctx.set(pixels.valid, 1)
            # The number of passes counts with the first pixel only.
            ctx.set(accelerator.passes, counts[sent // size] if sent < len(data) and sent % size == 0
                    else int(junk.integers(top_count + 1)))
            ready = next(take)
            ctx.set(results.ready, ready)
            _, _, pixel_taken, word_valid, word = await ctx.tick().sample(
                pixels.ready, results.valid, word_of)
            if valid and pixel_taken:
                cycles["pixels"].append(cycle)
                sent, valid = sent + 1, False
                ctx.set(pixels.valid, 0)
            if held is not None and (not word_valid or word != held):
                raise Failure(f"Word {len(words)} of the results was withdrawn or changed untaken")
            held = word if word_valid and not ready else None
            if word_valid and ready:
                cycles["results"].append(cycle)
                words.append(word)
                idle = 0
            cycle, idle = cycle + 1, idle + 1
            if idle > idle_limit and cycles_most is None:
                raise Failure(f"No result for {idle_limit} cycles, at cycle {cycle}: {len(words)} of "
                              f"{wanted} words, {sent} of {len(data)} pixels")
        cycles["end"] = cycle
        ctx.set(pixels.valid, 0)
        ctx.set(results.ready, 0)

    async def bench(ctx):
        if case.reset is not None:
            await drive(ctx, make_images(case, 1).ravel(), case.counts, 1, case.reset)
            ctx.set(domain.rst, 1)
            await ctx.tick()
            ctx.set(domain.rst, 0)
            for kept in (words, cycles["pixels"], cycles["results"], *(bits for _, bits in junctions)):
                kept.clear()
        await drive(ctx, images.ravel(), case.counts, 0)
        # Nothing more must come.
        ctx.set(results.ready, 1)
        for _ in range(20):
            _, _, more = await ctx.tick().sample(results.valid)
            if more:
                raise Failure(f"More than {wanted} words of results came")
        if ctx.get(accelerator.alarm):
            raise Failure("The health tests have raised the alarm, though the bits are good")

    sim = Simulator(top)
    sim.add_clock(PERIOD)
    sim.add_testbench(bench)
    for number, (pins, bits) in enumerate(junctions):
        sim.add_testbench(functools.partial(_draw, pins=pins, bits=bits, seed=number), background=True)
    sim.run()
    # They are asked in turn: each has drawn as many as the others, or one more.
    return words, cycles, np.array(list(zip(*(bits for _, bits in junctions), strict=False)), int).ravel()


def _junctions(accelerator):
    """Pins of each junction, with a list for the bits that it draws."""
    pins = getattr(accelerator, "mtj", ())
    return [(junction, []) for junction in ((pins,) if pins and accelerator.rng.count == 1 else pins)]


async def _draw(ctx, pins, bits, seed):
    """Take the place of a junction, and record its bits."""
    mtj, setting, reading = Mtj(seed), 0, 0
    while True:
        _, restart, set_, read, reset, code = await ctx.tick().sample(
            pins.set, pins.read, pins.reset, pins.current)
        if set_ and not setting:
            ctx.set(pins.sense, mtj.set(code))
        if reading and reset and not restart:
            bits.append(int(not mtj.switched))
        if reset:
            mtj.reset()
        setting, reading = set_, read


def _compare(network, images, counts, drawn, words, passes_max):
    layout = result_layout(network.layers[-1].outputs, passes_max)
    words  = iter(words)
    for number, (image, chosen) in enumerate(zip(images, np.split(drawn, np.cumsum(counts)[:-1]),
                                                 strict=True)):
        golden, _ = predict(network, image[None], chosen[None])
        classes = golden.sums.shape[1]
        for index in range(classes):
            expected = {"error": 0, "sum": golden.sums[0, index], "square": golden.squares[0, index],
                        "votes": golden.votes[0, index], "confident": golden.confident[0, index],
                        "prediction": golden.prediction[0], "reject": golden.reject[0],
                        "passes": golden.passes, "last": index == classes - 1}
            word = layout.from_bits(next(words))
            for name, value in expected.items():
                if int(word[name]) != int(value):
                    raise Failure(f"Image {number}, class {index}: {name} is {int(word[name])}, but "
                                  f"{int(value)} by the golden model")


def _verilator(case, network, target, accelerator, directory, runtime):
    """Simulate the emitted Verilog with Verilator; compare every map, and the latency with the estimate."""
    duty = min(case.pixels.duty, case.results.duty)
    # One number of passes, and no reset: so much the harness has.
    case = replace(case, counts=case.counts[:1] * len(case.counts), reset=None,
                   pixels=Gaps(duty), results=Gaps(duty))
    passes = min(max(case.counts[0], 1), target.passes_max)
    counts = [passes] * len(case.counts)
    build_network(network, target, directory)
    work = directory / "sim_build"
    if runtime is not None and runtime.exists():
        shutil.copytree(runtime, work, copy_function=shutil.copy)
    report = run.simulate(directory, make_images(case), passes=passes, maps=True, duty=duty)
    if runtime is not None:
        runtime.mkdir(exist_ok=True)
        for path in work.glob("verilated*.o"):
            shutil.copy(path, runtime)
    if not report["bit_exact"]:
        raise Failure(f"{report['mismatches']} images and {report['map_mismatches']} maps differ from the "
                      "golden model")
    if report["alarm"]:
        raise Failure("The health tests have raised the alarm, though the bits are good")
    compiled = compile_network(network, target)
    # What a junction drew only the report's comparison knows.
    estimate = None if target.rng == "mtj" else _estimate(
        case, compiled, accelerator, counts, choices(compiled.generator, sum(counts), 1)[:, 0])
    if estimate is not None and report["latency_cycles"] != estimate.latency:
        raise Failure(f"Latency is {report['latency_cycles']}, but the estimate, which says that it is "
                      f"exact, has {estimate.latency}")
    return Outcome("equal", played=case, totals={
        "images": len(counts), "passes": sum(counts), "estimates_equal": int(estimate is not None)})


@contextmanager
def _time_limit(seconds):
    """Raise :exc:`Failure` when the block takes longer."""
    def stop(signum, frame):
        raise Failure(f"Case did not end in {seconds} s")

    if not hasattr(signal, "SIGALRM"):
        yield # there is none on Windows
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
