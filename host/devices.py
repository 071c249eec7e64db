"""Where an accelerator on AXI is found: at addresses of the memory, or in an overlay of PYNQ."""

import mmap
import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host.axi_dma import AxiDma, Buffers
from host.serial_port import HostError


__all__ = ["Memory", "Overlay"]


#: Bytes of the registers of an accelerator, and of those of a DMA engine that are needed.
_REGISTERS = 4096


class _Registers:
    """Registers of 32 bits in mapped memory, each read and written at once."""

    def __init__(self, memory):
        self._words = np.frombuffer(memory, np.uint32)

    def read(self, address):
        return int(self._words[address // 4])

    def write(self, address, value):
        self._words[address // 4] = value


@dataclass(frozen=True)
class Memory:
    """An accelerator and an AXI DMA engine, both reached as memory.

    Parameters
    ----------
    registers, dma : str
        Address of the registers in ``/dev/mem``, such as 0xA0000000, or a device of UIO: ``/dev/uio0``.
    buffer : str
        Device of u-dma-buf, which has memory for the engine.
    """

    registers: str
    dma: str
    buffer: str = "/dev/udmabuf0"

    def open(self, stack: ExitStack) -> tuple:
        """Return the registers, the engine, and what allocates; ``stack`` closes them.

        Raises
        ------
        HostError
            If a device is not there, or is not for this user.
        """
        registers, engine = (_Registers(_mapped(*_place(where), _REGISTERS, stack))
                             for where in (self.registers, self.dma))
        known = Path("/sys/class/u-dma-buf", Path(self.buffer).name)
        try:
            address = int((known / "phys_addr").read_text(), 16)
            size    = int((known / "size").read_text())
        except (OSError, ValueError):
            raise HostError(f"Device {self.buffer} is none of u-dma-buf, as {known} says no address and "
                            "size; load that module, or name another device with --buffer") from None
        return registers, AxiDma(engine), Buffers(_mapped(self.buffer, 0, size, stack), address).allocate

    def __str__(self):
        return self.registers


@dataclass(frozen=True)
class Overlay:
    """An accelerator and an AXI DMA engine in a design that PYNQ loads.

    Parameters
    ----------
    bitstream : str
        File of the design.
    accelerator, dma : str
        Names of both in the design.
    """

    bitstream: str
    accelerator: str = "accelerator_axi_0"
    dma: str = "axi_dma_0"

    def open(self, stack: ExitStack) -> tuple:
        """As :meth:`Memory.open`.

        Raises
        ------
        HostError
            If there is no PYNQ, no such file, or the design lacks one of both.
        """
        try:
            import pynq
        except ImportError as error:
            raise HostError(f"Package {error.name!r} is not installed; run this on a board with PYNQ, or "
                            "name the addresses with --registers and --dma") from None
        try:
            overlay = pynq.Overlay(self.bitstream)
        except OSError as error:
            raise HostError(f"Design {self.bitstream} cannot be loaded ({error})") from None
        for name in (self.accelerator, self.dma):
            if name not in overlay.ip_dict:
                raise HostError(f"Design {self.bitstream} has no {name}, but {', '.join(overlay.ip_dict)}; "
                                "give the blocks the names accelerator_axi_0 and axi_dma_0")
        registers = pynq.MMIO(overlay.ip_dict[self.accelerator]["phys_addr"], _REGISTERS)
        return registers, getattr(overlay, self.dma), pynq.allocate

    def __str__(self):
        return self.bitstream


def _place(where):
    """Device and offset."""
    if where.startswith("/"):
        return where, 0
    try:
        address = int(where, 0)
    except ValueError:
        address = -1
    if address < 0 or address % mmap.PAGESIZE:
        raise HostError(f"Registers are at an address that is a multiple of {mmap.PAGESIZE}, such as "
                        f"0xA0000000, or are a device such as /dev/uio0, and not {where!r}")
    return "/dev/mem", address


def _mapped(device, offset, size, stack):
    """``size`` bytes of ``device`` from ``offset`` on, without caches."""
    try:
        file = os.open(device, os.O_RDWR | os.O_SYNC)
        stack.callback(os.close, file)
        return mmap.mmap(file, size, offset=offset)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if getattr(error, "errno", None) else error
        raise HostError(f"Device {device} cannot be used ({reason}); see that it is there, and run this as "
                        "root or let the user have it") from None
