"""The durable queue of events, written in the same transaction as the results they tell of."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.tables import UNDELIVERED, outbox
from semwatchd.core.job import DeliveryState
from semwatchd.core.ports import Event, Verdict

_SETTLE = (
    update(outbox)
    .where(outbox.c.seq == bindparam("the_seq"), outbox.c.state == DeliveryState.SENDING)
    .values(
        state=bindparam("the_state"),
        attempts=bindparam("the_attempts"),
        not_before=bindparam("the_not_before"),
        last_error=bindparam("the_error"),
        delivered_at=bindparam("the_delivered_at"),
    )
)


class SqlOutbox:
    """core.ports.Outbox on the journal."""

    def __init__(self, journal: Journal, longest_wait_s: float) -> None:
        self._journal = journal
        self._longest_wait_s = longest_wait_s

    def take(self, destination: str, limit: int, now: float) -> Sequence[Event]:
        """Mark the next events of ``destination`` as being sent and return them in order."""
        return self._journal.submit(
            lambda c: _take(c, destination, limit, now, now + self._longest_wait_s)
        ).result()

    def settle(self, verdicts: Sequence[Verdict], now: float) -> None:
        """Record how the tries ended."""
        if verdicts:
            self._journal.submit(lambda connection: _settle(connection, verdicts, now)).result()


def _take(connection: Connection, destination: str, limit: int, now: float, latest: float) -> Sequence[Event]:
    # Nothing waits until after latest, unless the clock was ahead and was set back: that need not wait.
    held_back = select(outbox.c.order_key).where(
        outbox.c.destination == destination,
        UNDELIVERED,
        (outbox.c.state == DeliveryState.SENDING)
        | ((outbox.c.not_before > now) & (outbox.c.not_before <= latest)),
    )
    rows = connection.execute(
        select(outbox)
        .where(
            outbox.c.destination == destination,
            UNDELIVERED,
            outbox.c.order_key.not_in(held_back),
        )
        .order_by(outbox.c.seq)
        .limit(limit)
    ).all()
    if rows:
        connection.execute(
            update(outbox)
            .where(outbox.c.seq.in_([row.seq for row in rows]))
            .values(state=DeliveryState.SENDING)
        )
    return [
        Event(
            seq=row.seq,
            event_id=row.event_id,
            destination=row.destination,
            order_key=row.order_key,
            payload=row.payload,
            attempts=row.attempts,
            subject=row.subject,
        )
        for row in rows
    ]


def _settle(connection: Connection, verdicts: Sequence[Verdict], now: float) -> None:
    connection.execute(
        _SETTLE,
        [
            {
                "the_seq": verdict.seq,
                "the_state": verdict.state,
                "the_attempts": verdict.attempts,
                "the_not_before": verdict.not_before,
                "the_error": verdict.error,
                "the_delivered_at": now if verdict.state == DeliveryState.DELIVERED else None,
            }
            for verdict in verdicts
        ],
    )
