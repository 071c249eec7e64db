import shutil

import pytest

import sim.run
from gen.build import build_network
from gen.ir import Target, load
from sim.design import Design
from sim.run import main
from sim.verilator import harness, simulation, simulator
from sim.verilator.cache import divide, place
from sim.verilator.simulation import Program, Simulation
from tests.images import images_for


@pytest.mark.parametrize("counts, size, parts", [
    ([5], 10, [range(5)]),
    ([10], 5, [range(5), range(5, 10)]),
    ([7, 3], 5, [range(5), range(5, 7), range(7, 10)]),
    ([1, 2], 1, [range(1), range(1, 2), range(2, 3)]),
])
def test_divide(counts, size, parts):
    assert list(divide(counts, size)) == parts


def build(network, folder):
    build_network(network, Target(array_rows=32, array_columns=max(
        layer.columns_per_weight for layer in network.layers), passes=6, passes_max=8), folder)
    return folder


@pytest.fixture(scope="module")
def scale_dropout(random_network, tmp_path_factory):
    return build(random_network(5, 1), tmp_path_factory.mktemp("shards") / "network")


@pytest.fixture(scope="module")
def spinbayes(random_spinbayes, tmp_path_factory):
    return build(random_spinbayes(16, 1), tmp_path_factory.mktemp("shards") / "network")


def make_images(folder, count):
    return images_for(load((folder / "ir.json").read_text()), count)


def words(folder):
    """Words of each shard, in the order in which they were simulated or taken."""
    return [[line.split()[2] for line in (path / harness.RESULTS).read_text().splitlines()
             if line[0] == "r"] for path in sorted(
        (folder / "sim_build" / "shards").iterdir(), key=lambda path: path.stat().st_mtime_ns)]


@pytest.mark.parametrize("method", [
    "scale_dropout", pytest.param("spinbayes", marks=pytest.mark.long)])
def test_shards_are_one_run(request, simulate, method):
    """They answer what one run does: each begins where the one before has left the random stream."""
    built  = request.getfixturevalue(method)
    images = make_images(built, 30)
    report = simulate(built, images, maps=True)
    assert report["bit_exact"] and report["shards"] == 1
    whole = words(built)[-1]

    report = simulate(built, images, maps=True, size=11)

    assert (report["bit_exact"], report["shards"], report["map_mismatches"]) == (True, 3, 0)
    assert sum(words(built)[-3:], []) == whole


def test_goes_on(scale_dropout, simulate):
    """What is done is kept, for more images and more jobs too; nothing else is."""
    images = make_images(scale_dropout, 6)
    done = [simulate(scale_dropout, some, passes=passes, size=2, **options)["images_simulated_now"]
            for some, passes, options in (
        (images[:4], 7, {}),
        (images[:4], 7, {}),
        (images, 7, {"jobs": 2}),
        (images[:2], 8, {}),              # other passes
        (images[:2], 7, {"duty": 0.5}),   # other gaps
        (images[2:4], 7, {}),             # another place in the random stream
        (255 - images[:2], 7, {}),        # other images
        (images[:3], 7, {}))]             # a shard that was not whole
    assert done == [4, 0, 2, 2, 2, 2, 2, 1]


def test_interrupted(scale_dropout, simulate, monkeypatch):
    """What was whole is kept, and what was not leaves nothing that counts."""
    images = make_images(scale_dropout, 8)
    run, runs = simulator.run, []

    def interrupted(*args, **kwargs):
        runs.append(args)
        if len(runs) == 3:
            raise KeyboardInterrupt
        run(*args, **kwargs)

    monkeypatch.setattr(simulator, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate(scale_dropout, images, passes=3, size=2, jobs=2)
    monkeypatch.setattr(simulator, "run", run)
    report = simulate(scale_dropout, images, passes=3, size=2, jobs=2)
    # One was done before the third began; the other, and the one behind, may have been.
    assert report["bit_exact"] and report["images_simulated_now"] in (2, 4, 6)
    assert not list((scale_dropout / "sim_build" / "shards").glob("*.partial"))


def test_command_that_is_interrupted(tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(sim.run, "Design", interrupted)
    assert main([str(tmp_path)]) == 130
    assert capsys.readouterr().err == (
        "sim.run: stopped; the same command goes on with the shards that are done\n")
    assert not list(tmp_path.iterdir())


def test_other_simulator_keeps_nothing(tmp_path, monkeypatch):
    """Only the same sources and options are the same simulator."""
    calls = []
    monkeypatch.setattr(simulator, "compile_verilog", lambda *args, **kwargs: calls.append(args))
    source, shards = tmp_path / "one.v", tmp_path / "shards"

    def build(text, **options):
        source.write_text(text)
        shards.mkdir(exist_ok=True)
        found = simulator.build([source], "top", tmp_path, log=tmp_path / "log", **options)
        return found, len(calls), shards.exists()

    first = build("one")
    assert first[1:] == (1, False)
    assert build("one") == (first[0], 1, True)
    others = [build("two"), build("one", waves=True), build("one", coverage=True)]
    assert [other[1:] for other in others] == [(2, False), (3, False), (4, False)]
    assert len({first[0], *(other[0] for other in others)}) == 4


def test_kept_results_are_compared(scale_dropout, simulate):
    """A result that is kept is held against the golden model like any other."""
    images = make_images(scale_dropout, 4)
    assert simulate(scale_dropout, images, passes=5)["bit_exact"]
    path = max((scale_dropout / "sim_build" / "shards").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    lines = (path / harness.RESULTS).read_text().splitlines()
    first = next(index for index, line in enumerate(lines) if line[0] == "r")
    kind, cycle, word = lines[first].split()
    lines[first] = f"{kind} {cycle} {int(word, 16) ^ 1:0{len(word)}x}"
    (path / harness.RESULTS).write_text("\n".join(lines) + "\n")

    report = simulate(scale_dropout, images, passes=5)

    assert (report["images_simulated_now"], report["mismatches"]) == (0, 1)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def mtj(random_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "mtj"
    build_network(random_network(5, 1), Target(
        array_rows=32, rng="mtj", mtj_currents=(100, 120), mtj_reset_current=255, passes=6, passes_max=8),
        folder)
    return folder


def test_place_depends_on_everything(scale_dropout, mtj, tmp_path, monkeypatch):
    """No two inputs have the same answers."""
    bench = tmp_path / "bench.py"
    bench.write_text("one")
    monkeypatch.setattr(simulation, "_BENCH_FILES", [bench])
    images = make_images(scale_dropout, 3)

    def places():
        plain, pins = Design(scale_dropout), Design(mtj)
        simulations = [
            *(Simulation(plain, images, 4, **options) for options in (
                {}, {"first": 1}, {"maps": True}, {"duty": 0.5})),
            Simulation(plain, images, 5), Simulation(plain, images[:2], 4),
            Simulation(plain, 255 - images, 4),
            Simulation(plain, images.reshape(3, images.shape[2], -1), 4),
            *(Simulation(pins, images, 4, **options) for options in (
                {}, {"seed": 2}, {"played": [True]}, {"played": [False]}))]
        return [place(Program(tmp_path, key, False), one) for key in ("one", "two") for one in simulations]

    first = places()
    assert len(set(first)) == len(first) == 24 and places() == first
    bench.write_text("two")
    assert not set(places()) & set(first)
