import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import gen.compile
import gen.transforms
from gen.check_target import ImpossibleTarget
from gen.checkpoint import read
from gen.compile import TRANSFORMS, compile_network, main
from gen.ir import Comparison, Logit, Target, dump, load
from gen.methods import network_of
from gen.transforms.seed import seed
from gen.verify import MalformedNetwork


TARGET = Target()


@pytest.mark.parametrize("seed", range(20))
def test_completes_every_field(random_network, seed):
    target = Target(array_rows=16, array_columns=4, interval=100)
    network = compile_network(random_network(seed), target)
    assert network.generator is not None
    for layer in network.layers:
        kind = Logit if layer is network.layers[-1] else Comparison
        assert [[type(bank) for bank in of_array] for of_array in layer.banks] == [[kind, kind]]
        assert layer.tiles and layer.folding is not None and layer.normalizations == ()


@pytest.mark.parametrize("seed", range(20))
def test_completes_every_field_of_spinbayes(random_spinbayes, seed):
    target = Target(array_rows=16, array_columns=128, interval=100)
    network = compile_network(random_spinbayes(seed), target)
    assert load(dump(network)) == network
    assert len(network.generator.drop) == len(network.drops)
    for layer in network.layers:
        kind = Logit if layer is network.layers[-1] else Comparison
        assert [[type(bank) for bank in of_array] for of_array in layer.banks] == (
            [[kind] * layer.bank_count] * layer.crossbars)
        assert layer.tiles and layer.folding is not None and layer.normalizations == ()
        places = network.places(layer.name)
        assert 2**len(places) == layer.crossbars * layer.bank_count
        assert layer.crossbars == 1 or {network.generator.drop[place] for place in places} == {32768}


def test_needs_columns_for_a_weight(tmp_path, write_checkpoint):
    shape = network_of("lenet5_4bit_spinbayes")
    write_checkpoint(tmp_path / "checkpoint.npz", shape)
    network = read(tmp_path / "checkpoint.npz", shape)
    with pytest.raises(ImpossibleTarget, match="^An array has 3 columns, but a weight of layer 'conv1' "
                                               "takes 4$"):
        compile_network(network, Target(array_columns=3))


def test_json_keeps_everything(random_network):
    network = compile_network(random_network(0, hidden=2), TARGET)
    assert load(dump(network)) == network


def test_each_transform_has_a_file():
    files = sorted(path.stem for path in Path(gen.transforms.__path__[0]).glob("*.py"))
    assert sorted(run.__module__ for run in TRANSFORMS) == [
        f"gen.transforms.{name}" for name in files if name != "__init__"]
    for run in TRANSFORMS:
        assert "Needs:" in run.__doc__ and "Ensures:" in run.__doc__


def test_names_the_transform_that_failed(random_network, monkeypatch):
    def broken(network, target):
        return replace(network, layers=())

    monkeypatch.setattr(gen.compile, "TRANSFORMS", (broken,))
    with pytest.raises(MalformedNetwork, match="^Network 'random0' has no layers") as error:
        compile_network(random_network(0), TARGET)
    assert error.value.__notes__ == ["after transform 'broken'"]


def test_needs_parameters():
    with pytest.raises(MalformedNetwork,
                       match="^Layer 'conv1' has no parameters; read a checkpoint first$"):
        compile_network(network_of("lenet5"), TARGET)


def test_checks_the_target(random_network):
    with pytest.raises(ImpossibleTarget):
        compile_network(random_network(0), Target(passes=0))


def test_needs_a_current_for_each_random_bit(random_network):
    with pytest.raises(ImpossibleTarget, match="^The target has 2 SET current codes, but a pass of network "
                                               "'random0' draws 3 random bits$"):
        compile_network(random_network(0, hidden=2), Target(rng="mtj", mtj_currents=(1, 2)))
    target = Target(rng="mtj", mtj_currents=(1, 2, 3), masks="balanced")
    with pytest.raises(ImpossibleTarget, match="^The target has 3 SET current codes, but a shift of "
                                               "network 'random0' draws 48 random bits$"):
        compile_network(random_network(0, hidden=2), target)


def test_needs_a_current_for_reset(random_network):
    with pytest.raises(ImpossibleTarget, match="^The target has no RESET current code, which pins of an "
                                               "MTJ need$"):
        compile_network(random_network(0, hidden=2), Target(rng="mtj", mtj_currents=(1, 2, 3)))


@pytest.mark.parametrize("method", ["ensemble", "deterministic"])
def test_no_junctions_where_nothing_is_drawn(method):
    with pytest.raises(ImpossibleTarget, match=f"^Network 'lenet5_{method}' draws no random bits, so there "
                                               "are no junctions; leave --rng mtj out$"):
        compile_network(network_of("lenet5", method), Target(rng="mtj"))
    with pytest.raises(ImpossibleTarget, match=f"^Network 'lenet5_{method}' draws no random bits, so there "
                                               "are no random sources; leave --sources layer out$"):
        compile_network(network_of("lenet5", method), Target(sources="layer"))


def test_no_sources_of_all_combinations():
    with pytest.raises(ImpossibleTarget, match="^With --masks all nothing is drawn, so there are no random "
                                               "sources; leave --sources layer out$"):
        compile_network(network_of("lenet5"), Target(sources="layer", masks="all", passes=32))


def test_command(tmp_path, write_checkpoint):
    """Run as a command, in another folder."""
    write_checkpoint(tmp_path / "checkpoint.npz", network_of("lenet5"))
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-m", "gen.compile", "lenet5", "--checkpoint", "checkpoint.npz",
         "--passes", "50", "--seed", "7"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True,
        check=True)
    network = load(run.stdout)
    seeded = seed(network_of("lenet5"), Target(seed=7))
    assert (network.name, network.generator.seeds) == ("lenet5", seeded.generator.seeds)
    assert json.loads(run.stdout)["kind"] == "Network"


@pytest.mark.parametrize("arguments, message", [
    (["--checkpoint", "nowhere.npz"],
     "gen.compile: Checkpoint nowhere.npz does not exist; make it again with: "
     "python -m golden.train lenet5 --data DIR\n"),
    (["--passes", "0"], "gen.compile: The number of passes must be from 1 to the largest, 32, "
                        "not 0\n"),
    (["--passes", "1025"], "gen.compile: The largest number of passes must be from 1 to 1024, "
                           "not 1025\n"),
    (["--ways", "2"], "gen.compile: Method 'scale-dropout' has one array per layer; leave --ways out\n"),
    (["--seed", "0"], "gen.compile: The seed must be from 1 to 18446744073709551615, not 0\n"),
])
def test_wrong_input_is_one_line(tmp_path, write_checkpoint, capsys, arguments, message):
    write_checkpoint(tmp_path / "checkpoint.npz", network_of("lenet5"))
    assert main(["lenet5", "--checkpoint", str(tmp_path / "checkpoint.npz"), *arguments]) == 2
    assert capsys.readouterr() == ("", message)
