from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import cast

import pytest

from semwatchd.core.job import MAX_ATTEMPTS, ErrorClass, Failure, Job, JobState, Outcome, Result
from semwatchd.engine.depths import NoDepths
from semwatchd.engine.dispatcher import POLL_S, Dispatcher
from semwatchd.engine.messages import Seat
from semwatchd.engine.supervisor import CREDIT, News, WorkerPool
from tests.deliveries import a_result
from tests.fakes import FakeClock, ListLog, RecordingTelemetry
from tests.fakes_jobs import MemoryJobStore
from tests.journals import some_job


def patient() -> bool:
    return False


class FakePool:
    """Workers in memory: they finish when the test says so."""

    def __init__(self, clock: FakeClock, workers: int = 2) -> None:
        self._clock = clock
        self._places = workers * CREDIT
        self.running: list[Job] = []
        self.news = News()
        self.woken = 0
        self.closed = False

    @property
    def busy(self) -> bool:
        return bool(self.running or self.news.outcomes)

    def free(self) -> int:
        return self._places - len(self.running)

    def submit(self, job: Job, seat: Seat | None = None) -> None:
        assert seat is None
        assert self.free() > 0
        self.running.append(job)

    def wait(self, timeout_s: float) -> News:
        self._clock.advance(timeout_s)
        news, self.news = self.news, News()
        return news

    def wake(self) -> None:
        self.woken += 1

    def close(self) -> list[Job]:
        self.closed = True
        unanswered, self.running = self.running, []
        return unanswered

    def finish(self, count: int) -> None:
        for _ in range(count):
            self.news.outcomes.append(a_result(self.running.pop(0)))

    def lose_worker(self) -> None:
        blamed, *unstarted = self.running[:CREDIT]
        del self.running[:CREDIT]
        self.news.outcomes.append(Failure(job=blamed, error_class=ErrorClass.TASK, reason="it died"))
        self.news.unstarted.extend(unstarted)


class RecordingCollector:
    def __init__(self) -> None:
        self.collected: list[Outcome] = []

    def collect(self, outcome: Outcome) -> None:
        self.collected.append(outcome)

    def owe(self, result: Result) -> None:
        raise AssertionError(result)

    def report(self, result: Result) -> None:
        raise AssertionError(result)


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, jobs: int, capacity: int = 8) -> None:
        self.clock = FakeClock(0.0)
        monkeypatch.setattr("semwatchd.engine.dispatcher.time.monotonic", self.clock)
        self.store = MemoryJobStore()
        self.add(jobs)
        self.pool = FakePool(self.clock)
        self.collector = RecordingCollector()
        self.errors: list[BaseException] = []
        self.log = ListLog()
        self.dispatcher = Dispatcher(
            cast("WorkerPool", self.pool),
            self.store,
            NoDepths(self.collector, RecordingTelemetry(), "off"),
            capacity,
            self.errors.append,
            self.log,
        )

    def add(self, jobs: int) -> None:
        for number in range(len(self.store.rows) + 1, len(self.store.rows) + jobs + 1):
            self.store.add(some_job(number))

    def step(self, times: int = 1, timeout_s: float = 0.0) -> None:
        for _ in range(times):
            self.dispatcher.step(timeout_s)

    def in_state(self, state: JobState) -> list[int]:
        return [number for number, row in self.store.rows.items() if row.state is state]


def test_workers_are_fed_and_only_a_few_jobs_are_claimed_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=100)
    for _ in range(10):
        bench.step()
        assert bench.dispatcher.depth <= 8
    assert [job.id for job in bench.pool.running] == [1, 2, 3, 4]
    assert bench.dispatcher.depth == 8
    assert len(bench.in_state(JobState.CPU_RUNNING)) == 12


def test_while_paused_nothing_is_claimed_and_what_was_claimed_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, jobs=30)
    bench.step(3)
    taken = len(bench.in_state(JobState.CPU_RUNNING))
    bench.dispatcher.pause()
    for _ in range(20):
        bench.step()
        bench.pool.finish(len(bench.pool.running))
    assert len(bench.collector.collected) == taken < 30
    bench.dispatcher.resume()
    for _ in range(40):
        bench.step()
        bench.pool.finish(len(bench.pool.running))
    assert len(bench.collector.collected) == 30


def test_every_job_is_measured_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=50, capacity=3)
    for _ in range(200):
        bench.step()
        bench.pool.finish(min(2, len(bench.pool.running)))
    assert [outcome.job.id for outcome in bench.collector.collected] == list(range(1, 51))
    assert bench.dispatcher.idle


def test_jobs_a_dead_worker_never_began_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=4)
    bench.step(3)
    bench.pool.lose_worker()
    bench.step()
    assert [outcome.job.id for outcome in bench.collector.collected] == [1]
    assert [job.id for job in bench.store.given_back] == [2]
    bench.step(3, POLL_S)
    assert [(job.id, job.attempt) for job in bench.pool.running] == [(3, 1), (4, 1), (2, 1)]


