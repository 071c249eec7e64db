import io

from gen.progress import Steps


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self, step_s):
        self.step_s, self.now_s = step_s, 0.0

    def __call__(self):
        self.now_s += self.step_s
        return self.now_s


def test_steps_are_numbered():
    stream = io.StringIO()
    steps = Steps(2, stream=stream)
    steps.step("train")
    steps.step("test")
    assert stream.getvalue() == "[1/2] train\n[2/2] test\n"


def test_says_under_a_step():
    stream = io.StringIO()
    steps = Steps(1, stream=stream)
    steps.step("train")
    steps.say("slowly")
    assert stream.getvalue() == "[1/1] train\n  slowly\n"


def test_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    steps = Steps(1, stream=stream, clock=Clock(20))
    assert list(steps.bar(range(6))) == list(range(6))
    assert stream.getvalue() == "   33 %, 1:20 left\n   67 %, 0:40 left\n"


def test_bar_on_a_terminal_is_wiped_at_the_end():
    stream = Terminal()
    assert list(Steps(1, stream=stream, clock=Clock(3600)).bar(iter("ab"), 2)) == ["a", "b"]
    assert stream.getvalue() == ("\r\x1b[K  [" + "#" * 15 + "." * 15 + "]  50 %, 1:00:00 left"
                                 "\r\x1b[K")


def test_short_work_is_silent():
    stream = io.StringIO()
    assert list(Steps(1, stream=stream, clock=Clock(0.01)).bar([1, 2, 3])) == [1, 2, 3]
    assert stream.getvalue() == ""


def test_interrupted_bar_is_wiped_before_the_message():
    stream = Terminal()
    steps = Steps(1, stream=stream, clock=Clock(1))
    bar = steps.bar(range(9))
    next(bar), next(bar)
    steps.clear()
    stream.write("interrupted\n")
    bar.close()
    assert stream.getvalue().endswith("left\r\x1b[Kinterrupted\n")
