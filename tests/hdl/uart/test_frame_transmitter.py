# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.uart.frame_transmitter import FrameTransmitter
from hdl.uart.frames import ESCAPE, FLAG, INVERTED
from host import frames
from sim.component import transfer


@pytest.mark.parametrize("duty", [1.0, 0.4])
def test_frames(duty):
    """Frames are what the host takes for these, byte by byte."""
    rng  = random.Random(0)
    sent = [b"\x7e", b"\x7d\x7e\x5e", b"123456789",
            *(rng.randbytes(rng.randrange(1, 40)) for _ in range(20))]
    line = b"".join(map(frames.encode, sent))
    words = [byte | (place == len(frame) - 1) << 8 for frame in sent for place, byte in enumerate(frame)]
    passed = transfer(FrameTransmitter(), {"i": words}, {"o": len(line)}, duty=duty)
    assert bytes(passed["o"].words) == line


def test_the_host_has_the_same_numbers():
    assert (frames.FLAG, frames.ESCAPE, frames.INVERTED) == (FLAG, ESCAPE, INVERTED)


def test_check_sequence():
    """The check value of the catalogue of CRC algorithms (CRC-32/ISO-HDLC) is that of the host."""
    assert frames.encode(b"123456789")[10:-1] == 0xCBF43926.to_bytes(4, "little")
