"""An alarm for tools that write nothing for much longer than they usually pause."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from semwatchd.adapters.sql.arrivals import arrivals, newest_job
from semwatchd.adapters.sql.journal import reading
from semwatchd.core.paths import escape
from semwatchd.core.ports import Log
from semwatchd.engine.health import Health, HealthBoard
from semwatchd.engine.silence import Rhythm, in_words
from semwatchd.engine.watched import WatchedFolder

FIRST_AFTER_S = 15.0  # the start belongs to the images
LOOK_EVERY_S = 10.0
LEARN_FROM = 50_000  # jobs, of all tools, that are read again after a start
PORTION = 5_000  # rows at a time, so that the journal is never kept from us or by us for long

_PART = "tool:"
_TODO = (
    "see whether the tool runs and still exports into its watched folder; if it is idle on purpose, nothing "
    "is wrong: its next image ends this, and watch.silence_factor sets the patience (0: no alarm)"
)


class SilenceWatch:
    """Follows in the journal when the images of each tool come.

    Parameters
    ----------
    folders
        Asked for the folders watched now.
    tell
        Told, by tool, how many seconds ago the newest image came.
    clock
        Epoch seconds.
    """

    def __init__(
        self,
        engine: Engine,
        folders: Callable[[], Sequence[WatchedFolder]],
        *,
        tell: Callable[[Mapping[str, float]], None],
        health: HealthBoard,
        clock: Callable[[], float],
        log: Log,
    ) -> None:
        self._engine = engine
        self._folders = folders
        self._tell = tell
        self._health = health
        self._clock = clock
        self._log = log
        self._up_since = clock()
        self._learned_up_to: int | None = None
        self._rhythms: defaultdict[str, Rhythm] = defaultdict(Rhythm)

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        wait_s = FIRST_AFTER_S
        while not stop.wait(wait_s):
            wait_s = LOOK_EVERY_S
            try:
                self.learn()
            except DatabaseError as error:  # the work goes on; so does the next look
                self._log.warning("tool_rhythm_unknown", error=str(error.orig))
            else:
                self.judge()

    def learn(self) -> None:
        """Take in what the journal knows and we do not."""
        with reading(self._engine) as connection:
            newest = newest_job(connection)
            after = newest - LEARN_FROM if self._learned_up_to is None else self._learned_up_to
            if newest < after:  # the journal has forgotten its newest jobs, and their numbers are given again
                after = 0
            while came := arrivals(connection, after, PORTION):
                for arrival in came:
                    self._rhythms[arrival.tool].arrived(arrival.at)
                after = came[-1].job_id
            self._learned_up_to = max(after, newest)  # also past a backfill, which says nothing of a tool

    def judge(self) -> None:
        """Say of each tool how long it has been silent, and whether that is too long."""
        now, factors = self._clock(), _factors(self._folders())
        silent = {tool: self._rhythms[tool].silent_s(now) for tool in factors}
        known = {tool: silent_s for tool, silent_s in silent.items() if silent_s is not None}
        self._tell(known)
        judged = {tool for tool, silent_s in known.items() if self._judge(tool, silent_s, factors[tool], now)}
        for part in self._health.snapshot():
            if part.startswith(_PART) and part not in {_PART + escape(tool) for tool in judged}:
                self._health.drop(part)

    def _judge(self, tool: str, silent_s: float, factor: float, now: float) -> bool:
        """Write down how a tool stands; return whether that can be told. Nobody hears while we are down."""
        rhythm = self._rhythms[tool]
        limit_s, usual_s = rhythm.limit_s(factor), rhythm.usual_s()
        if limit_s is None or usual_s is None:
            return False
        silent = min(silent_s, now - self._up_since) > limit_s
        reason = (
            f"{tool} has sent no image for {in_words(silent_s)}; 95 of 100 pauses end in {in_words(usual_s)}"
        )
        self._health.set(
            _PART + escape(tool),
            Health.DEGRADED if silent else Health.OK,
            reason if silent else "",
            _TODO if silent else "",
        )
        return True


def _factors(folders: Sequence[WatchedFolder]) -> Mapping[str, float]:
    """Return the patience with each tool: of several folders the most patient one counts."""
    factors: dict[str, float] = {}
    for folder in folders:
        factors[folder.tool] = max(folder.silence_factor, factors.get(folder.tool, 0.0))
    return factors
