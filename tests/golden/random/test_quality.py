from dataclasses import replace

import numpy as np
import pytest

from gen.compile import compile_network
from gen.ir import Draw, Generator, Input, Network, Target
from gen.transforms.watch import watch
from golden.network import predict
from golden.random import quality
from golden.random.bad_sources import Source, kept
from golden.random.generator import choices
from golden.random.health import alarm_bit
from golden.random.hypothesis_tests import failures
from golden.random.quality import (
    Exact,
    bit_tests,
    choice_tests,
    convergence,
    detection,
    effects,
    false_alarm_tests,
    output_tests,
)
from golden.scores import over_combinations, over_passes, report


FAMILY = 1e-3
GENERATOR = Generator((1,), (6554, 32768, 49152))
SHARES = [np.array([drop, 65536 - drop]) / 65536 for drop in GENERATOR.drop]
FAIR = watch(Network("fair", Input(1, 1, (1,)), (), draws=tuple(
    Draw(f"draw{number}", (0.5,)) for number in range(5)),
    generator=Generator((1,), (32768,) * 5)), Target())


def bits_and_choices(bits):
    choice = bits[:len(bits) // 3 * 3].reshape(-1, 3).astype(int)
    return bit_tests("", bits, kept(GENERATOR)) + choice_tests("", choice, (2, 2, 2), SHARES)


@pytest.mark.parametrize("seed", [1, 2, 12345])
def test_generator(seed):
    generator = replace(GENERATOR, seeds=(seed,))
    bits = choices(generator, 20_000, 1).ravel()
    assert not failures(bits_and_choices(bits), FAMILY)


@pytest.mark.parametrize("source", [
    Source(bias=0.02), Source(bias=-0.02), Source(correlation=0.05), Source(correlation=-0.05),
    Source(correlation=0.05, distance=3), Source(correlation=0.05, distance=30), Source(stuck=1),
    Source(stuck=0, places=(1,)), Source(period=60),
], ids=str)
def test_faults_are_seen(source):
    """What is far too weak for the health tests is plain from 60,000 bits."""
    bits = source.draw(GENERATOR, 60_000, np.random.default_rng(0))
    assert failures(bits_and_choices(bits), FAMILY)


def test_layers_that_depend_on_each_other_are_seen():
    """Any two layers are independent, not all three: their parity is even."""
    choice = np.random.default_rng(0).integers(0, 2, (5000, 3))
    choice[:, 2] = choice[:, 0] ^ choice[:, 1]
    failed = failures(choice_tests("", choice, (2, 2, 2), [np.full(2, 0.5)] * 3), FAMILY)
    assert [test.name for test in failed] == [": choices of all layers together"]


@pytest.mark.parametrize("rare", [False, True])
def test_arrays(rare):
    """Eight arrays chosen evenly, or one of them a little less often than the others."""
    rng = np.random.default_rng(3)
    share = np.full(8, 1 / 8)
    if rare:
        share = np.array([*[1.02 / 8] * 7, 0.86 / 8])
    choice = rng.choice(8, (20_000, 2), p=share)
    failed = failures(choice_tests("", choice, (8, 8), [np.full(8, 1 / 8)] * 2), FAMILY)
    assert bool(failed) == rare


@pytest.fixture(scope="module")
def network(random_network):
    network = compile_network(random_network(18, hidden=2), Target(array_rows=32, passes=6, passes_max=8))
    return replace(network, generator=GENERATOR, draws=tuple(
        replace(draw, drops=(drop / 65536,))
        for draw, drop in zip(network.draws, GENERATOR.drop, strict=True)))


def pictures(network, count):
    return np.random.default_rng(0).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)


def predicted(network, source, repeats, passes):
    """Fields of results of two images in turn, and by enumeration."""
    images = pictures(network, 2)
    bits = source.draw(GENERATOR, 2 * repeats * passes * 3, np.random.default_rng(4))
    prediction, _ = predict(network, np.tile(images, (repeats, 1, 1)),
                            bits.reshape(2 * repeats, passes, 3))
    return {"sum": prediction.sums, "votes": prediction.votes, "reject": prediction.reject,
            "passes": np.full(2 * repeats, passes)}, Exact.of(network, images)


def test_enumeration(network):
    """Moments of a pass, with the mean of another way."""
    images = pictures(network, 3)
    exact = Exact.of(network, images)
    assert exact.mean == pytest.approx(over_combinations(network, images).mean)
    drawn = np.random.default_rng(0).choice(len(exact.share), 100_000, p=exact.share)
    passes = exact.probabilities[1, drawn] / 65536
    assert exact.variance[1] == pytest.approx(passes.var(0), rel=0.05, abs=1e-9)


