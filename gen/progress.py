"""Progress of a long command: lines for its steps, and a bar with the time that is left."""

import sys
import weakref
from collections.abc import Iterable

from tqdm import tqdm


__all__ = ["Progress", "wipe"]


#: Seconds between two lines of progress on a stream that is no terminal, and between two updates of a bar
#: on a terminal.
_LINE_S, _BAR_S = 30.0, 0.1

#: Bars that are on the terminal now.
_drawn = weakref.WeakSet()


class Progress:
    """Show the progress of a command: a line when a step begins, and a bar within a step.

    On a terminal a bar is redrawn in place and wiped at its end; on any other stream a plain line is
    written every half minute.

    Parameters
    ----------
    stream : text file
        The stream to write to; standard error unless given.
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
    """Wipe the bars of work that was interrupted, so that a message can take their line."""
    for bar in list(_drawn):
        bar.close()


class _Bar(tqdm):
    monitor_interval = 0 # tqdm starts no thread

    def __init__(self, *args, file, **options):
        bar = "|{bar:30}| " if file.isatty() else ""
        super().__init__(*args, file=file, bar_format=f"  {{percentage:3.0f}} % {bar}{{remaining}} left",
                         **options)

    def display(self, msg=None, pos=None):
        if self.fp.isatty():
            return super().display(msg, pos)
        if msg != "": # tqdm wipes with "", but a line that was written stays
            self.fp.write(f"{self}\n")
            self.fp.flush()
