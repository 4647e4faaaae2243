from __future__ import annotations

import time

from semwatchd.engine.opening import LEAST_EFFORT, LONGEST_S, Opening, effort
from tests.fakes import FakeClock
from tests.fakes_lifecycle import RecordingManager


class Start:
    """A start of which the test says how much it has done."""

    def __init__(self) -> None:
        self.done = 0.0
        self.clock = FakeClock(0.0)
        self.manager = RecordingManager()
        self.opening = Opening(self.manager, lambda: self.done, self.clock)

    def asked_after(self, work: float) -> bool:
        self.manager.said.clear()
        self.done += work
        self.opening.turn()
        return self.manager.said == ["extend 600"]


def test_a_start_has_its_time_at_once() -> None:
    assert Start().manager.said == ["extend 600"]


def test_a_start_that_works_gets_more_time_and_one_that_stands_still_does_not() -> None:
    start = Start()
    assert start.asked_after(LEAST_EFFORT)
    assert not start.asked_after(0.01)
    assert not start.asked_after(0.0)
    assert start.asked_after(5.0)


def test_a_start_that_never_ends_is_given_up() -> None:
    start = Start()
    start.clock.advance(LONGEST_S - 1)
    assert start.asked_after(5.0)
    start.clock.advance(1)
    assert not start.asked_after(5.0)


def test_processor_time_is_effort_and_waiting_is_none() -> None:
    before = effort()
    end = time.thread_time() + LEAST_EFFORT
    while time.thread_time() < end:
        pass
    assert effort() - before >= LEAST_EFFORT
