"""In-memory twin of the journal's jobs: the same answers, from a list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TypeVar

from semwatchd.core.job import (
    LONGEST_RETRY_S,
    MAX_ATTEMPTS,
    Earlier,
    ErrorClass,
    Failure,
    Job,
    JobState,
    Lane,
    Result,
)
from semwatchd.core.lanes import backfill_share, split_places
from semwatchd.core.ports import Ending, RenderedEvent

T = TypeVar("T")

WITH_THE_NETWORK = {JobState.GPU_QUEUED, JobState.GPU_RUNNING}
UNDER_WAY = WITH_THE_NETWORK | {JobState.CPU_RUNNING}
STANDS_FOR_NOTHING = {JobState.DUPLICATE, JobState.CANCELLED}


@dataclass(slots=True)
class JobRow:
    job: Job  #: its attempt is the one counted so far
    state: JobState = JobState.QUEUED
    not_before: float = 0.0
    sha256: str | None = None
    reason: str | None = None
    error_class: ErrorClass | None = None
    duplicate_of: int | None = None
    result: Result | None = None

    @property
    def lacks_depth(self) -> bool:
        return (self.reason or "").startswith("no depth")

    @property
    def runs_alone(self) -> bool:
        return self.job.attempt >= MAX_ATTEMPTS - 1 or self.error_class is ErrorClass.RESOURCE


@dataclass(slots=True)
class MemoryJobStore:
    """Twin of SqlJobStore; ``rows`` by id and ``outbox`` are open to the test."""

    now: float = 1000.0
    rows: dict[int, JobRow] = field(default_factory=dict)
    outbox: list[tuple[int, RenderedEvent]] = field(default_factory=list)
    given_back: list[Job] = field(default_factory=list)
    turn: int = 0

    def add(self, job: Job) -> None:
        self.rows[job.id] = JobRow(replace(job, attempt=0))

    def claim(self, limit: int, alone: int) -> Future[Sequence[Job]]:
        for row in self.rows.values():
            due = not self.now < row.not_before <= self.now + LONGEST_RETRY_S
            if row.state is JobState.RETRY_WAIT and due:
                row.state = JobState.QUEUED
        queued = [row for _, row in sorted(self.rows.items()) if row.state is JobState.QUEUED]
        lonely = [row for row in queued if row.runs_alone][:alone]
        taken = [*self._in_company([row for row in queued if not row.runs_alone], limit), *lonely]
        for row in taken:
            row.job = replace(row.job, attempt=row.job.attempt + 1, alone=row.runs_alone)
            row.state = JobState.CPU_RUNNING
        return _done([self._with_earlier(row.job) for row in taken])

    def _with_earlier(self, job: Job) -> Job:
        unfit = {JobState.QUARANTINED, JobState.CANCELLED, JobState.DUPLICATE}
        lot = [
            row.job
            for number, row in sorted(self.rows.items())
            if number < job.id and row.state not in unfit
            if (row.job.plan.plan_hash, row.job.context.tool, row.job.context.lot)
            == (job.plan.plan_hash, job.context.tool, job.context.lot)
        ]
        if job.plan.against == "golden" or not lot:
            return job
        chosen = lot[0 if job.plan.against == "first_of_lot" else -1]
        return replace(job, reference=Earlier(path=chosen.path, size=chosen.size, mtime_ns=chosen.mtime_ns))

    def _in_company(self, queued: list[JobRow], limit: int) -> list[JobRow]:
        manual, live, backfill = (
            [row for row in queued if row.job.lane is lane]
            for lane in (Lane.MANUAL, Lane.LIVE, Lane.BACKFILL)
        )
        places = limit - len(manual[:limit])
        waited_s = self.now - (backfill[0].job.detected_at or 0.0) if backfill else 0.0
        share = backfill_share(self.turn, places, waited_s)
        of_live, of_backfill = split_places(places, live=len(live), backfill=len(backfill), share=share)
        self.turn += limit
        return [*manual[:limit], *live[:of_live], *backfill[:of_backfill]]

    def finish(self, ending: Ending) -> Future[JobState | None]:
        row = self._of_attempt(ending.outcome.job, UNDER_WAY)
        if row is None:
            return _done(None)
        match ending.outcome:
            case Result() as result:
                self._store(row, result, ending.state, ending.events)
            case Failure() as failure:
                self._set_aside(row, failure, ending)
        return _done(row.state)

    def seat(self, jobs: Sequence[Job]) -> Future[None]:
        self._move(jobs, {JobState.CPU_RUNNING, JobState.GPU_RUNNING}, JobState.GPU_QUEUED)
        return _done(None)

    def show(self, jobs: Sequence[Job]) -> Future[None]:
        self._move(jobs, {JobState.GPU_QUEUED}, JobState.GPU_RUNNING)
        return _done(None)

    def report(self, result: Result, events: Sequence[RenderedEvent]) -> Future[bool]:
        row = self._of_attempt(result.job, WITH_THE_NETWORK)
        if row is not None:
            self._store(row, result, row.state, events)
        return _done(row is not None and row.state in WITH_THE_NETWORK)

    def reclaim_owed(self, limit: int) -> Future[int]:
        owed = [row for _, row in sorted(self.rows.items()) if row.state is JobState.CPU_DONE][:limit]
        for row in owed:
            row.state, row.not_before, row.error_class, row.reason = JobState.QUEUED, self.now, None, None
            row.job = replace(row.job, attempt=0)
        return _done(len(owed))

    def owed(self) -> Future[int]:
        return _done(sum(row.state is JobState.CPU_DONE for row in self.rows.values()))

    def _of_attempt(self, job: Job, states: Collection[JobState]) -> JobRow | None:
        row = self.rows.get(job.id)
        return row if row and row.state in states and row.job.attempt == job.attempt else None

    def _move(self, jobs: Sequence[Job], states: Collection[JobState], to: JobState) -> None:
        for row in (self._of_attempt(job, states) for job in jobs):
            if row is not None:
                row.state = to

    def give_back(self, jobs: Sequence[Job]) -> Future[None]:
        self.given_back += jobs
        for job in jobs:
            row = self._of_attempt(job, {JobState.CPU_RUNNING})
            if row is not None:
                row.state, row.job = JobState.QUEUED, replace(row.job, attempt=job.attempt - 1)
        return _done(None)

    def requeue(self, number: int) -> None:
        row = self.rows[number]
        if row.state is JobState.QUARANTINED:
            fresh = replace(row.job, attempt=0, lane=Lane.MANUAL)
            self.rows[number] = JobRow(fresh)

    def restart(self, begun: Collection[tuple[int, int]] = ()) -> None:
        self.turn = 0
        for row in self.rows.values():
            if row.state in WITH_THE_NETWORK and row.job.revision:
                row.state = JobState.CPU_DONE
            elif row.state in WITH_THE_NETWORK or (
                row.state is JobState.CPU_RUNNING and (row.job.id, row.job.attempt) not in begun
            ):
                row.state, row.job = JobState.QUEUED, replace(row.job, attempt=row.job.attempt - 1)
            elif row.state is JobState.CPU_RUNNING:
                row.state = JobState.QUEUED
                if row.job.attempt >= MAX_ATTEMPTS:
                    self._give_up(row)

    def _give_up(self, row: JobRow) -> None:
        known = row.job.revision > 0
        row.state = JobState.STORED if known else JobState.QUARANTINED
        row.reason = "no depth: crashed" if known else "crashed"

    def state(self, number: int) -> JobState:
        return self.rows[number].state

    def revision(self, number: int) -> int:
        return self.rows[number].job.revision

    def reason(self, number: int) -> str:
        return self.rows[number].reason or ""

    def _store(self, row: JobRow, result: Result, state: JobState, events: Sequence[RenderedEvent]) -> None:
        if row.job.revision and row.sha256 != result.facts.sha256:
            row.state, row.reason = JobState.STORED, "no depth: other bytes"
            return
        row.sha256 = result.facts.sha256
        twin = self._twin(row)
        if twin is not None and twin.state is not JobState.QUARANTINED:
            row.state, row.duplicate_of = JobState.DUPLICATE, twin.job.id
            return
        if twin is not None:
            twin.state = JobState.CANCELLED
        row.state, row.result, row.error_class, row.reason = state, result, None, None
        row.job = replace(row.job, revision=row.job.revision + bool(events))
        self.outbox += [(row.job.id, event) for event in events]

    def _set_aside(self, row: JobRow, failure: Failure, ending: Ending) -> None:
        if ending.state is JobState.QUARANTINED:
            row.sha256 = failure.sha256
            twin = self._twin(row)
            if twin is not None:
                row.state, row.duplicate_of = JobState.DUPLICATE, twin.job.id
                return
        row.state, row.not_before = ending.state, ending.not_before
        row.error_class, row.reason = failure.error_class, failure.reason
        if ending.refund:
            row.job = replace(row.job, attempt=row.job.attempt - 1)

    def _twin(self, row: JobRow) -> JobRow | None:
        """The other job that stands for the same bytes under the same plan."""
        if row.sha256 is None:
            return None
        same = (
            other
            for other in self.rows.values()
            if other is not row
            and other.sha256 == row.sha256
            and other.job.plan.plan_hash == row.job.plan.plan_hash
            and other.state not in STANDS_FOR_NOTHING
        )
        return next(same, None)


def _done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future
