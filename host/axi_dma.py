"""A DMA engine for streams: the AXI DMA of AMD, in direct register mode (PG021)."""

import numpy as np


__all__ = ["AxiDma", "Buffers"]


#: Registers of a channel, from its first one on; that of the other direction is 0x30 behind.
_CONTROL, _STATUS, _ADDRESS, _ADDRESS_HIGH, _LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
_SEND, _RECEIVE = 0x00, 0x30

#: Bits of the control and of the status register.
_RUN, _RESET = 1 << 0, 1 << 2
_IDLE, _ERRORS = 1 << 1, {1 << 4: "internal error", 1 << 5: "error of a memory", 1 << 6: "no such address"}


class _Channel:
    """A direction; its methods are those of ``pynq.lib.dma``."""

    def __init__(self, registers, offset):
        self._registers, self._offset = registers, offset
        self._write(_CONTROL, _RUN)

    def _write(self, register, value):
        self._registers.write(self._offset + register, value)

    @property
    def _status(self):
        return self._registers.read(self._offset + _STATUS)

    @property
    def idle(self) -> bool:
        """The last transfer is complete."""
        return bool(self._status & _IDLE)

    @property
    def error(self) -> bool:
        """The last transfer has failed."""
        return bool(self._status & sum(_ERRORS))

    def transfer(self, buffer):
        """Begin to move all bytes of ``buffer``, of :class:`Buffers`."""
        self._write(_ADDRESS, buffer.physical_address % 2**32)
        self._write(_ADDRESS_HIGH, buffer.physical_address >> 32)
        self._write(_LENGTH, buffer.nbytes) # which starts it

    def wait(self):
        """Raise RuntimeError if the transfer has failed, and return when it is complete."""
        while not self.idle:
            for bit, text in _ERRORS.items():
                if self._status & bit:
                    raise RuntimeError(f"the DMA engine says: {text}")


class AxiDma:
    """The engine behind ``registers``, which is reset.

    Attributes
    ----------
    sendchannel, recvchannel
        From memory to the accelerator, and back.
    """

    def __init__(self, registers):
        registers.write(_SEND + _CONTROL, _RESET) # of both directions
        for _ in range(1000):
            if not registers.read(_SEND + _CONTROL) & _RESET:
                break
        self.sendchannel = _Channel(registers, _SEND)
        self.recvchannel = _Channel(registers, _RECEIVE)


class _Buffer(np.ndarray):
    """Bytes with a ``physical_address``, as the engine knows it."""


class Buffers:
    """Gives away ``memory``, whose first byte has the physical ``address``."""

    #: What an engine without realignment wants; no bus of it is wider.
    ALIGNMENT = 128

    def __init__(self, memory, address: int):
        self._memory, self._address, self._used = memory, address, 0

    def allocate(self, shape, dtype) -> np.ndarray:
        """Return an array, as ``pynq.allocate`` does.

        Raises
        ------
        MemoryError
            If there is no room for it.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self._used + size > len(self._memory):
            raise MemoryError(size)
        array = np.frombuffer(self._memory, dtype, int(np.prod(shape)), self._used).reshape(shape)
        array = array.view(_Buffer)
        array.physical_address = self._address + self._used
        self._used += -(-size // self.ALIGNMENT) * self.ALIGNMENT
        return array
