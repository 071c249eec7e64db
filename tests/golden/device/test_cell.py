import itertools

import numpy as np
import pytest

from gen.compile import compile_network
from gen.ir import Target
from golden import network as golden
from golden.device.cell import (
    ANTIPARALLEL_MOHM,
    PARALLEL_MOHM,
    STEP_US,
    Chip,
    Devices,
    _flipped,
    convert,
    differences,
    error_rate,
    largest_spread,
    program,
    read,
    references,
)
from golden.head import softmax
from golden.random.generator import choices


TARGET = Target(array_rows=16, array_columns=128)


def test_five_levels():
    """All parallel 2.5 MOhm, all anti-parallel 5.5 MOhm, the others at equal distances."""
    conductance = program(np.arange(5), 1)
    assert conductance[:, 0, 0] == pytest.approx(np.linspace(1 / 5.5, 1 / 2.5, 5))
    assert conductance[:, 1, 0] == pytest.approx(1 / 5.5)
    assert PARALLEL_MOHM * 2.2 == pytest.approx(ANTIPARALLEL_MOHM) # 120 % more


@pytest.mark.parametrize("weight, cells, plus, minus", [
    (7, 2, [4, 3], [0, 0]), (-7, 2, [0, 0], [4, 3]), (5, 2, [3, 2], [0, 0]), (-4, 2, [0, 0], [2, 2]),
    (1, 2, [1, 0], [0, 0]), (0, 2, [0, 0], [0, 0]), (3, 1, [3], [0]), (-127, 32, [0] * 32, [4] * 31 + [3]),
])
def test_magnitude_is_divided_evenly(weight, cells, plus, minus):
    levels = (program(np.array(weight), cells) - 1 / 5.5) / STEP_US
    assert levels == pytest.approx(np.array([plus, minus]), abs=1e-9)


def test_refuses_a_magnitude_beyond_its_cells():
    with pytest.raises(ValueError, match="^Weights must have a magnitude of at most 8 in 2 cells a side, "
                                         "not 9$"):
        program(np.array([3, -9]), 2)


@pytest.mark.parametrize("bits, rows, count", [(4, 4, 56), (2, 4, 8), (3, 2, 12), (8, 1, 254)])
def test_references(bits, rows, count):
    """One between each two of the sums that rows of weights can have."""
    assert references(bits, rows) == count
    most = 2**(bits - 1) - 1
    assert count == len(range(-rows * most, rows * most + 1)) - 1


