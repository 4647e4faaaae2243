"""What becomes of the work that a dead daemon left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from semwatchd.adapters.sql.tables import OPEN_JOBS, UNDER_WAY, job, outbox
from semwatchd.core.job import MAX_ATTEMPTS, DeliveryState, ErrorClass, JobState

_CRASHED = f"crashed_daemon: the daemon ended {MAX_ATTEMPTS} times while measuring this image"
#: What is given up, and why. What was reported keeps its numbers and lacks only depth.
_GIVEN_UP = {JobState.QUARANTINED: _CRASHED, JobState.STORED: f"no depth: {_CRASHED}"}

_FIND = select(job.c.id, job.c.attempt, job.c.state, job.c.revision).where(OPEN_JOBS, UNDER_WAY)
_MOVE = (
    update(job)
    .where(job.c.id == bindparam("this_id"))
    .values(state=bindparam("its_state"), attempt=job.c.attempt - bindparam("refund"))
)


class _UnderWay(NamedTuple):
    id: int
    attempt: int
    state: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a dead daemon had left behind."""

    requeued: int  #: jobs in their queue again
    refunded: int  #: of these, jobs that were next in line, or measured and waiting for their depth
    owed: int  #: jobs whose numbers were reported, and whose depth is owed again
    quarantined: int  #: jobs on which the daemon died :data:`MAX_ATTEMPTS` times
    without_depth: int  #: the same, but their numbers were reported before


def recover(connection: Connection, begun: Collection[tuple[int, int]], now: float) -> Recovered:
    """Put what a dead daemon left behind back in its queue.

    Parameters
    ----------
    begun
        (job, attempt) of what was being measured when the daemon died. Only these may have killed it.
    """
    fates: Counter[tuple[JobState, bool]] = Counter()
    for row in map(_UnderWay._make, connection.execute(_FIND).all()):
        state, refund = fate = _fate(row, begun)
        fates[fate] += 1
        connection.execute(_MOVE, {"this_id": row.id, "its_state": state, "refund": int(refund)})
        if state in _GIVEN_UP:
            said = {"error_class": ErrorClass.TASK, "reason": _GIVEN_UP[state], "finished_at": now}
            connection.execute(update(job).where(job.c.id == row.id).values(said))
    connection.execute(
        update(outbox).where(outbox.c.state == DeliveryState.SENDING).values(state=DeliveryState.PENDING)
    )
    return Recovered(
        requeued=fates[JobState.QUEUED, True] + fates[JobState.QUEUED, False],
        refunded=fates[JobState.QUEUED, True],
        owed=fates[JobState.CPU_DONE, False],
        quarantined=fates[JobState.QUARANTINED, False],
        without_depth=fates[JobState.STORED, False],
    )


def _fate(row: _UnderWay, begun: Collection[tuple[int, int]]) -> tuple[JobState, bool]:
    """Say where a job goes, and whether its attempt is given back."""
    if row.state != JobState.CPU_RUNNING:
        return (JobState.CPU_DONE, False) if row.revision else (JobState.QUEUED, True)
    if (row.id, row.attempt) not in begun:
        return JobState.QUEUED, True
    if row.attempt < MAX_ATTEMPTS:
        return JobState.QUEUED, False
    return (JobState.STORED if row.revision else JobState.QUARANTINED), False
