# amaranth: UnusedElaboratable=no
"""Build the network of a case, run the accelerator on the images of the case, and compare every bit of the
results with the golden model."""

import functools
import math
import signal
import tempfile
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from case import Case, Gaps, centred, make_images, prepare
from drive import Failure, simulate

from gen.build import BuildError, build_network
from gen.check_target import ImpossibleTarget
from gen.checkpoint import CheckpointError, read
from gen.compile import compile_network
from gen.estimate import estimate_network, timeline
from gen.lower import lower
from gen.verify import MalformedNetwork
from golden import tables
from golden.network import predict
from hdl.head.result import result_layout
from sim import run
from tests.outcomes import bits_of, outcomes_by


__all__ = ["Outcome", "play"]


#: Errors by which a build refuses a network or a target, in one line.
REFUSALS = BuildError, CheckpointError, ImpossibleTarget, MalformedNetwork

#: Cycles that the simulation of a case may take by the estimate; of a longer one images are left out, then
#: passes.
CYCLES_LIMIT = 4000

#: Seconds that a case may take from its build to its comparison.
SECONDS_LIMIT = 1800


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a case."""

    kind: str                     #: ``"equal"``, ``"refused"`` or ``"failed"``.
    message: str = ""             #: Why the build refused the case, or how results differ.
    detail: str = ""              #: The traceback of a failure.
    played: Case | None = None    #: The case as it was simulated: with fewer images, if it was too long.
    totals: dict = field(default_factory=dict) #: Images, passes and cycles that were compared.


def play(case: Case) -> Outcome:
    """Build ``case``, simulate it by its simulator and compare it; return the outcome."""
    with tempfile.TemporaryDirectory(prefix="regress.") as work, warnings.catch_warnings(), \
            _time_limit(SECONDS_LIMIT):
        warnings.simplefilter("error") # warnings are errors, as in the tests
        try:
            checkpoint = Path(work, "checkpoint.npz")
            network, target = prepare(case, checkpoint)
            try:
                # The steps of gen.build.
                network = centred(case, read(checkpoint, network))
                compiled = compile_network(network, target)
            except REFUSALS as error:
                return _refused(str(error), work)
            if case.fault is not None:
                raise Failure(f"A case that has the fault {case.fault!r} was not refused")
            accelerator = lower(compiled, target)
            if case.simulator == "verilator":
                return _verilator(case, network, target, accelerator, Path(work, "build"))
            return _amaranth(case, compiled, target, accelerator)
        except Exception as error: # a case is there to find any error that is no refusal
            return Outcome("failed", f"{type(error).__name__}: {error}", traceback.format_exc())


def _refused(message, work):
    if not message.strip() or "\n" in message:
        raise Failure(f"Message must be one line, not {message!r}")
    return Outcome("refused", message.replace(work, "DIR"))


def _amaranth(case, network, target, accelerator):
    """Simulate the accelerator with Amaranth; compare every result with the golden model, and the cycles in
    which pixels and results pass with the estimate."""
    case, idle_limit = _shorten(case, network, accelerator)
    counts  = [min(max(count, 1), target.passes_max) for count in case.counts]
    words   = math.prod(network.answered) * network.classes
    images  = make_images(case)
    record = simulate(case, accelerator, images, words * len(images), idle_limit)
    drawn = bits_of(network.generator, counts, record.bits if target.rng == "mtj" else None)
    _compare(network, images, counts, drawn, record.words, target.passes_max)
    estimate = _estimate(case, network, accelerator, counts, drawn)
    if estimate is not None:
        first = record.pixel_cycles[0]
        for name, got, expected in (
                ("first pixels", record.pixel_cycles[::images[0].size], estimate.first_pixels),
                ("results", record.result_cycles[words - 1::words], estimate.results)):
            got = tuple(cycle - first for cycle in got)
            if got != expected:
                raise Failure(f"Cycles of {name} are {got}, but the estimate has {expected}")
    return Outcome("equal", played=case, totals={
        "images": len(images), "passes": sum(counts), "cycles": record.cycles,
        "estimates_equal": int(estimate is not None)})


def _estimate(case, network, accelerator, counts, drawn):
    """Return the estimate of the cycles of all images, or None where it cannot be known.

    ``drawn`` has the random bits of the passes of each image, bool (T, W).
    """
    if case.pixels.duty < 1 or case.results.duty < 1 or len(set(counts)) > 1:
        return None
    return timeline(accelerator, outcomes_by(network, np.array(drawn)))


def _shorten(case, network, accelerator):
    """Return ``case`` with as many images and passes as :data:`CYCLES_LIMIT` allows, and the number of
    cycles without a result after which the accelerator counts as hanging."""
    # An accelerator whose ports have gaps takes longer for each image.
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
    """Return, by the estimate, about the most cycles of an image of ``count`` passes."""
    passes = min(max(count, 1), accelerator.pixel_input.most)
    bound  = estimate_network(accelerator, network, passes, 1.0)
    return bound["latency_cycles_largest"] + bound["random_cycles_per_image"]


def _compare(network, images, counts, drawn, words, passes_max):
    """Raise :exc:`Failure` unless each field of each result word is that of the golden model."""
    layout = result_layout(network.classes, passes_max)
    words  = iter(words)
    for number, (image, chosen) in enumerate(zip(images, drawn, strict=True)):
        golden, probabilities = predict(network, image[None], chosen[None])
        if (tables.predict(network, image[None], chosen[None])[1] != probabilities).any():
            raise Failure(f"Image {number} is not the same by tables as in the golden model")
        *_, last = places = list(np.ndindex(golden.sums.shape))
        for place in places:
            answer   = place[:-1]
            expected = {"error": 0, "sum": golden.sums[place], "square": golden.squares[place],
                        "votes": golden.votes[place], "confident": golden.confident[place],
                        "prediction": golden.prediction[answer], "reject": golden.reject[answer],
                        "passes": golden.passes, "last": place == last}
            word = layout.from_bits(next(words))
            for name, value in expected.items():
                if int(word[name]) != int(value):
                    where = f"position {answer[1:]}, class" if answer[1:] else "class"
                    raise Failure(f"Image {number}, {where} {place[-1]}: {name} is {int(word[name])}, but "
                                  f"{int(value)} by the golden model")


def _verilator(case, network, target, accelerator, directory):
    """Simulate the emitted Verilog with Verilator; compare every map with the golden model, and the latency
    with the estimate."""
    duty = min(case.pixels.duty, case.results.duty)
    # The harness of sim.run has one number of passes for all images, and no reset between them.
    case = replace(case, counts=case.counts[:1] * len(case.counts), reset=None,
                   pixels=Gaps(duty), results=Gaps(duty))
    passes = min(max(case.counts[0], 1), target.passes_max)
    counts = [passes] * len(case.counts)
    build_network(network, target, directory)
    report = run.simulate(directory, make_images(case), passes=passes, maps=True, duty=duty)
    if not report["bit_exact"]:
        raise Failure(f"{report['mismatches']} images and {report['map_mismatches']} maps differ from the "
                      "golden model")
    if report["alarm"]:
        raise Failure("The health tests have raised the alarm, though the bits are good")
    compiled = compile_network(network, target)
    # The bits that junctions drew are known to the comparison of sim.run only.
    estimate = None if target.rng == "mtj" else _estimate(
        case, compiled, accelerator, counts, bits_of(compiled.generator, counts))
    if estimate is not None and report["latency_cycles"] != estimate.latency:
        raise Failure(f"Latency is {report['latency_cycles']}, but the estimate has {estimate.latency}")
    return Outcome("equal", played=case, totals={
        "images": len(counts), "passes": sum(counts), "estimates_equal": int(estimate is not None)})


@contextmanager
def _time_limit(seconds):
    """Raise :exc:`Failure` when the block of ``with`` takes more than ``seconds``."""
    def stop(signum, frame):
        raise Failure(f"Case did not end in {seconds} s")

    if not hasattr(signal, "SIGALRM"):
        yield # Windows has no alarm
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
