"""Networks and checkpoints with random parameters, and one build of the shipped network."""

import gc
import importlib.util
import os
import shlex
import signal
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gen.weights
from gen.build import build
from gen.checkpoint_file import STATED
from gen.command import PATIENT, whole
from gen.compile import compile_network
from gen.ir import ArrayChoice, BankChoice, Draw, Input, Layer, Network, Normalization, Target
from gen.methods import DEFAULT, array_sets, choose, has_dropout, method_for
from gen.weights import pack
from sim.verilator.simulator import LEVEL, RUNTIME


#: The folder of Verilator's run-time library.
_RUNTIME = pytest.StashKey[tempfile.TemporaryDirectory]()

#: What takes longest begins first, or one worker would wait for the other at the end: files, and folders.
_FIRST = ("tests/sim/test_methods.py", "tests/docs/", "tests/sim/", "tests/hdl/test_", "tests/vendors/",
          "tests/regress/", "tests/host/", "tests/test_", "tests/mutation/")

#: Why what trains is not tested.
NO_TORCH = "needs torch, which is not installed; install it with: pip install -e '.[test]'"


def pytest_addoption(parser):
    """Options of the long targets; the Makefile passes them on."""
    group = parser.getgroup("spincim")
    group.addoption("--cases", type=whole(1), default=500, help="random networks (default: %(default)s)")
    group.addoption("--case", type=Path, action="append",
                    help="a case that has failed, to be played in place of those that are kept")
    group.addoption("--flips", type=whole(1), default=300,
                    help="flipped bits of each class (default: %(default)s)")
    group.addoption("--flips-spinbayes", type=whole(1), default=60,
                    help="the same with SpinBayes (default: %(default)s)")
    group.addoption("--cost", choices=("count", "place"), default="count",
                    help="count cells, or place and route too, for what protection costs "
                         "(default: %(default)s)")
    group.addoption("--seed", type=whole(0), default=1,
                    help="what random networks and flipped bits follow from (default: %(default)s)")


