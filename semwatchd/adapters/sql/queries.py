"""What operators, dashboards and the audit ask of the journal. Reads only; never waits for the writer."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, exists, func, or_, select

from semwatchd.adapters.sql.tables import (
    OPEN_JOBS,
    PARKED,
    SET_ASIDE,
    SETTLING,
    UNDELIVERED,
    audit,
    job,
    outbox,
    plan,
    result,
    sighting,
)

Counts = Mapping[str, int]

ENDED_JOBS = frozenset({"stored", "quarantined", "cancelled", "duplicate"})
MEASURED_JOBS = frozenset({"gpu_queued", "gpu_running", "cpu_done"})  #: and waiting for their depth
MOVING_JOBS = frozenset({"queued", "cpu_running", "retry_wait"}) | MEASURED_JOBS


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCounts:
    """What is under way or waiting for a person. Cheap however long the history is."""

    settling: int
    jobs: Counts  #: by state: those of MOVING_JOBS, and quarantined
    deliveries: Mapping[tuple[str, str], int]  #: by (destination, state): all but delivered and dropped
    oldest_undelivered_at: Mapping[str, float]  #: epoch seconds, by destination


def open_counts(connection: Connection) -> OpenCounts:
    """Count what is not finished."""
    jobs = _count_by(connection, job.c.state, OPEN_JOBS) | _count_by(connection, job.c.state, SET_ASIDE)
    waiting = select(outbox.c.destination, outbox.c.state, func.count()).group_by(
        outbox.c.destination, outbox.c.state
    )
    rows = [*connection.execute(waiting.where(UNDELIVERED)), *connection.execute(waiting.where(PARKED))]
    oldest = connection.execute(
        select(outbox.c.destination, func.min(outbox.c.created_at))
        .where(UNDELIVERED)
        .group_by(outbox.c.destination)
    )
    return OpenCounts(
        settling=connection.execute(select(func.count()).select_from(sighting).where(SETTLING)).scalar_one(),
        jobs=jobs,
        deliveries={(destination, state): count for destination, state, count in rows},
        oldest_undelivered_at={row[0]: row[1] for row in oldest},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Everything the journal has ever recorded, by state."""

    sightings: Counts
    jobs: Counts
    deliveries: Counts
    quarantined_reasons: Counts


def totals(connection: Connection) -> Totals:
    """Count all rows by state; reads whole indexes, so ask it for people and not for metrics."""
    return Totals(
        sightings=_count_by(connection, sighting.c.state),
        jobs=_count_by(connection, job.c.state),
        deliveries=_count_by(connection, outbox.c.state),
        quarantined_reasons=_count_by(connection, job.c.reason, SET_ASIDE),
    )


def last_done_before(connection: Connection, root: str) -> int:
    """Return the newest job before the first that a backfill of ``root`` has still to see through."""
    unfinished = select(func.min(job.c.id)).where(OPEN_JOBS, job.c.root == root, job.c.lane == "backfill")
    first_open = connection.execute(unfinished).scalar_one()
    newest = connection.execute(select(func.max(job.c.id))).scalar_one() or 0
    return newest if first_open is None else first_open - 1


def backfill_counts(connection: Connection, root: str, after_job: int) -> Counts:
    """Count the backfill jobs of one folder made after a given job, by state."""
    these = (job.c.id > after_job) & (job.c.root == root) & (job.c.lane == "backfill")
    return _count_by(connection, job.c.state, these)


