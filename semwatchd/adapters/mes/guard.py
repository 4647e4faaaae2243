"""Stand between the sender and a receiver: try again soon, and leave a dead receiver alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Annotated

from pybreaker import (
    STATE_CLOSED,
    STATE_OPEN,
    CircuitBreaker,
    CircuitBreakerError,
    CircuitBreakerListener,
    CircuitBreakerState,
)
from pydantic import BaseModel, ConfigDict, Field
from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    stop_when_event_set,
    wait_exponential_jitter,
)
from tenacity.nap import sleep_using_event

from semwatchd.core.errors import BreakerOpenError, TransientError
from semwatchd.core.ports import Event, MesAdapter


class GuardSettings(BaseModel):
    """How hard to try before the event goes back to the outbox."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tries: Annotated[int, Field(ge=1, le=10)] = 3
    budget_s: Annotated[float, Field(gt=0, le=60)] = 10.0  #: no further try is begun after this
    first_wait_s: Annotated[float, Field(gt=0, le=10)] = 0.2
    longest_wait_s: Annotated[float, Field(gt=0, le=10)] = 2.0
    fail_max: Annotated[int, Field(ge=1)] = 5  #: failures in a row that open the breaker
    reset_s: Annotated[float, Field(gt=0, le=900)] = 30.0  #: how long it stays open before a trial
    success_threshold: Annotated[int, Field(ge=1)] = 2  #: successes in a row that close it again


class Guard:
    """core.ports.MesAdapter around another one. For one sender thread: a call under way holds the breaker.

    Each try counts for the breaker, so the retries stand outside and the breaker inside. No try is
    repeated once the breaker is open: the event keeps its own error and waits its own time, and the next
    trial goes to another event. Otherwise one event that the receiver chokes on would take every trial.
    """

    def __init__(
        self,
        adapter: MesAdapter,
        settings: GuardSettings,
        *,
        on_breaker: Callable[[str], None],
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Parameters
        ----------
        on_breaker
            Told each new state: "closed", "open" or "half-open".
        stop
            Ends the waiting between tries, and with it the tries.
        clock
            Seconds; decides how long the breaker stays open, so that a step of the wall clock does not.
        """
        self._adapter = adapter
        self._settings = settings
        self._clock = clock
        self._opened_at = 0.0
        self._on_breaker = on_breaker
        self._breaker = CircuitBreaker(
            fail_max=settings.fail_max,
            reset_timeout=settings.reset_s,
            success_threshold=settings.success_threshold,
            exclude=[_is_about_the_event],
            listeners=[_Listener(self._changed)],
            throw_new_error_on_trip=False,  # the call that trips must tell why it failed
        )
        self._retrying = Retrying(
            retry=retry_if_exception(self._worth_another_try),
            stop=(
                stop_after_attempt(settings.tries)
                | stop_after_delay(settings.budget_s)
                | stop_when_event_set(stop)
            ),
            wait=wait_exponential_jitter(
                multiplier=settings.first_wait_s, max=settings.longest_wait_s, jitter=settings.first_wait_s
            ),
            sleep=sleep_using_event(stop),
            reraise=True,
        )

    def send(self, event: Event) -> None:
        """Deliver one event. Raises BreakerOpenError where the receiver is not to be asked now."""
        self._let_a_trial_through()
        try:
            self._retrying(self._breaker.call, self._adapter.send, event)
        except CircuitBreakerError as error:
            left_s = max(self._opened_at + self._settings.reset_s - self._clock(), 0.0)
            raise BreakerOpenError("the receiver failed too often; next trial soon", left_s) from error

    def _let_a_trial_through(self) -> None:
        waited_s = self._clock() - self._opened_at
        if self._breaker.current_state == STATE_OPEN and waited_s >= self._settings.reset_s:
            self._breaker.half_open()

    def _worth_another_try(self, error: BaseException) -> bool:
        """Leave a receiver alone that names its own time: the outbox waits for it."""
        return (
            isinstance(error, TransientError)
            and error.retry_after_s is None
            and self._breaker.current_state == STATE_CLOSED
        )

    def _changed(self, state: str) -> None:
        if state == STATE_OPEN:
            self._opened_at = self._clock()
        self._on_breaker(state)


def _is_about_the_event(error: BaseException) -> bool:
    """Only a transient failure speaks against the receiver; a refusal shows that it is alive."""
    return not isinstance(error, TransientError)


class _Listener(CircuitBreakerListener):
    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed

    def state_change(
        self, cb: CircuitBreaker, old_state: CircuitBreakerState | None, new_state: CircuitBreakerState
    ) -> None:
        del cb, old_state
        self._changed(new_state.name)
