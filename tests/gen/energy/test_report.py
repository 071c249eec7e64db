# amaranth: UnusedElaboratable=no
import json
from dataclasses import replace

import pytest

from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.energy.operations import OPERATIONS, operations
from gen.energy.report import CURVE, PASSES, default_table, energy_of, energy_report
from gen.energy.table import Circuit, EnergyTable, read_table
from gen.ir import Target
from gen.lower import lower
from gen.maps import expected, one_by_one
from gen.methods import network_of


TARGET = Target(array_rows=32, array_columns=64, passes=3, passes_max=4)


@pytest.fixture(scope="module")
def report(random_network):
    network = compile_network(random_network(2, 2), TARGET)
    return network, energy_report(network, TARGET, read_table("paper-scale-dropout"))


@pytest.mark.parametrize("schedule", ["shared", "sequential"])
def test_energy_is_count_times_energy(report, schedule):
    """By the numbers of the table, written out, for each number of passes."""
    network, found = report
    target   = replace(TARGET, schedule=schedule)
    hardware = lower(network, target)
    joule = {"array_reads": 5.41e-12, "accumulations": 0.12e-12, "comparisons": 0.01e-12,
             "probabilities_averaged": 18.42e-12, "random_bits": 3.8e-12}
    by_passes = found["schedules"][schedule]
    assert sorted(by_passes["passes"]) == sorted({*PASSES, 3})
    assert sorted(by_passes["energy_j_per_image"]) == sorted({*CURVE, 3})
    for passes, each in by_passes["passes"].items():
        maps   = (expected if schedule == "shared" else one_by_one)(network, passes)
        counts = operations(hardware, network, maps, passes)
        total  = 0.0
        assert each["places"].keys() == counts.keys()
        for place, parts in counts.items():
            of_place = 0.0
            assert each["places"][place]["parts"].keys() == parts.keys()
            for part, of_part in parts.items():
                written = each["places"][place]["parts"][part]
                assert {name: one["count"] for name, one in written["operations"].items()} == of_part
                energy = sum(count * joule.get(name, 0) for name, count in of_part.items())
                assert written["energy_j"] == pytest.approx(energy, rel=1e-12)
                of_place += energy
            assert each["places"][place]["energy_j"] == pytest.approx(of_place, rel=1e-12)
            total += of_place
        assert each["energy_j_per_image"] == pytest.approx(total, rel=1e-12)
        assert each["energy_j_per_image"] == by_passes["energy_j_per_image"][passes]
        assert each["energy_j_per_pass"] == each["energy_j_per_image"] / passes
        assert each["maps_averaged"] == maps.leaving[-1]
        assert [each["places"][layer.name]["runs"] for layer in network.layers] == list(maps.entering)


def test_every_operation_has_its_source_and_formula(report):
    _, found = report
    assert set(found["operations"]) == set(OPERATIONS)
    for name, operation in found["operations"].items():
        assert operation["text"] and operation["formula"]
        assert (name in found["not_charged"]) == (operation["energy_j"] == 0) == (not operation["circuits"])
    assert found["operations"]["array_reads"]["circuits"] == [
        "crossbar array: 0.65 pJ (Scale-Dropout, Table II)",
        "memory (decoding, sensing): 4.76 pJ (Scale-Dropout, Table II)"]
    json.dumps(found, allow_nan=False)


def test_sharing_takes_no_more_than_one_after_another(report):
    _, found = report
    shared, sequential = (found["schedules"][name]["energy_j_per_image"]
                          for name in ("shared", "sequential"))
    assert all(shared[passes] <= sequential[passes] for passes in CURVE)
    assert shared[1] == sequential[1]
    assert sequential[100] == pytest.approx(
        100 * (sequential[1] - _input(found)) + _input(found), rel=1e-12) # pixels are compared once


def _input(found):
    return found["schedules"]["sequential"]["passes"][1]["places"]["input"]["energy_j"]


def test_lenet5():
    """Scale-Dropout with the constants of its paper, at its ten passes: the goal is 0.03 uJ."""
    target  = Target()
    network = compile_network(read(SHIPPED / "lenet5.npz", network_of("lenet5")), target)
    found   = energy_report(network, target)
    at_ten  = {schedule: found["schedules"][schedule]["passes"][10]["energy_j_per_image"] * 1e6
               for schedule in ("shared", "sequential")}
    assert at_ten == {"shared": pytest.approx(0.01967, abs=1e-5),
                      "sequential": pytest.approx(0.08693, abs=1e-5)}
    assert found["paper"]["stated_j_per_image"] == 0.18e-6
    assert found["paper"]["closest"] == "position with all circuits"
    of_build = energy_of(network, target)
    assert of_build == {"table": "paper-scale-dropout", **{
        f"{schedule}_j": found["schedules"][schedule]["passes"][20]["energy_j_per_image"]
        for schedule in ("shared", "sequential")}}


def test_cells_of_several_levels_are_those_of_spinbayes():
    assert default_table(network_of("lenet5", "spinbayes")).name == "paper-spinbayes"
    assert default_table(network_of("lenet5", "ensemble")).name == "paper-scale-dropout"


def test_a_table_of_ones_own(report):
    """It can charge for what no paper has a number for."""
    network, _ = report
    table = EnergyTable("mine", "", (Circuit("SRAM", "memory_bits", 2.0, "fJ", "me", ""),))
    found = energy_of(network, TARGET, table)
    counts = operations(lower(network, TARGET), network, expected(network, 3), 3)
    bits = sum(part.get("memory_bits", 0) for parts in counts.values() for part in parts.values())
    assert found["shared_j"] == pytest.approx(bits * 2e-15, rel=1e-12) and found["table"] == "mine"
