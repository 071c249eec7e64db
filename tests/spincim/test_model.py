import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest

import spincim
from gen.compile import compile_network
from gen.ir import Target, dump
from gen.options import trained
from golden.answers import answer
from golden.data import load_sample
from spincim.model import Options
from tests.gen.test_description import SMALL


ROOT = Path(__file__).parent.parent.parent

RNG = np.random.default_rng(1)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path / "small.toml"


def images(count):
    return RNG.integers(0, 256, (count, 6, 5), dtype=np.uint8)


def test_predicts_as_the_golden_model():
    pixels, labels = load_sample()
    model = spincim.load("lenet5")
    found = model.predict(pixels[:40], passes=7)
    golden = answer(compile_network(trained({"network": "lenet5"}), Target(passes=7)), pixels[:40], 7)
    assert (found.classes == golden.prediction.prediction).all()
    assert (found.probabilities == golden.prediction.mean).all()
    assert (found.variance == golden.prediction.variance).all()
    assert (found.rejected == golden.prediction.reject).all()
    assert (found.mutual_information == golden.information).all()
    assert found.entropy.shape == (40,) and found.bit_exact is None
    assert (found.classes == labels[:40]).mean() > 0.9
    other = model.predict(pixels[:40], passes=7, seed=2)
    assert (found.probabilities != other.probabilities).any()


def test_an_answer_for_each_position(tmp_path):
    (tmp_path / "map.toml").write_text(
        "input = {height = 6, width = 5, thresholds = [128]}\n"
        'layers = [{kind = "conv", outputs = 4, kernel = 3},\n'
        '          {kind = "conv", outputs = 2, kernel = [3, 1]}]\n')
    model, pixels = spincim.load(tmp_path / "map.toml", random=3), images(9)
    found = model.predict(pixels, passes=7)
    assert found.classes.shape == found.rejected.shape == found.mutual_information.shape == (9, 2, 3)
    golden = answer(compile_network(model.network, Target(passes=7)), pixels, 7).prediction
    assert (found.probabilities == golden.mean).all() and found.variance.shape == (9, 2, 3, 2)


def test_what_is_saved_is_what_it_was(path, tmp_path):
    model = spincim.load(path, random=3, method="sub-set", crossbars=4, p=None)
    model.save(tmp_path / "own.npz")
    again = spincim.load(tmp_path / "own.npz")
    assert again.network == model.network and repr(again) == "<Model small_sub_set: conv1, fc1>"
    pixels = images(9)
    assert (again.predict(pixels).probabilities == model.predict(pixels).probabilities).all()


def test_the_verilog_answers_the_same(path, tmp_path):
    """Bit for bit, from what was built, and from what is built on the way."""
    model = spincim.load(path, random=3)
    pixels = images(12)
    wanted = model.predict(pixels, passes=5)
    built  = model.build(tmp_path / "out", passes=5, seed=1)
    assert built.reports["estimate_network_performance"]["passes"] == 5
    for found in built.simulate(pixels), spincim.Accelerator(tmp_path / "out").simulate(pixels):
        assert found.bit_exact.all()
        assert (found.probabilities == wanted.probabilities).all()
        assert (found.mutual_information == wanted.mutual_information).all()
    found = model.simulate(pixels[:3], passes=5, schedule="sequential")
    assert found.bit_exact.all() and (found.probabilities == wanted.probabilities[:3]).all()


def test_builds_what_the_command_builds(path, tmp_path):
    model = spincim.load(path, random=3)
    model.build(tmp_path / "out", passes=4)
    network = compile_network(trained({"network": str(path), "random": 3}), Target(passes=4))
    assert (tmp_path / "out" / "ir.json").read_text() == dump(network) + "\n"


def test_only_some_layers_are_random(tmp_path):
    """As the commands have it; no checkpoint says which, so none is written."""
    pixels  = load_sample()[0][:20]
    model   = spincim.load("lenet5", random_layers=["conv1", "conv2"])
    network = compile_network(trained({"network": "lenet5", "random_layers": "conv1,conv2"}),
                              Target(passes=7))
    found   = model.predict(pixels, passes=7).probabilities
    assert (found == answer(network, pixels, 7).prediction.mean).all()
    assert (found != spincim.load("lenet5").predict(pixels, passes=7).probabilities).any()
    model.build(tmp_path / "out", passes=7)
    assert (tmp_path / "out" / "ir.json").read_text() == dump(network) + "\n"
    with pytest.raises(spincim.UserError, match="^A checkpoint does not say which layers are random; load"):
        model.save(tmp_path / "own.npz")
    assert not (tmp_path / "own.npz").exists()
    with pytest.raises(spincim.UserError, match="^Random layers of 'lenet5' can be conv1, conv2, fc1, "):
        spincim.load("lenet5", random_layers=["conv9"])


def test_every_field_of_a_target_is_an_option():
    hints = get_type_hints(Options)
    assert set(hints) == {*(field.name for field in fields(Target)), "synth", "energy", "liberty",
                          "memory_cells"}
    for field in fields(Target):
        assert hints[field.name] == field.type or get_args(hints[field.name]) == field.metadata["choices"]


def test_refusals(path, tmp_path):
    model = spincim.load(path, random=3)
    for wrong, message in (
            (np.zeros((3, 6, 5)),
             "Pixels of the array must be uint8, from 0 to 255, not float64 from 0 to 0; convert them with:"
             " numpy.round(255 * images).astype('uint8')"),
            (np.zeros((3, 5, 6), np.uint8),
             "Images of the array must be (N, 6, 5), height before width, not (3, 5, 6)"),
            (np.zeros((0, 6, 5), np.uint8),
             "There must be at least one image, uint8 (N, 6, 5), not (0, 6, 5)")):
        for use in model.predict, model.simulate:
            with pytest.raises(spincim.UserError) as error:
                use(wrong)
            assert str(error.value) == message
    with pytest.raises(TypeError, match=r"^build\(\) has no option 'colour'; options are: array_rows, "):
        model.build(tmp_path / "out", colour=3)
    with pytest.raises(spincim.UserError, match="^The number of passes must be from 1 to the largest, 32,"):
        model.predict(images(1), passes=0)
    with pytest.raises(spincim.UserError, match="^Network 'lenet6' is unknown; "):
        spincim.load("lenet6")
    assert not (tmp_path / "out").exists()


def test_nothing_is_imported_before_it_is_needed():
    """Neither torch nor what builds; and no name is missing. Only what converts models needs torch."""
    code = ("import sys, spincim; assert not {'gen', 'torch', 'numpy'} & set(sys.modules); "
            "assert set(spincim.__all__) == set(spincim._HOMES) <= set(dir(spincim)); "
            "[getattr(spincim, name) for name in spincim.__all__ if name != 'convert']; "
            "assert 'torch' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match="^module 'spincim' has no attribute 'nothing'$"):
        _ = spincim.nothing
