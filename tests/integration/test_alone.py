"""Dispatcher, real workers and the journal's twin: what brings workers down is found, nothing else blamed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from semwatchd.core.job import Job, JobState
from semwatchd.engine.collector import Collector
from semwatchd.engine.depths import NoDepths
from semwatchd.engine.dispatcher import Dispatcher
from semwatchd.engine.messages import Seat, Setup
from semwatchd.engine.slots import anonymous_slots
from semwatchd.engine.supervisor import Limits, WorkerPool
from tests.fakes import ListLog, RecordingTelemetry
from tests.fakes_jobs import MemoryJobStore
from tests.journals import some_job
from tests.workers import LIMIT_BYTES

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


class Line:
    """Two workers, fed from memory."""

    def __init__(self, *names: str) -> None:
        self.store = MemoryJobStore()
        for number, name in enumerate(names, 1):
            self.store.add(replace(some_job(number), path=f"/data/{name}.tif"))
        log, telemetry = ListLog(), RecordingTelemetry()
        setup = Setup(factory="tests.workers:build", settings=None, memory_limit_bytes=LIMIT_BYTES)
        limits = Limits(deadline_s=30.0, recycle_rss_bytes=1 << 40, recycle_jobs=1000)
        cores = tuple(sorted(os.sched_getaffinity(0)))
        self.pool = WorkerPool(setup, [cores] * 2, anonymous_slots(2), limits, telemetry, log)
        self.errors: list[BaseException] = []
        collector = Collector(
            store=self.store,
            render=lambda _: (),
            resight=lambda *_: None,
            environment=lambda _: None,
            on_error=self.errors.append,
            telemetry=telemetry,
            log=log,
            clock=lambda: self.store.now,
        )
        self.dispatcher = Dispatcher(
            self.pool, self.store, NoDepths(collector, telemetry, "off"), 8, self.errors.append, log
        )

    def run(self) -> None:
        """Turn until every job has come to rest; no retry has to be waited for."""
        give_up_at = time.monotonic() + PATIENCE_S
        moving = {JobState.QUEUED, JobState.CPU_RUNNING, JobState.RETRY_WAIT}
        while any(row.state in moving for row in self.store.rows.values()):
            assert time.monotonic() < give_up_at
            self.dispatcher.step(0.05)
            self.dispatcher.notify()
            self.store.now += 60.0

    def ends(self) -> list[JobState]:
        return [row.state for _, row in sorted(self.store.rows.items())]


@contextmanager
def line(*names: str) -> Iterator[Line]:
    made = Line(*names)
    try:
        yield made
    finally:
        made.pool.close()


@pytest.fixture(autouse=True)
def _workers_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


def test_of_all_jobs_in_work_only_the_one_that_kills_workers_is_set_aside() -> None:
    with line("good", "killed", "slow", "good", "slow", "good") as running:
        running.run()
        ends = running.ends()
    assert ends.pop(1) is JobState.QUARANTINED
    assert set(ends) <= {JobState.STORED, JobState.DUPLICATE}  # the test's images all have the same bytes
    assert running.errors == []


def test_the_last_attempt_was_made_with_nothing_beside_it() -> None:
    with line("slow", "killed", "slow", "slow") as running:
        beside: list[int] = []
        submit = running.pool.submit

        def watched(job: Job, seat: Seat | None = None) -> None:
            if job.alone:
                beside.append(sum(len(worker.owed) for worker in running.pool._workers if worker))
            submit(job, seat)

        running.pool.submit = watched  # type: ignore[method-assign] # to see what else is in work
        running.run()
    assert beside == [0]
    assert running.store.rows[2].job.alone
