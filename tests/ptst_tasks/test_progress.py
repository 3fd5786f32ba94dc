"""What long work says where nobody sees a bar: a line now and then, and nothing if it is soon over."""

from __future__ import annotations

import io
import threading

from ptst_tasks.progress import Bar, Progress


class Told(io.StringIO):
    """A stream that says when so many lines are in it."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.lines, self.enough = lines, threading.Event()

    def write(self, text: str) -> int:
        done = super().write(text)
        if self.getvalue().count("\n") >= self.lines:
            self.enough.set()
        return done


def test_a_log_gets_lines_with_what_how_far_and_the_time_left() -> None:
    stream = Told(2)
    bar = Bar(unit="prompts", first=0.01, every=0.01, stream=stream, terminal=False)
    bar.start("measuring", 1000)
    bar.label("chat_vanilla-s0")
    bar.advance(250)
    assert stream.enough.wait(60)  # no step ends meanwhile, and lines come all the same
    bar.advance(750)
    bar.done()
    first, *_, last = stream.getvalue().splitlines()
    assert first.startswith("measuring (chat_vanilla-s0): 250/1,000 prompts in 0 s, about ")
    assert first.endswith(" left")
    assert last.startswith("measuring: 1,000/1,000 prompts in ")
    after = stream.getvalue()
    bar.done()
    assert stream.getvalue() == after


def test_what_is_soon_over_says_nothing() -> None:
    stream = io.StringIO()
    bar = Bar(first=3600, stream=stream, terminal=False)
    for _ in range(2):
        bar.start("training adapters", 1)
        bar.advance(1)
        bar.done()
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_and_a_closed_log_ends_nothing() -> None:
    stream = io.StringIO()
    bar = Bar(stream=stream, terminal=True)
    bar.start("measuring", 2)
    bar.label("one")
    bar.advance(2)
    bar.done()
    assert "2/2" in stream.getvalue()
    closed = Told(1)
    bar = Bar(first=0.01, every=0.01, stream=closed, terminal=False)
    bar.start("measuring", 2)
    assert closed.enough.wait(60)
    closed.close()
    bar.done()
    silent = Progress()
    silent.start("x", 1)
    silent.done()
