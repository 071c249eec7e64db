# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.random.mtj_rng import MtjRng
from sim.component import transfer


CURRENTS, RESET = (3, 200, 0, 255), 77

#: Cycles of SET, read and RESET.
CYCLES = [(2, 1, 1), (1, 1, 1), (5, 3, 4)]


class Junction:
    """An MTJ that switches at random; it notes each phase as ``(name, cycles, current)``."""

    def __init__(self, mtj):
        self.mtj    = mtj
        self.phases = []
        self.states = []     # after each SET

    async def play(self, ctx):
        rng = random.Random(0)
        pins = self.mtj.set, self.mtj.read, self.mtj.reset, self.mtj.current
        before, settled, switched = None, None, False
        while True:
            *_, set_, read, reset, current = await ctx.tick().sample(*pins)
            names = [name for name, up in (("set", set_), ("read", read), ("reset", reset)) if up]
            assert len(names) <= 1, f"{names} overlap"
            phase = names[0] if names else None
            if phase is not None and phase == before:
                name, cycles, code = self.phases.pop()
                assert name == "read" or code == current, f"current changed during {name}"
                self.phases.append((name, cycles + 1, code))
            elif phase is not None:
                self.phases.append((phase, 1, current))
            if phase in ("set", "reset") and before != phase:
                assert settled in (current, None), f"current changed as {phase} began"
            if phase == "set" and before != "set":
                switched = rng.random() < 0.5
                self.states.append(switched)
            if phase == "reset":
                switched = False
            # The amplifier is right only while it reads.
            ctx.set(self.mtj.sense, switched if phase in ("set", "read") else rng.random() < 0.5)
            before, settled = phase, current


def run(cycles, layers, **how):
    dut = MtjRng(CURRENTS, RESET, code=8, set_cycles=cycles[0], read_cycles=cycles[1],
                 reset_cycles=cycles[2])
    junction = Junction(dut.mtj)
    passed = transfer(dut, {"i": layers}, {"o": len(layers)}, processes=[junction.play], **how)
    return dut, junction, passed


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("cycles", CYCLES)
def test_draws(cycles, duty):
    """A bit is kept where the junction did not switch; every phase has its length and its place."""
    rng = random.Random(1)
    layers = [rng.randrange(4) for _ in range(40)]
    assert set(layers) == {0, 1, 2, 3}
    _, junction, passed = run(cycles, layers, duty=duty)
    assert passed["o"].words == [not state for state in junction.states]
    wake, *phases = junction.phases
    assert wake == ("reset", cycles[2], RESET)
    expected = [(name, length, CURRENTS[layer] if name == "set" else RESET) for layer in layers
                for name, length in zip(("set", "read", "reset"), cycles, strict=True)]
    # The last RESET may be cut by the end of the run.
    assert phases[:3 * 40 - 1] == expected[:-1]


@pytest.mark.parametrize("cycles", CYCLES)
def test_request_waits_until_the_bit_before_is_taken(cycles):
    """It is taken in the same cycle."""
    _, _, passed = run(cycles, [0] * 4, starts={"o": 50})
    assert passed["i"].cycles[0] < 50
    assert passed["i"].cycles[1] == passed["o"].cycles[0]


@pytest.mark.parametrize("cycles", CYCLES)
def test_timing(cycles):
    dut, _, passed = run(cycles, [0, 1, 2, 3] * 3)
    first = passed["i"].cycles[0]
    assert passed["i"].cycles == [first + dut.interval * index for index in range(12)]
    assert passed["o"].cycles == [cycle + dut.latency for cycle in passed["i"].cycles]
    # Before the first: the waking step, and the RESET pulse, in whose last cycle it is taken.
    assert first == cycles[2]


@pytest.mark.parametrize("changes, message", [
    ({"currents": (0, 256)}, "Current must be from 0 to 255, not 256"),
    ({"currents": (-1,)}, "Current must be from 0 to 255, not -1"),
    ({"reset_current": 256}, "Current must be from 0 to 255, not 256"),
    ({"reset_current": -1}, "Current must be from 0 to 255, not -1"),
    ({"set_cycles": 0}, "SET must take at least 1 cycle, not 0"),
    ({"read_cycles": 0}, "Read must take at least 1 cycle, not 0"),
    ({"reset_cycles": -2}, "RESET must take at least 1 cycle, not -2"),
])
def test_rejects(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        MtjRng(**{"currents": CURRENTS, "reset_current": RESET, "code": 8, "set_cycles": 1,
                  "read_cycles": 1, "reset_cycles": 1, **changes})
