"""The cells of an ECP5 that an accelerator takes, estimated before any synthesis."""

from gen.logic import logic_of
from gen.lut_mapping import count_tables
from hdl.accelerator import Accelerator


__all__ = ["block_resources", "estimate_resources"]


#: Tables of four inputs that a distributed memory of 16 words of 4 bits takes: two are for its write port.
_DISTRIBUTED = 6


def estimate_resources(accelerator: Accelerator, shown=iter) -> dict:
    """Return the cells of ``accelerator`` for ``report/estimate_resources.json``, with the keys of
    ``report/synth_ecp5.json`` (:func:`gen.synth.synthesize`): ``LUT`` (LUT4: logic, carry chains and
    distributed memory), ``FF``, ``BRAM`` (18 kbit) and ``DSP`` (18 x 18), in all and in each block.

    What is between the blocks, and the pins, are not counted. How far the figures are from those of Yosys
    is held by a test against ``bench/cells.json``. The blocks are ``shown`` as they are counted
    (:meth:`gen.progress.Progress.bar`).
    """
    blocks = {name: block_resources(block, accelerator.guarded(block) if accelerator.protect else None)
              for name, block in shown(list(accelerator.blocks.items()))}
    total  = {key: sum(block[key] for block in blocks.values()) for key in ("LUT", "FF", "BRAM", "DSP")}
    return {"source": "estimate", "status": "run", **total, "blocks": blocks}


def block_resources(block, guarded=None) -> dict[str, int]:
    """Return the cells of a block, or of what it is ``guarded`` as (:func:`gen.logic.logic_of`)."""
    logic = logic_of(block, guarded)
    return {
        "LUT": count_tables(logic.gates, logic.roots) + logic.carries + _DISTRIBUTED * logic.distributed,
        "FF": logic.registers,
        "BRAM": logic.blocks,
        "DSP": logic.multipliers,
    }
