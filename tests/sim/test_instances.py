"""Designs of several instances: the answers of a single one, and as many times as fast."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from gen.build import build_network
from gen.ir import Target
from gen.progress import Progress
from golden.device.junction import write_codes
from sim.bit_flips import inject
from sim.design import Design, DesignError
from sim.power import main as power_command
from sim.run import main as run_command
from sim.verilator.simulation import Simulation, compiled
from tests.images import images_for


@pytest.mark.long
@pytest.mark.parametrize("options", [
    {"instances": 3},
    {"instances": 2, "masks": "balanced", "protect": True, "answered": (2, 2)},
], ids=["shared", "balanced"])
def test_several_instances(random_network, tmp_path, check_maps, written, capsys, options):
    """Two shards, the second of which begins in the midst of the random stream; maps of all instances; and
    an answer for each of several positions."""
    options = {"answered": (1, 1)} | options
    network = random_network(1, hidden=1, answered=options.pop("answered"))
    target  = Target(array_rows=32, passes=4, passes_max=6, **options)
    reports = build_network(network, target, tmp_path)
    expected = reports["estimate_network_performance"]
    check_maps(tmp_path, 70, size=50)
    if network.answer_shape:
        refuses_a_table(tmp_path, images_for(network, 1), capsys)
    # Images of this network take twice as long as others, or half, and results leave in order.
    words = math.prod(network.answered) * network.classes
    ends = [int(cycle) for cycle, _ in written(tmp_path, "r")[words - 1::words]]
    interval = (ends[-1] - ends[4]) / (len(ends) - 5)
    assert 0.95 < interval / expected["interval_cycles_mean"] < 1.2


def refuses_a_table(folder, images, capsys):
    np.save(folder / "images.npy", images)
    assert run_command([str(folder), "--input", str(folder / "images.npy"),
                        "--out", str(folder / "answers.csv")]) == 2
    assert capsys.readouterr().err == (
        f"sim.run: File {folder / 'answers.csv'} would have a row for each image, of which 2 x 2 positions "
        "have an answer each; name a file that ends with .npz\n")


@pytest.mark.long
def test_an_alarm_marks_the_results_of_all_instances(random_network, tmp_path):
    """Bits of the junction that all instances share are stuck: results have an error from then on."""
    network = random_network(0, hidden=1)
    network = replace(network, draws=tuple(replace(draw, drops=(0.5,)) for draw in network.draws))
    target  = Target(array_rows=64, passes=6, passes_max=6, rng="mtj", instances=2,
                     **write_codes(network.drops, Target()))
    build_network(network, target, tmp_path)
    design = Design(tmp_path)
    with compiled(design, Progress()) as program:
        results, _ = Simulation(design, images_for(network, 40), 6,
                                played=np.zeros(8, bool)).answer(program)
    assert results.alarm and not results.errors[0].any()
    begun = results.errors.any(1).argmax()
    assert results.errors[begun + 1:].all() and begun < 30


def test_what_is_for_one_instance_says_so(random_network, tmp_path, capsys):
    network = random_network(0, hidden=1)
    build_network(network, Target(array_rows=64, passes=2, passes_max=2, instances=2), tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["instances"]["count"] == 2
    with pytest.raises(DesignError, match="Bits are flipped of one instance, and design .* has 2; build "
                                          "another without --instances"):
        inject(tmp_path, images_for(network, 1))
    assert power_command([str(tmp_path), "--liberty", "cells.lib"]) == 2
    assert capsys.readouterr().err.startswith(
        "sim.power: Energy in standard cells is of one instance, and ")
