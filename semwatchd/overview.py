"""What stands where at this moment, refreshed beside the work so that no question ever waits for the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection

from semwatchd.adapters.prometheus import GaugeSnapshot, WorkerGauges
from semwatchd.adapters.sql.journal import reading
from semwatchd.adapters.sql.queries import MEASURED_JOBS, MOVING_JOBS, OpenCounts, open_counts
from semwatchd.adapters.sql.stuck import stuck_jobs
from semwatchd.config import Config
from semwatchd.core.job import DeliveryState, JobState
from semwatchd.engine.disk import DiskGuard
from semwatchd.engine.health import LEVEL, Health, HealthBoard
from semwatchd.engine.stuck import in_words, stuck_after_s
from semwatchd.line import Line

REFRESH_S = 2.0
LOOK_FOR_STUCK_S = 30.0  # reads every waiting job, so not at each refresh


class Overview:
    """The figures behind ``/metrics``, ``/healthz`` and the front page.

    Parameters
    ----------
    beat
        Told the name of a loop that has turned.
    """

    def __init__(
        self,
        config: Config,
        line: Line,
        disk: DiskGuard,
        health: HealthBoard,
        beat: Callable[[str], None],
    ) -> None:
        self._config = config
        self._line = line
        self._disk = disk
        self._health = health
        self._beat = beat
        self._journal_answer: Future[None] | None = None
        self._counts: OpenCounts | None = None
        self._up_since = time.time()
        self._stuck: Mapping[JobState, int] = {}
        self._look_for_stuck_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Refresh until told to stop."""
        while not stop.is_set():
            self.refresh()
            self._beat("overview")
            self._ask_journal()
            stop.wait(REFRESH_S)

    def refresh(self) -> None:
        """Count once."""
        with reading(self._line.journal.engine) as connection:
            self._counts = open_counts(connection)
            if time.monotonic() >= self._look_for_stuck_at:
                self._look_for_stuck(connection)
        self._disk.look()
        missing, wanted = self._line.pool.missing, self._line.pool.size
        self._health.set(
            "workers",
            Health.DEGRADED if missing else Health.OK,
            f"{wanted - missing} of {wanted} workers answer; the others are being started" if missing else "",
            "if it stays so, the log says under worker_lost or worker_not_started why" if missing else "",
        )

    def _look_for_stuck(self, connection: Connection) -> None:
        self._look_for_stuck_at = time.monotonic() + LOOK_FOR_STUCK_S
        limits = stuck_after_s(
            deadline_s=self._config.workers.deadline_s, capacity=self._config.queue.capacity
        )
        self._stuck = stuck_jobs(connection, limits, self._up_since, time.time())
        which = in_words(self._stuck)
        self._health.set(
            "jobs",
            Health.DEGRADED if which else Health.OK,
            f"stuck_state: jobs do not move on: {which}" if which else "",
            "queued: see whether the workers keep up with the tools; else restart the daemon and report it"
            if which
            else "",
        )

    def _ask_journal(self) -> None:
        """Have the journal's writer do nothing; its answer is its sign of life."""
        if self._journal_answer is None or self._journal_answer.done():
            self._journal_answer = self._line.journal.submit(lambda _: self._beat("journal"))

    def gauges(self) -> GaugeSnapshot:
        """Return the figures for Prometheus."""
        counts = self._counts
        if counts is None:
            return GaugeSnapshot()
        now = time.time()
        return GaugeSnapshot(
            stuck=self._stuck,
            jobs={JobState(state): count for state, count in counts.jobs.items()},
            outbox={(name, DeliveryState(state)): n for (name, state), n in counts.deliveries.items()},
            outbox_oldest_age_s={name: now - at for name, at in counts.oldest_undelivered_at.items()},
            queue_depth=self._line.dispatcher.depth,
            queue_capacity=self._config.queue.capacity,
            workers={
                str(worker.slot): WorkerGauges(rss_bytes=worker.rss_bytes, cpu_s=worker.cpu_s)
                for worker in self._line.pool.figures()
            },
            disk_free_bytes={"journal": self._disk.free_bytes},
            disk_level={"journal": self._disk.level},
            health={part: LEVEL[how.state] for part, how in self._health.snapshot().items()},
        )

    @property
    def queued(self) -> int:
        """Images that are complete and not yet measured."""
        return (
            sum(count for state, count in self._counts.jobs.items() if state in MOVING_JOBS - MEASURED_JOBS)
            if self._counts
            else 0
        )

    def status(self) -> Mapping[str, Any]:
        """Return the figures for people."""
        counts = self._counts
        if counts is None:
            return {}
        waiting = sum(counts.deliveries.values())
        return {"settling": counts.settling, **counts.jobs, "events not yet delivered": waiting}
