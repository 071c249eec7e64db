"""A case of the regression: a network, its checkpoint, a target, and how the accelerator is used.

A case is small: arrays and images follow from seeds and from the names of what they are like, so that
its file replays it (:func:`save`, :func:`load`).
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from gen import ir
from gen.checkpoint_file import STATED
from gen.files import write_json
from gen.ir import ArrayChoice, BankChoice, Draw, Network, Target
from gen.methods import DEFAULT, choose, has_dropout, method_for
from gen.weights import tied


__all__ = ["FAULTS", "IMAGES", "VECTORS", "WEIGHTS", "Case", "Gaps", "Parameters", "centred", "load",
           "make_images", "prepare", "save"]


#: What the weights of a layer can be like; ``mixed``: whole channels at an end, or at zero.
WEIGHTS = ("random", "most", "least", "equal", "mixed")

#: What a vector of a normalization can be like.
VECTORS = ("plain", "quarters", "zero", "negative", "huge", "tiny")

#: What images can be like; ``edges``: pixels at the thresholds and one below.
IMAGES = ("random", "edges", "dark", "bright")


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the arrays of a layer in the checkpoint are like."""

    seed: int
    weight: str = "random"
    bias: str = "plain"
    scale: str = "plain"
    gamma: str = "plain"
    beta: str = "plain"
    mean: str = "plain"
    variance: str = "plain"
    centred: bool = False     #: Inverted normalization, which no file states of choices of its own.


@dataclass(frozen=True, slots=True)
class Gaps:
    """When one end of the accelerator is active: each ``run`` cycles, on average, it is drawn anew."""

    duty: float = 1.0  #: Share of the cycles.
    run: int = 1

    def draw(self, seed):
        """Yield for each cycle whether it is active."""
        rng, active = np.random.default_rng(seed), True
        while True:
            for new, level in zip(rng.random(256) * self.run < 1, rng.random(256), strict=True):
                active = level < self.duty if new else active
                yield bool(active)


@dataclass(frozen=True, slots=True)
class Case:
    """What is built, and what is done with it."""

    network: Network                    #: Without parameters; without choices, of the default method.
    target: Target
    parameters: tuple[Parameters, ...]  #: Of each layer.
    counts: tuple[int, ...]             #: Passes that each image asks for, back to back.
    images: str = "random"
    pixels: Gaps = Gaps()
    results: Gaps = Gaps()
    reset: int | None = None            #: Cycle of a reset in a run of other images before.
    fault: str | None = None            #: What is wrong, so that the build must refuse it.
    simulator: str = "amaranth"         #: Or ``"verilator"``, for the emitted Verilog.


def save(case: Case, path: Path, **more):
    """Write ``case`` to ``path`` as JSON, with what else there is to say."""
    plain = asdict(replace(case, network=None, target=None))
    plain |= {name: json.loads(ir.dump(getattr(case, name))) for name in ("network", "target")}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {**more, "case": plain})


def load(path: Path) -> Case:
    """Return the case that :func:`save` has written."""
    plain = json.loads(path.read_text())["case"]
    for name in ("network", "target"):
        plain[name] = ir.load(json.dumps(plain[name]))
    for name in ("pixels", "results"):
        plain[name] = Gaps(**plain[name])
    plain["parameters"] = tuple(Parameters(**part) for part in plain["parameters"])
    plain["counts"] = tuple(plain["counts"])
    return Case(**plain)


def prepare(case: Case, checkpoint: Path) -> tuple[Network, Target]:
    """Write the checkpoint of ``case``; return its network and target, with the fault if it has one."""
    network, target, arrays = case.network, case.target, _arrays(case)
    if case.fault is not None:
        network, target, arrays = FAULTS[case.fault](network, target, arrays)
    if arrays is not None:
        np.savez(checkpoint, **arrays)
    if case.fault == "damaged file":
        checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    return network, target


def centred(case: Case, network: Network) -> Network:
    """Return ``network``, as it was read, with the inverted normalization of ``case``."""
    return replace(network, layers=tuple(replace(layer, normalizations=tuple(tuple(
        replace(each, centred=each.centred or part.centred) for each in of_array)
        for of_array in layer.normalizations))
        for layer, part in zip(network.layers, case.parameters, strict=True)))


def make_images(case: Case, seed: int = 0) -> np.ndarray:
    """Return an image for each of ``case.counts``, uint8 (N, H, W)."""
    rng, part = np.random.default_rng(seed), case.network.input
    shape = len(case.counts), part.height, part.width
    match case.images:
        case "dark":
            return np.zeros(shape, np.uint8)
        case "bright":
            return np.full(shape, 255, np.uint8)
        case "edges":
            return (rng.choice(part.thresholds, shape) - rng.integers(0, 2, shape)).astype(np.uint8)
    return rng.integers(0, 256, shape, dtype=np.uint8)


