import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from gen.check_target import ImpossibleTarget
from gen.compile import compile_network
from gen.ir import Draw, MaskChoice, MixChoice, Target
from gen.maps import expected, given
from gen.methods import network_of
from gen.outcomes import drawn, outcomes_of
from gen.point_sets import point_set
from gen.transforms.seed import seed
from golden.head import softmax
from golden.network import path_probabilities, paths, predict
from golden.random.generator import pass_bits
from tests.gen.transforms.test_exhaust import network_with


def target(masks, passes, **options):
    return Target(masks=masks, passes=passes, passes_max=1024, **options)


def drawing(*drops):
    """A network whose first draw has bits that are 0 with these probabilities."""
    return replace(network_of("lenet5"), draws=(Draw("conv1", drops),))


def shifted(points, shift):
    """Bits (T, W) of all points with a ``shift`` (W,)."""
    return (np.array(points.points) + shift) % 2**points.bits >= np.array(points.drop)


def every_shift(points):
    """All bits that can be drawn for the shifts of ``points``, each as likely as the others."""
    return np.array(list(itertools.product((0, 1), repeat=points.bits * len(points.drop))), bool)


def test_random_as_ever():
    for masks in "random", "all":
        assert point_set(network_of("lenet5"), target(masks, 32)) is None


