# amaranth: UnusedElaboratable=no
"""Which blocks can be taken alone, and whether their test benches show what they do."""

import functools
import inspect
import operator
from pathlib import Path

import pytest

import hdl
from gen.block import offered
from gen.blocks.docstring import member, parameters
from gen.blocks.table import BLOCKS
from gen.blocks.vectors import record


#: Files of ``hdl/`` with no block that can be taken alone: parts of one other block, which they are made
#: for; an accelerator and what goes around it, by ``gen.build``; and what is no component.
OTHERS = {
    "averaging":  {"partition_check", "report", "totals", "votes", "weigh", "result"},
    "softmax":    {"divider"},
    "map_buffer": {"part_sequencer", "resize"},
    "emulated_array": {"popcount", "weight_memory"},
    "gen.build":  {"accelerator", "engine", "placed", "axi_accelerator", "axi_bus", "registers",
                   "register_map", "uart_accelerator", "uart_bus", "answers", "requests", "board_top",
                   "instances", "dispatcher", "word_splitter", "draw_order", "collector"},
    "":           {"levels", "stream", "parity", "register_parity", "bit_clock", "frames"},
}

#: Blocks of whose outputs more than half of the bits stay what they are: codes of the few currents that
#: there are, and fields and counters with more bits than their numbers.
STILL = {"mtj_rng", "result_buffer", "result_output", "rng_bank"}


#: Blocks of which an output means something else but seldom: an alarm, or a buffer that is full.
RARE = {"health", "pixel_buffer"}


def test_no_block_is_forgotten():
    files = {path.stem for path in Path(hdl.__path__[0]).rglob("*.py")} - {"__init__"}
    taken = {block.component.__module__.split(".")[-1] for block in BLOCKS.values()}
    assert files - taken == set().union(*OTHERS.values())


@pytest.mark.some(8)
@pytest.mark.parametrize("name", BLOCKS)
def test_bench_moves_outputs(name):
    """Each output means something at times, and most of its bits are 0 and 1 then. Ports are described."""
    block   = BLOCKS[name]
    cycles  = 1000 if name in RARE else 300
    vectors = record(block.make(), block.drive, clocked=True, cycles=cycles, seed=1)
    for port in vectors.ports:
        assert member(block.component, port.member), port
        if port.output:
            known = [values[port.name] for values, meant in zip(vectors.values, vectors.meant, strict=True)
                     if port.name in meant]
            ones, zeros = (functools.reduce(operator.or_, bits, 0)
                           for bits in (known, [~value for value in known]))
            moved = (ones & zeros & (1 << port.width) - 1).bit_count()
            assert moved and (moved >= port.width / 2 or name in STILL), f"{port}: {ones & zeros:x}"


@pytest.mark.parametrize("name", BLOCKS)
def test_parameters_are_described(name):
    block = BLOCKS[name]
    about = parameters(block.make, block.component)
    for parameter, default in offered(name).items():
        assert about.get(parameter), parameter
        assert not about[parameter].startswith("See ") and default is not inspect.Parameter.empty, parameter
    assert set(block.without) <= set(inspect.signature(block.make).parameters)
