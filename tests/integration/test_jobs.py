"""The jobs of the journal and of its twin: alike in every answer; a crash loses and doubles nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from sqlalchemy import Connection

from semwatchd.adapters.sql import operator
from semwatchd.adapters.sql.jobs import SqlJobStore
from semwatchd.adapters.sql.journal import Journal, open_engine, reading, writing
from semwatchd.adapters.sql.outbox import SqlOutbox
from semwatchd.adapters.sql.queries import conservation, job_details, loose_ends
from semwatchd.adapters.sql.recovery import Recovered, recover
from semwatchd.adapters.sql.schema import journal_path
from semwatchd.adapters.sql.sightings import record_ready
from semwatchd.adapters.sql.stuck import stuck_jobs
from semwatchd.core.job import (
    LONGEST_RETRY_S,
    MAX_ATTEMPTS,
    Context,
    DeliveryState,
    Earlier,
    ErrorClass,
    Evidence,
    Failure,
    Job,
    JobState,
    Lane,
    Outcome,
    Result,
)
from semwatchd.core.lanes import AGED_S
from semwatchd.core.plan import DepthPlan, Plan
from semwatchd.core.ports import Ending, JobOrder, RenderedEvent, Verdict
from semwatchd.engine.collector import judge
from semwatchd.engine.settings import RetentionSettings
from semwatchd.engine.stuck import stuck_after_s
from semwatchd.retention import DAY_S, Sweep
from tests.deliveries import FACTS, a_result
from tests.fakes_jobs import MemoryJobStore
from tests.journals import ROOT, a_sighting, an_order, rows, running_journal

pytestmark = pytest.mark.integration

T = TypeVar("T")

ALL_STEPS = 3  # of a sweep through a small journal: jobs, sightings, payloads
OTHER_PLAN = Plan(name="other", stages=("intensity",))


class Store(Protocol):
    now: float

    def add(self, order: JobOrder) -> None: ...
    def claim(self, limit: int, alone: int) -> Future[Sequence[Job]]: ...
    def finish(self, ending: Ending) -> Future[JobState | None]: ...
    def give_back(self, jobs: Sequence[Job]) -> Future[None]: ...
    def seat(self, jobs: Sequence[Job]) -> Future[None]: ...
    def show(self, jobs: Sequence[Job]) -> Future[None]: ...
    def report(self, result: Result, events: Sequence[RenderedEvent]) -> Future[bool]: ...
    def reclaim_owed(self, limit: int) -> Future[int]: ...
    def owed(self) -> Future[int]: ...
    def requeue(self, number: int) -> None: ...
    def restart(self, begun: Collection[tuple[int, int]] = ()) -> None: ...
    def state(self, number: int) -> JobState: ...
    def revision(self, number: int) -> int: ...
    def reason(self, number: int) -> str: ...
    def events(self) -> list[tuple[int, str]]: ...


class Twin(MemoryJobStore):
    """The twin, given jobs as intake gives them to the journal."""

    root = ROOT

    def add(self, order: JobOrder) -> None:  # type: ignore[override] # an order, as intake makes it
        number = max(self.rows, default=0) + 1
        seen = a_sighting(f"{number}.tif", number, self.root)
        super().add(
            Job(
                id=number,
                attempt=0,
                path=f"{seen.root}/{number}.tif",
                root=seen.root,
                size=seen.stamp.size,
                mtime_ns=seen.stamp.mtime_ns,
                plan=order.plan,
                context=order.context,
                lane=order.lane,
                detected_at=self.now,
            )
        )

    def events(self) -> list[tuple[int, str]]:
        return [(number, event.event_id) for number, event in self.outbox]


class Real:
    """The journal, on a file of its own."""

    def __init__(self, journal: Journal, folder: Path, root: str = ROOT) -> None:
        self.now = 1000.0
        self._root = root
        self._journal = journal
        self._folder = folder
        self._added = 0
        self._open()

    def _open(self) -> None:
        store = SqlJobStore(self._journal, ["mes", "archive"], lambda: self.now, lambda: None)
        self.claim = store.claim
        self.finish = store.finish
        self.give_back = store.give_back
        self.seat, self.show, self.report = store.seat, store.show, store.report
        self.reclaim_owed, self.owed = store.reclaim_owed, store.owed

    def add(self, order: JobOrder) -> None:
        self._added += 1
        seen = a_sighting(f"{self._added}.tif", self._added, self._root)
        self._journal.submit(lambda connection: record_ready(connection, seen, order, self.now)).result()

    def requeue(self, number: int) -> None:
        self._journal.submit(partial(operator.requeue, job_id=number, reason="again", now=self.now)).result()

    def restart(self, begun: Collection[tuple[int, int]] = ()) -> None:
        self._journal.submit(partial(recover, begun=begun, now=self.now)).result()
        self._open()

    def state(self, number: int) -> JobState:
        return JobState(self._of_job(number, "state"))

    def revision(self, number: int) -> int:
        return int(self._of_job(number, "revision"))

    def reason(self, number: int) -> str:
        return self._of_job(number, "coalesce(reason, '')")

    def _of_job(self, number: int, column: str) -> str:
        return str(rows(self._folder, f"SELECT {column} FROM job WHERE id = ?", number)[0][0])  # noqa: S608 — a name of ours

    def events(self) -> list[tuple[int, str]]:
        query = "SELECT job_id, event_id FROM outbox WHERE destination = ? ORDER BY seq"
        found = [rows(self._folder, query, destination) for destination in ("mes", "archive")]
        assert found[0] == found[1]
        return [(int(str(number)), str(event_id)) for number, event_id in found[0]]


@contextmanager
def twin(_: Path) -> Iterator[Store]:
    yield Twin()


@contextmanager
def real(folder: Path) -> Iterator[Store]:
    with running_journal(folder) as journal:
        yield Real(journal, folder)


@pytest.fixture(params=[twin, real], ids=["twin", "real"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with request.param(tmp_path) as opened:
        yield opened


def claimed(store: Store, limit: int = 10) -> list[Job]:
    """Take jobs in company and alone, each in its order; what differs between the twins is not hidden."""
    return list(store.claim(limit, alone=limit).result())


def success(job: Job, content: str = "a", state: JobState = JobState.STORED) -> Ending:
    """A good measurement of bytes that hash to ``content``, with the event it is told by."""
    outcome = a_result(job, replace(FACTS, sha256=content))
    event = RenderedEvent(
        event_id=f"{content}-{job.plan.plan_hash}-{job.revision + 1}",
        event_type="t",
        order_key=job.context.order_key,
        subject="s",
        payload='{"data": 1}',
    )
    return Ending(outcome=outcome, state=state, events=(event,))


def owed(job: Job, content: str = "a") -> Ending:
    """The same, where depth cannot be made now."""
    return success(job, content, JobState.CPU_DONE)


def reported(store: Store, job: Job, content: str = "a") -> bool:
    """Tell the numbers of a job whose depth is late."""
    told = success(job, content)
    assert isinstance(told.outcome, Result)
    return store.report(told.outcome, told.events).result()


def failure(
    job: Job,
    error_class: ErrorClass,
    now: float = 1000.0,
    *,
    content: str | None = None,
    changed: bool = False,
) -> Ending:
    evidence = Evidence(size=100, sha256=content, first_bytes="49492a00") if content else None
    outcome: Outcome = Failure(
        job=job, error_class=error_class, reason="broken \udcff", evidence=evidence, file_changed=changed
    )
    return judge(outcome, now)


class TestJobStore:
    """core.ports.JobStore, on the twin and on the journal."""

    def test_the_attempt_is_counted_before_the_work_starts(self, store: Store) -> None:
        store.add(an_order())
        (job,) = claimed(store)
        assert (job.attempt, job.lane, job.detected_at) == (1, Lane.LIVE, 1000.0)
        assert store.state(job.id) is JobState.CPU_RUNNING
        assert claimed(store) == []

    def test_a_persons_wish_goes_first_then_the_tools_then_the_old_ones(self, store: Store) -> None:
        for lane in (Lane.BACKFILL, Lane.LIVE, Lane.BACKFILL, Lane.LIVE, Lane.MANUAL):
            store.add(an_order(lane=lane))
        assert [job.id for job in claimed(store, 2)] == [5, 2]
        assert [job.id for job in claimed(store, 2)] == [4, 1]
        assert [job.id for job in claimed(store, 2)] == [3]

    def test_live_images_get_four_places_of_five(self, store: Store) -> None:
        for lane in (Lane.BACKFILL, Lane.LIVE):
            for _ in range(10):
                store.add(an_order(lane=lane))
        lanes = [job.lane for _ in range(10) for job in claimed(store, 1)]
        assert lanes == 2 * ([Lane.LIVE] * 4 + [Lane.BACKFILL])
        store.now += AGED_S + 1
        lanes = [job.lane for _ in range(4) for job in claimed(store, 1)]
        assert lanes == [Lane.LIVE, Lane.BACKFILL] * 2

    def test_a_result_is_stored_with_its_events(self, store: Store) -> None:
        store.add(an_order())
        (job,) = claimed(store)
        assert store.finish(success(job)).result() is JobState.STORED
        assert store.events() == [(1, f"a-{job.plan.plan_hash}-1")]

    def test_the_same_bytes_are_one_result(self, store: Store) -> None:
        for _ in range(3):
            store.add(an_order())
        first, second, third = claimed(store)
        assert store.finish(success(first)).result() is JobState.STORED
        assert store.finish(success(second)).result() is JobState.DUPLICATE
        bad = failure(third, ErrorClass.DATA, content="a")
        assert store.finish(bad).result() is JobState.DUPLICATE
        assert len(store.events()) == 1

    def test_another_plan_is_another_result(self, store: Store) -> None:
        store.add(an_order())
        store.add(an_order(OTHER_PLAN))
        assert [store.finish(success(job)).result() for job in claimed(store)] == [JobState.STORED] * 2
        assert len(store.events()) == 2

    def test_bytes_that_were_set_aside_are_set_aside_once(self, store: Store) -> None:
        store.add(an_order())
        store.add(an_order())
        ends = [store.finish(failure(job, ErrorClass.DATA, content="bad")).result() for job in claimed(store)]
        assert ends == [JobState.QUARANTINED, JobState.DUPLICATE]

    def test_a_later_success_closes_the_case_in_quarantine(self, store: Store) -> None:
        store.add(an_order())
        store.add(an_order())
        first, second = claimed(store)
        store.finish(failure(first, ErrorClass.DATA, content="a"))
        assert store.finish(success(second)).result() is JobState.STORED
        assert store.state(1) is JobState.CANCELLED

    def test_a_requeued_job_never_costs_another_its_success(self, store: Store) -> None:
        store.add(an_order())
        store.add(an_order())
        first, second = claimed(store)
        store.finish(failure(first, ErrorClass.DATA, content="a"))
        store.requeue(1)
        (again,) = claimed(store)
        assert (again.id, again.attempt, again.lane) == (1, 1, Lane.MANUAL)
        assert store.finish(success(second)).result() is JobState.STORED
        assert store.finish(failure(again, ErrorClass.DATA, content="a")).result() is JobState.DUPLICATE

    def test_bytes_that_could_not_be_read_stand_for_nothing(self, store: Store) -> None:
        store.add(an_order())
        store.add(an_order())
        for job in claimed(store):
            assert store.finish(failure(job, ErrorClass.DATA)).result() is JobState.QUARANTINED

    def test_a_late_outcome_is_dropped(self, store: Store) -> None:
        store.add(an_order())
        (first,) = claimed(store)
        store.restart([(first.id, first.attempt)])
        (second,) = claimed(store)
        assert second.attempt == 2
        assert store.finish(success(first)).result() is None
        assert store.finish(success(second)).result() is JobState.STORED
        assert store.finish(success(second)).result() is None
        assert len(store.events()) == 1

    def test_a_job_given_back_has_not_been_tried(self, store: Store) -> None:
        for _ in range(3):
            store.add(an_order())
        jobs = claimed(store)
        store.give_back(jobs[1:]).result()
        assert [(job.id, job.attempt) for job in claimed(store)] == [(2, 1), (3, 1)]
        store.finish(success(jobs[0])).result()
        store.give_back(jobs[:1]).result()
        assert store.state(1) is JobState.STORED

    def test_a_retry_waits_for_its_time(self, store: Store) -> None:
        store.add(an_order())
        (job,) = claimed(store)
        assert store.finish(failure(job, ErrorClass.TASK)).result() is JobState.RETRY_WAIT
        store.now += 1.9
        assert claimed(store) == []
        store.now += 0.2
        assert [job.attempt for job in claimed(store)] == [2]

    def test_a_retry_does_not_wait_for_a_time_that_a_wrong_clock_gave(self, store: Store) -> None:
        store.add(an_order())
        store.now += 86_400.0
        (job,) = claimed(store)
        store.finish(failure(job, ErrorClass.TASK, store.now)).result()
        store.now -= 86_400.0
        assert [job.attempt for job in claimed(store)] == [2]

    def test_a_fault_of_the_surroundings_costs_no_attempt(self, store: Store) -> None:
        store.add(an_order())
        for _ in range(2 * MAX_ATTEMPTS):
            (job,) = claimed(store)
            assert job.attempt == 1
            store.finish(failure(job, ErrorClass.ENVIRONMENT, store.now)).result()
            store.now += 11

    def test_three_failures_of_its_own_set_a_job_aside(self, store: Store) -> None:
        store.add(an_order())
        ends = []
        for _ in range(MAX_ATTEMPTS):
            (job,) = claimed(store)
            ends.append(store.finish(failure(job, ErrorClass.TASK, store.now, content="a")).result())
            store.now += 60
        assert ends == [JobState.RETRY_WAIT, JobState.RETRY_WAIT, JobState.QUARANTINED]

    def test_a_file_that_changed_closes_its_job(self, store: Store) -> None:
        store.add(an_order())
        (job,) = claimed(store)
        ending = failure(job, ErrorClass.ENVIRONMENT, changed=True)
        assert store.finish(ending).result() is JobState.CANCELLED

    def test_three_deaths_of_the_daemon_set_a_job_aside(self, store: Store) -> None:
        store.add(an_order())
        for attempt in range(1, MAX_ATTEMPTS + 1):
            assert [job.attempt for job in claimed(store)] == [attempt]
            store.restart([(1, attempt)])
        assert claimed(store) == []
        assert store.state(1) is JobState.QUARANTINED

    def test_a_job_that_was_only_next_in_line_is_never_blamed(self, store: Store) -> None:
        store.add(an_order())
        store.add(an_order())
        for _ in range(MAX_ATTEMPTS + 1):
            suspect, innocent = sorted(claimed(store), key=lambda job: job.id)
            assert innocent.attempt == 1
            store.restart([(suspect.id, suspect.attempt)])
            if store.state(1) is JobState.QUARANTINED:
                break
        assert store.state(1) is JobState.QUARANTINED
        assert [(job.id, job.attempt) for job in claimed(store)] == [(2, 1)]

    def test_of_two_jobs_in_work_when_the_daemon_dies_only_the_guilty_one_is_set_aside(
        self, store: Store
    ) -> None:
        store.add(an_order())
        store.add(an_order())
        for attempt in (1, 2):
            assert [(job.attempt, job.alone) for job in claimed(store)] == [(attempt, False)] * 2
            store.restart([(1, attempt), (2, attempt)])
        store.add(an_order())
        beside, guilty = store.claim(8, alone=1).result()
        assert (beside.id, beside.alone) == (3, False)
        assert (guilty.id, guilty.alone) == (1, True)
        store.restart([(1, 3)])
        _, innocent = claimed(store)
        assert (innocent.id, innocent.attempt, innocent.alone) == (2, 3, True)
        store.finish(success(innocent)).result()
        assert [store.state(number) for number in (1, 2)] == [JobState.QUARANTINED, JobState.STORED]

    def test_what_took_too_much_memory_or_time_is_next_measured_alone(self, store: Store) -> None:
        store.add(an_order())
        (job,) = claimed(store)
        assert not job.alone
        store.finish(failure(job, ErrorClass.RESOURCE)).result()
        store.now += 60
        assert store.claim(8, alone=0).result() == []
        (again,) = claimed(store)
        assert (again.attempt, again.alone) == (2, True)


class TestLateDepth:
    """The same port, as the depth desk uses it."""

    def measured(self, store: Store, count: int = 1) -> list[Job]:
        for _ in range(count):
            store.add(an_order())
        jobs = claimed(store)
        store.seat(jobs).result()
        return jobs

    def owing(self, store: Store) -> Job:
        """A job that is measured once more, for its depth."""
        (job,) = self.measured(store)
        assert store.finish(owed(job)).result() is JobState.CPU_DONE
        assert store.reclaim_owed(10).result() == 1
        (again,) = claimed(store)
        return again

    def test_depth_in_time_is_told_with_the_numbers(self, store: Store) -> None:
        (job,) = self.measured(store)
        assert store.state(1) is JobState.GPU_QUEUED
        store.show([job]).result()
        assert store.state(1) is JobState.GPU_RUNNING
        assert store.finish(success(job)).result() is JobState.STORED
        assert (store.revision(1), len(store.events())) == (1, 1)

    def test_what_was_never_begun_waits_again(self, store: Store) -> None:
        jobs = self.measured(store)
        store.show(jobs).result()
        store.seat(jobs).result()
        assert store.state(1) is JobState.GPU_QUEUED

    def test_what_is_measured_is_not_given_back(self, store: Store) -> None:
        jobs = self.measured(store)
        store.give_back(jobs).result()
        assert store.state(1) is JobState.GPU_QUEUED

    def test_only_the_current_attempt_is_moved(self, store: Store) -> None:
        (job,) = self.measured(store)
        older = replace(job, attempt=job.attempt - 1)
        store.show([older]).result()
        assert store.state(1) is JobState.GPU_QUEUED
        assert not reported(store, older)
        assert store.finish(success(job)).result() is JobState.STORED
        store.seat([job]).result()
        store.show([job]).result()
        assert store.state(1) is JobState.STORED
        assert not reported(store, job)
        assert (store.revision(1), len(store.events())) == (1, 1)

    @pytest.mark.parametrize("shown", [False, True])
    def test_where_depth_is_late_the_numbers_go_ahead(self, store: Store, *, shown: bool) -> None:
        (job,) = self.measured(store)
        if shown:
            store.show([job]).result()
        assert reported(store, job)
        assert store.state(1) is (JobState.GPU_RUNNING if shown else JobState.GPU_QUEUED)
        assert (store.revision(1), len(store.events())) == (1, 1)
        assert store.finish(success(replace(job, revision=1))).result() is JobState.STORED
        assert [event_id[-2:] for _, event_id in store.events()] == ["-1", "-2"]
        assert store.revision(1) == 2

    def test_what_a_worker_still_has_is_not_reported(self, store: Store) -> None:
        store.add(an_order())
        (job,) = claimed(store)
        assert not reported(store, job)
        assert store.events() == []

    def test_bytes_that_are_another_jobs_are_not_reported(self, store: Store) -> None:
        first, second = self.measured(store, 2)
        assert reported(store, first)
        assert not reported(store, second)
        assert store.state(2) is JobState.DUPLICATE
        assert store.finish(success(second)).result() is None
        assert [number for number, _ in store.events()] == [1]

    def test_a_report_closes_the_case_in_quarantine(self, store: Store) -> None:
        store.add(an_order())
        store.finish(failure(claimed(store)[0], ErrorClass.DATA, content="a")).result()
        (job,) = self.measured(store)
        assert reported(store, job)
        assert store.state(1) is JobState.CANCELLED

    def test_owed_depth_is_made_by_measuring_again_the_oldest_first(self, store: Store) -> None:
        for lane in (Lane.BACKFILL, Lane.LIVE, Lane.LIVE):
            store.add(an_order(lane=lane))
        for job in sorted(claimed(store), key=lambda job: job.id):
            store.finish(owed(job, str(job.id))).result()
        assert (store.owed().result(), claimed(store)) == (3, [])
        assert store.reclaim_owed(2).result() == 2
        again = sorted(claimed(store), key=lambda job: job.id)
        assert [(job.id, job.attempt, job.revision, job.lane) for job in again] == [
            (1, 1, 1, Lane.BACKFILL),
            (2, 1, 1, Lane.LIVE),
        ]
        for job in again:
            assert store.finish(success(job, str(job.id))).result() is JobState.STORED
        assert (store.owed().result(), store.revision(1), len(store.events())) == (1, 2, 5)

    def test_depth_owed_a_second_time_is_not_told_a_second_time(self, store: Store) -> None:
        again = self.owing(store)
        silent = replace(owed(again), events=())
        assert store.finish(silent).result() is JobState.CPU_DONE
        assert (store.revision(1), len(store.events())) == (1, 1)

    def test_what_took_too_much_memory_before_its_depth_was_owed_is_forgiven(self, store: Store) -> None:
        store.add(an_order())
        store.finish(failure(claimed(store)[0], ErrorClass.RESOURCE)).result()
        store.now += 60
        store.finish(owed(claimed(store)[0])).result()
        store.reclaim_owed(1).result()
        (again,) = claimed(store)
        assert (again.attempt, again.alone) == (1, False)

    @pytest.mark.parametrize(
        ("error_class", "changed"),
        [(ErrorClass.DATA, False), (ErrorClass.TASK, True), (ErrorClass.TASK, False)],
    )
    def test_numbers_once_told_outlast_a_file_that_fails(
        self, store: Store, error_class: ErrorClass, *, changed: bool
    ) -> None:
        again, state = self.owing(store), JobState.RETRY_WAIT
        for _ in range(MAX_ATTEMPTS):
            bad = failure(again, error_class, store.now, content="bad", changed=changed)
            state = store.finish(bad).result() or state
            store.now += 60
            again = next(iter(claimed(store)), again)
        assert state is JobState.STORED
        assert store.reason(1).startswith("no depth: broken")
        assert (store.revision(1), len(store.events())) == (1, 1)

    def test_other_bytes_never_replace_what_was_told(self, store: Store) -> None:
        again = self.owing(store)
        assert store.finish(success(again, "other")).result() is JobState.STORED
        assert store.reason(1).startswith("no depth: ")
        assert (store.revision(1), len(store.events())) == (1, 1)

    def test_bytes_whose_depth_is_owed_are_that_jobs(self, store: Store) -> None:
        (first,) = self.measured(store)
        store.finish(owed(first)).result()
        ends = []
        for _ in range(3):
            store.add(an_order())
            again, *others = sorted(claimed(store), key=lambda job: job.id)
            ends.append(store.finish(success(others[0] if others else again)).result())
            if others:
                store.finish(failure(again, ErrorClass.TASK, store.now)).result()
                store.now += 60
            else:
                store.reclaim_owed(1).result()
        assert ends == [JobState.DUPLICATE] * 3
        assert store.state(1) is JobState.RETRY_WAIT

    def test_a_dead_daemon_costs_what_waits_for_its_depth_no_attempt(self, store: Store) -> None:
        first, second = self.measured(store, 2)
        store.show([second]).result()
        store.restart([(first.id, first.attempt)])
        assert [(job.id, job.attempt) for job in claimed(store)] == [(1, 1), (2, 1)]

    def test_a_dead_daemon_still_owes_the_depth_of_what_was_told(self, store: Store) -> None:
        first, second = self.measured(store, 2)
        store.show([second]).result()
        assert reported(store, first, "a")
        assert reported(store, second, "b")
        store.restart()
        assert [store.state(number) for number in (1, 2)] == [JobState.CPU_DONE] * 2

    def test_three_deaths_of_the_daemon_cost_what_was_told_only_its_depth(self, store: Store) -> None:
        again = self.owing(store)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            assert (again.attempt, store.state(1)) == (attempt, JobState.CPU_RUNNING)
            store.restart([(1, attempt)])
            again = next(iter(claimed(store)), again)
        assert store.state(1) is JobState.STORED
        assert store.reason(1).startswith("no depth: crashed")


def the_result(folder: Path) -> dict[str, object]:
    with reading(open_engine(journal_path(folder))) as connection:
        details = job_details(connection, 1)
    assert details
    found: dict[str, object] = details["result"] | {"revision": details["revision"]}
    return found


def test_a_late_result_takes_the_place_of_the_first(tmp_path: Path) -> None:
    with real(tmp_path) as store:
        store.add(an_order())
        (job,) = claimed(store)
        store.seat([job]).result()
        assert reported(store, job)
        first = the_result(tmp_path)
        assert (first["artefacts"], first["weights_sha256"], first["revision"]) == ([], None, 1)
        ending = success(replace(job, revision=1))
        assert isinstance(ending.outcome, Result)
        deep = replace(ending.outcome, artefacts=("/maps/\udcff.tif",), weights_sha256="cd" * 32)
        store.now += 5
        store.finish(replace(ending, outcome=deep)).result()
    second = the_result(tmp_path)
    assert second["artefacts"] == ["/maps/\\xff.tif"]
    assert second == first | {
        "artefacts": second["artefacts"],
        "weights_sha256": "cd" * 32,
        "revision": 2,
        "stored_at": 1005.0,
    }


def test_numbers_that_were_told_stay_when_the_file_is_gone(tmp_path: Path) -> None:
    with real(tmp_path) as store:
        store.add(an_order())
        store.finish(owed(claimed(store)[0])).result()
        before = the_result(tmp_path)
        store.reclaim_owed(1).result()
        store.finish(failure(claimed(store)[0], ErrorClass.DATA, content="bad")).result()
        assert the_result(tmp_path) == before
    assert rows(tmp_path, "SELECT sha256, evidence FROM job") == [("a", None)]


def test_recovery_says_what_it_did(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        store = Real(journal, tmp_path)
        for _ in range(4):
            store.add(an_order())
        running, next_in_line, seated, told = claimed(store)
        store.seat([seated, told]).result()
        assert reported(store, told)
        found = journal.submit(partial(recover, begun={(running.id, 1)}, now=1.0)).result()
    assert next_in_line.id == 2
    assert found == Recovered(requeued=3, refunded=2, owed=1, quarantined=0, without_depth=0)


def test_a_poisonous_job_says_what_it_did(tmp_path: Path) -> None:
    with real(tmp_path) as store:
        store.add(an_order())
        for attempt in range(1, MAX_ATTEMPTS + 1):
            claimed(store)
            store.restart([(1, attempt)])
        with reading(open_engine(journal_path(tmp_path))) as connection:
            details = job_details(connection, 1)
    assert details
    assert details["reason"].startswith("crashed_daemon")


def test_what_was_read_of_a_bad_file_is_kept_until_it_is_tried_again(tmp_path: Path) -> None:
    def shown() -> dict[str, object]:
        with reading(open_engine(journal_path(tmp_path))) as connection:
            return job_details(connection, 1) or {}

    with real(tmp_path) as store:
        store.add(an_order())
        store.finish(failure(claimed(store)[0], ErrorClass.DATA, content="bad")).result()
        assert shown()["evidence"] == {"size": 100, "sha256": "bad", "first_bytes": "49492a00"}
        store.requeue(1)
        assert shown()["evidence"] is None


def test_jobs_that_do_not_move_are_counted_by_state(tmp_path: Path) -> None:
    limits = stuck_after_s(deadline_s=30.0, capacity=8)

    def stuck(now: float, up_since: float = 0.0) -> list[int]:
        with reading(open_engine(journal_path(tmp_path))) as connection:
            found = stuck_jobs(connection, limits, up_since, now)
        return [found[s] for s in (JobState.QUEUED, JobState.CPU_RUNNING, JobState.RETRY_WAIT)]

    with real(tmp_path) as store:
        for lane in (Lane.LIVE, Lane.LIVE, Lane.LIVE, Lane.BACKFILL):
            store.add(an_order(lane=lane))
        first, _ = store.claim(2, alone=0).result()
        store.finish(failure(first, ErrorClass.TASK, 1000.0)).result()
        assert stuck(1000.0 + 590) == [0, 0, 0]
        assert stuck(1000.0 + 1000) == [0, 1, 1]
        assert stuck(1000.0 + 3700) == [1, 1, 1]
        assert stuck(1000.0 + 3700, up_since=4000.0) == [0, 0, 1]
        assert stuck(1000.0 + 90_000) == [2, 1, 1]
        store.now += 90_000
        store.finish(failure(claimed(store, 1)[0], ErrorClass.DATA, store.now)).result()
        store.requeue(1)
        assert stuck(store.now + 3500)[0] == 2


def test_a_restart_sends_again_what_was_being_sent(tmp_path: Path) -> None:
    with real(tmp_path) as store:
        store.add(an_order())
        store.finish(success(claimed(store)[0])).result()
        with writing(open_engine(journal_path(tmp_path))) as connection:
            connection.exec_driver_sql("UPDATE outbox SET state = 'sending' WHERE destination = 'mes'")
        store.restart()
    assert rows(tmp_path, "SELECT state FROM outbox") == [("pending",), ("pending",)]


def test_the_newest_place_of_a_reference_is_the_one_that_is_read(tmp_path: Path) -> None:
    old = Plan(name="old", reference="/gone/golden.tif", reference_sha256="aa")
    new = replace(old, name="new", reference="/here/golden.tif")
    assert old.plan_hash == new.plan_hash
    with real(tmp_path) as store:
        store.add(an_order(old))
        store.add(an_order(new))
        assert [job.plan for job in claimed(store)] == [new, new]


@pytest.mark.parametrize(
    "depth",
    [
        DepthPlan(where="region", region=(1, 2, 30, 40), weights_sha256="cc"),
        DepthPlan(where="grid", size_px=64, grid=(3, 1)),
    ],
)
def test_a_plan_with_depth_comes_back_as_it_was(tmp_path: Path, depth: DepthPlan) -> None:
    plan = Plan(depth=depth)
    with real(tmp_path) as store:
        store.add(an_order(plan))
        (job,) = claimed(store)
    assert (job.plan, job.plan.plan_hash) == (plan, plan.plan_hash)


def forgettable(folder: Path, images: Path, before_time: float) -> set[int]:
    """Say in plain Python which jobs nothing needs: ended, delivered, old, not referred to, files gone."""
    jobs = rows(folder, "SELECT id, path, state, coalesce(finished_at, detected_at), duplicate_of FROM job")
    owed = {
        number
        for (number,) in rows(
            folder, "SELECT job_id FROM outbox WHERE state != 'delivered' OR delivered_at >= ?", before_time
        )
    }
    if not any(images.iterdir()):
        return set()  # it may be a mount that is lost
    referred_to = {twin for *_, twin in jobs}
    newest = max(int(str(number)) for number, *_ in jobs)
    return {
        int(str(number))
        for number, path, state, ended_at, _ in jobs
        if state in {"stored", "duplicate", "cancelled"}
        and float(str(ended_at)) < before_time
        and number not in owed | referred_to
        and number != newest
        and not Path(str(path)).exists()
    }


# Crashes


class JournalMachine(RuleBasedStateMachine):
    """Work, deliveries, forgetting, restarts and crashes in any order; the twin says what must be true.

    A crash is the file and its log as they lie on the disk at that moment, copied and opened anew.
    """

    running = Bundle("running")
    waiting = Bundle("waiting")  #: for their depth

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="semwatchd-"))
        self._images = self._folder / "sem1"
        self._images.mkdir()
        self._model = Twin()
        self._model.root = str(self._images)
        self._stack = ExitStack()
        self._open(self._folder / "0")

    def _open(self, folder: Path) -> None:
        self._at = folder
        self._journal = self._stack.enter_context(running_journal(folder))
        self._real = Real(self._journal, folder, self._model.root)
        self._real._added = max(self._model.rows, default=0)
        self._real.now = self._model.now

    def teardown(self) -> None:
        self._stack.close()
        shutil.rmtree(self._folder)

    @initialize()
    def begin(self) -> None:
        self.more(3, Lane.LIVE)

    @rule(count=st.integers(1, 3), lane=st.sampled_from(Lane))
    def more(self, count: int, lane: Lane) -> None:
        for _ in range(count):
            for store in (self._model, self._real):
                store.add(an_order(lane=lane))
            number = self._real._added
            image = self._image(number)
            image.write_bytes(bytes(100 + number))
            os.utime(image, ns=(number, number))

    def _image(self, number: int) -> Path:
        return self._images / f"{number}.tif"

    @rule(target=running, limit=st.integers(1, 3))
    def claim(self, limit: int) -> object:
        return multiple(*self._claimed(limit))

    def _claimed(self, limit: int) -> list[Job]:
        jobs = claimed(self._real, limit)
        assert jobs == claimed(self._model, limit)
        return jobs

    @rule(
        job=st.one_of(consumes(running), consumes(waiting)),
        content=st.sampled_from("abc"),
        state=st.sampled_from([JobState.STORED, JobState.CPU_DONE]),
    )
    def succeed(self, job: Job, content: str, state: JobState) -> None:
        self._finish(success(self._as_told(job), self._its(job, content), state))

    def _as_told(self, job: Job) -> Job:
        """Say which event is the job's next, as the desk remembers it after a report."""
        row = self._model.rows.get(job.id)
        return replace(job, revision=row.job.revision) if row else job

    def _its(self, job: Job, content: str) -> str:
        """Read mostly the bytes that were read before."""
        row = self._model.rows.get(job.id)
        return row.sha256 if row and row.sha256 and content != "c" else content

    @rule(
        target=waiting,
        contents=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3),
        late=st.booleans(),
    )
    def measure_for_depth(self, contents: Sequence[str], *, late: bool) -> object:
        jobs = self._claimed(len(contents))
        for store in (self._model, self._real):
            store.seat(jobs).result()
        for job, content in zip(jobs, contents, strict=False):
            if late:
                self.report(job, content)
        return multiple(*jobs)

    @rule(job=waiting, begun=st.booleans())
    def show(self, job: Job, *, begun: bool) -> None:
        for store in (self._model, self._real):
            (store.show if begun else store.seat)([job]).result()

    @rule(job=waiting, content=st.sampled_from("abc"))
    def report(self, job: Job, content: str) -> None:
        told, its = self._as_told(job), self._its(job, content)
        assert reported(self._real, told, its) == reported(self._model, told, its)

    @rule(job=consumes(waiting), error_class=st.sampled_from([ErrorClass.DEVICE, ErrorClass.SHUTDOWN]))
    def fail_at_the_network(self, job: Job, error_class: ErrorClass) -> None:
        self._finish(failure(self._as_told(job), error_class, self._model.now))

    @rule(contents=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3))
    def owe_depth(self, contents: Sequence[str]) -> None:
        for job, content in zip(self._claimed(len(contents)), contents, strict=False):
            self._finish(owed(job, self._its(job, content)))
        assert self._real.owed().result() == self._model.owed().result()

    @precondition(lambda self: self._model.owed().result())
    @rule(limit=st.integers(1, 2), contents=st.lists(st.sampled_from([*"abc", "bad"]), max_size=4))
    def reclaim(self, limit: int, contents: Sequence[str]) -> None:
        assert self._real.reclaim_owed(limit).result() == self._model.reclaim_owed(limit).result()
        for job, content in zip(self._claimed(len(contents)), contents, strict=False):
            self._measured(job, content)

    @rule(
        job=consumes(running),
        error_class=st.sampled_from(ErrorClass),
        content=st.sampled_from(["a", "b", None]),
        changed=st.booleans(),
    )
    def fail(self, job: Job, error_class: ErrorClass, content: str | None, *, changed: bool) -> None:
        self._finish(failure(job, error_class, self._model.now, content=content, changed=changed))

    def _measured(self, job: Job, content: str) -> None:
        bad = failure(job, ErrorClass.DATA, self._model.now)
        self._finish(bad if content == "bad" else success(job, self._its(job, content)))

    def _finish(self, ending: Ending) -> None:
        assert self._real.finish(ending).result() == self._model.finish(ending).result()

    @rule(job=consumes(running))
    def give_back(self, job: Job) -> None:
        for store in (self._model, self._real):
            store.give_back([job]).result()

    @rule(number=st.integers(1, 4))
    def requeue(self, number: int) -> None:
        if number in self._model.rows:
            for store in (self._model, self._real):
                store.requeue(number)

    @rule(destinations=st.sampled_from([("mes", "archive"), ("mes",)]))
    def deliver(self, destinations: Sequence[str]) -> None:
        outbox = SqlOutbox(self._journal, LONGEST_RETRY_S)
        for destination in destinations:
            taken = outbox.take(destination, 100, self._real.now)
            verdicts = [Verdict(seq=event.seq, state=DeliveryState.DELIVERED, attempts=1) for event in taken]
            outbox.settle(verdicts, self._real.now)

    @rule(contents=st.lists(st.sampled_from([*"abc", "bad"]), min_size=3, max_size=5))
    def work_off(self, contents: Sequence[str]) -> None:
        for job, content in zip(self._claimed(len(contents)), contents, strict=False):
            self._measured(job, content)
        self.deliver(("mes", "archive"))

    @rule(
        steps=st.sampled_from([ALL_STEPS, ALL_STEPS, 1, 2]),
        days=st.sampled_from([8, 1]),
        kept=st.sets(st.integers(1, 9), max_size=3),
    )
    def forget(self, steps: int, days: int, kept: Collection[int]) -> None:
        """Sweep some days after most images were deleted, all of it or as far as a crash lets it."""
        for number in range(1, self._real._added):
            if number not in kept:
                self._image(number).unlink(missing_ok=True)
        self.wait(days * DAY_S)
        before_time = self._real.now - 7 * DAY_S
        going = forgettable(self._at, self._images, before_time)
        sweep = Sweep(journal_path(self._at), self._write, may_ask=lambda _: True, now=self._real.now)
        settings = RetentionSettings(payload_days=7, history_days=7)
        for _ in islice(sweep.steps(settings), steps):
            pass
        assert sweep.done.jobs == len(going)
        for number in going:
            del self._model.rows[number]
        self._model.outbox = [told for told in self._model.outbox if told[0] not in going]
        needed = "state != 'delivered' OR delivered_at >= ?"
        erased = f"SELECT seq FROM outbox WHERE payload = '{{}}' AND ({needed})"  # noqa: S608 — words of ours
        assert rows(self._at, erased, before_time) == []
        if steps < ALL_STEPS:
            self.crash(1)

    @rule()
    def empty_the_folder(self) -> None:
        for image in self._images.iterdir():
            image.unlink()

    def _write(self, work: Callable[[Connection], T]) -> T:
        return self._journal.submit(work).result()

    @rule(seconds=st.sampled_from([1.0, 5.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self._model.now += seconds
        self._real.now = self._model.now

    @rule(every=st.sampled_from([1, 2, 3]))
    def crash(self, every: int) -> None:
        """Everything dies; of the claimed jobs every first, second or third was being measured."""
        claimed = [row.job for row in self._model.rows.values() if row.state is JobState.CPU_RUNNING]
        begun = [(job.id, job.attempt) for job in claimed[::every]]
        new = self._at.with_name(str(int(self._at.name) + 1))
        new.mkdir()
        for file in self._at.glob("journal.*"):
            shutil.copy(file, new)
        self._stack.close()
        self._open(new)
        for store in (self._model, self._real):
            store.restart(begun)

    @invariant()
    def both_tell_the_same(self) -> None:
        columns = "id, state, attempt, revision, duplicate_of, coalesce(reason, '') LIKE 'no depth%'"
        found = rows(self._at, f"SELECT {columns} FROM job ORDER BY id")  # noqa: S608 — names of ours
        assert found == [
            (number, row.state.value, row.job.attempt, row.job.revision, row.duplicate_of, row.lacks_depth)
            for number, row in self._model.rows.items()
        ]
        assert self._real.events() == self._model.events()

    @invariant()
    def the_books_balance(self) -> None:
        def check(connection: Connection) -> None:
            sighted, ended, moving = conservation(connection)
            assert sighted == ended + moving == len(self._model.rows)
            assert not any(loose_ends(connection).values())

        self._journal.submit(check).result()

    @invariant()
    def no_image_is_told_of_twice(self) -> None:
        ids = [event_id for _, event_id in self._real.events()]
        assert len(ids) == len(set(ids))

    @invariant()
    def every_job_counts_what_was_told_of_it(self) -> None:
        told = Counter(number for number, _ in self._real.events())
        assert told == Counter({number: row.job.revision for number, row in self._model.rows.items()})


TestJournalMachine: Callable[..., object] = JournalMachine.TestCase
TestJournalMachine.settings = settings(  # type: ignore[attr-defined] # hypothesis's own way to say it
    max_examples=25,
    stateful_step_count=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


# Earlier images of the lot


def in_lot(lot: str | None, against: str, tool: str = "sem1") -> JobOrder:
    return JobOrder(plan=Plan(against=against), context=Context(tool=tool, lot=lot), lane=Lane.LIVE)


def compared_with(job: Job) -> str | None:
    return job.reference.path.rsplit("/", 1)[1] if job.reference else None


@pytest.mark.parametrize(
    ("against", "expected"),
    [
        ("golden", [None, None, None, None, None]),
        ("first_of_lot", [None, "1.tif", None, "1.tif", None]),
        ("previous", [None, "1.tif", None, "2.tif", None]),
    ],
)
def test_an_image_is_compared_with_an_earlier_one_of_its_lot_and_tool(
    store: Store, against: str, expected: list[str | None]
) -> None:
    for lot, tool in (("L1", "sem1"), ("L1", "sem1"), ("L2", "sem1"), ("L1", "sem1"), ("L1", "sem2")):
        store.add(in_lot(lot, against, tool))
    assert [compared_with(job) for job in claimed(store)] == expected


def test_a_second_attempt_is_compared_with_the_same_image(store: Store) -> None:
    for _ in range(3):
        store.add(in_lot("L1", "previous"))
    first = claimed(store)
    store.give_back(first[1:]).result()
    assert [compared_with(job) for job in claimed(store)] == ["1.tif", "2.tif"]


def test_an_image_set_aside_is_no_reference(store: Store) -> None:
    for _ in range(2):
        store.add(in_lot("L1", "previous"))
    broken = store.claim(1, alone=0).result()[0]
    failure = Failure(job=broken, error_class=ErrorClass.DATA, reason="cut")
    store.finish(judge(failure, store.now)).result()
    assert [compared_with(job) for job in claimed(store)] == [None]


def test_without_a_lot_nothing_is_its_first_image(tmp_path: Path) -> None:
    with real(tmp_path) as store:
        for _ in range(2):
            store.add(in_lot(None, "first_of_lot"))
        jobs = claimed(store)
    assert [job.reference for job in jobs] == [None, None]
    assert all("the lot is not known" in job.warnings[0] for job in jobs)


def test_the_reference_is_named_as_it_had_settled(store: Store) -> None:
    for _ in range(2):
        store.add(in_lot("L1", "first_of_lot"))
    first, second = claimed(store)
    assert second.reference == Earlier(path=first.path, size=first.size, mtime_ns=first.mtime_ns)
