"""How long a stage may take before its worker is taken to hang: learned from images that were measured."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from functools import partial

REMEMBERED = 1000  # images; the last ones, so that a changed plan or tool is soon followed
ENOUGH = 200  # with fewer, one slow image would speak for all
EVERY = 100  # images between two looks
PATIENCE = 10.0  # times what all but one in a hundred take
SHORTEST_S = 5.0  # a disk may pause for so long


class Pace:
    """The present deadline of one stage.

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
        """Learn from one measured image."""
        self._took_s.append(seconds)
        self._unseen += 1
        if len(self._took_s) >= ENOUGH and self._unseen >= EVERY:
            self._unseen = 0
            self.deadline_s = min(self.longest_s, max(SHORTEST_S, PATIENCE * self._p99()))

    def _p99(self) -> float:
        return sorted(self._took_s)[int(0.99 * len(self._took_s))]


class Deadlines:
    """How long each stage of an image may take.

    Parameters
    ----------
    longest_s
        Limit of the whole image, and so of each stage.
    fixed_s
        Limits the operator set, by stage; nothing is learned of these.
    """

    def __init__(self, longest_s: float, fixed_s: Mapping[str, float]) -> None:
        self.longest_s = longest_s
        self._fixed_s = fixed_s
        self._paces: defaultdict[str, Pace] = defaultdict(partial(Pace, longest_s))

    def took(self, elapsed_ms: Mapping[str, float]) -> None:
        """Learn from the stages of one measured image."""
        for stage, milliseconds in elapsed_ms.items():
            if stage not in self._fixed_s:
                self._paces[stage].took(milliseconds / 1e3)

    def of(self, stage: str) -> float:
        """Return the limit of one stage in seconds."""
        return self._fixed_s.get(stage, self._paces[stage].deadline_s)

    def patient(self, stage: str) -> float:
        """Return its limit for an image that has been too slow before: what was learned does not hold."""
        return self._fixed_s.get(stage, self.longest_s)
