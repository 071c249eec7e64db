# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.hdl import signed

from gen.compile import compile_network
from gen.ir import Logit, Target
from gen.lower import lower_layer
from golden.network import _compare, _count, _logits
from hdl.engine import Engine
from hdl.pass_split import pass_set_layout
from sim.component import transfer
from sim.packing import pack


PASSES = 5

#: Small arrays, folded little, not at all, and much.
TARGETS = [Target(array_rows=16, array_columns=4, passes=PASSES, passes_max=PASSES, interval=interval)
           for interval in (None, 1, 400)]


def make_maps(layer, images, seed=0):
    """Maps of images, one to three each, with pass sets and masks; and the maps and sets that leave.

    Each map is run with either keep bit by the golden model, and kept if a pass has drawn it.
    """
    rng = np.random.default_rng(seed)
    maps, sets, masks, leaving, leaving_sets = [], [], [], [], []
    for _ in range(images):
        mask = int(rng.integers(0, 1 << PASSES))
        masks.append(mask)
        count = int(rng.integers(1, 4))
        for number in range(count):
            x = rng.integers(0, 2, (1, layer.height, layer.width, layer.channels)).astype(bool)
            inside, last = int(rng.integers(1, 1 << PASSES)), number == count - 1
            maps.append(x)
            sets.append((inside, last))
            branches = [(keep, part) for keep, part in enumerate((inside & ~mask, inside & mask))
                        if part]
            for keep, part in branches:
                leaving += run(layer, x, keep)
                leaving_sets.append((part, last and keep == branches[-1][0]))
    words = [pack(word, 1) for word in np.concatenate(maps).reshape(-1, layer.channels)]
    return words, _as_bits(sets), masks, leaving, _as_bits(leaving_sets)


def _as_bits(sets):
    layout = pass_set_layout(PASSES)
    return [layout.const({"set": part, "last": last}).as_bits() for part, last in sets]


def run(layer, x, keep):
    choice = np.array([keep])
    if isinstance(layer.banks[0], Logit):
        return _logits(layer, _count(layer, x), choice)[0].tolist()
    return [pack(word, 1) for word in
            _compare(layer, _count(layer, x), choice).reshape(-1, layer.outputs)]


def layers_of(random_network, seed, target):
    return compile_network(random_network(seed, hidden=2), target).layers


@pytest.mark.parametrize("target", TARGETS, ids=["streamed", "unfolded", "folded"])
@pytest.mark.parametrize("seed", range(6))
def test_matches_golden(random_network, seed, target):
    """Hidden layers and an output layer, with padding, stride, pool, tiles and groups. Where nothing
    waits, each word and the first word that leaves come in the cycle that is stated."""
    for layer in layers_of(random_network, seed, target):
        engine = lower_layer(layer, target)
        words, sets, masks, leaving, leaving_sets = make_maps(layer, 2, seed)
        passed = transfer(engine, {"i": words, "i_sets": sets, "mask": masks},
                          {"o": len(leaving), "o_sets": len(leaving_sets)})
        assert passed["o"].words == leaving, layer.name
        assert passed["o_sets"].words == leaving_sets, layer.name
        # As many maps as the buffer holds never wait.
        taken = [number * engine.map_cycles + cycle
                 for number in range(min(len(sets), engine.buffer.depth))
                 for cycle in engine.word_cycles]
        assert passed["i"].cycles[:len(taken)] == taken, layer.name
        assert passed["o"].cycles[0] == engine.last_read + engine.latency, layer.name


@pytest.mark.parametrize("target", TARGETS, ids=["streamed", "unfolded", "folded"])
@pytest.mark.parametrize("seed", range(4))
def test_under_back_pressure(random_network, seed, target):
    for layer in layers_of(random_network, seed, target):
        words, sets, masks, leaving, leaving_sets = make_maps(layer, 2, seed)
        passed = transfer(
            lower_layer(layer, target), {"i": words, "i_sets": sets, "mask": masks},
            {"o": len(leaving), "o_sets": len(leaving_sets)}, duty=0.5)
        assert passed["o"].words == leaving, layer.name
        assert passed["o_sets"].words == leaving_sets, layer.name


def test_no_word_leaves_without_a_set():
    """A map waits for its pass set and for the mask of its image."""
    engine = make_engine()
    passed = transfer(engine, {"i": [1] * 8, "i_sets": _as_bits([(3, 1)] * 2), "mask": [1, 2]},
                      {"o": 4, "o_sets": 4}, starts={"mask": 300})
    assert passed["o"].cycles[0] > 300


def make_engine(logit=None, columns_per_read=1, height=2, outputs=1):
    word = {"threshold": 1, "invert": 0} if logit is None else {"gain": 1, "offset": 0}
    return Engine(height, 2, 1, kernel=(2, 2), weights=[0b1010] * outputs, tile_rows=4,
                  rows_per_read=4, columns_per_read=columns_per_read, banks=[[word] * outputs] * 2,
                  logit=logit, passes=PASSES)


@pytest.mark.parametrize("columns_per_read, height, message", [
    (2, 2, "Output layer must read 1 column at 1 x 1 positions, not 2 at 1 x 1"),
    (1, 3, "Output layer must read 1 column at 1 x 1 positions, not 1 at 2 x 1"),
])
def test_rejects(columns_per_read, height, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make_engine(signed(8), columns_per_read, height, outputs=2)
