"""Carry events from the outbox to one receiver: at least once, in order per key, none lost."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from semwatchd.core.errors import BreakerOpenError, PermanentRejection, TransientError
from semwatchd.core.failpoints import failpoint
from semwatchd.core.job import DeliveryState
from semwatchd.core.paths import one_line
from semwatchd.core.ports import Event, Log, MesAdapter, Outbox, Telemetry, Verdict

MAX_ERROR_CHARS = 500  #: kept with an event; a person reads it, and there may be thousands


class RelaySettings(BaseModel):
    """How patiently the outbox is emptied."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: Annotated[int, Field(ge=1, le=1000)] = 50
    poll_s: Annotated[float, Field(gt=0, le=10)] = 1.0  #: longest pause between two looks into the outbox
    first_wait_s: Annotated[float, Field(gt=0)] = 2.0  #: before the second try; doubles from try to try
    longest_wait_s: Annotated[float, Field(gt=0, le=900)] = 900.0
    settle_every_s: Annotated[float, Field(ge=0, le=5)] = 0.2  #: most that a crash can cause to be sent again
    max_attempts: Annotated[int, Field(ge=1)] = 200  #: then the event is parked for a person
    max_surprises: Annotated[int, Field(ge=1)] = 3  #: the same, for errors nobody foresaw


class Relay:
    """The sender of one destination. One thread runs it; only ``wake`` may be called from others."""

    def __init__(  # noqa: PLR0913 — a meeting point of ports
        self,
        destination: str,
        mes: MesAdapter,
        outbox: Outbox,
        settings: RelaySettings,
        *,
        telemetry: Telemetry,
        log: Log,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """
        Parameters
        ----------
        clock
            Epoch seconds.
        jitter
            Number in [0, 1) that spreads the waits, so that many keys do not come back at once.
        """
        self._destination = destination
        self._mes = mes
        self._outbox = outbox
        self._settings = settings
        self._telemetry = telemetry
        self._log = log
        self._clock = clock
        self._jitter = jitter
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._rest_s = 0.0

    def wake(self) -> None:
        """Say that new events were committed, or that it is time to stop."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Empty the outbox until told to stop. An error here ends the process: the journal is in the way."""
        self._stop = stop
        while not stop.is_set():
            self._wake.clear()
            if self.step() == 0 or self._rest_s:
                self._rest()

    def step(self) -> int:
        """Take one batch and send it in order.

        Returns
        -------
            Events that left the queue: delivered or parked. 0 means there is nothing to do for now.
        """
        self._beat()
        self._rest_s = 0.0
        events = self._outbox.take(self._destination, self._settings.batch, self._clock())
        gone = 0
        held: set[str] = set()
        verdicts: list[Verdict] = []
        settled_at = self._clock()
        for event in events:
            may_go = event.order_key not in held and not self._rest_s and not self._stop.is_set()
            verdict = self._send(event) if may_go else _give_back(event)
            verdicts.append(verdict)
            if verdict.state in {DeliveryState.DELIVERED, DeliveryState.PARKED}:
                gone += 1
            else:
                held.add(event.order_key)
            since_s = self._clock() - settled_at
            # A parked event lets its followers pass; a crash must not bring it back behind them.
            if verdict.state is DeliveryState.PARKED or not 0 <= since_s < self._settings.settle_every_s:
                settled_at = self._settle(verdicts)
        self._settle(verdicts)
        return gone

    def _settle(self, verdicts: list[Verdict]) -> float:
        now = self._clock()
        if verdicts:
            self._outbox.settle(tuple(verdicts), now)
            verdicts.clear()
        return now

    def _send(self, event: Event) -> Verdict:
        self._beat()
        started = self._clock()
        verdict = self._try(event)
        if verdict.attempts > event.attempts:
            self._telemetry.delivery(self._destination, verdict.state, max(self._clock() - started, 0.0))
        return verdict

    def _try(self, event: Event) -> Verdict:
        try:
            failpoint("relay.before_send")
            self._mes.send(event)
            failpoint("relay.after_send")
        except BreakerOpenError as error:
            self._rest_s = error.retry_after_s or self._settings.poll_s
            return _give_back(event)
        except TransientError as error:
            return self._postpone(event, str(error), error.retry_after_s or 0.0)
        except PermanentRejection as error:
            return self._park(event, str(error))
        except Exception as error:  # noqa: BLE001 — one strange event must not stop the others
            reason = f"unforeseen {type(error).__name__}: {error}"
            if event.attempts + 1 >= self._settings.max_surprises:
                return self._park(event, reason)
            return self._postpone(event, reason, 0.0)
        return _verdict(event, DeliveryState.DELIVERED)

    def _postpone(self, event: Event, reason: str, asked_s: float) -> Verdict:
        attempts = event.attempts + 1
        if attempts >= self._settings.max_attempts:
            return self._park(event, f"given up after {attempts} tries: {reason}")
        wait_s = max(self._backoff_s(attempts), min(asked_s, self._settings.longest_wait_s))
        self._log.warning("delivery_postponed", **self._fields(event), reason=reason, wait_s=round(wait_s, 1))
        return _verdict(event, DeliveryState.RETRY_WAIT, not_before=self._clock() + wait_s, error=reason)

    def _park(self, event: Event, reason: str) -> Verdict:
        self._log.error("delivery_parked", **self._fields(event), reason=reason)
        return _verdict(event, DeliveryState.PARKED, error=reason)

    def _backoff_s(self, attempts: int) -> float:
        """Double from try to try, then take between half and all of it."""
        doubled = self._settings.first_wait_s * 2.0 ** min(attempts - 1, 30)
        return min(doubled, self._settings.longest_wait_s) * (0.5 + 0.5 * self._jitter())

    def _rest(self) -> None:
        """Wait for news; while the breaker is open, wait for its next trial whatever the news."""
        if not self._rest_s:
            self._wake.wait(self._settings.poll_s)
        while self._rest_s > 0 and not self._stop.wait(min(self._rest_s, self._settings.poll_s)):
            self._rest_s -= self._settings.poll_s
            self._beat()

    def _beat(self) -> None:
        self._telemetry.beat(f"relay.{self._destination}")

    def _fields(self, event: Event) -> dict[str, object]:
        return {
            "destination": self._destination,
            "event_id": event.event_id,
            "subject": event.subject,
            "attempt": event.attempts + 1,
        }


def _give_back(event: Event) -> Verdict:
    """Not tried: the event waits in its place, and its count of tries stays."""
    return Verdict(seq=event.seq, state=DeliveryState.PENDING, attempts=event.attempts)


def _verdict(event: Event, state: DeliveryState, *, not_before: float = 0.0, error: str = "") -> Verdict:
    return Verdict(
        seq=event.seq,
        state=state,
        attempts=event.attempts + 1,
        not_before=not_before,
        error=one_line(error)[:MAX_ERROR_CHARS] or None,
    )
