"""Print what each shipped network becomes, as hashes: its IR, and its hardware before Yosys sees it.

The Verilog text carries the version of Yosys, and its order of ports; the RTLIL of Amaranth does not. Of a
network whose weights are too many to stand in the Verilog, the arrays are those of a macro.
"""

import hashlib
from concurrent.futures import ProcessPoolExecutor

from amaranth.back import rtlil

from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.emit import ports
from gen.ir import Target, dump
from gen.lower import lower
from gen.methods import network_of
from gen.weights import in_files


def hashes(path):
    """Return the lines of the network of a checkpoint."""
    name    = path.stem
    network = network_of(name)
    target  = Target(view="macro" if in_files(network) else "emulated")
    compiled    = compile_network(read(path, network), target)
    accelerator = lower(compiled, target)
    hardware = rtlil.convert(accelerator, name="accelerator", ports=ports(accelerator), emit_src=False)
    return [f"{name:32}{kind:8}{hashlib.sha256(text.encode()).hexdigest()}"
            for kind, text in (("IR", dump(compiled)), ("RTLIL", hardware))]


if __name__ == "__main__":
    with ProcessPoolExecutor() as processes:
        for lines in processes.map(hashes, sorted(SHIPPED.glob("*.npz"))):
            print(*lines, sep="\n")
