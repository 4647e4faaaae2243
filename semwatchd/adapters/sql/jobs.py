"""The journal as the dispatcher sees it: claim, finish, give back; and recovery at start."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_once

from semwatchd.adapters.sql.claims import claim
from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.adapters.sql.rows import shallow
from semwatchd.adapters.sql.tables import HOLDS_IDENTITY, OPEN_JOBS, job, outbox, result
from semwatchd.core.job import MAX_ATTEMPTS, DeliveryState, ErrorClass, Failure, Job, JobState, Result
from semwatchd.core.ports import Ending, RenderedEvent
from semwatchd.core.version import VERSION

# Statements of the hot path are put together once; building one costs more than running it.
_THIS_ATTEMPT = and_(
    job.c.id == bindparam("this_id"),
    job.c.attempt == bindparam("this_attempt"),
    job.c.state == JobState.CPU_RUNNING,
)
_FIND_ATTEMPT = Prepared(select(job.c.id).where(_THIS_ATTEMPT))
_GIVE_BACK = Prepared(
    update(job).where(_THIS_ATTEMPT).values(state=JobState.QUEUED, attempt=job.c.attempt - 1)
)
_FIND_TWIN = Prepared(
    select(job.c.id, job.c.state).where(
        job.c.sha256 == bindparam("its_sha256"),
        job.c.plan_hash == bindparam("its_plan"),
        HOLDS_IDENTITY,
        job.c.id != bindparam("this_id"),
    )
)
_STORE = Prepared(
    update(job)
    .where(job.c.id == bindparam("this_id"))
    .values(
        state=JobState.STORED,
        sha256=bindparam("its_sha256"),
        error_class=None,
        reason=None,
        finished_at=bindparam("now"),
    )
)
_FIND_RUNNING = select(job.c.id, job.c.attempt).where(OPEN_JOBS, job.c.state == JobState.CPU_RUNNING)
_REQUEUE_RUNNING = (
    update(job).where(OPEN_JOBS, job.c.state == JobState.CPU_RUNNING).values(state=JobState.QUEUED)
)
_POISON = (
    update(job)
    .where(job.c.id == bindparam("this_id"))
    .values(
        state=JobState.QUARANTINED,
        error_class=ErrorClass.TASK,
        reason=f"crashed_daemon: the daemon ended {MAX_ATTEMPTS} times while measuring this image",
        finished_at=bindparam("now"),
    )
)
# A damaged journal may hold an open job with a result or events: the new result stands, no event is doubled.
_INSERT_RESULT = Prepared(
    insert(result).prefix_with("OR REPLACE"), [column.name for column in result.columns]
)
_INSERT_EVENT = Prepared(
    insert_once(outbox).on_conflict_do_nothing(),
    (
        *("event_id", "destination", "job_id", "order_key", "event_type"),
        *("subject", "payload", "state", "created_at"),
    ),
)


class SqlJobStore:
    """core.ports.JobStore on the journal.

    Parameters
    ----------
    destinations
        Names of the destinations every finished result is owed to.
    on_events
        Called when new events are durable, so that the relays need not poll.
    """

    def __init__(
        self,
        journal: Journal,
        destinations: Sequence[str],
        clock: Callable[[], float],
        on_events: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._destinations = tuple(destinations)
        self._clock = clock
        self._on_events = on_events
        self._turn = 0  # places given so far, for the share of backfill

    def claim(self, limit: int, alone: int) -> Future[Sequence[Job]]:
        """Take the next jobs and count their attempt before the work starts.

        A person's wish goes first; live and backfill jobs share the rest, see :mod:`semwatchd.core.lanes`.
        """
        turn, self._turn = self._turn, self._turn + limit
        return self._journal.submit(lambda connection: claim(connection, limit, alone, turn, self._clock()))

    def finish(self, ending: Ending) -> Future[JobState | None]:
        """Record how an attempt ended; result and outbox rows are one transaction with the state."""
        done = self._journal.submit(
            lambda connection: _finish(connection, ending, self._destinations, self._clock())
        )
        if ending.events:
            done.add_done_callback(lambda _: self._on_events())
        return done

    def give_back(self, jobs: Sequence[Job]) -> Future[None]:
        """Return jobs that were never started; their attempt does not count."""
        return self._journal.submit(lambda connection: _give_back(connection, jobs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a dead daemon had left behind."""

    requeued: int  #: jobs in their queue again
    refunded: int  #: of these, jobs that had only been next in line
    quarantined: int  #: jobs on which the daemon died :data:`MAX_ATTEMPTS` times


