# amaranth: UnusedElaboratable=no
"""Simulations of designs, and what their last run has written."""

import hashlib
import json
import math
import shutil
from dataclasses import replace

import pytest

from gen.build import build_network
from gen.estimate import timeline
from gen.ir import Target, load
from gen.lower import lower
from gen.output import MANIFEST, identity
from golden.device.junction import write_codes
from golden.random.generator import choices
from sim import run
from sim.verilator import harness
from tests.images import images_for
from tests.outcomes import outcomes_by


def _last_run(folder):
    """Folder of the shard that was simulated or taken last."""
    return max((folder / "sim_build" / "shards").iterdir(), key=lambda path: path.stat().st_mtime_ns)


def _written(folder, kind):
    lines = (_last_run(folder) / harness.RESULTS).read_text().splitlines()
    return [line.split()[1:] for line in lines if line[0] == kind]


@pytest.fixture(scope="session")
def rewrite():
    """A function that changes files of a design, and entries of its manifest, as if a build had written
    them so; it returns the folder."""
    def rewrite(folder, files=None, **entries):
        manifest = json.loads((folder / MANIFEST).read_text()) | entries
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
            manifest["files"][name] = hashlib.sha256(text.encode()).hexdigest()
        (folder / MANIFEST).write_text(json.dumps(manifest | {"build": identity(manifest)}))
        return folder

    return rewrite


@pytest.fixture
def copied(tmp_path):
    """A function that copies a design, without its simulators unless other files are left out, or none."""
    def copied(folder, left_out=("sim_*",)):
        return shutil.copytree(folder, tmp_path / "copied", ignore=shutil.ignore_patterns(*left_out))

    return copied


@pytest.fixture(scope="session")
def with_junctions(random_network, tmp_path_factory):
    """A function that builds a small network of a seed, with a layer for each of the probabilities
    ``drops`` of its bits, which come from junctions, and returns the folder."""
    def with_junctions(seed, drops):
        network = random_network(seed, hidden=len(drops) - 1)
        network = replace(network, draws=tuple(
            replace(draw, drops=(p,)) for draw, p in zip(network.draws, drops, strict=True)))
        folder = tmp_path_factory.mktemp("junctions") / "network"
        build_network(network, Target(array_rows=32, rng="mtj", passes=6, passes_max=8,
                                      **write_codes(network.drops, Target())), folder)
        return folder

    return with_junctions


@pytest.fixture(scope="session")
def last_run():
    return _last_run


@pytest.fixture(scope="session")
def written():
    """Lines of the last run in a folder, as the harness wrote them: cycle and value of each ``p``, the
    first pixel of an image, or ``r``, a word of a result."""
    return _written


@pytest.fixture(scope="session")
def check_cycles():
    """Compare the last run of so many images and passes with the estimate for what was drawn."""
    def check_cycles(folder, target, images, passes):
        network  = load((folder / "ir.json").read_text())
        drawn    = outcomes_by(network, choices(network.generator, images, passes))
        estimate = timeline(lower(network, target), drawn)
        first, *_ = pixels = [int(cycle) for cycle, _ in _written(folder, "p")]
        words = math.prod(network.answered) * network.classes
        ends  = [int(cycle) for cycle, _ in _written(folder, "r")[words - 1::words]]
        assert tuple(cycle - first for cycle in pixels) == estimate.first_pixels
        assert tuple(cycle - first for cycle in ends) == estimate.results

    return check_cycles


@pytest.fixture(scope="session")
def simulate():
    """:func:`sim.run.simulate`, all images in one run unless a size is given."""
    def simulate(directory, images, *args, **kwargs):
        return run.simulate(directory, images, *args, **{"size": len(images), **kwargs})

    return simulate


@pytest.fixture(scope="session")
def check_maps(simulate):
    """Compare every map and result of so many random images with the golden model; return the report."""
    def check_maps(folder, count, **options):
        network = load((folder / "ir.json").read_text())
        report  = simulate(folder, images_for(network, count), maps=True, **options)
        assert report["bit_exact"] and report["map_mismatches"] == 0 and not report["alarm"]
        return report

    return check_maps
