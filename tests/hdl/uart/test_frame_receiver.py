# amaranth: UnusedElaboratable=no

import random

from amaranth.sim import Simulator

from hdl.uart.frame_receiver import FrameReceiver
from host.frames import Deframer, encode


def receive(*lines):
    """Frames that come of the bytes of each line, each with whether it is good; a flag ends a line."""
    dut, came = FrameReceiver(), []

    async def bench(ctx):
        for line in lines:
            came.append([])
            frame = bytearray()
            for byte in [*line, 0x7E, *[None] * dut.latency]:
                ctx.set(dut.i.payload, byte or 0)
                ctx.set(dut.i.valid, byte is not None)
                *_, valid, byte, end, good = await ctx.tick().sample(
                    dut.o.valid, dut.o.payload, dut.end, dut.good)
                if valid:
                    frame.append(byte)
                if end:
                    came[-1].append((bytes(frame), good))
                    frame.clear()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return came


def test_frames():
    rng  = random.Random(0)
    sent = [b"\x7e", b"\x7d\x7e\x5e", *(rng.randbytes(rng.randrange(1, 40)) for _ in range(20))]
    [came] = receive(b"\x7e\x7e".join(map(encode, sent)))
    assert [frame[:-4] for frame, _ in came] == sent and all(good for _, good in came)


def test_a_hit_frame_is_wrong_and_the_next_is_right():
    """Whatever byte is lost, doubled or changed, flags among them: what is good is what was sent."""
    rng   = random.Random(1)
    sent  = [bytes([0x7E, number]) + rng.randbytes(5) for number in range(3)]
    line  = b"".join(map(encode, sent))
    cases = []
    for place, byte in enumerate(line):
        for hit in (b"", bytes([byte, byte]), bytes([byte ^ 1 << rng.randrange(8)]), b"\x7e", b"\x7d"):
            cases.append((byte, hit, line[:place] + hit + line[place + 1:]))
    for (byte, hit, changed), frames in zip(cases, receive(*(case[-1] for case in cases)), strict=True):
        came = [frame[:-4] for frame, good in frames if good]
        assert came == Deframer().feed(changed + b"\x7e")
        assert len(came) >= 1 and all(frame in sent for frame in came)
        assert len(came) >= 2 or byte == 0x7E or 0x7E in hit
