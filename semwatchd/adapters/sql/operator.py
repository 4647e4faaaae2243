"""What a person may change in the journal. Each change and its reason go into the audit table together.

These run in the operator's own process, as short transactions beside the daemon's writer; the daemon finds
the change within a second.
"""

from __future__ import annotations

import getpass
import os

from sqlalchemy import Connection, insert, update

from semwatchd.adapters.sql.tables import audit, job, outbox
from semwatchd.core.job import DeliveryState, JobState, Lane


def requeue(connection: Connection, job_id: int, reason: str, now: float) -> bool:
    """Give a quarantined job a fresh start, ahead of the others. False where it is not quarantined.

    It lets go of the identity of its bytes, so that the first of their jobs to succeed may have it.
    """
    changed = connection.execute(
        update(job)
        .where(job.c.id == job_id, job.c.state == JobState.QUARANTINED)
        .values(
            state=JobState.QUEUED,
            lane=Lane.MANUAL,
            attempt=0,
            not_before=now,
            sha256=None,
            error_class=None,
            reason=None,
            evidence=None,
        )
    )
    return _audited(connection, changed.rowcount, "requeue", f"job {job_id}", reason, now)


def reject(connection: Connection, job_id: int, reason: str, now: float) -> bool:
    """Close a quarantined job for good. False where it is not quarantined."""
    changed = connection.execute(
        update(job)
        .where(job.c.id == job_id, job.c.state == JobState.QUARANTINED)
        .values(state=JobState.CANCELLED)
    )
    return _audited(connection, changed.rowcount, "reject", f"job {job_id}", reason, now)


def retry_delivery(connection: Connection, seq: int, reason: str, now: float) -> bool:
    """Send a parked or waiting event again at once. False where it is neither."""
    changed = connection.execute(
        update(outbox)
        .where(outbox.c.seq == seq, outbox.c.state.in_([DeliveryState.PARKED, DeliveryState.RETRY_WAIT]))
        .values(state=DeliveryState.PENDING, attempts=0, not_before=0)
    )
    return _audited(connection, changed.rowcount, "retry", f"event {seq}", reason, now)


def _user() -> str:
    """Name the user, and the person who took that user's place by sudo."""
    person = os.environ.get("SUDO_USER")
    return f"{_account()} (sudo: {person})" if person else _account()


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def _audited(connection: Connection, changed: int, action: str, what: str, reason: str, now: float) -> bool:
    if not changed:
        return False
    entry = {"at": now, "actor": _user(), "action": action, "object": what, "reason": reason}
    connection.execute(insert(audit), entry)
    return True
