"""The turn of intake: take hints, ask after the folders, look at what is due."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from semwatchd.core.ports import FolderHealth, FolderSource, FolderState, Log, Telemetry
from semwatchd.engine.intake import BEFORE_ALL, Intake

CHECK_EVERY_S = 1.0
LONGEST_TURN_S = 0.5  #: so that a stop is noticed and the loop is seen to live
FULL_PAUSE_S = 0.05  #: without room, until something has settled
HINTS_PER_TURN = 1000
RUSH_S = 30.0  #: so long may new files keep others from being measured; then they share


class IntakeLoop:
    """Drives an intake from a source of hints until it is told to stop.

    Parameters
    ----------
    name
        Under which the loop is heard to live.
    report
        Takes the health of a folder whenever it has changed.
    """

    def __init__(
        self,
        intake: Intake,
        source: FolderSource,
        *,
        name: str = "intake",
        clock: Callable[[], float],
        telemetry: Telemetry,
        logger: Log,
        report: Callable[[FolderHealth], None],
    ) -> None:
        self._intake = intake
        self._source = source
        self._name = name
        self._clock = clock
        self._telemetry = telemetry
        self._logger = logger
        self._report = report
        self._health: dict[str, FolderHealth] = {}
        self._check_at = clock()
        self._next_due: float | None = clock()
        self._rush_ends = math.inf

    def run(self, stop: threading.Event) -> None:
        """Turn until ``stop`` is set. Whatever goes wrong unforeseen is raised: the process must end."""
        for root in self._intake.roots:
            self._intake.restore(root)
        while not stop.is_set():
            self.turn()
        self._telemetry.rest(self._name)

    def turn(self) -> None:
        """Do one round; waits at most half a second for a hint."""
        rush = self._take_hints()
        # Directly before the files are looked at: after a pause, a folder that was lost meanwhile must not
        # be taken for files that are gone.
        if self._clock() >= self._check_at:
            self._check()
        now = self._clock()
        self._next_due = self._intake.step(now, self._until(now, rush=rush))
        self._telemetry.beat(self._name)

    def rescan(self, root: str | None = None) -> None:
        """Have one folder, or all, listed in full as soon as possible."""
        self._source.rescan(root)

    def _take_hints(self) -> bool:
        """Take what hints there are; True where there are likely more."""
        limit = min(self._intake.room, HINTS_PER_TURN)
        hints = self._source.drain(limit, self._wait_s() if limit else FULL_PAUSE_S)
        refused = {hint.root for hint in hints if not self._intake.sight(hint.root, hint.relpath, hint.how)}
        for root in refused:
            self._source.rescan(root)
        return len(hints) >= HINTS_PER_TURN

    def _until(self, now: float, *, rush: bool) -> float:
        """In a rush, have every file seen before any is looked at again: what is in the journal is safe."""
        if not rush:
            self._rush_ends = math.inf
            return now
        self._rush_ends = min(self._rush_ends, now + RUSH_S)
        return BEFORE_ALL if now < self._rush_ends else now

    def _wait_s(self) -> float:
        if self._next_due is None:
            return LONGEST_TURN_S
        return min(max(self._next_due - self._clock(), 0.0), LONGEST_TURN_S)

    def _check(self) -> None:
        self._check_at = self._clock() + CHECK_EVERY_S
        for health in self._source.check():
            if self._health.get(health.root) != health:
                self._health[health.root] = health
                self._tell(health)

    def _tell(self, health: FolderHealth) -> None:
        if health.state is FolderState.LOST:
            self._intake.folder_lost(health.root)
        else:
            self._intake.folder_back(health.root)
        log = self._logger.info if health.state is FolderState.OK else self._logger.warning
        log("folder_" + health.state, root=health.root, reason=health.reason, todo=health.todo)
        self._report(health)
