"""An accelerator on AXI and a DMA engine as their host sees them; ``tests/sim/test_bus.py`` holds the
accelerator to its Verilog."""

import sys
import types
from collections import deque
from dataclasses import replace

import numpy as np

from golden.answers import answer_passes
from golden.random.generator import choices


class Accelerator:
    """Registers and packets, of the network and with the registers of a build. T is not changed between a
    reset or a new seed and the last image that follows it."""

    def __init__(self, network, manifest):
        self.network, self.manifest = network, manifest
        bus = manifest["bus"]
        self.known  = {register["address"]: register for register in bus["registers"]}
        self.kind   = np.dtype([(field["name"], f"<u{field['width'] // 8}") for field in bus["record"]])
        self.flags  = {name: 1 << bit for bit, name in enumerate(bus["flags"])}
        self.events = {field["name"]: 1 << field["low"] for register in bus["registers"]
                       if register["name"] == "EVENTS" for field in register["fields"]}
        self.reset()

    def reset(self):
        self.values = {register["name"]: register["value"] for register in self.known.values()}
        self.seeds  = list(self.network.generator.seeds)
        self.images = 0 # of the random stream

    def read(self, address):
        register = self.known[address]
        return 0 if register["access"] == "write" else self.values[register["name"]]

    def write(self, address, value):
        register = self.known[address]
        name     = register["name"]
        assert "write" in register["access"]
        if name in ("CONFIDENCE", "AGREEMENT", "RESEED") and self.values["STATUS"] & 1:
            self.values["EVENTS"] |= self.events["refused"]
        elif name == "RESEED":
            self.seeds[value] = self.values["STATE_HIGH"] << 32 | self.values["STATE_LOW"]
            self.images = 0
        elif name == "EVENTS":
            self.values[name] &= ~value
        elif name == "PASSES":
            self.values[name] = min(max(value, 1), self.values["PASSES_MAX"])
        else:
            masks = [(1 << field["width"]) - 1 << field["low"] for field in register["fields"]]
            self.values[name] = value & (sum(masks) or 2**32 - 1)

    def packet(self, pixels):
        """The result of a packet of pixels."""
        values, shape = self.values, self.network.input.shape
        size    = int(np.prod(shape))
        network = replace(self.network, generator=replace(self.network.generator, seeds=tuple(self.seeds)),
                          head=replace(self.network.head, confidence=values["CONFIDENCE"],
                                       agreement=values["AGREEMENT"]))
        image   = np.frombuffer(pixels[:size].ljust(size, b"\0"), np.uint8).reshape(1, *shape)
        golden  = answer_passes(network, image, choices(
            network.generator, 1, values["PASSES"], self.images)).prediction
        record  = np.zeros(golden.sums[0].shape, self.kind)
        for name, value in (("square", golden.squares[0]), ("sum", golden.sums[0]),
                            ("votes", golden.votes[0]), ("confident", golden.confident[0]),
                            ("prediction", golden.prediction[0][..., None]), ("passes", values["PASSES"])):
            record[name] = value
        record["flags"] = (self.flags["reject"] * golden.reject[0][..., None]
                           + self.flags["mismatch"] * (len(pixels) != size))
        record["flags"].reshape(-1)[-1] += self.flags["last"]
        self.images          += 1
        values["IMAGES"]     += 1
        values["RESULTS"]    += 1
        values["MISMATCHES"] += len(pixels) != size
        values["EVENTS"]     |= (self.events["result"]
                                 | self.events["mismatch"] * (len(pixels) != size))
        return record.tobytes()


class Engine:
    """The registers of an AXI DMA engine between ``memory``, from the physical ``address`` on, and an
    accelerator, by PG021: a packet that is not received stops those that follow."""

    def __init__(self, accelerator, memory, address):
        self.accelerator, self.memory, self.address = accelerator, memory, address
        self.waiting = deque() # packets to the accelerator
        self.reset()

    def reset(self):
        self.words = dict.fromkeys(range(0, 0x60, 4), 0) | {0x04: 1, 0x34: 1} # halted
        self.room  = None # where a result goes

    def read(self, offset):
        return self.words[offset]

    def write(self, offset, value):
        if offset == 0x00 and value & 4:
            return self.reset()
        status = 0x34 if offset >= 0x30 else 0x04
        self.words[offset] = value
        if offset in (0x00, 0x30) and value & 1:
            self.words[status] = 2
        if offset in (0x28, 0x58): # a length, which starts a transfer
            assert self.words[status] == 2, "The channel is not idle"
            begin = (self.words[offset - 0xC] << 32 | self.words[offset - 0x10]) - self.address
            self.words[status] = 0
            if not 0 <= begin <= begin + value <= len(self.memory) or begin % 128:
                self.words[status] = 0x41
            elif offset == 0x28:
                self.waiting.append(bytes(self.memory[begin:begin + value]))
                self.words[status] = 2
            else:
                self.room = begin, value
        self._move()

    def _move(self):
        if self.room and self.waiting:
            (begin, size), self.room = self.room, None
            result = self.accelerator.packet(self.waiting.popleft())
            assert len(result) == size
            self.memory[begin:begin + size] = result
            self.words[0x34] = 2


def pynq(accelerator):
    """A module as PYNQ, with an accelerator in each design."""
    from host.axi_dma import AxiDma, Buffers

    memory, address = bytearray(1 << 16), 0x10000000
    module = types.ModuleType("pynq")

    class Overlay:
        ip_dict = {"accelerator_axi_0": {"phys_addr": 0xA0000000}, "axi_dma_0": {}}

        def __init__(self, bitstream):
            if not bitstream.endswith(".bit"):
                raise OSError(f"Bitstream file {bitstream} does not exist.")
            self.axi_dma_0 = AxiDma(Engine(accelerator, memory, address))

    def mmio(base, length):
        assert (base, length) == (0xA0000000, 4096)
        return accelerator

    module.Overlay, module.MMIO, module.allocate = Overlay, mmio, Buffers(memory, address).allocate
    sys.modules["pynq"] = module
    return module
