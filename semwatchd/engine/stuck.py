"""How long a job may stay in one state before a person should look."""

from __future__ import annotations

from collections.abc import Mapping

from semwatchd.core.job import JobState, Lane
from semwatchd.engine.dispatcher import MAX_ALONE_PAUSE_S

Limits = Mapping[tuple[JobState, Lane], float]

QUEUED_S = 3600.0  #: the workers have been behind the tools for an hour
BACKFILL_QUEUED_S = 24 * 3600.0  #: a backfill may be large, but its first jobs must move
OVERDUE_S = 600.0  #: a retry is due and nobody takes it
MARGIN_S = 600.0
OWED_S = 24 * 3600.0  #: the network has been away for a day; what is owed will not end by itself


def stuck_after_s(*, deadline_s: float, capacity: int) -> Limits:
    """Return the longest stay in each open state, by lane.

    A claimed job may wait for all that are claimed before it, each of them as slow as the deadline allows.
    All stays in one attempt count from its start.
    """
    running_s = (capacity + 1) * deadline_s + MAX_ALONE_PAUSE_S + MARGIN_S
    return {
        (state, lane): limit_s
        for lane in Lane
        for state, limit_s in (
            (JobState.QUEUED, BACKFILL_QUEUED_S if lane is Lane.BACKFILL else QUEUED_S),
            (JobState.CPU_RUNNING, running_s),
            (JobState.GPU_QUEUED, running_s + MARGIN_S),
            (JobState.GPU_RUNNING, running_s + MARGIN_S),
            (JobState.CPU_DONE, OWED_S),
            (JobState.RETRY_WAIT, OVERDUE_S),
        )
    }


def in_words(stuck: Mapping[JobState, int]) -> str:
    """Say which jobs do not move; nothing where all do."""
    return ", ".join(f"{count} {state}" for state, count in stuck.items() if count)
