"""Pictures that wait for the network, and which of them are shown to it together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from semwatchd.core.job import Job, Result
from semwatchd.engine.messages import Seat


@dataclass(frozen=True, slots=True)
class Seated:
    """A result whose picture is in a seat."""

    result: Result
    seat: Seat
    since: float  #: monotonic seconds

    @property
    def job(self) -> Job:
        """Whose result it is."""
        return self.result.job


class Batches:
    """The pictures that wait, and those that are shown, in order of arrival.

    Parameters
    ----------
    most
        Pictures shown together.
    max_wait_s
        How long the first of them waits for others.
    """

    def __init__(self, most: int, max_wait_s: float) -> None:
        self._most = most
        self._max_wait_s = max_wait_s
        self._waiting: deque[Seated] = deque()
        self.shown: tuple[Seated, ...] = ()  #: until their answer is here

    def __len__(self) -> int:
        return len(self._waiting) + len(self.shown)

    def add(self, seated: Seated) -> None:
        """Let one more picture wait."""
        self._waiting.append(seated)

    def due_at(self) -> float | None:
        """Return when the next batch is shown at the latest, if any picture waits."""
        return self._waiting[0].since + self._max_wait_s if self._waiting else None

    def pick(self, now: float) -> tuple[Seated, ...]:
        """Choose what is shown next, if it is time: as many as may be, but a suspect by itself."""
        due_at = self.due_at()
        if due_at is None or (now < due_at and len(self._waiting) < self._most):
            return ()
        batch = [self._waiting.popleft()]
        while (
            self._waiting
            and len(batch) < self._most
            and not (batch[0].job.alone or self._waiting[0].job.alone)
        ):
            batch.append(self._waiting.popleft())
        self.shown = tuple(batch)
        return self.shown

    def end_shown(self) -> tuple[Seated, ...]:
        """Return what was shown, which is here no more."""
        shown, self.shown = self.shown, ()
        return shown

    def end_all(self) -> tuple[Seated, ...]:
        """Return everything, and have nothing left."""
        everything = (*self.end_shown(), *self._waiting)
        self._waiting.clear()
        return everything

    def replace(self, renewed: Callable[[Seated], Seated]) -> None:
        """Put something new in the place of each picture."""
        self._waiting = deque(map(renewed, self._waiting))
        self.shown = tuple(map(renewed, self.shown))
