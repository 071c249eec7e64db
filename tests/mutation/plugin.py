"""A plug-in of pytest that runs the tests of a block on each mutant of its netlist.

Every test that simulates is run as it stands, up to the point where it starts the simulator. There
the process forks once per mutant, and each child continues the test with a simulator in which its mutant
is enabled: a mutant is caught where an assertion of the test fails, and nowhere else.
"""

import fractions
import os
import pickle
import re
import signal
import traceback

import amaranth.sim
import pytest
from _pytest.runner import runtestprotocol
from amaranth.hdl import Shape, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component

from tests.mutation import compiled, netlist


__all__ = ["Mutation", "install"]


#: A run is given up after ``SLOWER`` times the cycles of the run without a mutant, plus ``MORE``.
SLOWER, MORE = 4, 2000

#: Seconds of processor time after which a child is killed; far more than any takes.
TIME_LIMIT = 120

#: Exit status of a child.
PASSED, FAILED, ERROR, HANG = range(4)

_RealSimulator = amaranth.sim.Simulator


class Config:
    """A design, and the tests that simulate it."""

    def __init__(self, design, observed, bounds):
        self.design   = design
        self.observed = observed # port -> its name in the component
        self.bounds   = bounds   # see bounds_of
        self.items    = []
        self.mutants  = []

    def lines(self, block):
        """Lines of the block's file that have logic in the design."""
        return set(re.findall(rf"/hdl/(?:\w+/)?{block}\.py:\d+", self.design.text))

    def parts(self, block):
        """These lines, and the ports."""
        return self.lines(block) | set(self.observed.values())


class Mutation:
    """State of a run, and the hooks."""

    def __init__(self, block, *, count, seed, configs, directory, runtime, report):
        self.block, self.count, self.seed = block, count, seed
        self.most      = configs
        self.directory = directory
        self.runtime   = runtime
        self.report    = report
        self.configs   = {}
        self.recipes   = {}     # of a component -> its configuration
        self.mode      = None
        self.item      = None
        self.config    = None
        self.live      = {}     # number of a mutant -> mutant
        self.awake     = None   # in a child: its mutant
        self.limit     = None
        self.problems  = []

    # Hooks.

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        try:
            result = yield
        except compiled.Hang:
            self._leave(HANG)
            raise
        except AssertionError:
            self._leave(FAILED)
            raise
        except Exception: # a test that breaks has noticed the mutant; these are counted apart
            self._leave(ERROR)
            raise
        self._leave(PASSED)
        return result

    def _leave(self, code):
        if self.awake is not None:
            if code != PASSED and self.awake == 0:
                traceback.print_exc(file=open(self.directory / "unmutated.log", "a"))
            os._exit(code)

    def pytest_runtestloop(self, session):
        items = session.items
        self._walk("probe", items)
        self.report("choose", len(items))
        chosen = self._choose()
        left = self.count
        for number, config in enumerate(chosen):
            left -= self._build(config, number, left // (len(chosen) - number))
            config.live = dict(enumerate(config.mutants, 1))
            self.config, self.live = config, config.live
            self._walk("mutants", config.items)
            self.report("configuration", number + 1, len(chosen), len(config.mutants),
                        len(config.live), len(config.items))
        self.chosen = chosen
        return True

    def _walk(self, mode, items):
        self.mode = mode
        for item, after in zip(items, [*items[1:], None], strict=True):
            if mode == "probe" or self.live:
                self.item = item
                runtestprotocol(item, log=False, nextitem=after)

    # Configurations.

    def _choose(self):
        """Those that together have the most lines and ports of the block; of equal ones that with more
        tests, then the larger one."""
        left, chosen, seen = list(self.configs.values()), [], set()
        while left and len(chosen) < self.most:
            best = max(left, key=lambda config: (len(config.parts(self.block) - seen),
                                                 len(config.items), len(config.design.text),
                                                 config.design.key))
            if not best.lines(self.block):
                break
            chosen.append(best)
            seen |= best.parts(self.block)
            left.remove(best)
        return chosen

    def _build(self, config, number, count):
        """Make and compile at most ``count`` mutants; return how many there are."""
        config.directory = self.directory / f"configuration{number}"
        config.mutants = netlist.make_mutants(config.design, self.block, count, self.seed,
                                              config.directory)
        if config.mutants:
            config.library = netlist.compile_library(config.design.ports, config.directory,
                                                     self.runtime)
        return len(config.mutants)

    # Simulators.

    def run(self, simulator):
        if self.mode == "probe":
            # To convert a design takes long, so it is recognized by the parameters of its component, and by
            # whether that is all of it. A design that is mistaken for another one is not run.
            component = _component(simulator.toplevel)
            recipe = (object() if component is None else
                      repr((component is simulator.toplevel, _recipe(component))))
            if recipe not in self.recipes:
                design, observed, bounds = simulator.describe()
                self.recipes[recipe] = self.configs.setdefault(
                    design.key, Config(design, observed, bounds))
            self.recipes[recipe].items.append(self.item)
            raise compiled.Probed
        # The ports that a test uses are found by running its benches, which can be run once: in a child.
        key, simulator.names = _in_child(lambda: (simulator.describe()[0].key, simulator.names))
        ours = key == self.config.design.key
        if self.awake is not None:
            return self._play(simulator) if ours else simulator.run_really()
        if not ours:
            raise compiled.Probed
        code, cycles = self._fork(simulator, 0)
        if self.awake is not None:
            return
        if code != PASSED:
            self.problems.append(f"{self.item.name} fails without a mutant ({code})")
            raise compiled.Probed
        self.limit = SLOWER * cycles + MORE
        for number, mutant in list(self.live.items()):
            code, _ = self._fork(simulator, number)
            if self.awake is not None:
                return
            if code != PASSED:
                mutant["caught_by"] = self.item.name
                mutant["how"] = {FAILED: "assertion", HANG: "no end"}.get(code, "error")
                del self.live[number]
        raise compiled.Probed

    def _play(self, simulator):
        places = netlist.places(self.config.design.ports)
        # The first contents of registers and memories differ from test to test.
        model  = compiled.Model(self.config.library, places, mutant=self.awake,
                                seed=1 + self.config.items.index(self.item))
        cycles = compiled.play(simulator.benches, model, simulator.name_of, self.limit)
        if self.awake == 0:
            self.cycles_pipe.write(pickle.dumps(cycles))
            self.cycles_pipe.flush()

    def _fork(self, simulator, number):
        """Continue the test in a child in which a mutant is enabled; return its exit status and the cycles
        of its simulations."""
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receive)
            signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT)
            self.awake = number
            self.cycles_pipe = os.fdopen(send, "wb")
            self.limit = None if number == 0 else self.limit
            self._play(simulator)
            return PASSED, -1 # the child: the test goes on
        os.close(send)
        with os.fdopen(receive, "rb") as pipe:
            written = pipe.read()
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGPROF:
            code = HANG
        cycles = 0
        while written:
            part = pickle.loads(written)
            cycles = max(cycles, part)
            written = written[len(pickle.dumps(part)):]
        return code, cycles


