"""The serial port of a computer, by pyserial."""

import os
from contextlib import suppress

from gen.command import UserError
from gen.tools import install_hint


__all__ = ["HostError", "SerialPort"]


class HostError(UserError):
    """A line or a board that is not as it should be; the message is one line with the way out."""


class SerialPort:
    """An open serial port.

    Parameters
    ----------
    name : str
        Its name, as ``/dev/ttyUSB0`` or ``COM3``.
    baud : int
        Bits per second.

    Raises
    ------
    HostError
        If there is no such port, or it cannot be opened at this rate.
    """

    def __init__(self, name: str, baud: int):
        try:
            import serial
        except ImportError as error:
            raise HostError(f"Package {error.name!r} is not installed; install it with: "
                            f"{install_hint('host')}") from None
        self.name = name
        # The last one comes of a port that is closed elsewhere.
        self._error = serial.SerialException, OSError, TypeError
        try:
            self._port = serial.Serial(name, baud, timeout=0, write_timeout=None, exclusive=True)
        except (serial.SerialException, ValueError) as error:
            raise HostError(f"Port {name} cannot be opened ({_reason(error)}); name that of the board with "
                            f"--port, and see that no other program has it") from None
        # An adapter holds bytes back for 16 ms otherwise, which is slower and no fault. pyserial can ask
        # for less on Linux only, and there is none to ask where the port is a pseudoterminal.
        with suppress(AttributeError, OSError, ValueError, NotImplementedError):
            self._port.set_low_latency_mode(True)
        self._port.reset_input_buffer()

    def write(self, line: bytes):
        """Send ``line``."""
        try:
            self._port.write(line)
        except self._error as error:
            raise self._gone(error) from None

    def read(self, seconds: float) -> bytes:
        """Return all that has come; if nothing has, wait for something at most so many seconds."""
        try:
            self._port.timeout = seconds
            first = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else first
        except self._error as error:
            raise self._gone(error) from None

    def close(self):
        """Close the port."""
        self._port.close()

    def _gone(self, error):
        return HostError(f"Port {self.name} is gone ({_reason(error)}); plug the board in again, and see "
                         "that no other program has the port")


def _reason(error):
    if getattr(error, "errno", None):
        return os.strerror(error.errno)
    return str(error).splitlines()[0]
