"""How attempts end: the result and the events that tell of it, in one transaction with the state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_once

from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.adapters.sql.rows import shallow
from semwatchd.adapters.sql.tables import HOLDS_IDENTITY, job, outbox, result
from semwatchd.core.job import DeliveryState, Failure, Job, JobState, Result
from semwatchd.core.paths import escape
from semwatchd.core.ports import Ending, RenderedEvent
from semwatchd.core.version import VERSION

OTHER_BYTES = "no depth: the file holds other bytes than those whose numbers were reported"

# Statements of the hot path are put together once; building one costs more than running it.
THIS_ATTEMPT = and_(job.c.id == bindparam("this_id"), job.c.attempt == bindparam("this_attempt"))
_UNDER_WAY = frozenset({JobState.CPU_RUNNING, JobState.GPU_QUEUED, JobState.GPU_RUNNING})
_FIND_ATTEMPT = Prepared(select(job.c.state, job.c.revision, job.c.sha256).where(THIS_ATTEMPT))
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
        state=bindparam("its_state"),
        sha256=bindparam("its_sha256"),
        revision=job.c.revision + bindparam("told"),
        error_class=None,
        reason=None,
        finished_at=bindparam("now"),
    )
)
# A result comes in place of the one before: of an earlier revision, or left by damage. No event is doubled.
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


class _Attempt(NamedTuple):
    """What the journal knows of an attempt under way."""

    state: str
    revision: int
    sha256: str | None


class _Twin(NamedTuple):
    id: int
    state: str


def attempt_key(attempted: Job) -> dict[str, int]:
    """Return the parameters of :data:`THIS_ATTEMPT`."""
    return {"this_id": attempted.id, "this_attempt": attempted.attempt}


def finish(
    connection: Connection, ending: Ending, destinations: Sequence[str], now: float
) -> JobState | None:
    """End an attempt and return the state the job takes; None where it is not the current one."""
    attempt = _current(connection, ending.outcome.job)
    if attempt is None:
        return None
    match ending.outcome:
        case Result() as measured:
            return _store(connection, attempt, measured, ending, destinations, now)
        case Failure() as failure:
            return _set_aside(connection, failure, ending, now)


def report(
    connection: Connection,
    measured: Result,
    events: Sequence[RenderedEvent],
    destinations: Sequence[str],
    now: float,
) -> bool:
    """Store the numbers of a job that goes on waiting for its depth; False where it waits no more."""
    attempt = _current(connection, measured.job)
    if attempt is None or attempt.state == JobState.CPU_RUNNING:
        return False
    waiting = Ending(outcome=measured, state=JobState(attempt.state), events=tuple(events))
    return _store(connection, attempt, measured, waiting, destinations, now) is waiting.state


def _current(connection: Connection, attempted: Job) -> _Attempt | None:
    row = _FIND_ATTEMPT.first(connection, attempt_key(attempted))
    return _Attempt(*row) if row and row[0] in _UNDER_WAY else None


def _store(
    connection: Connection,
    attempt: _Attempt,
    measured: Result,
    ending: Ending,
    destinations: Sequence[str],
    now: float,
) -> JobState:
    if attempt.revision and attempt.sha256 != measured.facts.sha256:
        return _keep_as_it_was(connection, measured.job, now)
    twin = _twin(connection, measured.job, measured.facts.sha256)
    if twin is not None and twin.state != JobState.QUARANTINED:
        return _mark_duplicate(connection, measured.job, measured.facts.sha256, twin.id, now)
    if twin is not None:
        connection.execute(
            update(job)
            .where(job.c.id == twin.id)
            .values(state=JobState.CANCELLED, reason=f"the same bytes were measured as job {measured.job.id}")
        )
    _STORE.run(
        connection,
        {
            "this_id": measured.job.id,
            "its_state": ending.state,
            "its_sha256": measured.facts.sha256,
            "told": int(bool(ending.events)),
            "now": now,
        },
    )
    _INSERT_RESULT.run(connection, _result_row(measured, now))
    owed = [
        _outbox_row(event, measured.job, destination, now)
        for event in ending.events
        for destination in destinations
    ]
    _INSERT_EVENT.run_each(connection, owed)
    return ending.state


def _keep_as_it_was(connection: Connection, done: Job, now: float) -> JobState:
    """Leave what was told alone: the same bytes give the second revision, or nothing does."""
    as_it_was = {"state": JobState.STORED, "reason": OTHER_BYTES, "finished_at": now}
    connection.execute(update(job).where(job.c.id == done.id).values(as_it_was))
    return JobState.STORED


def _set_aside(connection: Connection, failure: Failure, ending: Ending, now: float) -> JobState:
    if ending.state == JobState.QUARANTINED and failure.sha256 is not None:
        twin = _twin(connection, failure.job, failure.sha256)
        if twin is not None:
            return _mark_duplicate(connection, failure.job, failure.sha256, twin.id, now)
    connection.execute(
        update(job)
        .where(job.c.id == failure.job.id)
        .values(
            **_what_was_read(failure) if ending.state == JobState.QUARANTINED else {},
            state=ending.state,
            attempt=job.c.attempt - int(ending.refund),
            not_before=ending.not_before,
            error_class=failure.error_class,
            reason=failure.reason,
            finished_at=now,
        )
    )
    return ending.state


def _what_was_read(failure: Failure) -> dict[str, str]:
    evidence = failure.evidence
    return {"sha256": evidence.sha256, "evidence": json.dumps(asdict(evidence))} if evidence else {}


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
        "artefacts": json.dumps([escape(path) for path in measured.artefacts]),
        "weights_sha256": measured.weights_sha256,
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