def _arrays(case):
    network = case.network
    if not network.method and not network.draws:
        network = replace(choose(network, DEFAULT), name=network.name)
    method = method_for(network)
    arrays = {"network": np.array(network.name), **STATED,
              "thresholds": np.array(network.input.thresholds, np.int64)}
    for layer, part in zip(network.layers, case.parameters, strict=True):
        rng, count, spread = np.random.default_rng(part.seed), layer.outputs, layer.fan_in**0.5
        weight = tied(layer, _weights(rng, layer, part.weight))
        # Where choices are no method's, each bank has a scale and a mean of its own.
        each = count if network.method else (len(layer.array_sets) * layer.bank_count, count)
        values = {
            "weight": (weight[0] if layer.array_choice is None else weight).astype(np.int8),
            "bias": _vector(part.bias, rng.normal(0, 1, count), rng),
            "scale": _vector(part.scale, rng.normal(1, 1, each), rng),
            "gamma": _vector(part.gamma, rng.normal(1, 1, count), rng),
            "beta": _vector(part.beta, rng.normal(0, 1, count), rng),
            "mean": _vector(part.mean, rng.normal(0, spread / 2, each), rng),
            "variance": np.abs(_vector(part.variance, rng.uniform(0.5, 1.5, count) * layer.fan_in, rng)),
            "epsilon": np.float64(1e-5),
            "dropout": np.float64(layer.dropout),
        }
        left_out = ["scale"] * (not method.scaled) + ["dropout"] * (not has_dropout(network, layer))
        arrays |= {f"{layer.name}.{name}": value for name, value in values.items() if name not in left_out}
    return arrays


def _weights(rng, layer, like):
    """Weights (arrays, outputs, inputs)."""
    shape = layer.crossbars, layer.outputs, layer.fan_in
    most = max(1, 2**(layer.weight_bits - 1) - 1)
    ends = (-1, 1) if layer.weight_bits == 1 else (-most, 0, most)
    match like:
        case "most" | "least":
            return np.full(shape, most if like == "most" else -most)
        case "equal":
            return np.broadcast_to(rng.choice(ends), shape)
        case "mixed":
            return np.broadcast_to(rng.choice(ends, shape[:2])[..., None], shape)
    return rng.choice(ends, shape) if layer.weight_bits == 1 else rng.integers(-most, most + 1, shape)


def _vector(like, plain, rng):
    signs = np.where(plain < 0, -1.0, 1.0)
    match like:
        case "quarters":
            return np.round(4 * plain) / 4
        case "zero":
            return np.zeros(plain.shape)
        case "negative":
            return -np.abs(plain)
        case "huge":
            return signs * 10.0**rng.uniform(6, 300, plain.shape)
        case "tiny":
            return signs * 10.0**rng.uniform(-300, -6, plain.shape)
    return plain


def _first_layer(**changes):
    def change(network, target, arrays):
        layers = replace(network.layers[0], **changes), *network.layers[1:]
        return replace(network, layers=layers), target, arrays
    return change


def _last_layer(**changes):
    def change(network, target, arrays):
        layers = *network.layers[:-1], replace(network.layers[-1], **changes)
        return replace(network, layers=layers), target, arrays
    return change


def _target(**changes):
    def change(network, target, arrays):
        return network, replace(target, **changes), arrays
    return change


def _array(name, change):
    """Change an array of the first layer, or of the network if ``name`` begins with a dot."""
    def changed(network, target, arrays):
        key = name[1:] if name[0] == "." else f"{network.layers[0].name}.{name}"
        value = change(arrays[key].copy()) if key in arrays else change(np.zeros(()))
        return network, target, {**arrays, key: value}
    return changed


def _put(value):
    def put(array):
        array[..., 0] = value
        return array
    return put


def _without(name):
    def change(network, target, arrays):
        return network, target, {key: value for key, value in arrays.items() if not key.endswith(name)}
    return change


def _bits_of_file(bits):
    def change(network, target, arrays):
        return network, target, {**arrays, "weight_bits": np.int64(bits)}
    return change


def _choice(**changes):
    """The last layer chooses among two arrays by a draw of its own, but for ``changes`` of the choice."""
    def change(network, target, arrays):
        layer  = network.layers[-1]
        choice = replace(ArrayChoice("fault", (0, 1)), **changes)
        others = [draw for draw in network.draws
                  if any(each.draw == draw.name for one in network.layers[:-1] for each in one.choices)]
        return (replace(network, draws=(*others, Draw("fault", (0.5,))), method="", layers=(
            *network.layers[:-1], replace(layer, choices=(choice,)))), target, arrays)
    return change


