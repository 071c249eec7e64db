import pytest

from gen.ir import Affine, Input, Layer, Logit, Network, Target
from gen.passes.fold import float_sum, fold
from gen.passes.quantize import quantize


TARGET = Target()


@pytest.mark.parametrize("gain, offset, logit", [
    (0.0, 0.0, (0, 0)),
    (1.0, 0.0, (2 * 4096, -5 * 4096)),           # s = 2 n - 5
    (1.0, 3.0, (2 * 4096, -2 * 4096)),
    (-0.5, 0.25, (-4096, 4096 // 4 + 5 * 2048)),
    (2**-13 * 1.4, 0.0, (1, -2)),                # offset -2.5, to even
    (0.0, 2**-12 * 1.4, (0, 1)),
    (0.0, 2**-12 * -1.6, (0, -2)),
])
def test_rounds(gain, offset, logit):
    layer = Layer("last", 1, 1, 5, (1, 1), 2, arrays=((0, 0),),
                  banks=(Affine((gain,) * 2, (offset,) * 2),) * 2)
    network = Network("network", Input(1, 1, (1,) * 5), (layer,))
    assert quantize(network, TARGET).layers[0].banks \
        == (Logit(*((value,) * 2 for value in logit)),) * 2


@pytest.mark.parametrize("seed", range(10))
def test_error(random_network, seed):
    """A logit is within |s| / 4 + 1 / 2 units of the float model, for every sum."""
    network = fold(random_network(seed), TARGET)
    before, after = network.layers[-1], quantize(network, TARGET).layers[-1]
    for affine, logit in zip(before.banks, after.banks, strict=True):
        for channel in range(before.outputs):
            for n in range(before.fan_in + 1):
                s = 2 * n - before.fan_in
                error = logit.gain[channel] * n + logit.offset[channel] \
                    - 4096 * (affine.gain[channel] * s + affine.offset[channel])
                assert abs(error) <= abs(s) / 4 + 0.5 + 1e-6


@pytest.mark.parametrize("seed", range(20))
def test_error_of_spinbayes(random_spinbayes, seed):
    """As much for any weights and levels: ``|s| / (2 step) + 1 / 2`` units, in each bank."""
    network = fold(random_spinbayes(seed), TARGET)
    before, after = network.layers[-1], quantize(network, TARGET).layers[-1]
    assert len(after.banks) == after.choices
    for choice, (affine, logit) in enumerate(zip(before.banks, after.banks, strict=True)):
        step, starts = float_sum(before, choice)
        for channel, start in enumerate(starts):
            for m in (before.sums.start, 0, 1, before.sums.stop - 1):
                s = float(step * m + start)
                error = logit.gain[channel] * m + logit.offset[channel] \
                    - 4096 * (affine.gain[channel] * s + affine.offset[channel])
                assert abs(error) <= abs(s) / (2 * step) + 0.5 + 1e-6


def test_leaves_hidden_layers(random_network):
    network = fold(random_network(0, hidden=2), TARGET)
    assert quantize(network, TARGET).layers[:-1] == network.layers[:-1]
