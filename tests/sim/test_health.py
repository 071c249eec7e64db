"""Health tests of emitted designs, over runs without a reset."""

from dataclasses import replace

import pytest

from gen.build import build_network
from gen.ir import Target
from tests.images import images_for


@pytest.mark.long
def test_a_layer_that_never_drops_raises_no_alarm(random_network, tmp_path, simulate):
    """2,000 images of 64 passes, of which the random bits of one layer are all ones."""
    network = random_network(0, hidden=1)
    network = replace(network, draws=tuple(
        replace(draw, drops=(p,)) for draw, p in zip(network.draws, (0.0, 0.5), strict=True)))
    build_network(network, Target(array_rows=64, passes=64, passes_max=64), tmp_path / "never")
    report = simulate(tmp_path / "never", images_for(network, 2000))
    assert report["bit_exact"] and not report["alarm"] and report["shards"] == 1
