"""What the journal says of a run that has ended or is under way; read only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from semwatchd.adapters.sql.queries import ENDED_JOBS, totals
from semwatchd.adapters.sql.tables import job, outbox, result
from semwatchd.core.job import DeliveryState, JobState

_JOB_COLUMNS: tuple[Any, ...] = (
    job.c.id,
    job.c.path,
    job.c.state,
    job.c.reason,
    job.c.started_at,
    result.c.stored_at,
    result.c.elapsed_ms,
    result.c.cpu_ms,
    result.c.registration,
    result.c.measurements,
    result.c.artefacts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """One job with what was measured, as far as the demo compares it with the tool's truth."""

    id: int
    path: str
    state: JobState
    reason: str | None = None
    started_at: float | None = None  #: epoch seconds; when it was given to a worker
    stored_at: float | None = None  #: epoch seconds
    elapsed_ms: Mapping[str, float]  #: wall time per stage
    cpu_ms: Mapping[str, float] = field(default_factory=dict)  #: processor time per stage
    registration: Mapping[str, Any] | None = None  #: fields of core.image.Registration
    depth: Mapping[str, float | None] = field(default_factory=dict)  #: what the network said, by name
    artefacts: tuple[str, ...] = ()  #: paths of depth maps and their previews


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """One event on its way to one destination."""

    event_id: str
    destination: str
    job_id: int
    state: DeliveryState
    attempts: int
    delivered_at: float | None = None  #: epoch seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Every job and every delivery of one journal."""

    jobs: tuple[JobLine, ...]
    deliveries: tuple[DeliveryLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a run has come."""

    ended: int  #: jobs that need no more work
    open: int  #: jobs still to be worked on
    stored: int
    delivered: int  #: events, over all destinations
    undelivered: int


def read_books(connection: Connection) -> Books:
    """Read everything the summary needs."""
    jobs = connection.execute(select(*_JOB_COLUMNS).select_from(job.outerjoin(result)).order_by(job.c.id))
    return Books(
        jobs=tuple(_job_line(row) for row in jobs),
        deliveries=tuple(_delivery_line(row) for row in connection.execute(select(outbox))),
    )


def read_standing(connection: Connection) -> Standing:
    """Count what has ended and what has not."""
    counts = totals(connection)
    ended = sum(counts.jobs.get(state, 0) for state in ENDED_JOBS)
    delivered = counts.deliveries.get(DeliveryState.DELIVERED, 0)
    return Standing(
        ended=ended,
        open=sum(counts.jobs.values()) - ended,
        stored=counts.jobs.get(JobState.STORED, 0),
        delivered=delivered,
        undelivered=sum(counts.deliveries.values()) - delivered,
    )


def _job_line(row: Row[Any]) -> JobLine:
    return JobLine(
        id=row.id,
        path=row.path,
        state=JobState(row.state),
        reason=row.reason,
        started_at=row.started_at,
        stored_at=row.stored_at,
        elapsed_ms=json.loads(row.elapsed_ms) if row.elapsed_ms else {},
        cpu_ms=json.loads(row.cpu_ms) if row.cpu_ms else {},
        registration=json.loads(row.registration) if row.registration else None,
        depth={
            name: value
            for name, value in json.loads(row.measurements or "{}").items()
            if name.startswith("depth.")
        },
        artefacts=tuple(json.loads(row.artefacts or "[]")),
    )


def _delivery_line(row: Row[Any]) -> DeliveryLine:
    return DeliveryLine(
        event_id=row.event_id,
        destination=row.destination,
        job_id=row.job_id,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        delivered_at=row.delivered_at,
    )