@pytest.mark.parametrize("passes", [1, 10, 20, 21])
def test_balanced(passes):
    """Of T passes p T draw a 0, whatever the shift is, or one more or less where p T is no whole number."""
    drops  = 0.5, 0.25, 0.1, 0.3137, 0.0, 1.0
    points = point_set(drawing(*drops), target("balanced", passes))
    parts  = np.array([round(drop * 65536) for drop in drops])
    assert (points.bits, points.drop) == (16, tuple(parts))
    rng = np.random.default_rng(0)
    for _ in range(500):
        zeros = (~shifted(points, rng.integers(0, 2**16, 6))).sum(0)
        assert (zeros >= parts * passes // 65536).all() and (zeros <= -(-parts * passes // 65536)).all()


def test_balanced_bits():
    """As many as probabilities need, and as tell passes apart."""
    for drops, passes, bits in (((0.5,), 1, 1), ((0.5,), 2, 1), ((0.5,), 20, 5), ((0.5, 0.25), 2, 2),
                                ((0.5,), 1024, 10), ((1.0,), 1, 1)):
        points = point_set(drawing(*drops), target("balanced", passes))
        assert points.bits == bits and points.drop == tuple(round(2**bits * drop) for drop in drops)


def test_orders_differ_and_pairs_are_nearly_balanced():
    """Two bits are both 0 in a quarter of the passes: by chance the number has a variance of
    ``T / 16 * T / (T - 1)``, and here less."""
    points = point_set(drawing(*(0.5,) * 5), target("balanced", 20))
    orders = set(zip(*points.points, strict=True))
    assert len(orders) == 5
    rng  = np.random.default_rng(0)
    bits = np.array([shifted(points, rng.integers(0, 32, 5)) for _ in range(2000)])
    both = np.einsum("ntv,ntw->nvw", *[(~bits).astype(int)] * 2)[:, *np.triu_indices(5, 1)]
    assert ((both - 5)**2).mean() < 0.8 * 20 / 16 * 20 / 19
    assert len(np.unique(both)) > 2 # by the shifts, so passes meet in other pairs from image to image


@pytest.mark.parametrize("passes", [8, 12, 20])
def test_orthogonal(passes):
    """Whatever the shift is, of each two bits all four pairs come equally often."""
    points = point_set(network_of("lenet5"), target("orthogonal", passes))
    assert (points.bits, points.drop, len(points.points)) == (1, (1,) * 5, passes)
    for shift in itertools.product((0, 1), repeat=5):
        bits = shifted(points, shift).astype(int)
        assert (bits.sum(0) == passes // 2).all()
        assert ((bits.T @ bits)[np.triu_indices(5, 1)] == passes // 4).all()


@pytest.mark.parametrize("masks, drops, passes", [
    ("balanced", (0.5, 0.25), 4), ("balanced", (0.5, 0.25), 3), ("orthogonal", (0.5, 0.5), 4),
    ("orthogonal", (0.5, 0.5), 8)])
def test_no_bias(random_network, masks, drops, passes):
    """The mean over all shifts of the means of T passes is the exact mean over all that can be drawn, and
    so is that of each pass."""
    network = random_network(3, hidden=1)
    network = replace(network, draws=tuple(
        replace(draw, drops=(p,)) for draw, p in zip(network.draws, drops, strict=True)))
    found  = compile_network(network, target(masks, passes))
    shifts = every_shift(found.generator.points)
    assert found.generator.drop == (32768,) * shifts.shape[1]
    images = np.random.default_rng(0).integers(
        0, 256, (3, network.input.height, network.input.width), dtype=np.uint8)
    bits   = pass_bits(found.generator, shifts, passes)
    wanted = path_probabilities(found) @ softmax(paths(found, images), found.head)
    for image, mean in zip(images, wanted, strict=True):
        same = np.broadcast_to(image, (len(shifts), *image.shape))
        prediction, probabilities = predict(found, same, bits)
        assert (prediction.sums.sum(0) == passes * len(shifts) * mean).all()
        assert (probabilities.sum(0) == len(shifts) * mean).all()


def test_maps():
    """Of orthogonal passes they are the same for all shifts; of others the mean over many."""
    found = seed(network_of("lenet5"), target("orthogonal", 8))
    maps  = expected(found, 8)
    assert maps.leaving[:3] == (2, 4, 8)
    for outcomes in drawn(found, 20, 8):
        assert given(found, outcomes) == maps
    # Two times as many passes have two shifts.
    assert 8 < expected(found, 16).leaving[-1] <= 16
    found  = seed(network_of("lenet5"), target("balanced", 4))
    rng    = np.random.default_rng(1)
    shifts = rng.integers(0, 2, (600, found.generator.points.bits * 5))
    bits   = pass_bits(found.generator, shifts, 4).astype(int)
    means  = np.mean([given(found, outcomes_of(found, {
        draw.name: of_image[:, place] for place, draw in enumerate(found.draws)})).leaving
        for of_image in bits], 0)
    assert expected(found, 4).leaving == pytest.approx(means, rel=0.04)


@pytest.mark.parametrize("network, masks, passes, message", [
    (network_of("lenet5_deterministic"), "balanced", 4,
     "Network 'lenet5_deterministic' draws nothing at random; leave --masks balanced out"),
    *((network_with((Draw("word", (0.5,) * 8),), [choice]), masks, 12,
       "Layer 'layer0' draws a bit for each of its channels or inputs, whose shifts would take as many "
       f"random bits as they do; leave --masks {masks} out")
      for choice, masks in ((MaskChoice("word", 8), "balanced"), (MixChoice("word"), "orthogonal"))),
    (drawing(0.5, 0.3), "orthogonal", 12,
     "Draw 'conv1' is 0 with a probability of 0.3, but in an orthogonal array half of a column is; take "
     "--masks balanced"),
    (network_of("lenet5"), "orthogonal", 4,
     "There is no orthogonal array of 4 passes for 5 random bits of a pass; take --passes 8, or "
     "--masks balanced"),
    (network_of("lenet5"), "orthogonal", 18,
     "There is no orthogonal array of 18 passes for 5 random bits of a pass; take --passes 16 or 20, or "
     "--masks balanced"),
    (network_of("lenet5_spinbayes"), "orthogonal", 10,
     "There is no orthogonal array of 10 passes for 15 random bits of a pass; take --passes 16, or "
     "--masks balanced"),
    (network_of("lenet5"), "orthogonal", 52,
     "There is no orthogonal array of 52 passes for 5 random bits of a pass; take --passes 48 or 56, or "
     "--masks balanced")])
def test_refuses(network, masks, passes, message):
    with pytest.raises(ImpossibleTarget, match=f"^{re.escape(message)}$"):
        point_set(network, target(masks, passes))