def pytest_configure(config):
    """Whatever starts the tests, they begin alike: in a background job of a shell Ctrl-C is ignored, behind
    nohup the end of the terminal is, and what make hands down, variables of its command line among it, is
    not for the makes that tests run."""
    for number, usual in (signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    given = [word.split("=")[0] for word in shlex.split(os.environ.get("MAKEFLAGS", "")) if "=" in word]
    for name in ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS", *given):
        os.environ.pop(name, None)
    gc.set_threshold(*PATIENT)
    # All simulators of all processes of this run share what they have in common.
    if not hasattr(config, "workerinput"):
        config.stash[_RUNTIME] = tempfile.TemporaryDirectory(prefix="spincim.", ignore_cleanup_errors=True)
        os.environ[RUNTIME]    = config.stash[_RUNTIME].name
        # Most designs of tests are small and simulate few images; they compile in a quarter of the time.
        os.environ.setdefault(LEVEL, "-O0")
        # What is trained here is small: threads would wait for each other most of their time, and busily.
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_unconfigure(config):
    if _RUNTIME in config.stash:
        config.stash[_RUNTIME].cleanup()


@pytest.hookimpl(tryfirst=True) # before cases are chosen by their markers
def pytest_collection_modifyitems(items):
    """Of the cases of a test with the marker ``some`` so many, spread evenly, stay as they are, and all
    others are ``long``. Files of :data:`_FIRST` first; ``make test`` keeps this order
    (``--no-loadscope-reorder``)."""
    cases = defaultdict(list)
    for item in items:
        if item.get_closest_marker("some") and not item.get_closest_marker("long"):
            cases[item.nodeid.split("[")[0]].append(item)
    for of_test in cases.values():
        most, = of_test[0].get_closest_marker("some").args
        stay  = {len(of_test) * number // most for number in range(most)}
        for number, item in enumerate(of_test):
            if number not in stay:
                item.add_marker("long")

    def place(item):
        return next((place for place, name in enumerate(_FIRST) if item.nodeid.startswith(name)),
                    len(_FIRST))

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Skip files of tests that need torch where there is none."""
    report = yield
    if report.failed and importlib.util.find_spec("torch") is None and (
            "No module named 'torch'" in str(report.longrepr)):
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, f"Skipped: {NO_TORCH}")
    return report


def make_checkpoint(path, network, seed=0, **changes):
    """Write random parameters for ``network`` to ``path`` in the format of :mod:`gen.checkpoint_file`; a
    network without choices is taken for one of the default method.

    Keyword arguments replace arrays; None leaves one out. Dots are written as two underscores.
    """
    rng = np.random.default_rng(seed)
    arrays = {"network": np.array(network.name), **STATED,
              "thresholds": np.array(network.input.thresholds, np.int64)}
    if network.method:
        arrays["method"] = np.array(network.method)
    elif not network.draws:
        network = replace(choose(network, DEFAULT), name=network.name)
    method = method_for(network)
    for layer in network.layers:
        shape, fan_in = layer.outputs, layer.fan_in
        most = 2**(layer.weight_bits - 1) - 1
        size = (shape, fan_in) if layer.array_choice is None else (layer.crossbars, shape, fan_in)
        rows = (layer.crossbars * layer.bank_count, shape) if method.in_turn else shape
        weight = rng.choice([-1, 1], size) if layer.weight_bits == 1 else (
            rng.integers(-most, most + 1, size))
        alone  = method.single or layer.bank_count <= (1 if network.method else 2)
        scales = shape if alone else (layer.bank_count, shape)
        values = {
            "weight": weight.astype(np.int8),
            "bias": rng.normal(0, 1, shape),
            "scale": rng.lognormal(0, 0.35, scales),
            "gamma": rng.normal(1, 0.7, rows),
            "beta": rng.normal(0, 0.5, rows),
            "mean": rng.normal(0, fan_in**0.5 / 2, rows),
            "variance": rng.uniform(0.5, 1.5, rows) * fan_in,
            "epsilon": np.float64(1e-5),
            "dropout": np.float64(layer.dropout),
        }
        left_out = ["scale"] * (not method.scaled) + ["dropout"] * (not has_dropout(network, layer))
        arrays |= {f"{layer.name}.{name}": value for name, value in values.items() if name not in left_out}
    for name, value in changes.items():
        arrays[name.replace("__", ".")] = value
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


def with_choices(network, choices):
    """Return ``network`` with the choices ``choices`` of each layer, each of a draw of its own: of p for a
    keep bit, of two numbers for arrays and those of them that are read together, in a ring."""
    draws, layers = [], []
    for layer, choice in zip(network.layers, choices, strict=True):
        if isinstance(choice, float):
            drops, made = (choice,), BankChoice(layer.name, (0, 1))
        else:
            drops = (0.5,) * (choice[0] - 1).bit_length()
            made  = ArrayChoice(layer.name, tuple(range(choice[0])), array_sets(*choice))
        draws.append(Draw(layer.name, drops))
        layers.append(replace(layer, choices=(made,)))
    return replace(network, draws=tuple(draws), layers=tuple(layers))


def make_network(seed, hidden=None, answered=(1, 1)):
    """Return a small random network with parameters and every feature: padding, stride, pool,
    several input thresholds, slopes of all signs including zero; each pass keeps or drops scales. Of its
    last map as many positions have an answer."""
    rng = np.random.default_rng(seed)
    height, width = (int(size) for size in rng.integers(6, 10, 2))
    thresholds = tuple(sorted(int(value) for value in rng.integers(1, 256, rng.integers(1, 4))))
    shape = height, width, len(thresholds)
    layers, drops = [], []
    for index in range(int(rng.integers(0, 3)) if hidden is None else hidden):
        kernel = tuple(int(rng.integers(1, min(3, side) + 1)) for side in shape[:2])
        layer = Layer(f"layer{index}", *shape, kernel, int(rng.integers(1, 6)),
                      stride=int(rng.integers(1, 3)), padding=int(rng.integers(0, min(kernel))))
        drops.append(float(rng.uniform(0, 1)))
        if min(layer.positions) >= 2 and rng.integers(2):
            layer = replace(layer, pool=2)
        layers.append(layer)
        shape = layer.output_shape
    kernel = tuple(side - each + 1 for side, each in zip(shape[:2], answered, strict=True))
    layers.append(Layer("last", *shape, kernel, int(rng.integers(2, 5))))
    drops.append(float(rng.uniform(0, 1)))
    network = with_choices(Network(f"random{seed}", Input(height, width, thresholds), tuple(layers)), drops)
    return replace(network, layers=tuple(
        replace(layer, normalizations=(_keep_or_drop(_make_normalization(rng, layer)),), arrays=(tuple(
            int("".join(map(str, rng.integers(0, 2, layer.fan_in))), 2)
            for _ in range(layer.outputs)),))
        for layer in network.layers))


def make_spinbayes(seed, hidden=None):
    """Return a small random network as :func:`make_network`, whose layers choose among arrays.

    Layers differ in all that may differ: arrays, or one and a keep bit, and how many are read together;
    weights of any number of bits, binary ones too, many of them extreme; levels of 1, 2 and 4 bits from -1
    or 0.
    """
    rng = np.random.default_rng(seed)
    plain = make_network(seed, hidden)
    count = len(plain.layers)
    weight_bits = rng.choice([1, 2, 4, 4, 8], count)
    bits = rng.choice([1, 2, 4], count)
    low = rng.choice([-1, 0], count)
    channels = len(plain.input.thresholds)
    thresholds = np.sort(rng.integers(1, 256, channels * (2**bits[0] - 1)))
    layers, choices, ways = [], [], np.random.default_rng((seed, 1))
    for index, layer in enumerate(plain.layers):
        after = min(index + 1, count - 1)
        crossbars = int(rng.choice([1, 2, 4, 8]))
        several = crossbars, min(crossbars, int(ways.integers(1, 4)))
        choices.append(plain.draws[index].drops[0] if crossbars == 1 else several)
        layer = replace(
            layer, weight_bits=int(weight_bits[index]),
            input_bits=int(bits[index]), input_low=int(low[index]),
            output_bits=int(bits[after]), output_low=int(low[after]))
        kept = layer.normalizations[0][1]
        normalizations = (_keep_or_drop(kept),) if crossbars == 1 else (
            (replace(kept, scale=(1.0,) * layer.outputs),),) * crossbars
        layers.append(replace(layer, normalizations=normalizations, arrays=tuple(
            pack(_make_weights(rng, layer), layer.weight_bits) for _ in range(crossbars))))
    return with_choices(replace(plain, name=f"spinbayes{seed}", layers=tuple(layers), input=replace(
        plain.input, thresholds=tuple(thresholds.tolist()), bits=int(bits[0]))), choices)


def make_centred(seed, hidden=None):
    """Return a small random network as :func:`make_network`, with inverted normalization in all hidden
    layers."""
    plain = make_network(seed, hidden)
    return replace(plain, name=f"centred{seed}", layers=(*map(_centred, plain.layers[:-1]),
                                                         plain.layers[-1]))


def _centred(layer):
    return replace(layer, normalizations=tuple(
        tuple(replace(part, centred=True) for part in of_array) for of_array in layer.normalizations))


def make_mixed(seed=0):
    """Return a small network with parameters, whose layers choose in every way there is: not at all; one of
    two banks, or of four; arrays, of which some two are added up; arrays and banks, by two draws; by a draw
    that another layer has too; and in the last, one of three arrays by the number of the pass. Two of them
    have inverted normalization.

    No table but one is in ascending order.
    """
    rng = np.random.default_rng(seed)
    draws = Draw("keep", (0.3,)), Draw("turn", None), Draw("bank", (0.5, 0.25)), Draw("array", (0.5, 0.5))
    levels = {"input_bits": 2, "input_low": 0, "output_bits": 2, "output_low": 0}
    one = {"output_bits": 1, "output_low": -1}
    layers = (
        Layer("mean", 7, 6, 2, (2, 2), 2, choices=(BankChoice("bank", (3, 1, 0, 2)),)),
        Layer("none", 6, 5, 2, (3, 2), 3, padding=1, pool=2, output_bits=2, output_low=0),
        Layer("two", 3, 3, 3, (2, 2), 3, choices=(BankChoice("keep", (0, 1)),), **levels),
        Layer("four", 2, 2, 3, (1, 1), 3, weight_bits=3,
              choices=(BankChoice("bank", (2, 0, 3, 1)),), **levels),
        Layer("arrays", 2, 2, 3, (2, 2), 4,
              choices=(ArrayChoice("array", (1, 3, 0, 2), ((0, 2), (1, 3), (0, 4), (2, 3))),), **levels),
        Layer("both", 1, 1, 4, (1, 1), 4, weight_bits=4,
              choices=(BankChoice("bank", (0, 2, 2, 1)), ArrayChoice("keep", (1, 0))), **levels | one),
        Layer("shared", 1, 1, 4, (1, 1), 4, choices=(BankChoice("array", (1, 1, 0, 1)),),
              output_bits=2, output_low=0),
        Layer("last", 1, 1, 4, (1, 1), 3, choices=(ArrayChoice("turn", (0, 2, 1)),),
              input_bits=2, input_low=0),
    )
    layers = tuple(replace(
        layer,
        normalizations=tuple(tuple(_make_normalization(rng, layer) for _ in range(layer.bank_count))
                             for _ in layer.array_sets),
        arrays=tuple(pack(_make_weights(rng, layer), layer.weight_bits) for _ in range(layer.crossbars)))
        for layer in layers)
    return Network("mixed", Input(7, 6, (90, 180)), tuple(
        _centred(layer) if layer.name in ("mean", "both") else layer for layer in layers), draws=draws)


def _keep_or_drop(kept):
    """Normalizations of both banks: the scale dropped to one, and ``kept``."""
    return replace(kept, scale=(1.0,) * len(kept.scale)), kept


def _make_weights(rng, layer):
    shape = layer.outputs, layer.fan_in
    if layer.weight_bits == 1:
        return rng.choice([-1, 1], shape)
    most = 2**(layer.weight_bits - 1) - 1
    weights = rng.integers(-most, most + 1, shape)
    # Some channels reach the ends of what sums can be, others never change.
    weights[rng.random(layer.outputs) < 0.2] = most
    weights[rng.random(layer.outputs) < 0.1] = -most
    weights[rng.random(layer.outputs) < 0.1] = 0
    return weights


def _make_normalization(rng, layer):
    count, deviation = layer.outputs, layer.fan_in**0.5
    # Quarters give sums that meet their bound exactly, which no random float does.
    scale, gamma = (np.round(4 * rng.normal(1, 1, count)) / 4 for _ in range(2))
    return Normalization(*(tuple(map(float, values)) for values in (
        np.round(4 * rng.normal(0, 1, count)) / 4, scale, gamma,
        np.round(4 * rng.normal(0, 1, count)) / 4,
        np.round(4 * rng.normal(0, deviation, count)) / 4,
        np.round(4 * rng.uniform(0.25, 2 * deviation, count)) / 4)))


@pytest.fixture(scope="session")
def write_checkpoint():
    return make_checkpoint


@pytest.fixture(scope="session")
def random_network():
    return make_network


@pytest.fixture(scope="session")
def random_spinbayes():
    return make_spinbayes


@pytest.fixture(scope="session")
def centred_network():
    return make_centred


@pytest.fixture(scope="session")
def mixed_network():
    return make_mixed


@pytest.fixture(params=[make_network, make_spinbayes], ids=["scale-dropout", "spinbayes"])
def compiled(request):
    """A function that makes and compiles a random network of either method for a target, whose arrays
    are made as wide as its weights need, and whose currents are repeated for all of its random bits; it
    returns both."""
    def compiled(seed, target, hidden=None):
        network = request.param(seed, hidden)
        target  = replace(target, array_columns=max(
            target.array_columns, *(layer.columns_per_weight for layer in network.layers)))
        if target.rng == "mtj":
            target = replace(target, mtj_currents=tuple(
                np.resize(target.mtj_currents, len(network.drops)).tolist()), mtj_reset_current=255)
        return compile_network(network, target), target
    return compiled


@pytest.fixture(scope="session")
def weights_in_files():
    """A context in which networks of any size have the weights of their memories in files."""
    @contextmanager
    def weights_in_files():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gen.weights, "INLINE_BITS", 0)
            yield

    return weights_in_files


@pytest.fixture(scope="module")
def optimized():
    """Simulators are compiled as for anyone else: for many images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(LEVEL, raising=False)
        yield


@pytest.fixture(scope="session")
def lenet5(tmp_path_factory):
    """Folder of a build of the shipped LeNet-5 for the default target; to be read only."""
    folder = tmp_path_factory.mktemp("build") / "lenet5"
    build("lenet5", Target(), folder)
    return folder