def _in_child(function):
    """Call ``function`` in a child process; return its result. Its side effects are lost."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(send, "wb") as pipe:
            pipe.write(pickle.dumps(function()))
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        written = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(written)


def bounds_of(shape, at=0):
    """Yield offset, width, sign, least and largest value of each field of ``shape`` that is a range."""
    if isinstance(shape, data.Layout):
        for _, field in shape:
            yield from bounds_of(field.shape, at + field.offset)
    elif isinstance(shape, range) and shape:
        whole = Shape.cast(shape)
        if len(shape) < 1 << whole.width:
            yield at, whole.width, whole.signed, shape[0], shape[-1]


def _component(toplevel):
    """The component under test: the top itself, or what it holds under the name that tests give it."""
    if isinstance(toplevel, Component):
        return toplevel
    inner, _ = getattr(toplevel, "_named_submodules", {}).get("dut", (None, None))
    return inner if isinstance(inner, Component) else None


def _recipe(value):
    """The parameters of a component, as far as its attributes tell them."""
    if isinstance(value, Component):
        return type(value).__name__, repr(value.signature), _recipe(vars(value))
    if isinstance(value, dict):
        return [(name, _recipe(part)) for name, part in value.items() if "_MustUse" not in str(name)]
    if isinstance(value, tuple | list):
        return [_recipe(part) for part in value]
    if isinstance(value, int | str | range | fractions.Fraction | Shape | data.Layout):
        return repr(value)
    if type(value).__module__.startswith("hdl."):
        return type(value).__name__, _recipe(vars(value))
    return None


class Simulator:
    """Takes the place of Amaranth's simulator; has the methods of it that tests use."""

    mutation = None

    def __init__(self, toplevel):
        self.toplevel = toplevel
        self.benches  = []
        self.clock    = None

    def add_clock(self, period):
        self.clock = period

    def add_testbench(self, function, *, background=False):
        self.benches.append((function, background))

    def describe(self):
        """Return the design, whose ports are those of the component under test and all other signals that
        the test uses; the name of each port in the component; and the ranges of their fields."""
        component = _component(self.toplevel)
        signals, paths, bounds = [], {}, {}
        if component is not None:
            for path, member, value in component.signature.flatten(component):
                value = Value.cast(value)
                if isinstance(value, Signal) and len(value):
                    bounds[f"p{len(signals)}"] = list(bounds_of(member.shape))
                    signals.append(value)
                    paths[id(value)] = "__".join(map(str, path))
        known = {id(signal) for signal in signals}
        signals += sorted((signal for signal in compiled.accessed(self.benches) if id(signal) not in known),
                          key=lambda signal: signal.name)
        self.names = {id(signal): f"p{index}" for index, signal in enumerate(signals)}
        design = netlist.describe(self.toplevel, signals)
        observed = {f"p{index}": paths.get(id(signal), signal.name) for index, signal in enumerate(signals)}
        return design, observed, bounds

    def name_of(self, value):
        return self.names[id(value)]

    def run(self):
        self.mutation.run(self)

    def run_really(self):
        real = _RealSimulator(self.toplevel)
        if self.clock is not None:
            real.add_clock(self.clock)
        for function, background in self.benches:
            real.add_testbench(function, background=background)
        real.run()


def install(mutation):
    """Let tests that are imported from now on simulate with ``mutation``."""
    import sim.component

    Simulator.mutation = mutation
    amaranth.sim.Simulator = Simulator
    sim.component.Simulator = Simulator
