"""How frames of bytes are told apart and checked on a line: PPP in HDLC-like framing (RFC 1662)."""

from amaranth.lib.crc.catalog import CRC32_ISO_HDLC


__all__ = ["CHECK_BYTES", "ESCAPE", "FLAG", "INVERTED", "check_sequence"]


#: What stands before and behind each frame, and nowhere inside; what stands before a byte of a frame that
#: would be one of both; and the bits of that byte that are inverted.
FLAG, ESCAPE, INVERTED = 0x7E, 0x7D, 0x20

#: Bytes of the frame check sequence, the lowest first.
CHECK_BYTES = 4


def check_sequence():
    """A component that computes the frame check sequence of a frame, byte by byte: 32 bits (RFC 1662,
    C.3)."""
    return CRC32_ISO_HDLC(data_width=8).create()
