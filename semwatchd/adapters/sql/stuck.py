"""Jobs that have not moved for too long."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, and_, func, or_, select

from semwatchd.adapters.sql.tables import OPEN_JOBS, job
from semwatchd.core.job import JobState, Lane


def stuck_jobs(
    connection: Connection, limits_s: Mapping[tuple[JobState, Lane], float], up_since: float, now: float
) -> dict[JobState, int]:
    """Count, by state, the jobs that have been in one open state for longer than its limit.

    Parameters
    ----------
    limits_s
        By state and lane.
    up_since
        When this daemon started: nobody can move while there is none.
    """
    since = func.max(job.c.detected_at, job.c.not_before, func.coalesce(job.c.started_at, 0.0), up_since)
    too_long = or_(
        *(
            and_(job.c.state == state, job.c.lane == lane, now - since > limit_s)
            for (state, lane), limit_s in limits_s.items()
        )
    )
    found = select(job.c.state, func.count()).where(OPEN_JOBS, too_long).group_by(job.c.state)
    counted = {JobState(state): count for state, count in connection.execute(found)}
    return {state: counted.get(state, 0) for state, _ in limits_s}
