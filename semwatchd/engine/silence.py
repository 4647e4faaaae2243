"""How long a tool usually pauses, learned from when its images came, and when it is silent for too long."""

from __future__ import annotations

import math
from collections import deque

VISIT_S = 60.0  # images that come together count once: a burst of 25 must not make its pauses look rare
REMEMBERED = 1000  # pauses; at least 17 hours of work
ENOUGH = 30  # with fewer, nobody knows the tool yet
USUAL = (
    0.95  # of the pauses are no longer: a tool that stood still once in a while has not changed its habits
)
SHORTEST_S = 1800.0  # a change of lot, of a filament or of shift is nothing to wake a person for


class Rhythm:
    """The pauses of one tool. Times are epoch seconds, in about their order."""

    def __init__(self) -> None:
        self._pauses_s: deque[float] = deque(maxlen=REMEMBERED)
        self._visit_at: float | None = None
        self._last_at: float | None = None

    def arrived(self, at: float) -> None:
        """Learn that an image came."""
        if self._visit_at is None or self._last_at is None:
            self._visit_at = self._last_at = at
            return
        self._last_at = max(self._last_at, at)
        if at - self._visit_at >= VISIT_S:
            self._pauses_s.append(at - self._visit_at)
            self._visit_at = at

    def silent_s(self, now: float) -> float | None:
        """Return how long ago the newest image came; None before the first."""
        if self._visit_at is None or self._last_at is None:
            return None
        # A clock that was ahead and is set back leaves images from the future.
        self._visit_at, self._last_at = min(self._visit_at, now), min(self._last_at, now)
        return now - self._last_at

    def usual_s(self) -> float | None:
        """Return the pause that 95 of 100 do not exceed; None while too few are known."""
        if len(self._pauses_s) < ENOUGH:
            return None
        return sorted(self._pauses_s)[int(USUAL * len(self._pauses_s))]

    def limit_s(self, factor: float) -> float | None:
        """Return the silence that is too long; None where there is no telling, or no end to the patience."""
        usual_s = self.usual_s()
        return None if usual_s is None or math.isinf(factor) else max(SHORTEST_S, factor * usual_s)


def in_words(seconds: float) -> str:
    """Say how long that is, to the minute: ``3 d 2 h``, ``2 h 10 min``, ``12 min``."""
    minutes = round(seconds / 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    parts = [(days, "d"), (hours, "h"), (0 if days else minutes % 60, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "less than a minute"
