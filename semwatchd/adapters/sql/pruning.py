"""What may go from the journal once it is old, and its removal: a bounded number of rows at a time.

Nothing here looks at a disk. Whether an image is gone is the caller's to find out, and nothing but rows of
the journal is ever removed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from semwatchd.adapters.sql.tables import job, outbox, result, sighting
from semwatchd.core.job import DeliveryState, JobState, SightingState
from semwatchd.core.ports import FileStamp

WINDOW = 200  # rows looked at in one step: some milliseconds of the writer's time
NEWEST = 1000  # images of a folder among which one must still lie there
ERASED = "{}"  # in the place of a payload; still JSON

_DONE_WITH = (JobState.STORED, JobState.DUPLICATE, JobState.CANCELLED)
_NO_JOB_NEEDED = (SightingState.IGNORED, SightingState.VANISHED, SightingState.SUPERSEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldFile:
    """A row that may be forgotten if its file is gone."""

    id: int
    root: str
    path: str


def last_id(connection: Connection, table: Table) -> int:
    """Return the highest number in use."""
    (number,) = table.primary_key.columns
    return connection.execute(select(func.max(number))).scalar_one() or 0


def erase_payloads(connection: Connection, after: int, before_time: float) -> int:
    """Empty the payloads of old delivered events in the window behind ``after``; event ids stay."""
    these = and_(
        outbox.c.seq > after,
        outbox.c.seq <= after + WINDOW,
        outbox.c.state == DeliveryState.DELIVERED,
        outbox.c.delivered_at < before_time,
        outbox.c.payload != ERASED,
    )
    return connection.execute(update(outbox).where(these).values(payload=ERASED)).rowcount


def old_jobs(connection: Connection, after: int, before_time: float) -> Sequence[OldFile]:
    """Return the jobs in the window behind ``after`` that nothing but their file may still need."""
    window = and_(job.c.id > after, job.c.id <= after + WINDOW)
    query = select(job.c.id, job.c.root, job.c.path).where(window, _job_is_old(before_time))
    return [OldFile(id=row.id, root=row.root, path=row.path) for row in connection.execute(query)]


def old_sightings(connection: Connection, after: int, before_time: float) -> Sequence[OldFile]:
    """Return the sightings in the window behind ``after`` that never had a job."""
    c = sighting.c
    window = and_(c.id > after, c.id <= after + WINDOW)
    query = select(c.id, c.root, c.directory, c.name).where(window, _sighting_is_old(before_time))
    return [
        OldFile(id=row.id, root=row.root, path=posixpath.join(row.root, row.directory, row.name))
        for row in connection.execute(query)
    ]


def forget_jobs(connection: Connection, ids: Sequence[int], before_time: float) -> int:
    """Remove these jobs and all that hangs on them, unless they have come to be needed since."""
    still = connection.scalars(select(job.c.id).where(job.c.id.in_(ids), _job_is_old(before_time))).all()
    for pointing in (sighting.c.job_id, result.c.job_id, outbox.c.job_id, job.c.id):
        connection.execute(delete(pointing.table).where(pointing.in_(still)))
    return len(still)


def forget_sightings(connection: Connection, ids: Sequence[int], before_time: float) -> int:
    """Remove these sightings, unless they have come to be needed since."""
    these = and_(sighting.c.id.in_(ids), _sighting_is_old(before_time))
    return connection.execute(delete(sighting).where(these)).rowcount


def newest_images(connection: Connection, root: str) -> Iterator[tuple[str, FileStamp]]:
    """Yield path and version of what last lay in a watched folder, newest first."""
    newest = select(job.c.path, job.c.size, job.c.mtime_ns).where(job.c.root == root)
    for row in connection.execute(newest.order_by(job.c.id.desc()).limit(NEWEST)):
        yield row.path, FileStamp(size=row.size, mtime_ns=row.mtime_ns, ino=0)


def _job_is_old(before_time: float) -> ColumnElement[bool]:
    other = job.alias("other")
    owed = exists().where(
        outbox.c.job_id == job.c.id,
        or_(outbox.c.state != DeliveryState.DELIVERED, outbox.c.delivered_at >= before_time),
    )
    newest = select(func.max(other.c.id, type_=Integer)).scalar_subquery()
    return and_(
        job.c.state.in_(_DONE_WITH),
        func.coalesce(job.c.finished_at, job.c.detected_at) < before_time,
        ~owed,
        ~exists().where(other.c.duplicate_of == job.c.id),
        job.c.id < newest,  # SQLite would give its number away again
    )


def _sighting_is_old(before_time: float) -> ColumnElement[bool]:
    c = sighting.c
    return and_(c.job_id.is_(None), c.state.in_(_NO_JOB_NEEDED), c.changed_at < before_time)
