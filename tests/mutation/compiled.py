"""Amaranth's simulator, its place taken by a compiled netlist.

The tests of ``tests/hdl`` ask little of :class:`amaranth.sim.Simulator`: set and get signals, wait for the
next cycle, sample. :func:`play` does the same with a netlist that :mod:`tests.mutation.netlist` has
compiled, so that a test runs on it as it is written.
"""

import ctypes

from amaranth.hdl import Shape, ShapeCastable, Signal, Value, ValueCastable
from amaranth.hdl import _ast as ast


__all__ = ["Hang", "Model", "Null", "Probed", "accessed", "play"]


class Hang(AssertionError):
    """A run that takes far longer than that of the design without a mutant."""


class Probed(BaseException):
    """Ends a test once its design is known."""


class Model:
    """One instance of a compiled netlist. Ports are ``{name: (first 32-bit word, width)}``."""

    def __init__(self, library, ports, *, mutant, seed):
        self.library = library
        self.ports   = ports
        words = ctypes.c_uint32 * (1 + max(at + (width + 31) // 32 for at, width in ports.values()))
        self.buffer = words()
        library.make.restype = ctypes.c_void_p
        self._handle = ctypes.c_void_p(library.make(mutant, seed))
        self._bytes  = memoryview(self.buffer).cast("B")
        self._dirty  = True
        # As on a chip: registers and memories hold anything, then there is one cycle of reset.
        self._reset(1)
        self.tick()
        self._reset(0)

    def _reset(self, value):
        if "rst" in self.ports:
            self.set("rst", value)

    def get(self, name):
        if self._dirty:
            self.library.settle(self._handle, self.buffer)
            self._dirty = False
        at, width = self.ports[name]
        if width <= 32:
            return self.buffer[at]
        return int.from_bytes(self._bytes[4 * at:4 * at + (width + 31) // 32 * 4], "little")

    def set(self, name, value):
        at, width = self.ports[name]
        value &= (1 << width) - 1
        size = (width + 31) // 32 * 4
        self._bytes[4 * at:4 * at + size] = value.to_bytes(size, "little")
        self._dirty = True

    def tick(self):
        self.library.tick(self._handle, self.buffer)
        self._dirty = False


class Null:
    """Takes the place of a netlist that is not compiled yet: every bit reads as 1."""

    def __init__(self):
        self.ports = {}

    def get(self, name):
        return -1

    def set(self, name, value):
        pass

    def tick(self):
        pass


class _Tick:
    """What ``ctx.tick()`` returns: ``await`` it, or first say what to sample or to wait for."""

    def __init__(self, context, values=(), until=None):
        self._context = context
        self._values  = values
        self._until   = until

    def sample(self, *values):
        return _Tick(self._context, (*self._values, *values), self._until)

    def until(self, condition):
        return _Tick(self._context, self._values, condition)

    async def repeat(self, count):
        for _ in range(count):
            _, _, *sampled = await self
        return (*sampled,)

    def __aiter__(self):
        return self

    async def __anext__(self):
        return await self

    def __await__(self):
        while True:
            # Answered with what was sampled just before the edge.
            *sampled, condition = yield (*self._values, 1 if self._until is None else self._until)
            if condition:
                return (*sampled,) if self._until is not None else (True, False, *sampled)


class _Delay:
    def __await__(self):
        yield None


class _Context:
    def __init__(self, run):
        self._run = run

    def tick(self, domain="sync"):
        return _Tick(self)

    def delay(self, interval):
        return _Delay()

    def get(self, value):
        return self._run.get(value)

    def set(self, value, to):
        self._run.set(value, to)


class _Run:
    """Testbenches on a model, whose ports ``name_of`` finds by their signals."""

    def __init__(self, model, name_of):
        self.model   = model
        self.name_of = name_of

    def get(self, value):
        shape = value.shape() if isinstance(value, ValueCastable) else None
        if isinstance(value, int):
            return value
        bits = self._bits(Value.cast(value))
        if shape is not None and not isinstance(shape, Shape | int | range):
            return shape.from_bits(bits)
        shape = Value.cast(value).shape()
        return bits - (bits >> shape.width - 1 << shape.width) if shape.signed and shape.width else bits

    def _bits(self, value):
        if isinstance(value, Signal):
            bits = self.model.get(self.name_of(value))
        elif isinstance(value, ast.Slice):
            bits = self._bits(value.value) >> value.start
        elif isinstance(value, ast.Concat):
            bits, at = 0, 0
            for part in value.parts:
                bits |= self._bits(part) << at
                at += len(part)
        elif isinstance(value, ast.Operator) and value.operator in ("u", "s"):
            bits = self._bits(value.operands[0])
        elif isinstance(value, ast.Const):
            bits = value.value
        else:
            raise TypeError(f"Test reads {value!r}, which is no port nor part of one")
        return bits & (1 << len(value)) - 1

    def set(self, value, to):
        shape = value.shape() if isinstance(value, ValueCastable) else None
        if isinstance(shape, ShapeCastable):
            to = shape.const(to)
        value = Value.cast(value)
        if isinstance(value, ast.Operator) and value.operator in ("u", "s"):
            value = value.operands[0]
        if not isinstance(value, Signal):
            raise TypeError(f"Test sets {value!r}, which is no port")
        to = Value.cast(to).value if isinstance(to, Value | ValueCastable) else int(to)
        self.model.set(self.name_of(value), to)


def play(testbenches, model, name_of, limit=None):
    """Run ``testbenches``, pairs of a function and whether it is background, until all others have
    ended; return the cycles that this took.

    Raises
    ------
    Hang
        If it takes more than ``limit`` cycles.
    """
    run = _Run(model, name_of)
    context = _Context(run)
    benches = [(function(context).__await__(), background) for function, background in testbenches]
    answers, wanted = [None] * len(benches), [None] * len(benches)
    done, cycles = [False] * len(benches), 0
    while True:
        for index, (bench, _) in enumerate(benches):
            # A delay is over at once, as logic settles at once.
            while not done[index]:
                try:
                    wanted[index] = bench.send(answers[index])
                except StopIteration:
                    done[index] = True
                    break
                answers[index] = None
                if wanted[index] is not None:
                    break
        if all(over or background for over, (_, background) in zip(done, benches, strict=True)):
            return cycles
        for index, values in enumerate(wanted):
            if not done[index]:
                answers[index] = [run.get(value) for value in values]
        model.tick()
        cycles += 1
        if limit is not None and cycles >= limit:
            raise Hang(f"no end after {limit} cycles")


def accessed(testbenches, cycles=400):
    """Signals that ``testbenches`` set or get in so many cycles, in the order of first use."""
    seen = {}

    def name_of(signal):
        seen.setdefault(id(signal), signal)
        return signal.name

    try:
        play(testbenches, Null(), name_of, limit=cycles)
    except Exception: # every bit reads as one, which no test bench must understand: signals are all we want
        pass
    return list(seen.values())
