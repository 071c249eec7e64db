"""Requests to a board and its answers over a line that may lose, double and change bytes.

What is asked for and answered is described in ``hdl/uart/requests.py`` and ``hdl/uart/answers.py``. The
board takes each byte of pixels once and in order, whatever is sent again, and keeps each byte of results
until it is told that it has arrived. So this side is free to ask again, and it does when an answer is
wrong or late: it has no other way to know that something was lost.
"""

import struct
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from host.frames import Deframer, encode


__all__ = ["Link", "LinkError", "NoAnswer"]


#: Kinds of requests; of an answer, ANSWER is added, and REFUSED where there is no such register.
EXCHANGE, AGAIN, READ, WRITE, RESET = range(1, 6)
ANSWER, REFUSED = 0x80, 0x40
NACK = 0xFF

#: The head of a request and of an answer: kind, tag, place, value.
_HEAD = struct.Struct("<BBHI")

#: Places are numbers of bytes modulo this.
_PLACES = 1 << 16

#: Bytes of pixels in a request at most and at least, and of results in an answer; where frames are lost,
#: fewer.
_MOST, _LEAST = 256, 24

#: Requests that wait for their answer at once, where no frame was lost lately, and where some were; and
#: those among them without pixels.
_AHEAD, _AHEAD_LOST, _POLLS = 6, 4, 2

#: Seconds without any answer before all is asked again: at first; and at least and at most, as parts of
#: that.
_FIRST_S, _SHORTEST, _LONGEST = 0.25, 0.08, 16

#: Times in a row that nothing is answered before the board counts as gone.
_TRIES = 10


class LinkError(Exception):
    """The line works, and says what must not be."""


class NoAnswer(Exception):
    """Nothing comes from the other end."""


@dataclass(slots=True)
class _Request:
    """A request that waits for its answer."""

    tag: int
    begin: int     #: Place of its first byte of pixels, since the reset.
    end: int       #: That behind the last one.
    again: bool    #: Whether it asks for results again.
    when: float
    stale: bool = False #: Pixels before its own were lost, so that its own are not taken.


