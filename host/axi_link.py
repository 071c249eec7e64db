"""Requests to an accelerator on AXI: its registers, and packets that a DMA engine moves."""

import time
from collections.abc import Iterator

from host.link import LinkError, NoAnswer
from host.settings import reseeding


__all__ = ["AxiLink"]


#: Seconds in which a packet has to come or go.
_WAIT_S = 2.0


class AxiLink:
    """The side of the host, as :class:`host.link.Link` is for a serial line.

    Parameters
    ----------
    registers : object
        ``read(address)`` and ``write(address, value)`` of the registers, as ``pynq.MMIO`` has them.
    dma : object
        ``sendchannel`` and ``recvchannel``, each with ``transfer(buffer)``, ``idle``, ``error`` and
        ``wait()``, as ``pynq.lib.dma.DMA`` has them.
    allocate : callable
        Returns an array of bytes of a shape that the engine reads and writes, as ``pynq.allocate``.
    bus : dict
        What the manifest says of the bus.
    image, result : int
        Bytes of a packet of pixels, and of a result.

    Attributes
    ----------
    counts : dict
        Empty: nothing is lost here.
    """

    def __init__(self, registers, dma, allocate, bus: dict, *, image: int, result: int):
        self.counts     = {}
        self._registers = registers
        self._dma       = dma
        self._bus       = {register["name"]: register for register in bus["registers"]}
        self._seeds     = bus["seeds"]
        # One is sent while the next one is written.
        self._images    = [allocate((image,), "u1") for _ in range(2)]
        self._result    = allocate((result,), "u1")

    def read(self, address: int) -> int:
        """Return what the register at ``address`` says."""
        return int(self._registers.read(address))

    def write(self, address: int, value: int):
        """Write to the register at ``address``."""
        self._registers.write(address, value)

    def reset(self):
        """Make registers and random sources as after a reset, but for what is counted and for alarms."""
        if self.read(self._bus["STATUS"]["address"]) & 1:
            raise LinkError("an image is on its way that none has waited for; load its bitstream again")
        for register in self._bus.values():
            if register["access"].startswith("read, write"):
                clears = register["access"] != "read, write"
                self.write(register["address"], 2**32 - 1 if clears else register["value"])
        for name, value in reseeding(self._seeds):
            self.write(self._bus[name]["address"], value)

    def exchange(self, pixels: bytes, size: int) -> Iterator[bytes]:
        """Send ``pixels``, of whole images, and yield the ``size`` bytes of results that they cause, image
        by image. While a result is waited for, the next image is sent."""
        send, receive = self._dma.sendchannel, self._dma.recvchannel
        image  = len(self._images[0])
        count  = len(pixels) // image
        if count * len(self._result) != size:
            raise LinkError(f"{count} images have {count * len(self._result)} bytes of results, not {size}")
        sent = received = 0
        try:
            while received < count:
                receive.transfer(self._result)
                while sent < min(received + 2, count):
                    buffer = self._images[sent % 2]
                    buffer[:] = memoryview(pixels)[sent * image:(sent + 1) * image]
                    if sent:
                        self._wait(send)
                    send.transfer(buffer)
                    sent += 1
                self._wait(receive)
                received += 1
                yield bytes(self._result)
        finally:
            # Whoever stops before the end leaves nothing on its way.
            for _ in range(sent - received):
                if receive.idle:
                    receive.transfer(self._result)
                self._wait(receive)

    def _wait(self, channel):
        """Wait until the transfer of ``channel`` is complete."""
        deadline = time.monotonic() + _WAIT_S
        while not (channel.idle or channel.error):
            if time.monotonic() > deadline:
                raise NoAnswer
        try:
            channel.wait() # for caches, and to say what the error is
        except RuntimeError as error:
            raise LinkError(str(error)) from None