def test_a_job_that_a_person_requeues_is_found_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=0)
    bench.step(3, 0.2)
    bench.add(1)
    waited_s = 0.0
    while not bench.pool.running:
        bench.step(1, 0.2)
        waited_s += 0.2
        assert waited_s <= POLL_S + 0.5


def test_a_word_of_new_work_wakes_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=0)
    bench.step(3)
    bench.add(1)
    bench.step(3)
    assert bench.pool.running == []
    woken = bench.pool.woken
    bench.dispatcher.notify()
    assert bench.pool.woken == woken + 1
    bench.step(2)
    assert len(bench.pool.running) == 1


def test_draining_finishes_what_runs_and_gives_back_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=20)
    bench.step(5)
    bench.pool.finish(4)
    bench.dispatcher.drain(10.0, patient)
    assert len(bench.collector.collected) == 4
    assert [job.id for job in bench.store.given_back] == list(range(5, 13))
    assert bench.pool.closed
    assert bench.in_state(JobState.QUEUED) == list(range(5, 21))
    assert bench.log.lines == []


def test_draining_ends_at_once_when_it_is_told_to_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=20)
    bench.step(5)
    bench.dispatcher.drain(600.0, lambda: bench.clock.now >= 3.0)
    assert 3.0 <= bench.clock.now <= 3.3
    assert bench.in_state(JobState.QUEUED) == list(range(1, 21))
    assert {row.job.attempt for row in bench.store.rows.values()} == {0}
    assert bench.pool.closed


def test_a_full_disk_and_a_hurry_end_the_drain_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=0)
    bench.dispatcher._store = StuckStore()
    bench.step()
    bench.dispatcher.drain(600.0, lambda: True)
    assert bench.pool.closed
    assert bench.clock.now < 3.0


def test_draining_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=3)
    bench.step(3)
    bench.dispatcher.drain(5.0, patient)
    assert 5.0 <= bench.clock.now <= 5.3
    assert bench.in_state(JobState.QUEUED) == [1, 2, 3]
    assert bench.log.events() == ["drain_limit_reached"]


def on_their_last_attempt(bench: Bench, *numbers: int) -> None:
    for number in numbers:
        row = bench.store.rows[number]
        row.job = replace(row.job, attempt=MAX_ATTEMPTS - 1)


def test_a_job_that_must_be_alone_waits_for_empty_workers_and_is_then_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, jobs=6)
    bench.step(2)
    bench.add(1)
    on_their_last_attempt(bench, 7)
    bench.dispatcher.notify()
    bench.step(3)
    assert [job.id for job in bench.pool.running] == [1, 2, 3, 4]
    bench.pool.finish(3)
    bench.step()
    assert [job.id for job in bench.pool.running] == [4]
    bench.pool.finish(1)
    bench.step(2)
    assert [job.id for job in bench.pool.running] == [7]
    bench.pool.finish(1)
    bench.step(2)
    assert [job.id for job in bench.pool.running] == [5, 6]


def test_jobs_that_must_be_alone_do_not_starve_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=400, capacity=4)
    on_their_last_attempt(bench, *range(1, 101))
    for _ in range(300):
        bench.step(1, 0.5)
        bench.pool.finish(len(bench.pool.running))
    measured = [outcome.job.id for outcome in bench.collector.collected]
    lonely = [number for number in measured if number <= 100]
    assert lonely == list(range(1, len(lonely) + 1))
    assert len(lonely) > 20
    assert len(measured) - len(lonely) == 300


def test_jobs_that_must_be_alone_are_given_back_when_the_daemon_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, jobs=6)
    on_their_last_attempt(bench, 5, 6)
    bench.step(3)
    bench.dispatcher.drain(0.0, patient)
    assert bench.in_state(JobState.QUEUED) == [1, 2, 3, 4, 5, 6]
    assert bench.store.rows[5].job.attempt == MAX_ATTEMPTS - 1


class StuckStore(MemoryJobStore):
    """A journal on a full disk: nothing asked of it is answered."""

    def claim(self, limit: int, alone: int) -> Future[Sequence[Job]]:
        return Future()

    def give_back(self, jobs: Sequence[Job]) -> Future[None]:
        return Future()


def test_a_full_disk_does_not_keep_the_daemon_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=0)
    bench.dispatcher._store = StuckStore()
    bench.step()
    bench.dispatcher.drain(0.01, patient)
    assert bench.pool.closed
    assert bench.errors == []


class BrokenStore(MemoryJobStore):
    def claim(self, limit: int, alone: int) -> Future[Sequence[Job]]:
        future: Future[Sequence[Job]] = Future()
        future.set_exception(ValueError("no such table"))
        return future


def test_a_journal_that_cannot_be_read_is_an_error_of_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, jobs=0)
    bench.dispatcher._store = BrokenStore()
    bench.step(2)
    assert [str(error) for error in bench.errors] == ["no such table"]
