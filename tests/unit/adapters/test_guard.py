from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from semwatchd.adapters.mes.guard import Guard, GuardSettings
from semwatchd.core.errors import BreakerOpenError, PermanentRejection, TransientError
from semwatchd.core.ports import Event
from tests.deliveries import an_event
from tests.fakes import FakeClock, RecordingMes


class NoWaiting(threading.Event):
    """A stop signal whose waiting takes no time and is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


class Bench:
    """A guard, its receiver and everything that can be seen of them."""

    def __init__(self, answer: Callable[[Event], object], **settings: float) -> None:
        self.mes = RecordingMes(answer)
        self.clock = FakeClock(100.0)
        self.stop = NoWaiting()
        self.states: list[str] = []
        self.guard = Guard(
            self.mes,
            GuardSettings.model_validate(settings),
            on_breaker=self.states.append,
            stop=self.stop,
            clock=self.clock,
        )

    def send(self, times: int = 1) -> list[str]:
        return [self._send() for _ in range(times)]

    def _send(self) -> str:
        try:
            self.guard.send(an_event(1))
        except (TransientError, PermanentRejection) as error:
            return type(error).__name__
        return "accepted"


def failing(error: Exception, times: int = 10**9) -> Callable[[Event], object]:
    left = [times]

    def answer(_: Event) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise error

    return answer


DOWN = TransientError("down")


def test_a_hiccup_is_tried_again_at_once() -> None:
    bench = Bench(failing(DOWN, times=2))
    assert bench.send() == ["accepted"]
    assert len(bench.mes.sent) == 3
    assert len(bench.stop.waits) == 2
    assert all(0 < wait <= 2.0 for wait in bench.stop.waits)


def test_after_its_tries_the_event_goes_back_with_its_own_error() -> None:
    bench = Bench(failing(DOWN))
    with pytest.raises(TransientError, match="down"):
        bench.guard.send(an_event(1))
    assert len(bench.mes.sent) == 3


def test_a_refusal_is_not_tried_again_and_never_opens_the_breaker() -> None:
    bench = Bench(failing(PermanentRejection("no such lot")), fail_max=2)
    assert bench.send(20) == ["PermanentRejection"] * 20
    assert len(bench.mes.sent) == 20
    assert bench.states == []


def test_a_receiver_that_names_its_time_is_not_pressed() -> None:
    bench = Bench(failing(TransientError("busy", retry_after_s=60.0)))
    with pytest.raises(TransientError) as caught:
        bench.guard.send(an_event(1))
    assert caught.value.retry_after_s == 60.0
    assert len(bench.mes.sent) == 1


def test_a_dead_receiver_is_left_alone() -> None:
    bench = Bench(failing(DOWN), fail_max=5, tries=3)
    # Five tries open the breaker: three of the first event, two of the second.
    assert bench.send(4) == ["TransientError", "TransientError", "BreakerOpenError", "BreakerOpenError"]
    assert len(bench.mes.sent) == 5
    assert bench.states == ["open"]


def test_an_open_breaker_says_when_it_will_be_tried() -> None:
    bench = Bench(failing(DOWN), fail_max=1, reset_s=30)
    bench.send()
    bench.clock.advance(12.0)
    with pytest.raises(BreakerOpenError) as caught:
        bench.guard.send(an_event(1))
    assert caught.value.retry_after_s == pytest.approx(18.0)


def test_a_trial_that_fails_opens_it_again_with_one_call_and_the_events_own_error() -> None:
    bench = Bench(failing(DOWN), fail_max=1, reset_s=30)
    bench.send()
    bench.clock.advance(30.0)
    assert bench.send(2) == ["TransientError", "BreakerOpenError"]
    assert len(bench.mes.sent) == 2
    assert bench.states == ["open", "half-open", "open"]


def test_two_good_trials_close_it() -> None:
    bench = Bench(failing(DOWN, times=1), fail_max=1, reset_s=30, success_threshold=2)
    bench.send()
    bench.clock.advance(30.0)
    assert bench.send(2) == ["accepted", "accepted"]
    assert bench.states == ["open", "half-open", "closed"]


def test_stopping_ends_the_tries() -> None:
    bench = Bench(failing(DOWN))
    bench.stop.set()
    assert bench.send() == ["TransientError"]
    assert len(bench.mes.sent) == 1


def test_an_unforeseen_error_comes_through_untouched_and_opens_nothing() -> None:
    bench = Bench(failing(KeyError("lot")), fail_max=1)
    for _ in range(3):
        with pytest.raises(KeyError):
            bench.guard.send(an_event(1))
    assert bench.states == []
