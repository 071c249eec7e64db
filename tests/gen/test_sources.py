import argparse
import re
from dataclasses import replace

import pytest

from gen.checkpoint import SHIPPED
from gen.checkpoint_file import read_file, write_file
from gen.ir import REGRESSION, Input, Layer, Network
from gen.methods import METHODS, choose, known_names, network_of
from gen.networks import NETWORKS
from gen.random_parameters import random_parameters
from gen.sources import SourceError, classifier_argument, find, is_file, source_argument
from tests.conftest import with_choices
from tests.gen.test_description import LENET5


NETWORK = Network("small", Input(3, 4, (100, 200)), (
    Layer("conv", 3, 4, 2, (2, 2), 3), Layer("fc", 2, 3, 3, (2, 3), 2)))


def written(path, network):
    write_file(path, network, random_parameters(network, 1))
    return str(path)


@pytest.mark.parametrize("name", known_names())
def test_names(name):
    found = find(name)
    assert found.network() == network_of(name)
    assert found.plain is NETWORKS[found.plain.name]
    assert found.checkpoint() == SHIPPED / f"{name}.npz"


def test_another_method_of_a_name():
    found = find("lenet5_sub_set")
    assert found.network("ensemble", 3) == network_of("lenet5", "ensemble", 3)
    assert found.checkpoint("ensemble") == SHIPPED / "lenet5_ensemble.npz"


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_holds_its_network(tmp_path, method):
    """The same as was written, and without choices the same whatever its method."""
    network = choose(NETWORK, method)
    found   = find(written(tmp_path / "any.npz", network))
    assert (found.plain, found.method) == (NETWORK, method)
    assert found.network() == found.network(method) == network
    assert found.checkpoint() == tmp_path / "any.npz"


def test_fewer_choices_than_a_checkpoint_has(tmp_path):
    network = choose(NETWORK, "spinbayes", 8)
    path    = written(tmp_path / "any.npz", network)
    assert find(path).network(count=4) == choose(NETWORK, "spinbayes", 4)
    assert find(path).network(ways=2) == choose(NETWORK, "spinbayes", 8, 2)
    two = choose(NETWORK, "spinbayes", 8, 2)
    assert find(written(tmp_path / "two.npz", two)).network() == two


def test_a_description(tmp_path):
    path = tmp_path / "any.toml"
    path.write_text(LENET5)
    found = find(str(path))
    assert found.plain == replace(NETWORKS["lenet5"], name="mine")
    assert found.network().name == "mine_sub_set" and found.network("scale-dropout").name == "mine"
    assert found.checkpoint() == tmp_path / "any_sub_set.npz"
    assert found.checkpoint("scale-dropout") == tmp_path / "any.npz"


def refused(message, function, *arguments, **options):
    with pytest.raises(SourceError, match=f"^{re.escape(message)}$"):
        function(*arguments, **options)


def test_refusals(tmp_path):
    refused(f"Network 'lenet6' is unknown; choose one of: {', '.join(NETWORKS)}; or name a file that ends "
            "with .npz, .onnx or .toml", find, "lenet6")
    with pytest.raises(argparse.ArgumentTypeError, match="^Network 'lenet6' is unknown; "):
        source_argument("lenet6")
    refused("Method 'sub-set' has one array per layer; leave --ways out", find("lenet5_sub_set").network,
            ways=2)
    path = written(tmp_path / "any.npz", choose(NETWORK, "sub-set"))
    train = (f"leave --method out, or train it with: python -m golden.train {path} --method ensemble "
             "--data DIR --out FILE")
    refused(f"Checkpoint {path} is of method 'sub-set', not of 'ensemble'; {train}", find(path).network,
            "ensemble")
    first, last = NETWORK.layers
    levels = replace(NETWORK, layers=(replace(first, output_bits=2), replace(last, input_bits=2)))
    path = written(tmp_path / "levels.npz", choose(levels, "sub-set"))
    refused(f"Checkpoint {path} is of method 'sub-set', not of 'ensemble'; leave --method out",
            find(path).network, "ensemble")
    path = written(tmp_path / "own.npz", with_choices(NETWORK, [(4, 1), 0.5]))
    assert find(path).network() == find(path).held
    train = train.replace("any.npz", "own.npz")
    refused(f"Checkpoint {path} has choices of its own, not of 'ensemble'; {train}", find(path).network,
            "ensemble")
    refused(f"Checkpoint {path} has choices of its own; leave --crossbars, --ways, --ways-of and --masked "
            "out", find(path).network, count=2)


def test_a_regression_has_no_classes(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('answer = "numbers"\n' + LENET5)
    assert source_argument(str(path)).plain.head == REGRESSION
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(
            "network 'mine' is a regression, and this command is for classes; "
            "golden.evaluate judges it")):
        classifier_argument(str(path))
    assert classifier_argument("lenet5") == source_argument("lenet5")


def test_endings():
    assert is_file("a.npz") and is_file("b/c.TOML") and not is_file("lenet5") and not is_file("a.npy")


def test_what_is_held_can_be_read_again(tmp_path):
    """A checkpoint of a description is the network that it describes."""
    path = tmp_path / "any.toml"
    path.write_text(LENET5)
    network = find(str(path)).network()
    write_file(tmp_path / "any_sub_set.npz", network, random_parameters(network, 2))
    assert read_file(tmp_path / "any_sub_set.npz", network)[0] == network
    assert find(str(tmp_path / "any_sub_set.npz")).network() == network
