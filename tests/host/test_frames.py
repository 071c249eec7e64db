"""Frames beside hdl/uart, whose tests hold both to each other."""

import random

from host.frames import Deframer, encode


def test_frames_in_pieces():
    rng  = random.Random(0)
    sent = [b"\x7e", b"\x7d\x7e", *(rng.randbytes(rng.randrange(1, 300)) for _ in range(50))]
    line = b"".join(map(encode, sent))
    deframer, came = Deframer(), []
    while line:
        size = rng.randrange(1, 100)
        came, line = came + deframer.feed(line[:size]), line[size:]
    assert came == sent and deframer.bad == 0


def test_what_is_no_frame():
    deframer = Deframer()
    assert deframer.feed(b"\x7e\x7e\x7e") == [] and deframer.bad == 0
    assert deframer.feed(b"abc\x7e\x01\x7d\x7e" + b"\x00\x00\x00\x00\x7e") == []
    assert (deframer.bad, deframer.bytes) == (3, 15)
    assert deframer.feed(encode(b"right")) == [b"right"]