def recover(connection: Connection, begun: Collection[tuple[int, int]], now: float) -> Recovered:
    """Put what a dead daemon left behind back in its queue.

    Parameters
    ----------
    begun
        (job, attempt) of what was being measured when the daemon died. Only these may have killed it.
    """
    running = connection.execute(_FIND_RUNNING).all()
    suspects = [row for row in running if (row.id, row.attempt) in begun]
    innocent = [row for row in running if (row.id, row.attempt) not in begun]
    poisonous = [row for row in suspects if row.attempt >= MAX_ATTEMPTS]
    for row in innocent:
        _GIVE_BACK.run(connection, {"this_id": row.id, "this_attempt": row.attempt})
    for row in poisonous:
        connection.execute(_POISON, {"this_id": row.id, "now": now})
    connection.execute(_REQUEUE_RUNNING)
    connection.execute(
        update(outbox).where(outbox.c.state == DeliveryState.SENDING).values(state=DeliveryState.PENDING)
    )
    return Recovered(
        requeued=len(running) - len(poisonous), refunded=len(innocent), quarantined=len(poisonous)
    )


def _give_back(connection: Connection, jobs: Sequence[Job]) -> None:
    if jobs:
        _GIVE_BACK.run_each(connection, [_attempt(returned) for returned in jobs])


def _finish(
    connection: Connection, ending: Ending, destinations: Sequence[str], now: float
) -> JobState | None:
    done = ending.outcome.job
    if _FIND_ATTEMPT.first(connection, _attempt(done)) is None:
        return None
    match ending.outcome:
        case Result() as measured:
            return _store(connection, measured, ending, destinations, now)
        case Failure() as failure:
            return _set_aside(connection, failure, ending, now)


def _store(
    connection: Connection, measured: Result, ending: Ending, destinations: Sequence[str], now: float
) -> JobState:
    twin = _twin(connection, measured.job, measured.facts.sha256)
    if twin is not None and twin.state != JobState.QUARANTINED:
        return _mark_duplicate(connection, measured.job, measured.facts.sha256, twin.id, now)
    if twin is not None:
        connection.execute(
            update(job)
            .where(job.c.id == twin.id)
            .values(state=JobState.CANCELLED, reason=f"the same bytes were measured as job {measured.job.id}")
        )
    _STORE.run(connection, {"this_id": measured.job.id, "its_sha256": measured.facts.sha256, "now": now})
    _INSERT_RESULT.run(connection, _result_row(measured, now))
    owed = [
        _outbox_row(event, measured.job, destination, now)
        for event in ending.events
        for destination in destinations
    ]
    _INSERT_EVENT.run_each(connection, owed)
    return JobState.STORED


def _set_aside(connection: Connection, failure: Failure, ending: Ending, now: float) -> JobState:
    if ending.state == JobState.QUARANTINED and failure.sha256 is not None:
        twin = _twin(connection, failure.job, failure.sha256)
        if twin is not None:
            return _mark_duplicate(connection, failure.job, failure.sha256, twin.id, now)
    evidence = failure.evidence if ending.state == JobState.QUARANTINED else None
    connection.execute(
        update(job)
        .where(job.c.id == failure.job.id)
        .values(
            state=ending.state,
            sha256=evidence and evidence.sha256,
            evidence=evidence and json.dumps(asdict(evidence)),
            attempt=job.c.attempt - int(ending.refund),
            not_before=ending.not_before,
            error_class=failure.error_class,
            reason=failure.reason,
            finished_at=now,
        )
    )
    return ending.state


class _Twin(NamedTuple):
    id: int
    state: str


def _twin(connection: Connection, done: Job, sha256: str) -> _Twin | None:
    """Find the other job that already stands for these bytes under this plan."""
    identity = {"its_sha256": sha256, "its_plan": done.plan.plan_hash, "this_id": done.id}
    row = _FIND_TWIN.first(connection, identity)
    return _Twin(*row) if row else None


def _mark_duplicate(connection: Connection, done: Job, sha256: str, original: int, now: float) -> JobState:
    connection.execute(
        update(job)
        .where(job.c.id == done.id)
        .values(
            state=JobState.DUPLICATE,
            sha256=sha256,
            duplicate_of=original,
            error_class=None,
            reason=f"the same bytes as job {original}",
            finished_at=now,
        )
    )
    return JobState.DUPLICATE


def _attempt(attempted: Job) -> dict[str, int]:
    return {"this_id": attempted.id, "this_attempt": attempted.attempt}


def _result_row(measured: Result, now: float) -> dict[str, Any]:
    registration = measured.registration
    return {
        "job_id": measured.job.id,
        "facts": json.dumps(shallow(measured.facts)),
        "measurements": json.dumps(dict(measured.measurements)),
        "registration": json.dumps(shallow(registration)) if registration else None,
        "warnings": json.dumps(measured.warnings),
        "elapsed_ms": json.dumps(dict(measured.elapsed_ms)),
        "cpu_ms": json.dumps(dict(measured.cpu_ms)),
        "code_version": VERSION,
        "stored_at": now,
    }


def _outbox_row(event: RenderedEvent, done: Job, destination: str, now: float) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "destination": destination,
        "job_id": done.id,
        "order_key": event.order_key,
        "event_type": event.event_type,
        "subject": event.subject,
        "payload": event.payload,
        "state": DeliveryState.PENDING,
        "created_at": now,
    }
