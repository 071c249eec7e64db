"""The energy of a prediction, for ``report/energy.json``."""

from dataclasses import replace

from gen.energy.operations import OPERATIONS, SYMBOLS, operations
from gen.energy.readings import compared, stated_for
from gen.energy.table import EnergyTable, read_table
from gen.ir import Network, Target
from gen.lower import lower
from gen.maps import expected, one_by_one
from gen.methods import method_for
from hdl.accelerator import Accelerator


__all__ = ["CURVE", "PASSES", "SCHEDULES", "default_table", "energy_of", "energy_report", "of_schedules",
           "priced"]


#: Numbers of passes whose energy is told apart by layer and part, beside that of the build; and those of
#: which the total is stated.
PASSES, CURVE = (1, 5, 10, 20, 50, 100), range(1, 101)

SCHEDULES = "shared", "sequential"

#: What our figures take an operation of a paper's table to be, and why.
READING = (
    "An operation is what the hardware of this build does, one by one: decoding, sensing and crossbar are "
    "charged for each read of an array, the adder for each code, the comparator for each threshold, the "
    "random source for each bit, the averaging block for each class of each map that reaches it. A read is "
    "charged in full however few rows and columns it takes, as the papers do not say how many theirs has: "
    "so a folding with more reads costs more. Each circuit is charged only when it works.")

FORMULA = (
    "energy of an operation = sum of the circuits that are charged for it; energy of a part = sum over its "
    "operations of count times energy of the operation; of a layer, the sum of its parts; of an image, the "
    "sum of all. What is in not_charged is counted, and has no number in the table.")


def default_table(network: Network) -> EnergyTable:
    """Return the table of the paper of the cells: those of several levels are SpinBayes's."""
    several = any(layer.weight_bits > 1 for layer in network.layers)
    return read_table("paper-spinbayes" if several else "paper-scale-dropout")


def of_schedules(network: Network, target: Target) -> dict[str, Accelerator]:
    """Return the accelerators of a compiled network by all schedules, which share their engines."""
    first, *others = SCHEDULES
    found = {first: lower(network, replace(target, schedule=first))}
    return found | {schedule: lower(network, replace(target, schedule=schedule),
                                    engines=found[first].engines) for schedule in others}


def energy_of(network: Network, target: Target, table: EnergyTable | None = None,
              accelerators: dict[str, Accelerator] | None = None) -> dict:
    """Return the energy of an image of ``target.passes`` passes of a compiled network by both schedules, by
    ``table`` or else :func:`default_table`; ``accelerators`` are those of :func:`of_schedules`, if they are
    there already."""
    table = table or default_table(network)
    found = {schedule: _priced(network, accelerator, target.passes, table) for schedule, accelerator in (
        accelerators or of_schedules(network, target)).items()}
    return {"table": table.name, **{f"{schedule}_j": each["energy_j_per_image"]
                                    for schedule, each in found.items()}}


def energy_report(network: Network, target: Target, table: EnergyTable | None = None,
                  accelerators: dict[str, Accelerator] | None = None) -> dict:
    """Return operations and energy of an image of a compiled network: by schedule and number of passes,
    each by layer and part; for random choices the means, which are exact
    (:func:`gen.maps.expected`).

    Both schedules are of the same folding, that of the network. Where the passes are more than the build
    takes, the figures are those of the same hardware built for more. Energies are those of ``table``, or
    else of :func:`default_table`; ``accelerators`` are as of :func:`energy_of`.
    """
    table  = table or default_table(network)
    stated = stated_for(network)
    detailed = sorted({*PASSES, target.passes})
    return {
        "source": "estimate",
        "status": "run",
        "network": network.name,
        "method": method_for(network).title,
        "schedule": target.schedule,
        "passes": target.passes,
        "formula": FORMULA,
        "reading": READING,
        "table": {"name": table.name, "description": table.description, "circuits": [{
            "name": circuit.name, "per": circuit.per, "energy": circuit.energy, "unit": circuit.unit,
            "source": circuit.source, "conditions": circuit.conditions} for circuit in table.circuits]},
        "operations": {name: {
            "text": operation.text,
            "formula": operation.formula,
            "energy_j": table.joule_of(name),
            "circuits": [f"{circuit.name}: {circuit.energy:g} {circuit.unit} ({circuit.source})"
                         for circuit in table.circuits if circuit.per == name],
        } for name, operation in OPERATIONS.items()},
        "symbols": SYMBOLS,
        "not_charged": [name for name in OPERATIONS
                        if name not in {circuit.per for circuit in table.circuits}],
        "schedules": {schedule: _schedule(network, accelerator, table, detailed)
                      for schedule, accelerator in (accelerators or of_schedules(network, target)).items()},
        "paper": None if stated is None else compared(stated),
    }


def _schedule(network, accelerator, table, detailed):
    by_passes   = {passes: _priced(network, accelerator, passes, table)
                   for passes in sorted({*CURVE, *detailed})}
    return {
        "energy_j_per_image": {passes: found["energy_j_per_image"] for passes, found in by_passes.items()},
        "passes": {passes: by_passes[passes] for passes in detailed},
    }


def _priced(network, accelerator, passes, table):
    """Operations and energy of an image of so many passes, in the mean."""
    maps  = (one_by_one if accelerator.sequential else expected)(network, passes)
    found = priced(operations(accelerator, network, maps, passes), table)
    for layer, runs in zip(network.layers, maps.entering, strict=True):
        found["places"][layer.name] = {"runs": runs} | found["places"][layer.name]
    return {"energy_j_per_image": found["energy_j_per_image"],
            "energy_j_per_pass": found["energy_j_per_image"] / passes,
            "maps_averaged": maps.leaving[-1], "places": found["places"]}


def priced(counts: dict, table: EnergyTable) -> dict:
    """Return ``counts`` of :func:`gen.energy.operations.operations` with the energy of each operation, part
    and place, and of the image."""
    joule, places = {name: table.joule_of(name) for name in OPERATIONS}, {}
    for place, parts in counts.items():
        with_energy = {}
        for part, found in parts.items():
            of_part = {name: {"count": count, "energy_j": count * joule[name]}
                       for name, count in found.items()}
            with_energy[part] = {"energy_j": sum(each["energy_j"] for each in of_part.values()),
                                 "operations": of_part}
        places[place] = {"energy_j": sum(part["energy_j"] for part in with_energy.values()),
                         "parts": with_energy}
    return {"energy_j_per_image": sum(place["energy_j"] for place in places.values()), "places": places}
