"""The durable queue of events, written in the same transaction as the results they tell of."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.adapters.sql.tables import UNDELIVERED, outbox
from semwatchd.core.job import DeliveryState
from semwatchd.core.ports import Event, Verdict

# Nothing waits until after "latest", unless the clock was ahead and was set back: that need not wait.
_HELD_BACK = select(outbox.c.order_key).where(
    outbox.c.destination == bindparam("to"),
    UNDELIVERED,
    (outbox.c.state == DeliveryState.SENDING)
    | ((outbox.c.not_before > bindparam("now")) & (outbox.c.not_before <= bindparam("latest"))),
)
_TAKE = Prepared(
    select(
        outbox.c.seq,
        outbox.c.event_id,
        outbox.c.order_key,
        outbox.c.payload,
        outbox.c.attempts,
        outbox.c.subject,
    )
    .where(outbox.c.destination == bindparam("to"), UNDELIVERED, outbox.c.order_key.not_in(_HELD_BACK))
    .order_by(outbox.c.seq)
    .limit(bindparam("most"))
)
_SEND = Prepared(
    update(outbox).where(outbox.c.seq == bindparam("the_seq")).values(state=DeliveryState.SENDING)
)
_SETTLE = Prepared(
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
    wanted = {"to": destination, "now": now, "latest": latest, "most": limit}
    taken = [
        Event(
            seq=seq,
            event_id=event_id,
            destination=destination,
            order_key=order_key,
            payload=payload,
            attempts=attempts,
            subject=subject,
        )
        for seq, event_id, order_key, payload, attempts, subject in _TAKE.all(connection, wanted)
    ]
    _SEND.run_each(connection, [{"the_seq": event.seq} for event in taken])
    return taken


def _settle(connection: Connection, verdicts: Sequence[Verdict], now: float) -> None:
    _SETTLE.run_each(
        connection,
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