class Link:
    """The side of the host.

    Parameters
    ----------
    port : object
        ``write(bytes)``, and ``read(seconds)``, which returns all bytes that have come, or waits for some.
    room : int
        Bytes of pixels that the board keeps.
    first_s : float
        Seconds that the first answer may take.

    Attributes
    ----------
    sent : int
        Bytes that were written.
    again : int
        Requests that were made again, and gaps in the results.
    bad : int
        Frames that have come wrong to the board by its last answer, or were too many for it; those that
        have come wrong here are ``frames.bad``.
    """

    def __init__(self, port, room: int, first_s: float = _FIRST_S):
        self.port, self.room = port, room
        self.frames = Deframer()
        self.sent   = 0
        self.again  = 0
        self.bad    = 0
        self._board = 0 # of these, by the count of the board, which begins with the reset
        self._taken, self._come = 0, 0 # bytes of pixels that were taken, and of results, since the reset
        self._tag     = 0
        self._first_s = self._wait_s = first_s
        self._most    = _MOST

    @property
    def counts(self) -> dict[str, int]:
        """What has gone over the line; see :attr:`host.accelerator.Accelerator.line`."""
        return {"sent": self.sent, "received": self.frames.bytes, "again": self.again,
                "bad_there": self.bad, "bad_here": self.frames.bad}

    def reset(self):
        """Reset the accelerator; images begin anew, with the first random bits."""
        self._ask(RESET)
        self._taken = self._come = self._board = 0

    def read(self, address: int) -> int:
        """Return what the register at ``address`` says."""
        return self._ask(READ, address)

    def write(self, address: int, value: int):
        """Write to the register at ``address``."""
        self._ask(WRITE, address, value)

    def _ask(self, kind, place=0, value=0):
        """Ask until there is an answer, and return its value; nothing else is on its way."""
        for _ in range(_TRIES):
            tag = self._send(kind, place, value)
            deadline = time.monotonic() + self._wait_s
            found = None
            while found is None and (left := deadline - time.monotonic()) > 0:
                for found, tag_found, _, value_found, _ in self._heads(self.port.read(left)):
                    if found & ~REFUSED == kind | ANSWER and tag_found == tag:
                        if found & REFUSED:
                            raise LinkError(f"there is no register at 0x{place:02X}, or none to write")
                        return value_found
                    found = found if found == NACK else None
            self.again += 1
        raise NoAnswer

    def _send(self, kind, place=0, value=0, pixels=b""):
        self._tag = self._tag % 255 + 1
        line = encode(_HEAD.pack(kind, self._tag, place % _PLACES, value) + pixels)
        self.port.write(line)
        self.sent += len(line)
        return self._tag

    def exchange(self, pixels: bytes, size: int) -> Iterator[bytes]:
        """Send ``pixels``, and yield the ``size`` bytes of results that they cause, in pieces as they come.

        Raises
        ------
        NoAnswer
            If nothing comes any more.
        """
        start, end  = self._taken, self._taken + len(pixels)
        sent, until = start, self._come + size
        waiting     = deque()
        gap         = False # results are missing, and are to be asked for again
        silences    = 0
        deadline    = time.monotonic() + self._wait_s
        while self._come < until or self._taken < end:
            # Of all that is on its way behind a lost request, nothing is taken.
            while len(waiting) < (_AHEAD if self._most == _MOST else _AHEAD_LOST):
                part = pixels[sent - start:sent - start + self._most]
                if sent + len(part) - self._taken > self.room:
                    part = b""
                polls = sum(request.begin == request.end for request in waiting)
                if not part and polls >= _POLLS and self._most == _MOST:
                    break
                # Both directions have as many bits: where both are busy, answers are the shorter ones.
                wanted = self._most // 2 if part else self._most
                value  = self._come % _PLACES | wanted << 16
                tag    = self._send(AGAIN if gap else EXCHANGE, sent, value, part)
                waiting.append(_Request(tag, sent, sent + len(part), gap, time.monotonic()))
                sent, gap = sent + len(part), False

            line = self.port.read(max(0.0, deadline - time.monotonic()))
            now  = time.monotonic()
            for kind, tag, place, value, results in self._heads(line):
                lost, found = _match(waiting, kind, tag)
                if not lost and found is None:
                    continue
                silences = 0
                back     = None # from where on pixels are sent again
                missing  = False
                if found is None: # a frame came wrong to the board
                    [request] = lost
                    if request.begin < request.end and not request.stale:
                        back = request.begin
                else:
                    self._wait_s = min(max(self._first_s * _SHORTEST, 0.8 * self._wait_s,
                                           4 * (now - found.when)), self._first_s * _LONGEST)
                    self._taken += (place - self._taken) % _PLACES
                    self.bad, self._board = (count + ((value >> 16) - self._board) % _PLACES
                                             for count in (self.bad, self._board))
                    if self._taken < found.end and not found.stale:
                        back = self._taken
                    if value % _PLACES == self._come % _PLACES:
                        self._come += len(results)
                        if results:
                            yield results
                    elif not gap and not any(request.again for request in waiting):
                        gap = missing = True
                deadline = now + self._wait_s
                if back is not None:
                    sent = back
                    for request in waiting:
                        request.stale = True
                sent = max(sent, self._taken)
                if lost or missing or back is not None:
                    self.again += 1
                    self._most  = max(_LEAST, int(0.7 * self._most))
                else:
                    self._most  = min(_MOST, self._most + 8)

            if now >= deadline:
                silences += 1
                if silences == _TRIES:
                    raise NoAnswer
                self.again  += len(waiting)
                waiting.clear()
                sent, gap    = self._taken, True
                self._wait_s = min(2 * self._wait_s, self._first_s * _LONGEST)
                deadline     = now + self._wait_s

    def _heads(self, line):
        """Yield the answers that end in the bytes ``line``: kind, tag, place, value, and bytes behind
        them."""
        for frame in self.frames.feed(line):
            if len(frame) >= _HEAD.size:
                yield *_HEAD.unpack(frame[:_HEAD.size]), frame[_HEAD.size:]


def _match(waiting, kind, tag):
    """Take the request from ``waiting`` that an answer is for, and those before it, as answers come in
    order.

    Returned are the requests that are lost, and the one that is answered or None. A NACK does not say whose
    it is: that of the first one, unless an answer is lost too, which then shows by the next.
    """
    if kind == NACK and waiting:
        return [waiting.popleft()], None
    if kind not in (EXCHANGE | ANSWER, AGAIN | ANSWER) or all(request.tag != tag for request in waiting):
        return [], None
    lost = []
    while (request := waiting.popleft()).tag != tag:
        lost.append(request)
    return lost, request