def _drops(*drops):
    """The last layer draws bits with these probabilities."""
    def change(network, target, arrays):
        network, *rest = _choice(table=(0, 1) * (2**len(drops) // 2))(network, target, arrays)
        return replace(network, draws=(*network.draws[:-1], Draw("fault", drops))), *rest
    return change


def _flat(network, target, arrays):
    name = network.layers[-1].name
    zero = {f"{name}.variance": np.zeros(network.layers[-1].outputs), f"{name}.epsilon": np.float64(0)}
    return network, target, {**arrays, **zero}


def _narrow(network, target, arrays):
    widest = max(layer.columns_per_weight for layer in network.layers)
    return network, replace(target, array_columns=widest - 1), arrays


def _high_kernel(network, target, arrays):
    layer = network.layers[0]
    return _first_layer(kernel=(layer.padded[0] + 1, layer.kernel[1]))(
        network, target, arrays)


#: What can be wrong with a case, and what makes it so: ``(network, target, arrays)`` to the same, where
#: arrays of None are no file.
FAULTS = {
    "not a number": _array("gamma", _put(np.nan)),
    "infinite": _array("mean", _put(np.inf)),
    "infinite negative": _array("bias", _put(-np.inf)),
    "zero deviation": _flat,
    "negative variance": _array("variance", _put(-1.0)),
    "no bias": _without(".bias"),
    "no thresholds": _without("thresholds"),
    "short weights": _array("weight", lambda array: array[..., :-1]),
    "weights of one array too few": _array("weight", lambda array: array[:-1]),
    "weight too large": _array("weight", _put(127 + 1 - 256)),
    "float weights": _array("weight", lambda array: array.astype(np.float32)),
    "vector of text": _array("beta", lambda array: array.astype(str)),
    "threshold of 0": _array(".thresholds", _put(0)),
    "threshold of 256": _array(".thresholds", lambda array: array + 256),
    "file for weights of no bits": _bits_of_file(0),
    "file for weights of 9 bits": _bits_of_file(9),
    "damaged file": lambda network, target, arrays: (network, target, arrays),
    "no file": lambda network, target, arrays: (network, target, None),
    "no layers": lambda network, target, arrays: (replace(network, layers=()), target, arrays),
    "three numbers of a bit": _choice(table=(0, 1, 2)),
    "one outcome": _choice(table=(0, 0)),
    "outcomes with a gap": _choice(table=(0, 2)),
    "no outcomes": _choice(table=()),
    "unknown draw": _choice(draw="nobody"),
    "no bits": _drops(),
    "p below 16 bits": _drops(2.0**-18),
    "p above 1": _drops(1.5),
    "a set of arrays too few": _choice(sets=((0, 1),)),
    "sets of different numbers of arrays": _choice(sets=((0, 1), (0,))),
    "sets without arrays": _choice(sets=((), ())),
    "sets that leave an array out": _choice(sets=((0,), (2,))),
    "an array twice in a set": _choice(sets=((0, 0), (0, 1))),
    "two choices of a kind": lambda network, target, arrays: (replace(network, layers=(
        *network.layers[:-1], replace(network.layers[-1], choices=(BankChoice("fault", (0, 1)),) * 2)),
        draws=(Draw("fault", (0.5,)),), method=""), target, arrays),
    "weights of 9 bits": _last_layer(weight_bits=9),
    "weights of no bits": _last_layer(weight_bits=0),
    "levels of 9 bits": _first_layer(input_bits=9),
    "levels of no bits": _first_layer(input_bits=0),
    "levels from 1": _first_layer(output_low=1, input_low=1),
    "no outputs": _first_layer(outputs=0),
    "one class": _last_layer(outputs=1),
    "more channels": _first_layer(channels=99),
    "no height": _first_layer(height=0),
    "high kernel": _high_kernel,
    "no kernel": _last_layer(kernel=(0, 1)),
    "no stride": _first_layer(stride=0),
    "wide padding": _first_layer(padding=9),
    "negative padding": _first_layer(padding=-1),
    "no pool": _first_layer(pool=0),
    "wide pool": _first_layer(pool=(1, 99)),
    "pool of logits": _last_layer(pool=2),
    "name of two words": _first_layer(name="two words"),
    "odd rows": _target(array_rows=15),
    "no rows": _target(array_rows=0),
    "narrow array": _narrow,
    "no passes": _target(passes=0),
    "too many passes": _target(passes=65, passes_max=64),
    "too many at most": _target(passes_max=1025),
    "other schedule": _target(schedule="parallel"),
    "no cells": _target(cells_per_read=0),
    "no interval": _target(interval=0),
    "no seed": _target(seed=0),
    "long seed": _target(seed=2**64),
    "no currents": _target(rng="mtj", mtj_currents=()),
    "no clock": _target(clock_mhz=0.0),
}
