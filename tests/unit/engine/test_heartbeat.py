from __future__ import annotations

import itertools

import pytest

from semwatchd.core.ports import Lifecycle
from semwatchd.engine.health import Health, PartHealth
from semwatchd.engine.heartbeat import Heartbeat, Rate, status_line
from tests.fakes import FakeClock, ListLog
from tests.fakes_lifecycle import RecordingManager


class Loops:
    """Loops that turned ``silent_s`` ago."""

    silent_s = 0.0

    def alive(self, limit_s: float) -> bool:
        return self.silent_s < limit_s


def beating(
    manager: Lifecycle, clock: FakeClock, loops: Loops | None = None, log: ListLog | None = None
) -> Heartbeat:
    return Heartbeat(
        manager,
        alive=(loops or Loops()).alive,
        status=lambda: "well",
        clock=clock,
        log=log or ListLog(),
    )


@pytest.mark.parametrize("watchdog_s", [0.5, 2.0, 180.0])
def test_signs_of_life_come_at_least_twice_in_every_limit(watchdog_s: float) -> None:
    manager, clock = RecordingManager(watchdog_s), FakeClock()
    heartbeat = beating(manager, clock)
    given_at: list[float] = []
    for _ in range(2000):
        heartbeat.turn()
        given_at += [clock.now] * (len(manager.said) - len(given_at))
        clock.advance(watchdog_s / 100)
    gaps = [after - before for before, after in itertools.pairwise(given_at)]
    assert max(gaps) < watchdog_s / 2
    assert min(gaps) > watchdog_s / 10, "no need to talk more than that"


def test_no_sign_of_life_while_a_loop_is_stuck_and_it_is_said_once() -> None:
    manager, clock, loops, log = RecordingManager(60.0), FakeClock(), Loops(), ListLog()
    heartbeat = beating(manager, clock, loops, log)
    loops.silent_s = 61.0
    for _ in range(10):
        heartbeat.turn()
        clock.advance(15.0)
    assert manager.said == []
    assert log.events() == ["loop_stuck"]
    loops.silent_s = 0.0
    heartbeat.turn()
    assert manager.said == ["alive"]


def test_nobody_waits_for_signs_of_life_none_are_given() -> None:
    manager, clock = RecordingManager(None), FakeClock()
    heartbeat = beating(manager, clock)
    for _ in range(10):
        heartbeat.turn()
        clock.advance(1.0)
    assert manager.said == []
    assert manager.lines == ["well"] * 2


def test_the_rate_is_that_of_the_last_minute() -> None:
    clock = FakeClock()
    rate = Rate(clock)
    assert rate.per_min(1000) == 0.0
    clock.advance(5.0)
    assert rate.per_min(1010) == pytest.approx(120.0)
    for _ in range(20):
        clock.advance(5.0)
        last = rate.per_min(1010)
    assert last == 0.0


def test_the_line_names_what_is_not_well_and_why() -> None:
    parts = {
        "journal": PartHealth(state=Health.OK, since=0.0),
        "watch:/d": PartHealth(state=Health.DEGRADED, since=0.0, reason="not mounted"),
    }
    assert status_line(12, 337.4, parts) == "12 queued, 337 images/min; degraded watch:/d: not mounted"
    assert status_line(0, 0.0, {}) == "0 queued, 0 images/min"
