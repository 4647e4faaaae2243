from __future__ import annotations

from semwatchd.adapters.sql.queries import MOVING_JOBS
from semwatchd.core.job import JobState, Lane
from semwatchd.engine.stuck import in_words, stuck_after_s


def test_every_open_state_has_a_limit_in_every_lane() -> None:
    limits = stuck_after_s(deadline_s=30.0, capacity=8)
    open_states = {JobState(state) for state in MOVING_JOBS}
    assert set(limits) == {(state, lane) for state in open_states for lane in Lane}
    assert limits[JobState.QUEUED, Lane.BACKFILL] > limits[JobState.QUEUED, Lane.LIVE]


def test_a_long_deadline_and_a_long_queue_are_no_alarm() -> None:
    limits = stuck_after_s(deadline_s=3600.0, capacity=100)
    assert limits[JobState.CPU_RUNNING, Lane.LIVE] > 100 * 3600.0


def test_only_what_does_not_move_is_named() -> None:
    counts = {JobState.QUEUED: 3, JobState.CPU_RUNNING: 0, JobState.RETRY_WAIT: 1}
    assert in_words(counts) == "3 queued, 1 retry_wait"
    assert in_words({JobState.QUEUED: 0}) == ""
