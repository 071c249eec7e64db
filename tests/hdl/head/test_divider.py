# amaranth: UnusedElaboratable=no

import numpy as np
import pytest

from hdl.head.divider import Divider
from sim.component import transfer


@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("most", [1 << 17, 40 << 16])
def test_reciprocals(most, duty):
    """Those of the least and the largest sum, next to powers of two, and of any others."""
    sums = [1 << 16, most, (1 << 16) + 1, (1 << 17) - 1, 1 << 17, most - 1,
            *np.random.default_rng(0).integers(1 << 16, most + 1, 30).tolist()]
    passed = transfer(Divider(range(most + 1)), {"i": sums}, {"o": len(sums)}, duty=duty)
    assert passed["o"].words == [(2**34 - 1) // value for value in sums]
    if duty == 1:
        assert passed["i"].cycles == [Divider.interval * number for number in range(len(sums))]
        assert passed["o"].cycles == [cycle + Divider.interval - 1 for cycle in passed["i"].cycles]
