"""The depth process is heard, ended when it hangs, and started anew with growing patience."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe

import pytest

from semwatchd.engine.depth_child import (
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    START_LIMIT_S,
    DepthChild,
    DepthKeeper,
    Ended,
    Heard,
)
from semwatchd.engine.messages import Answered, Ask, DepthReady, Sick
from semwatchd.engine.wakeup import Wakeup
from tests.fakes import FakeClock

READY = DepthReady(about={"device": "cpu"})
NOTHING = Answered(answers=(), rss_bytes=1, cpu_s=0.0)
DEADLINE_S = 60.0


class FakeChild:
    def __init__(self) -> None:
        self.pipe, self.other_end = Pipe()
        self.dumped = self.ended = False

    def stacks(self) -> str:
        return "Thread 1: in conv2d" if self.dumped else ""

    def dump(self) -> None:
        self.dumped = True

    def end(self) -> str:
        self.ended = True
        self.pipe.close()
        return "signal SIGKILL"


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock(0.0)
        self.children: list[FakeChild] = []
        self.no_memory = False
        self.keeper = DepthKeeper(self._start, DEADLINE_S, self.clock)
        self.wakeup = Wakeup()

    def _start(self) -> DepthChild:
        if self.no_memory:
            raise BlockingIOError
        self.children.append(FakeChild())
        return self.children[-1]

    @property
    def there(self) -> Connection:
        return self.children[-1].other_end

    def hear(self, said: object = None) -> Heard | None:
        if said is not None:
            self.there.send(said)
        return self.keeper.hear(0.0, self.wakeup)

    def until_ready(self) -> None:
        self.hear()
        assert self.hear(READY) == READY


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.keeper.close()
    made.wakeup.close()
    assert all(child.ended for child in made.children)


def test_it_is_ready_asked_and_free_again(bench: Bench) -> None:
    assert not bench.keeper.ready
    bench.until_ready()
    assert bench.keeper.free
    bench.keeper.ask(Ask(questions=()))
    assert bench.there.recv() == Ask(questions=())
    assert (bench.keeper.ready, bench.keeper.free) == (True, False)
    assert bench.hear() is None
    assert bench.hear(NOTHING) == NOTHING
    assert bench.keeper.free


def test_a_hung_one_says_where_it_is_before_it_is_ended(bench: Bench) -> None:
    bench.until_ready()
    bench.keeper.ask(Ask(questions=()))
    bench.clock.advance(DEADLINE_S)
    assert bench.hear() is None
    bench.clock.advance(1.0)
    assert bench.hear() == Ended("no answer within 60 s: Thread 1: in conv2d", was_ready=True)
    assert not bench.keeper.ready


def test_one_that_never_gets_ready_is_ended_too(bench: Bench) -> None:
    bench.hear()
    bench.clock.advance(START_LIMIT_S + 1)
    ended = bench.hear()
    assert isinstance(ended, Ended)
    assert not ended.was_ready


def test_one_that_rests_is_left_alone(bench: Bench) -> None:
    bench.until_ready()
    bench.clock.advance(1e6)
    assert bench.hear() is None
    assert bench.keeper.free


def test_a_death_is_heard_at_once_and_the_first_is_made_good_at_once(bench: Bench) -> None:
    bench.until_ready()
    bench.there.close()
    assert bench.hear() == Ended("signal SIGKILL", was_ready=True)
    bench.hear()
    assert len(bench.children) == 2


def test_one_that_is_of_no_use_is_started_anew_with_growing_patience(bench: Bench) -> None:
    for _ in range(2):  # the first is made good at once
        bench.hear()
        bench.hear(Sick(reason="no CUDA"))
    for number, delay_s in enumerate((FIRST_DELAY_S, 2 * FIRST_DELAY_S, 4 * FIRST_DELAY_S), 2):
        bench.clock.advance(delay_s - 0.01)
        bench.hear()
        assert len(bench.children) == number
        bench.clock.advance(0.01)
        bench.hear()
        assert len(bench.children) == number + 1
        assert isinstance(bench.hear(Sick(reason="no CUDA")), Sick)
    for _ in range(20):
        bench.clock.advance(LONGEST_DELAY_S)
        bench.hear()
        bench.hear(Sick(reason="no CUDA"))
    assert len(bench.children) == 25


def test_an_answer_ends_the_patience(bench: Bench) -> None:
    for _ in range(3):
        bench.clock.advance(LONGEST_DELAY_S)
        bench.hear()
        bench.hear(Sick(reason="no CUDA"))
    bench.clock.advance(LONGEST_DELAY_S)
    bench.until_ready()
    bench.keeper.ask(Ask(questions=()))
    bench.hear(NOTHING)
    bench.there.close()
    bench.hear()
    bench.hear()
    assert len(bench.children) == 5


def test_a_machine_without_memory_for_it_is_asked_again(bench: Bench) -> None:
    bench.no_memory = True
    assert bench.hear() is None
    bench.no_memory = False
    bench.clock.advance(FIRST_DELAY_S)
    bench.until_ready()


def test_a_ring_ends_the_wait(bench: Bench) -> None:
    bench.until_ready()
    bench.wakeup.ring()
    assert bench.keeper.hear(60.0, bench.wakeup) is None
