"""Which jobs are measured next, and the attempt counted before they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from semwatchd.adapters.sql.earlier import with_earlier
from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.adapters.sql.rows import JOB_COLUMNS, JobRow, job_of
from semwatchd.adapters.sql.tables import OPEN_JOBS, RUNS_ALONE, job, plan
from semwatchd.core.job import LONGEST_RETRY_S, MAX_ATTEMPTS, ErrorClass, Job, JobState, Lane
from semwatchd.core.lanes import backfill_share, split_places

_MAY_BE_BESIDE_OTHERS = and_(
    OPEN_JOBS,
    job.c.state == JobState.QUEUED,
    job.c.attempt < MAX_ATTEMPTS - 1,
    job.c.error_class.is_distinct_from(ErrorClass.RESOURCE),
)
_KINDS: dict[str, tuple[Any, ...]] = {
    "manual": (_MAY_BE_BESIDE_OTHERS, job.c.lane == Lane.MANUAL),
    "live": (_MAY_BE_BESIDE_OTHERS, job.c.lane == Lane.LIVE),
    "backfill": (_MAY_BE_BESIDE_OTHERS, job.c.lane == Lane.BACKFILL),
    "alone": (RUNS_ALONE,),
}

# Statements of the hot path are put together once; building one costs more than running it.
_WHICH_KINDS = Prepared(
    select(*(select(job.c.id).where(*where).exists().label(kind) for kind, where in _KINDS.items()))
)
_OLDEST = {
    kind: Prepared(
        select(*JOB_COLUMNS).join_from(job, plan).where(*where).order_by(job.c.id).limit(bindparam("most"))
    )
    for kind, where in _KINDS.items()
}
_RETRY_DUE = Prepared(
    update(job)
    .where(
        OPEN_JOBS,
        job.c.state == JobState.RETRY_WAIT,
        # Nothing waits until after "latest", unless the clock was ahead and was set back.
        or_(job.c.not_before <= bindparam("now"), job.c.not_before > bindparam("latest")),
    )
    .values(state=JobState.QUEUED)
)
_START = Prepared(
    update(job)
    .where(job.c.id == bindparam("this_id"))
    .values(state=JobState.CPU_RUNNING, attempt=job.c.attempt + 1, started_at=bindparam("now"))
)


def claim(connection: Connection, limit: int, alone: int, turn: int, now: float) -> Sequence[Job]:
    """Take up to ``limit`` jobs, and besides up to ``alone`` of those that must be measured alone.

    Parameters
    ----------
    turn
        Places given before; keeps the shares of the lanes over many small claims.
    """
    _RETRY_DUE.run(connection, {"now": now, "latest": now + LONGEST_RETRY_S})
    there = dict(zip(_KINDS, _WHICH_KINDS.first(connection, {}) or (), strict=True))

    def oldest(kind: str, most: int) -> Sequence[JobRow]:
        wanted = most and there[kind]
        return list(starmap(JobRow, _OLDEST[kind].all(connection, {"most": most}))) if wanted else ()

    manual = oldest("manual", limit)
    places = limit - len(manual)
    live, backfill = oldest("live", places), oldest("backfill", places)
    share = backfill_share(turn, places, now - backfill[0].detected_at) if backfill else 0
    of_live, of_backfill = split_places(places, live=len(live), backfill=len(backfill), share=share)
    company, lonely = [*manual, *live[:of_live], *backfill[:of_backfill]], oldest("alone", alone)
    return _start(connection, company, lonely, now)


def _start(
    connection: Connection, company: Sequence[JobRow], lonely: Sequence[JobRow], now: float
) -> Sequence[Job]:
    taken = [(row, False) for row in company] + [(row, True) for row in lonely]
    _START.run_each(connection, [{"this_id": row.id, "now": now} for row, _ in taken])
    jobs = [job_of(row, attempt=row.attempt + 1, alone=alone) for row, alone in taken]
    return [with_earlier(connection, claimed) for claimed in jobs]
