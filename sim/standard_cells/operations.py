"""The energy of an operation, from that of the blocks that do it; and a table of energies of it
(:mod:`gen.energy.table`)."""

import json

from gen.energy.operations import OPERATIONS
from gen.energy.table import Circuit, EnergyTable


__all__ = ["counts_of", "per_operation", "table_text"]


#: Circuits: by name the operation that each is charged for, and the files of ``hdl/`` that it is of.
CIRCUITS = {
    "adder-accumulator": ("accumulations", {"adder_accumulator"}),
    "comparator":        ("comparisons", {"comparator", "binarizer"}),
    "averaging block":   ("probabilities_averaged", {"averaging", "weigh", "totals", "votes", "report"}),
    "softmax":           ("exponentials", {"softmax"}),
    "multipliers":       ("multiplications", {"logit_scaler", "value_scaler", "instance_norm"}),
    "pool":              ("pool_comparisons", {"pool"}),
    "random bits":       ("random_bits", {"rng_bank", "mtj_rng", "health", "mask_bank", "mask_store"}),
}

#: All other blocks: buffers, and what puts reads in order.
REST = "buffers and sequencing", "array_reads"

#: What stands for junctions, and is no part of the periphery.
EMULATED = {"pseudo_rng"}


def counts_of(energy: dict) -> dict[str, float]:
    """Return how often each operation happens for an image, from the report on the energy of a build."""
    places = energy["schedules"][energy["schedule"]]["passes"][str(energy["passes"])]["places"]
    counts = dict.fromkeys(OPERATIONS, 0.0)
    for place in places.values():
        for part in place["parts"].values():
            for name, found in part["operations"].items():
                counts[name] += found["count"]
    return counts


def per_operation(blocks: dict[str, float], files: dict[str, str], counts: dict[str, float]) -> dict:
    """Return for each circuit its energy for an image, and for an operation of it.

    Parameters
    ----------
    blocks
        Energy in joule for an image, by the path of the block.
    files
        File of ``hdl/`` of each block.
    counts
        Operations for an image.
    """
    found = {}
    for path, joule in blocks.items():
        if files[path] in EMULATED:
            continue
        name, per = next(((name, per) for name, (per, of) in CIRCUITS.items()
                          if files[path] in of and counts[per]), REST)
        circuit = found.setdefault(name, {"per": per, "energy_j_per_image": 0.0, "blocks": []})
        circuit["energy_j_per_image"] += joule
        circuit["blocks"].append(path)
    return {name: circuit | {"count_per_image": counts[circuit["per"]],
                             "energy_j": circuit["energy_j_per_image"] / counts[circuit["per"]]}
            for name, circuit in found.items() if counts[circuit["per"]]}


def table_text(name: str, description: str, circuits: dict, conditions: str, others: EnergyTable) -> str:
    """Return a table of energies in TOML: of ``circuits`` as :func:`per_operation` gives them, and of
    those of ``others`` that no standard cells are for: crossbars with their decoders and sensing, and
    junctions."""
    entries = [Circuit(circuit, each["per"], each["energy_j"] * 1e15, "fJ", "standard cells", conditions)
               for circuit, each in circuits.items()]
    entries += [circuit for circuit in others.circuits
                if circuit.per in ("array_reads", "rows_activated", "columns_converted", "random_bits")]
    lines = [f"name = {json.dumps(name)}", f"description = {json.dumps(description)}"]
    for each in entries:
        lines += ["", "[[circuit]]", *(f"{key} = {json.dumps(getattr(each, key))}" for key in
                                       ("name", "per", "energy", "unit", "source", "conditions"))]
    return "\n".join(lines) + "\n"
