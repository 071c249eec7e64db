"""A board as its host sees it: what the hardware does with frames, written once more."""

import random
import struct
from collections import deque

from host.frames import Deframer, encode


HEAD = struct.Struct("<BBHI")


class Clock:
    """Time that passes only where something waits."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


class Board:
    """A port with a board behind it, whose results are ``factor`` bytes for each byte of pixels.

    ``hits`` of the bytes of the line, either way, are lost, doubled or changed.
    """

    ROOM, RATE, QUEUE = 2048, 300_000, 4 # bytes, bytes per second, requests

    def __init__(self, clock, registers, *, hits=0.0, seed=1, factor=0.4):
        self.clock, self.registers, self.hits, self.factor = clock, registers, hits, factor
        self.random   = random.Random(seed)
        self.frames   = Deframer()
        self.arriving = deque() # bytes on their way to the board, with their times
        self.leaving  = deque()
        self.free_in  = self.free_out = 0.0
        self.resets   = 0
        self.reset()

    def reset(self):
        self.pixels, self.results = bytearray(), bytearray()
        self.first, self.next, self.bad = 0, 0, 0

    def _hit(self, line):
        for byte in line:
            if self.random.random() < self.hits:
                kind = self.random.randrange(3)
                yield from ((), (byte, byte), (byte ^ 1 << self.random.randrange(8),))[kind]
            else:
                yield byte

    def write(self, line):
        self.free_in = max(self.free_in, self.clock.now)
        for byte in self._hit(line):
            self.free_in += 1 / self.RATE
            self.arriving.append((self.free_in, byte))

    def read(self, seconds):
        until = self.clock.now + seconds
        while True:
            came = bytearray()
            while self.leaving and self.leaving[0][0] <= self.clock.now:
                came.append(self.leaving.popleft()[1])
            if came or self.clock.now >= until:
                return bytes(came)
            # To the next byte of either direction.
            times = [line[0][0] for line in (self.arriving, self.leaving) if line]
            self.clock.now = max(self.clock.now + 1e-6, min([until, *times]))
            while self.arriving and self.arriving[0][0] <= self.clock.now:
                self._take(self.arriving.popleft()[1])

    def _take(self, byte):
        bad = self.frames.bad
        for frame in self.frames.feed(bytes([byte])):
            self._answer(frame)
        if self.frames.bad > bad:
            self.bad += 1
            self._send(HEAD.pack(0xFF, 0, 0, 0))

    def _send(self, frame):
        self.free_out = max(self.free_out, self.clock.now)
        for byte in self._hit(encode(frame)):
            self.free_out += 1 / self.RATE
            self.leaving.append((self.free_out, byte))

    def _answer(self, frame):
        kind, tag, place, value = HEAD.unpack(frame[:8])
        if kind == 5:
            self.resets += 1
            self.reset()
        elif kind in (3, 4):
            known = place in self.registers
            if known and kind == 4:
                self.registers[place] = value
            value = self.registers.get(place, 0) if kind == 3 else value
            kind |= 0 if known else 0x40
        else:
            if place == len(self.pixels) % 65536:
                self.pixels += frame[8:]
                whole = int(self.factor * len(self.pixels))
                self.results += bytes(pixel ^ 0x5A for pixel in self.pixels[len(self.results):whole])
            self.first += (value - self.first) % 65536
            assert self.first <= self.next
            if kind == 2:
                self.next = self.first
            part = bytes(self.results[self.next:self.next + (value >> 16)])
            place, value = len(self.pixels) % 65536, self.next % 65536 | self.bad % 65536 << 16
            self.next += len(part)
            return self._send(HEAD.pack(kind | 0x80, tag, place, value) + part)
        self._send(HEAD.pack(kind | 0x80, tag, place, value))