@pytest.mark.parametrize("passes", [1, 6])
def test_outputs(network, passes):
    results, exact = predicted(network, Source(), 1000, passes)
    assert exact.variance.max() > 1e-4 # or it would prove nothing
    tests = output_tests("", results, exact)
    assert not failures(tests, FAMILY)
    for source in (Source(bias=-0.1), Source(bias=0.1), Source(stuck=1, places=(1,))):
        results, _ = predicted(network, source, 1000, passes)
        assert failures(output_tests("", results, exact), FAMILY)


def test_wrong_outputs(network):
    """Sums that no combination of choices gives, and passes of a prediction that are alike."""
    results, exact = predicted(network, Source(), 200, 1)
    wrong = results | {"sum": results["sum"].copy()}
    wrong["sum"][11, 0] += 1
    assert failures(output_tests("", wrong, exact), FAMILY)
    results, exact = predicted(network, Source(correlation=0.9, distance=3), 400, 6)
    assert failures(output_tests("", results, exact), FAMILY)


def test_convergence(network):
    """Errors fall as one over the root of the passes; with passes that are alike, they are larger."""
    for source, good in ((Source(), True), (Source(correlation=0.5, distance=3), False)):
        results, exact = predicted(network, source, 512, 6)
        figures, tests = convergence("", results["sum"].reshape(512, 2, -1) / (65536 * 6), 6, exact)
        assert bool(failures(tests, FAMILY)) != good
        if good:
            assert abs(figures["slope"] + 0.5) < 0.1
            assert figures["largest_error_standard_errors"] < 4.5
            assert [point["passes"] for point in figures["points"]] == [6, 24, 96, 384, 1536]


def test_detection():
    found = detection({"good": Source(), "stuck": Source(stuck=1), "alternating": Source(correlation=-1)},
                      FAIR, 40, 20, 5, np.random.default_rng(0))
    assert found["good"]["alarmed"] == 0 and found["good"]["median_bits"] is None
    assert (found["stuck"]["alarmed"], found["stuck"]["median_bits"]) == (1, 62)
    assert found["alternating"]["alarmed"] == 1
    assert found["alternating"]["alarmed_by_bits_alone"] == 0


def test_false_alarm_tests():
    loose = [{"repetition": 10, "window": 64, "proportion": 42}]
    bits = np.random.default_rng(0).random(300_000)
    assert not failures(false_alarm_tests("", bits < 0.5, 0.5, loose), FAMILY)
    assert len(failures(false_alarm_tests("", bits < 0.58, 0.5, loose), FAMILY)) == 2


@pytest.mark.parametrize("method", ["scale-dropout", "spinbayes"])
def test_effects(network, random_spinbayes, method):
    """Scores are those of the passes with the choices of the source; a stuck one leaves no doubt."""
    if method == "spinbayes":
        network = compile_network(random_spinbayes(2, hidden=2), Target(array_columns=1024, passes=5))
    images = pictures(network, 60)
    labels = np.random.default_rng(1).integers(0, 2, 40)
    sets = {"mnist": images[:40], "other": images[40:]}
    width = len(network.generator.drop)
    figures = effects(network, sets, labels, {"good": Source(), "stuck": Source(stuck=1)},
                      5, seed=9)
    bits = Source().draw(network.generator, 60 * 5 * width, np.random.default_rng(9))
    bits = bits.reshape(60, 5, width)
    expected = report(over_passes(network, images[:40], bits[:40]), labels,
                      {"other": over_passes(network, images[40:], bits[40:])})
    assert {name: figures["good"][name] for name in expected} == expected
    assert not figures["good"]["alarm"] and figures["good"]["alarm_bits"] is None
    assert figures["stuck"]["alarm"] and figures["stuck"]["alarm_bits"] == 1 + alarm_bit(
        np.ones(60 * 5 * width), network.generator, network.health)
    assert figures["stuck"]["mutual_information_nats"] == pytest.approx(0, abs=1e-12)


def test_effects_where_passes_take_turns(mixed_network, monkeypatch):
    """What is looked up depends on the number of the pass as well."""
    monkeypatch.setattr(quality, "LOOK_UP_LIMIT", 96)
    network = compile_network(mixed_network(), Target(array_columns=1024, passes=7))
    images, labels = pictures(network, 40), np.random.default_rng(1).integers(0, 2, 40)
    figures = effects(network, {"mnist": images}, labels, {"good": Source()}, 7, seed=9)
    bits = Source().draw(network.generator, 40 * 7 * 5, np.random.default_rng(9)).reshape(40, 7, 5)
    expected = report(over_passes(network, images, bits), labels, {})
    assert {name: figures["good"][name] for name in expected} == expected
