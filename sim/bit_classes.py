"""What the registers and memories of an emitted design hold, by their names in its Verilog."""

import re

from sim.design import Design


__all__ = ["CLASSES", "block_of", "class_of"]


#: Classes of what registers and memories hold, in the order of tables.
CLASSES = ("thresholds", "logit words", "weights", "maps", "pass sets", "masks", "random source",
           "line buffers", "memories of the head", "state machines", "counters and flags",
           "data registers", "array registers", "checks")

#: The widest register that is counted among counters and flags.
_NARROW = 12

#: Blocks of :mod:`hdl` whose submodules have other names.
_BLOCKS = {"relative": "softmax", "power": "softmax", "normalizer": "softmax",
           "gains": "scale_mux", "offsets": "scale_mux"}


def block_of(design: Design, scope: str) -> str:
    """Return the block of :mod:`hdl` that the Verilog ``scope`` is a part of."""
    parts = scope.split(".")[1:]
    for part in reversed(parts):
        if match := re.fullmatch(r"(array|health|divider)_\d+", part):
            return match[1]
        if part in _BLOCKS:
            return _BLOCKS[part]
        if re.fullmatch("(array_)?edge_.+|branch_.+|sequential_edge|first_edge", part):
            return "edge"
        if match := re.fullmatch("(fork|join)_.+", part):
            return match[1]
        if part.startswith(("masks_", "mix_")):
            return "mask_store"
        if part.startswith("equal_"):
            return "equal_passes"
        if (part in ("line_buffer", "reader", "crossbar", "adder_accumulator", "scale_mux", "comparator",
                     "pool", "instance_norm", "word_packer", "logit_scaler", "pass_split", "map_buffer",
                     "mixer", "value_scaler", "resize")
                or part in design.manifest["blocks"] and part not in design.layers):
            return {"rng": "pseudo_rng", "points": "shifted_points"}.get(part, part)
    return "engine" if parts else "accelerator"


def class_of(design: Design, scope: str, name: str, width: int, words: int) -> str:
    """Return which of :data:`CLASSES` the register or memory ``name`` in ``scope`` is of, with ``words`` of
    ``width`` bits."""
    parts, block = scope.split("."), block_of(design, scope)
    memory = words > 1
    if "parity" in name or "control_error" in name or any(
            re.fullmatch(r"parity_\d+", part) for part in parts) or name.startswith("error"):
        return "checks"
    if block == "array":
        return "weights" if memory else "array registers"
    if block == "scale_mux" and memory:
        return "logit words" if parts[1] == design.layers[-1] else "thresholds"
    if memory and {"sets", "presences", "sets_queue"} & set(parts):
        return "pass sets"
    if memory and block == "map_buffer":
        return "maps"
    if block in ("mask_store", "equal_passes") and memory or block in ("mask_bank", "shifted_points") and (
            memory or width > _NARROW):
        return "masks"
    if memory:
        of_layer = block in ("line_buffer", "pool", "instance_norm")
        return "line buffers" if of_layer else "memories of the head"
    if block == "pseudo_rng" and width > _NARROW:
        return "random source"
    if name.startswith("fsm_state"):
        return "state machines"
    # What is read from a memory has no name in Verilog.
    if width <= _NARROW and not re.fullmatch(r"_\d+_", name):
        return "counters and flags"
    return "pass sets" if "sets" in name or block == "pass_split" else "data registers"
