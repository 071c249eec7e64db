# amaranth: UnusedElaboratable=no
"""The estimate of cells against what Yosys has made of the same blocks (``python -m bench.cells``)."""

import pytest

from bench.cells import SEEN, TESTED, accelerator_of, counted, kept
from gen.resources import estimate_resources


def test_what_is_kept():
    found = kept()
    assert set(found) == {*SEEN, *TESTED}
    assert all(len(each["rtl_sha256"]) == 64 and each["yosys"].startswith("Yosys ")
               for each in found.values())


#: Its values are in fixed point, and layers take only their signs: Yosys finds across blocks that nothing
#: uses the other bits, and the estimate, which sees one block at a time, does not.
SIGNS = "bench/networks/residual.toml --random 1"

#: Four times the size of the others; ``python -m bench.cells --table`` has it.
LARGE = "bench/networks/dense.toml --random 1"


@pytest.mark.parametrize("options", [
    pytest.param(options, marks=pytest.mark.long if place else ()) for place, options in enumerate(
        options for options in TESTED if options not in (SIGNS, LARGE))])
def test_estimate_is_near_synthesis(options):
    _, accelerator = accelerator_of(options)
    estimate, wanted = estimate_resources(accelerator), counted(options)
    assert set(estimate["blocks"]) == set(kept()[options]["blocks"]) - {"other"}
    assert estimate["LUT"]  == pytest.approx(wanted["LUT"], rel=0.15)
    assert estimate["FF"]   == pytest.approx(wanted["FF"], rel=0.05)
    assert estimate["BRAM"] == pytest.approx(wanted["BRAM"], rel=0.1, abs=1)
    assert estimate["DSP"]  == pytest.approx(wanted["DSP"], abs=1)
