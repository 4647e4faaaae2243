"""Tells the service manager, from the main loop, that every loop turns, and how the work stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from semwatchd.core.ports import Lifecycle, Log
from semwatchd.engine.health import Health, PartHealth

STATUS_EVERY_S = 5.0
RATE_OVER = 13  #: readings that make the rate: one minute
PINGS_PER_LIMIT = 4  #: one that is lost, and one that is late, must not cost the service its life


class Heartbeat:
    """Speaks up whenever something is due.

    Parameters
    ----------
    alive
        Whether every loop has turned within so many seconds.
    status
        One line for the operator.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        manager: Lifecycle,
        *,
        alive: Callable[[float], bool],
        status: Callable[[], str],
        clock: Callable[[], float],
        log: Log,
    ) -> None:
        self._manager = manager
        self._alive = alive
        self._status = status
        self._clock = clock
        self._log = log
        self._status_at = clock()
        self._ping_at = clock()
        self._well = True

    def turn(self) -> None:
        """Say what is due; cheap enough for every turn of a loop."""
        now = self._clock()
        if now >= self._status_at:
            self._status_at = now + STATUS_EVERY_S
            self._manager.status(self._status())
        limit_s = self._manager.watchdog_s
        if limit_s is not None and now >= self._ping_at:
            self._ping_at = now + limit_s / PINGS_PER_LIMIT
            self._ping(limit_s)

    def _ping(self, limit_s: float) -> None:
        well, before = self._alive(limit_s), self._well
        self._well = well
        if well:
            self._manager.alive()
        elif before:
            self._log.error("loop_stuck", limit_s=limit_s, todo="the service manager will start us anew")


class Rate:
    """How fast a count grows, over the last minute of readings."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._readings: deque[tuple[float, float]] = deque(maxlen=RATE_OVER)

    def per_min(self, count: float) -> float:
        """Take a reading and return the growth per minute since the oldest one kept."""
        now = self._clock()
        self._readings.append((now, count))
        then, before = self._readings[0]
        return 60.0 * (count - before) / (now - then) if now > then else 0.0


def status_line(queued: int, images_per_min: float, parts: Mapping[str, PartHealth]) -> str:
    """Put into one line how much waits, how fast it goes, and what is not well."""
    unwell = [
        f"{part.state} {name}: {part.reason}" for name, part in parts.items() if part.state is not Health.OK
    ]
    return "; ".join([f"{queued} queued, {images_per_min:.0f} images/min", *unwell])
