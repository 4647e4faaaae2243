"""How long an image may take before its worker is taken to hang: learned from those that were measured."""

from __future__ import annotations

from collections import deque

REMEMBERED = 1000  # images; the last ones, so that a changed plan or tool is soon followed
ENOUGH = 200  # with fewer, one slow image would speak for all
EVERY = 100  # images between two looks
PATIENCE = 10.0  # times what all but one in a hundred take
SHORTEST_S = 5.0  # a disk may pause for so long


class Pace:
    """The present deadline.

    Parameters
    ----------
    longest_s
        The limit the operator set: the deadline until enough is known, and never exceeded after.
    """

    def __init__(self, longest_s: float) -> None:
        self.longest_s = longest_s
        self.deadline_s = longest_s
        self._took_s: deque[float] = deque(maxlen=REMEMBERED)
        self._unseen = 0

    def took(self, seconds: float) -> None:
        """Learn from one answered image."""
        self._took_s.append(seconds)
        self._unseen += 1
        if len(self._took_s) >= ENOUGH and self._unseen >= EVERY:
            self._unseen = 0
            self.deadline_s = min(self.longest_s, max(SHORTEST_S, PATIENCE * self._p99()))

    def _p99(self) -> float:
        return sorted(self._took_s)[int(0.99 * len(self._took_s))]
