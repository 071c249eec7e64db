# amaranth: UnusedElaboratable=no

import pytest

from gen.check_target import ImpossibleTarget
from gen.compile import compile_network
from gen.ir import Target
from gen.lower import lower
from gen.options import trained
from gen.resources import estimate_resources
from gen.transforms.folding import choose_interval
from tests.gen.test_description import SMALL


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("luts") / "mine.toml"
    path.write_text(SMALL)
    return trained({"network": str(path), "random": 1})


def luts_of(compiled, target):
    return estimate_resources(lower(compiled, target))["LUT"]


def test_shortest_interval_for_a_number_of_luts(network):
    """One cycle less takes more; an estimate of the whole says the same."""
    least   = luts_of(compile_network(network, Target(interval=10**6)), Target())
    most    = luts_of(compile_network(network, Target(interval=1)), Target())
    target  = Target(luts=(least + most) // 2)
    found   = compile_network(network, target)
    chosen  = choose_interval(found, target)
    assert luts_of(found, target) <= target.luts < most
    assert chosen["reason"] == f"the shortest for {target.luts:,} LUT4, as estimated"
    interval = chosen["interval_cycles"]
    assert compile_network(network, Target(interval=interval)) == found
    assert luts_of(compile_network(network, Target(interval=interval - 1)), target) > target.luts


def test_fewer_luts_than_any_interval_takes(network):
    least = luts_of(compile_network(network, Target(interval=10**6)), Target())
    with pytest.raises(ImpossibleTarget, match=(
            f"^Network {network.name!r} takes about {least:,} LUT4 however long the interval, not "
            f"{least - 1:,}; ask for so many with --luts, or take a smaller network or fewer "
            "--passes-max$")):
        compile_network(network, Target(luts=least - 1))


@pytest.mark.parametrize("other", [{"interval": 784}, {"adcs": 9}])
def test_not_beside_another(network, other):
    with pytest.raises(ImpossibleTarget, match=(
            "^A number of LUTs excludes an interval and a number of ADCs; leave one out, or take it back "
            "with --luts none, --interval none or --adcs none$")):
        compile_network(network, Target(luts=9000, **other))
