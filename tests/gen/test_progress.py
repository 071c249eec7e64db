import io

import pytest

from gen import progress
from gen.progress import Progress, wipe


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Let each look at the time be so many seconds after the last one."""
    def step(seconds):
        now = iter(range(0, 10**9, seconds)).__next__
        monkeypatch.setattr(progress._Bar, "__init__", timed(progress._Bar.__init__, now))

    def timed(init, now):
        def begin(self, *args, **options):
            init(self, *args, **options)
            self._time = now
            self.start_t = self.last_print_t = now()
        return begin
    return step


def test_steps_and_what_is_said_of_them():
    stream = io.StringIO()
    steps = Progress(stream)
    steps.step("train")
    steps.say("slowly")
    steps.step("test")
    assert stream.getvalue() == "train ...\n  slowly\ntest ...\n"


def test_lines_where_there_is_no_terminal(clock):
    clock(20)
    stream = io.StringIO()
    assert list(Progress(stream).bar(range(6))) == list(range(6))
    lines = stream.getvalue().splitlines()
    assert lines and all(line.strip()[-4:] == "left" and " % " in line for line in lines)
    assert "\r" not in stream.getvalue()


def test_bar_on_a_terminal_is_wiped_at_the_end(clock):
    clock(1)
    stream = Terminal()
    assert list(Progress(stream).bar(iter("abcd"), 4)) == list("abcd")
    drawn = stream.getvalue().split("\r")
    assert any("50 % |" in bar and "left" in bar for bar in drawn)
    assert drawn[-2].strip() == drawn[-1] == ""


def test_short_work_is_silent():
    stream = io.StringIO()
    assert list(Progress(stream).bar([1, 2, 3])) == [1, 2, 3]
    assert stream.getvalue() == ""


def test_a_bar_that_was_left_is_wiped_before_a_message(clock):
    clock(1)
    stream = Terminal()
    bar = iter(Progress(stream).bar(range(9)))
    for _ in range(4):
        next(bar)
    assert stream.getvalue().split("\r")[-1].strip()
    wipe()
    assert stream.getvalue().split("\r")[-1] == ""
