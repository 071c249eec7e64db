"""How far a long command has come, and how long it will take, on a stream of text."""

import sys
import weakref
from collections.abc import Iterable

from tqdm import tqdm


__all__ = ["Progress", "wipe"]


#: Seconds between two lines where the stream is no terminal, and between two bars where it is.
_LINE_S, _BAR_S = 30.0, 0.1

#: Bars that are drawn now.
_drawn = weakref.WeakSet()


class Progress:
    """Announce the steps of a command, with a bar inside each.

    On a terminal the bar is redrawn in place and wiped at its end; elsewhere it is a plain line every half
    minute.

    Parameters
    ----------
    stream : text file
        Where to write; standard error unless given.
    """

    def __init__(self, stream=None):
        self.stream = sys.stderr if stream is None else stream

    def step(self, name: str):
        """Write a line such as ``train ...`` as a step begins."""
        _Bar.write(f"{name} ...", file=self.stream)

    def say(self, text: str):
        """Write a line under the step that is running."""
        _Bar.write(f"  {text}", file=self.stream)

    def bar(self, items: Iterable, total: int | None = None):
        """Yield each of ``items``, of which there are ``total`` (``len(items)`` unless given)."""
        bar = _Bar(items, total=total, file=self.stream, leave=False, miniters=1,
                   delay=_BAR_S if self.stream.isatty() else _LINE_S)
        bar.mininterval = bar.delay
        _drawn.add(bar)
        return bar


def wipe():
    """Wipe the bars of work that was left, so that a message can take their line."""
    for bar in list(_drawn):
        bar.close()


class _Bar(tqdm):
    monitor_interval = 0 # no thread beside

    def __init__(self, *args, file, **options):
        bar = "|{bar:30}| " if file.isatty() else ""
        super().__init__(*args, file=file, bar_format=f"  {{percentage:3.0f}} % {bar}{{remaining}} left",
                         **options)

    def display(self, msg=None, pos=None):
        if self.fp.isatty():
            return super().display(msg, pos)
        if msg != "": # a line stays, so there is nothing to wipe
            self.fp.write(f"{self}\n")
            self.fp.flush()