def test_convert():
    """The references are midway, one that is met is reached, and the ends saturate."""
    current = np.array([-9, -2.0, -1.5, -1.4999, -0.5, 0.4999, 0.5, 1.4999, 1.5, 2, 9])
    assert convert(current, 4).tolist() == [-2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("bits, cells, rows", [(2, 1, 4), (3, 1, 4), (4, 2, 3)])
def test_nominal_reads_are_exact(bits, cells, rows):
    """Every combination of weights and word lines."""
    most = 2**(bits - 1) - 1
    weights = np.array(list(itertools.product(range(-most, most + 1), repeat=rows)))
    conductance = program(weights.T, cells)
    for lines in itertools.product((0, 1), repeat=rows):
        assert (read(conductance, np.array(lines), bits) == weights @ lines).all()


def test_nominal_reads_of_four_rows_of_four_bits_are_exact():
    """All 15 to the 4 columns would be slow to program cell by cell; the differences add up."""
    held = differences(program(np.arange(-7, 8), 2))
    assert held == pytest.approx(np.arange(-7, 8), abs=1e-9)
    current = sum(np.ix_(*(held,) * 4))
    exact = sum(np.ix_(*(np.arange(-7, 8),) * 4))
    assert (convert(current, references(4, 4)) == exact).all()


def test_spread():
    """The median of a junction's conductance is nominal, its logarithm has the spread."""
    rng = np.random.default_rng(0)
    conductance = program(np.zeros(100000, int), 1, Devices(spread=0.01), rng)
    assert np.median(conductance) == pytest.approx(1 / 5.5, rel=1e-4)
    assert conductance.std() * 5.5 == pytest.approx(0.01 / 2, rel=0.02) # of four, half the spread


@pytest.mark.parametrize("weight, levels", [(4, [4, 0]), (0, [0, 0]), (-2, [0, 2])])
def test_stuck(weight, levels):
    """A stuck junction is in either state alike, so half of them are in the wrong one."""
    rng = np.random.default_rng(0)
    held = program(np.full(20000, weight), 1, Devices(stuck=0.2), rng)
    found = (held[..., 0] * 5.5 - 1) / (STEP_US * 5.5)
    expected = np.array([0.9 * level + 0.1 * (4 - level) for level in levels])
    assert found.mean(0) == pytest.approx(expected, abs=0.03)
    assert found == pytest.approx(found.round(), abs=1e-9)


@pytest.mark.parametrize("changes, message", [
    ({"spread": -0.1}, "Spread must be 0 or more, not -0.1"),
    ({"stuck": 1.5}, "Probability of being stuck must be from 0 to 1, not 1.5")])
def test_refuses_devices(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Devices(**changes)


@pytest.mark.parametrize("weights", [[7, -7, 7, -7], [0, 0, 0, 0], [1, -3, 5, 0]])
def test_error_rate(weights):
    """What is said equals what is simulated, within 5 standard deviations."""
    rng, weights, reads = np.random.default_rng(0), np.array(weights), 20000
    for spread in (0.02, 0.04):
        held = differences(program(np.broadcast_to(weights, (reads, 4)), 2, Devices(spread), rng))
        wrong = (convert(held.sum(-1), 56) != weights.sum()).mean()
        expected = error_rate(weights, 2, spread)
        # The factors are not quite normal: a tenth of the rate is allowed for.
        assert abs(wrong - expected) < 5 * (expected / reads)**0.5 + 0.1 * expected
    assert error_rate(weights, 2, 0.0) == 0


@pytest.mark.parametrize("bits, rows, cells", [(4, 4, 2), (2, 4, 1), (4, 1, 2)])
def test_largest_spread(bits, rows, cells):
    spread = largest_spread(bits, rows, 1e-6)
    most = 2**(bits - 1) - 1
    assert error_rate(np.full(rows, most), cells, spread) == pytest.approx(1e-6, rel=1e-6)
    assert error_rate(np.full(rows, most - 1), cells, spread) < 1e-6


def multilevel(random_spinbayes, count=6):
    """Compiled random networks without binary weights."""
    networks = (random_spinbayes(seed, hidden=1) for seed in range(100))
    networks = [network for network in networks
                if all(layer.weight_bits > 1 for layer in network.layers)]
    return [compile_network(network, TARGET) for network in networks[:count]]


def test_nominal_chip_is_exact(random_spinbayes):
    """Sums of codes, through bit planes, row tiles and reads, are the exact sums."""
    rng = np.random.default_rng(0)
    networks = multilevel(random_spinbayes)
    assert {layer.input_bits for network in networks for layer in network.layers} > {1}
    assert any(len(layer.tiles) > 1 for network in networks for layer in network.layers)
    for network in networks:
        chip = Chip(network)
        for layer in network.layers:
            x = rng.integers(0, 2**layer.input_bits, (
                5, layer.height, layer.width, layer.channels)).astype(np.uint8)
            for array in range(layer.crossbars):
                assert (golden.layer_sums(layer, x, array, chip)
                        == golden.layer_sums(layer, x, array)).all()


def test_chip_in_the_golden_model(random_spinbayes):
    network = multilevel(random_spinbayes)[2]
    images = np.random.default_rng(0).integers(
        0, 256, (20, network.input.height, network.input.width), dtype=np.uint8)
    choice = choices(network.generator, 20, 5)
    _, exact = golden.predict(network, images, choice)
    _, nominal = golden.predict(network, images, choice, chip=Chip(network, seed=3))
    assert (nominal == exact).all()
    rough = Chip(network, Devices(spread=0.5), seed=3)
    _, spread = golden.predict(network, images, choice, chip=rough)
    _, again = golden.predict(network, images, choice, chip=Chip(network, Devices(spread=0.5), seed=3))
    _, other = golden.predict(network, images, choice, chip=Chip(network, Devices(spread=0.5), seed=4))
    assert (spread == again).all() # a chip does not change
    assert (spread != exact).any() and (spread != other).any()
    alone = golden.forward(network, images, choice[:, 0], chip=rough)
    assert (softmax(alone, network.head) == spread[:, 0]).all()


def binary(random_network, count=4):
    return [compile_network(random_network(seed), TARGET) for seed in range(count)]


def test_nominal_chip_of_binary_weights_is_exact(random_spinbayes):
    """With inputs of one or several bits, and with some that are off at all positions."""
    rng      = np.random.default_rng(0)
    networks = [compile_network(random_spinbayes(seed, hidden=1), TARGET) for seed in range(20)]
    layers   = [(Chip(network), layer) for network in networks for layer in network.layers
                if layer.weight_bits == 1]
    assert {layer.input_bits for _, layer in layers} > {1}
    for chip, layer in layers:
        x = rng.integers(0, 2**layer.input_bits, (
            5, layer.height, layer.width, layer.channels)).astype(np.uint8)
        for kept in (None, rng.integers(0, 2, (5, layer.channels)).astype(bool)):
            assert (golden.layer_sums(layer, x, 0, chip, kept=kept)
                    == golden.layer_sums(layer, x, kept=kept)).all()


def test_flipped_bits():
    """Of a binary weight -1 and 1 change places, of others bits of two's complement; as many as asked."""
    draw = np.random.default_rng(0)
    for bits in (1, 2, 4):
        all_of = np.array([-1, 1]) if bits == 1 else np.arange(-2**(bits - 1), 2**(bits - 1))
        weights = draw.choice(all_of, 40_000)
        assert (_flipped(weights, bits, 0.0, draw) == weights).all()
        turned = -weights if bits == 1 else -weights - 1
        assert (_flipped(weights, bits, 1.0, draw) == turned).all()
        found = _flipped(weights, bits, 0.1, draw)
        assert set(found.tolist()) <= set(all_of.tolist())
        assert (found != weights).mean() == pytest.approx(1 - 0.9**bits, abs=0.01)


def test_flipped_weights_in_sums(random_network):
    """A chip with flips has the exact sums of other weights: all turned, with each bit flipped."""
    network = binary(random_network)[0]
    chip, x = Chip(network, Devices(flips=1)), np.random.default_rng(0)
    for layer in network.layers:
        maps = x.integers(0, 2**layer.input_bits, (4, layer.height, layer.width, layer.channels))
        rows = np.lib.stride_tricks.sliding_window_view(maps, layer.kernel, axis=(1, 2)).reshape(
            -1, layer.fan_in)[:7].astype(np.uint8)
        exact = Chip(network).sums(layer, 0, rows)
        assert (chip.sums(layer, 0, rows) == -exact).all() and exact.any()


def test_drift_is_lost_current(random_network):
    """With half of its conductance a parallel junction adds less than an anti-parallel one should: the code
    of each read is 0. With little drift no code changes."""
    network = binary(random_network)[0]
    layer   = network.layers[0]
    rows    = np.random.default_rng(0).integers(0, 2**layer.input_bits, (6, layer.fan_in)).astype(np.uint8)
    worst   = Chip(network, Devices(drift=0.6)).sums(layer, 0, rows)
    assert (worst == -(2**layer.input_bits - 1) * layer.fan_in).all()
    little  = Chip(network, Devices(drift=1e-4)).sums(layer, 0, rows)
    assert (little == Chip(network).sums(layer, 0, rows)).all()


@pytest.mark.parametrize("kind", ["random_network", "random_spinbayes"])
def test_noise_of_converters(kind, request):
    """Anew in each read, and rounded: of a deviation of 0.5 a code is wrong in 2 Phi(-1) of the reads."""
    make    = request.getfixturevalue(kind)
    network = binary(make)[0] if kind == "random_network" else multilevel(make)[0]
    layer   = network.layers[-1]
    lines   = np.random.default_rng(0).integers(0, 2, (30_000, layer.fan_in)).astype(np.float32)
    noisy, exact = (np.stack(list(Chip(network, devices).codes(layer, 0, lines)))
                    for devices in (Devices(noise=0.5), Devices()))
    step = 2 if layer.weight_bits == 1 else 1
    most = layer.folding.rows_per_read if step == 2 else references(layer.weight_bits,
                                                                    layer.folding.rows_per_read) // 2
    inner = np.abs(exact) < most - 2 * step # not clipped
    assert ((noisy != exact)[inner]).mean() == pytest.approx(0.3173, abs=0.02) and inner.sum() > 10_000
    assert not (noisy - exact).astype(int).any() or set(np.unique((noisy - exact) % step)) == {0}


@pytest.mark.parametrize("options, message", [
    ({"spread": -1}, "Spread must be 0 or more, not -1"),
    ({"noise": float("nan")}, "Noise must be 0 or more, not nan"),
    ({"stuck": 2}, "Probability of being stuck must be from 0 to 1, not 2"),
    ({"flips": -0.1}, "Probability of a flip must be from 0 to 1, not -0.1"),
    ({"drift": 1.5}, "Drift must be from 0 to 1, not 1.5"),
])
def test_wrong_devices(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Devices(**options)


def test_chip_needs_tiles(random_spinbayes):
    networks = (random_spinbayes(seed, hidden=0) for seed in range(100))
    network = next(network for network in networks if network.layers[0].weight_bits > 1)
    with pytest.raises(ValueError, match="^Layer 'last' has no tiles; compile the network first$"):
        Chip(network)
