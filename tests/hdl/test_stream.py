# amaranth: UnusedElaboratable=no
"""Register stages, wrapping counters and delays, each in a component of its own."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import counter, delayed, separate, stage
from sim.component import transfer


class Pipeline(wiring.Component):
    """``steps`` registers, and nothing else."""

    def __init__(self, steps):
        self.steps = steps
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        free = stage(m, self.i, self.o, steps=self.steps)
        with m.If(free):
            m.d.sync += self.o.payload.eq(delayed(m, self.i.payload, self.steps - 1, name="word"))
        return m


class Separated(wiring.Component):
    """A register whose input does not know whether its output is ready."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        separate(m, self.i, self.o)
        return m


class Odd(wiring.Component):
    """Sends every second word that it takes."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        _, odd = counter(m, 2, self.i.valid & self.i.ready, name="parity")
        with m.If(stage(m, self.i, self.o, valid=self.i.valid & odd)):
            m.d.sync += self.o.payload.eq(self.i.payload)
        return m


class Counting(wiring.Component):
    """Answers each word with the counter, 16 times whether that is last, and 32 times the word three
    cycles before."""

    def __init__(self, length):
        self.length = length
        super().__init__({"i": In(stream.Signature(1, always_ready=True)),
                          "o": Out(stream.Signature(6, always_valid=True))})

    def elaborate(self, platform):
        m = Module()
        value, last = counter(m, self.length, self.i.valid, name="value")
        m.d.comb += self.o.payload.eq(value + (last << 4) + (delayed(m, self.i.valid, 3, name="past") << 5))
        return m


def words(count):
    rng = random.Random(1)
    return [rng.getrandbits(8) for _ in range(count)]


@pytest.mark.parametrize("duty", [1.0, 0.5, {"i": 0.2}, {"o": 0.2}])
def test_separate(duty):
    passed = transfer(Separated(), {"i": words(60)}, {"o": 60}, duty=duty)
    assert passed["o"].words == words(60)
    if duty == 1:
        assert list(passed["o"].cycles) == list(range(1, 121, 2))


@pytest.mark.parametrize("duty", [1.0, 0.5, {"i": 0.2}, {"o": 0.2}])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_stage(steps, duty):
    passed = transfer(Pipeline(steps), {"i": words(60)}, {"o": 60}, duty=duty)
    assert passed["o"].words == words(60)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_timing_of_a_stage(steps):
    """A word per cycle, ``steps`` cycles later; while the output waits, as many words are taken."""
    passed = transfer(Pipeline(steps), {"i": words(20)}, {"o": 20})
    assert passed["i"].cycles == list(range(20))
    assert passed["o"].cycles == list(range(steps, 20 + steps))
    passed = transfer(Pipeline(steps), {"i": words(20)}, {"o": 20}, starts={"o": 30})
    assert passed["i"].cycles == [*range(steps), *range(30, 50 - steps)]
    assert passed["o"].cycles == list(range(30, 50))


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.2])
def test_stage_that_sends_some(duty):
    passed = transfer(Odd(), {"i": words(60)}, {"o": 30}, duty=duty)
    assert passed["o"].words == words(60)[1::2]


@pytest.mark.parametrize("length", [1, 2, 3, 8, 16])
def test_counter_and_delay(length):
    """The counter goes on with each word and begins again after ``length - 1``."""
    passed = transfer(Counting(length), {"i": [0] * 50}, {"o": 100}, duty={"i": 0.6})
    steps  = [int(cycle in passed["i"].cycles) for cycle in range(100)]
    value, expected = 0, []
    for cycle in range(100):
        past = steps[cycle - 3] if cycle >= 3 else 0
        expected.append(value + 16 * (value == length - 1) + 32 * past)
        value = (value + steps[cycle]) % length
    assert passed["o"].words == expected
