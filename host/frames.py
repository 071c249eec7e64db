"""Frames of a serial line: HDLC-like framing (RFC 1662) with a frame check sequence of 32 bits.

The other end is ``hdl/uart/frames.py``. Its numbers are here again, as nothing of a generator is needed
where a board is used.
"""

import zlib


__all__ = ["Deframer", "encode"]


FLAG, ESCAPE, INVERTED = 0x7E, 0x7D, 0x20

_FLAG     = bytes([FLAG])
_ESCAPES  = {bytes([byte]): bytes([ESCAPE, byte ^ INVERTED]) for byte in (ESCAPE, FLAG)}
_CHECKED  = 4 #: Bytes of the frame check sequence, the lowest first.


def encode(frame: bytes) -> bytes:
    """Return the bytes of the line for ``frame``, of one byte or more."""
    frame += zlib.crc32(frame).to_bytes(_CHECKED, "little")
    for byte, escaped in _ESCAPES.items(): # ESCAPE is the first
        frame = frame.replace(byte, escaped)
    return _FLAG + frame + _FLAG


class Deframer:
    """Takes bytes of a line, however they come, and returns frames.

    Attributes
    ----------
    bad, bytes : int
        Frames that were wrong, which are not returned; and bytes that have come.
    """

    def __init__(self):
        self.bad, self.bytes = 0, 0
        self._open = b"" # what has come behind the last flag

    def feed(self, line: bytes) -> list[bytes]:
        """Return the good frames that end in ``line``, in order."""
        self.bytes += len(line)
        *whole, self._open = (self._open + line).split(_FLAG)
        frames = [frame for frame in map(_decode, filter(None, whole)) if frame is not None]
        self.bad += sum(map(bool, whole)) - len(frames)
        return frames


def _decode(escaped):
    """The frame, or None if it is wrong."""
    first, *others = escaped.split(bytes([ESCAPE]))
    if others and not others[-1]:
        return None
    # One that is doubled says what one says.
    frame = first + b"".join(bytes([other[0] ^ INVERTED]) + other[1:] for other in others if other)
    body, check = frame[:-_CHECKED], frame[-_CHECKED:]
    return body if body and zlib.crc32(body).to_bytes(_CHECKED, "little") == check else None
