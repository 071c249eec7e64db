"""Requests and answers over a line that hits bytes, with a board that is written in Python."""

import random

import pytest

import host.link
from host.link import Link, LinkError, NoAnswer
from tests.host.board import Board, Clock


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(host.link, "time", clock)
    return clock


def exchange(link, pixels, size):
    return b"".join(link.exchange(pixels, size))


@pytest.mark.parametrize("hits, seed", [(0.0, 1), *((0.01, seed) for seed in range(4)), (0.03, 1)])
def test_nothing_is_lost_or_shifted(clock, hits, seed):
    """Whatever bytes are hit: the board has all pixels, and the host all results, in order; also where
    places have begun anew, and in a second exchange."""
    board  = Board(clock, {}, hits=hits, seed=seed)
    link   = Link(board, board.ROOM)
    rng    = random.Random(seed)
    pixels = rng.randbytes(10_000 if hits else 80_000)
    half   = len(pixels) // 2
    link.reset()
    came   = exchange(link, pixels[:half], int(0.4 * half))
    came  += exchange(link, pixels[half:], int(0.4 * len(pixels)) - int(0.4 * half))
    assert bytes(board.pixels) == pixels
    assert came == bytes(pixel ^ 0x5A for pixel in pixels[:int(0.4 * len(pixels))])
    assert (link.again > 0) == (link.bad > 0) == (link.frames.bad > 0) == (hits > 0)
    # The last ones of the board are told with no answer any more.
    assert 0 <= board.bad - link.bad <= 10


def test_the_line_is_saturated(clock):
    """Without hits the line to the board never waits: pixels take 94 % of its bytes, with flags and
    heads."""
    board  = Board(clock, {}, factor=320 / 784)
    link   = Link(board, board.ROOM)
    pixels = bytes(10 * 784) # none of them is escaped
    link.reset()
    start  = clock.now
    exchange(link, pixels, 10 * 320)
    assert len(pixels) / (clock.now - start) > 0.93 * board.RATE


def test_registers(clock):
    board = Board(clock, {0x14: 7}, hits=0.01)
    link  = Link(board, board.ROOM)
    for value in range(50):
        link.write(0x14, value)
        assert link.read(0x14) == value
    with pytest.raises(LinkError, match="^there is no register at 0x18, or none to write$"):
        link.read(0x18)


def test_no_answer(clock):
    """Nothing at all, or nothing any more: it is said, and after seconds."""
    board = Board(clock, {})
    link  = Link(board, board.ROOM)
    link.reset()
    board.hits = 1.0
    board._hit = lambda line: iter(())
    with pytest.raises(NoAnswer):
        link.read(0)
    assert clock.now < 30
    with pytest.raises(NoAnswer):
        exchange(link, bytes(1000), 400)
    assert clock.now < 60