def quarantined(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield the jobs set aside for a person, oldest first."""
    for row in connection.execute(select(job).where(SET_ASIDE).order_by(job.c.id)):
        yield _job_summary(row)


def job_details(connection: Connection, job_id: int) -> dict[str, Any] | None:
    """Return all that is known of one job, its plan and its audit trail; None where there is none."""
    row = connection.execute(select(job, plan.c.document).join(plan).where(job.c.id == job_id)).first()
    if row is None:
        return None
    stored = connection.execute(select(result).where(result.c.job_id == job_id)).first()
    trail = connection.execute(select(audit).where(audit.c.object == f"job {job_id}").order_by(audit.c.id))
    return _job_summary(row) | {
        "size": row.size,
        "detected_at": row.detected_at,
        "lane": row.lane,
        "revision": row.revision,
        "duplicate_of": row.duplicate_of,
        "warnings": json.loads(row.warnings),
        "evidence": json.loads(row.evidence or "null"),
        "plan": json.loads(row.document),
        "result": _result_summary(stored) if stored else None,
        "audit": [dict(entry._mapping) for entry in trail],  # noqa: SLF001 — SQLAlchemy's public name for it
    }


def outdated_counts(connection: Connection, current: Collection[str]) -> Counts:
    """Count the results made under plans other than the ``current`` ones, by plan hash."""
    return _count_by(connection, job.c.plan_hash, _is_outdated(current))


def outdated(connection: Connection, current: Collection[str], limit: int) -> Iterator[dict[str, Any]]:
    """Yield the results made under plans other than the ``current`` ones, oldest first."""
    query = (
        select(job.c.id, job.c.path, job.c.plan_hash, result.c.code_version, result.c.stored_at)
        .join(result)
        .where(_is_outdated(current))
        .order_by(job.c.id)
        .limit(limit)
    )
    for row in connection.execute(query):
        yield {name: getattr(row, name) for name in ("id", "path", "plan_hash", "code_version", "stored_at")}


def _is_outdated(current: Collection[str]) -> ColumnElement[bool]:
    return and_(job.c.state == "stored", job.c.plan_hash.not_in(current))


def outbox_rows(connection: Connection, state: str | None, limit: int) -> Iterator[dict[str, Any]]:
    """Yield events, oldest first: those of one state, or all that are neither delivered nor dropped."""
    query = select(outbox).order_by(outbox.c.seq).limit(limit)
    wanted = outbox.c.state == state if state else outbox.c.state.not_in(["delivered", "dropped"])
    for row in connection.execute(query.where(wanted)):
        yield {
            name: getattr(row, name)
            for name in (
                *("seq", "event_id", "destination", "order_key", "subject", "state", "attempts"),
                *("not_before", "last_error", "created_at", "delivered_at"),
            )
        }


def conservation(connection: Connection) -> tuple[int, int, int]:
    """Count sightings: all of them, those in a final state, and those still moving. Counted one by one, so
    that a sighting in no known state shows as a difference.
    """
    query = (
        select(sighting.c.state, job.c.state.label("job_state"), func.count().label("files"))
        .select_from(sighting.outerjoin(job, sighting.c.job_id == job.c.id))
        .group_by(sighting.c.state, job.c.state)
    )
    rows = connection.execute(query).all()
    ended = sum(row.files for row in rows if _has_ended(row.state, row.job_state))
    moving = sum(row.files for row in rows if _is_moving(row.state, row.job_state))
    return sum(row.files for row in rows), ended, moving


def _has_ended(state: str, job_state: str | None) -> bool:
    if state in {"ready", "superseded"} and job_state is not None:
        return job_state in ENDED_JOBS
    return state in {"ignored", "vanished", "superseded"}  # a superseded one without a job had been ignored


def _is_moving(state: str, job_state: str | None) -> bool:
    return state == "settling" or (state in {"ready", "superseded"} and job_state in MOVING_JOBS)


def _count_by(connection: Connection, column: Any, where: Any = None) -> dict[str, int]:  # noqa: ANN401
    query = select(column, func.count()).group_by(column)
    rows = connection.execute(query if where is None else query.where(where))
    return {str(key): count for key, count in rows}


def _job_summary(row: Row[Any]) -> dict[str, Any]:
    names = (
        *("id", "path", "tool", "lot", "wafer", "state", "attempt", "error_class", "reason"),
        *("sha256", "plan_hash", "finished_at"),
    )
    return {name: getattr(row, name) for name in names}


def _result_summary(row: Row[Any]) -> dict[str, Any]:
    as_json = ("facts", "measurements", "registration", "warnings", "elapsed_ms", "cpu_ms", "artefacts")
    decoded = {name: json.loads(getattr(row, name) or "null") for name in as_json}
    plain = ("weights_sha256", "code_version", "stored_at")
    return decoded | {name: getattr(row, name) for name in plain}


#: Whose numbers are known; where an event told of them, they stay known while depth is made.
_HAS_RESULT = or_(
    job.c.state.in_(["stored", "cpu_done"]), and_(job.c.revision > 0, job.c.state.in_(MOVING_JOBS))
)
#: What the journal's own rules forbid: which rows of which table break each.
LOOSE_ENDS: Mapping[str, tuple[Table, ColumnElement[bool]]] = {
    "ready files without a job": (sighting, and_(sighting.c.state == "ready", sighting.c.job_id.is_(None))),
    "stored jobs without a result": (
        job,
        and_(_HAS_RESULT, ~exists().where(result.c.job_id == job.c.id)),
    ),
    "results of jobs that are not stored": (
        result,
        exists().where(job.c.id == result.c.job_id, ~_HAS_RESULT),
    ),
    "duplicates of nothing": (job, and_(job.c.state == "duplicate", job.c.duplicate_of.is_(None))),
}


def loose_ends(connection: Connection) -> Counts:
    """Count what the journal's own rules forbid; every figure must be 0."""
    return {
        rule: connection.execute(select(func.count()).select_from(table).where(broken)).scalar_one()
        for rule, (table, broken) in LOOSE_ENDS.items()
    }
