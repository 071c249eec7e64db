"""Say on a stream of text how far a long command has come, and how long it will take."""

import sys
import time


__all__ = ["Steps"]


#: Seconds between two lines where the stream is no terminal, and between two bars where it is.
_LINE_S, _BAR_S = 30.0, 0.1


class Steps:
    """Announce the numbered steps of a command, with a bar inside each.

    On a terminal the bar is redrawn in place; elsewhere it is a plain line every half minute.

    Parameters
    ----------
    count : int
        Steps in all.
    stream : text file
        Where to write; standard error unless given.
    clock : callable
        Returns seconds.
    """

    def __init__(self, count: int, *, stream=None, clock=time.monotonic):
        self.count = count
        self.done = 0
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        self._drawn = False

    def step(self, name: str):
        """Begin the next step: a line such as ``[2/4] train``."""
        self.clear()
        self.done += 1
        self.stream.write(f"[{self.done}/{self.count}] {name}\n")
        self.stream.flush()

    def say(self, text: str):
        """Write a line under the step that is running."""
        self.clear()
        self.stream.write(f"  {text}\n")
        self.stream.flush()

    def bar(self, items, total: int | None = None):
        """Yield each of ``items``, of which there are ``total`` (``len(items)`` unless given)."""
        total = len(items) if total is None else total
        terminal = self.stream.isatty()
        every = _BAR_S if terminal else _LINE_S
        start = last = self.clock()
        try:
            for index, item in enumerate(items):
                yield item
                now = self.clock()
                if now - last >= every and index + 1 < total:
                    last = now
                    self._draw((index + 1) / total, now - start, terminal)
        finally:
            self.clear()

    def clear(self):
        """Wipe the bar, if there is one, so that a message can take its line."""
        if self._drawn:
            self._drawn = False
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def _draw(self, share, spent, terminal):
        left = f"{100 * share:3.0f} %, {_span(spent * (1 - share) / share)} left"
        if terminal:
            filled = round(30 * share)
            self._drawn = True
            self.stream.write(f"\r\x1b[K  [{'#' * filled}{'.' * (30 - filled)}] {left}")
        else:
            self.stream.write(f"  {left}\n")
        self.stream.flush()


def _span(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
