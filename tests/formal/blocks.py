"""The proofs about each block, and why there are none about some."""

import importlib
from pathlib import Path


__all__ = ["BLOCKS", "CASES", "WITHOUT"]


HERE = Path(__file__).parent
HDL  = HERE.parents[1] / "hdl"

#: Blocks with proofs: files here that have the name of one of hdl/.
BLOCKS = sorted(path.stem for path in HERE.glob("*.py")
                if path.stem != "__init__" and list(HDL.rglob(path.name)))

#: Each proof, with the block that it is about, by its name as a test.
CASES = {f"{block}-{number}-{proof.name}": (block, proof) for block in BLOCKS
         for number, proof in enumerate(importlib.import_module(f"tests.formal.{block}").PROOFS)}

#: Why nothing is proven of the other blocks.
WITHOUT = {
    "accelerator": "an assembly of blocks whose streams are proven; simulated as a whole",
    "instances": "an assembly of blocks that are proven; simulated as a whole",
    "dispatcher": "queues of Amaranth, and splitters that are proven: simulated",
    "axi_accelerator": "an assembly without logic of its own; simulated as a whole",
    "axi_bus": "an assembly of blocks that are proven; simulated, also as a whole",
    "register_map": "a table of registers",
    "placed": "an instance of a module; simulated as a whole",
    "uart_accelerator": "an assembly without logic of its own; simulated as a whole",
    "board_top": "pins of a board; placed and routed",
    "uart_bus": "an assembly of blocks; simulated, also as a whole and with bytes that are hit",
    "bit_clock": "a part of receiver and transmitter",
    "frames": "numbers, and a component of Amaranth",
    "array": "no streams or control: simulated",
    "register_parity": "a transform of other blocks: simulated, and judged by flipped bits",
    "partition_check": "a check of registers without control: every pair of sets is simulated",
    "parity": "no streams or control: simulated, and judged by flipped bits",
    "popcount": "arithmetic without control: simulated",
    "report": "a part of the averaging block, which is proven with it",
    "result": "layouts of words",
    "levels": "no streams or control: simulated",
    "stream": "parts of the other blocks, whose streams are proven",
    "totals": "a part of the averaging block, which is proven with it",
    "votes": "a part of the averaging block, which is proven with it",
    "weigh": "a part of the averaging block, which is proven with it",
    "weight_memory": "an instance of a module that is given as Verilog: simulated, and synthesized",
}
