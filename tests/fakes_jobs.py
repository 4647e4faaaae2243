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


@dataclass(slots=True)
class JobRow:
    job: Job  #: its attempt is the one counted so far
    state: JobState = JobState.QUEUED
    not_before: float = 0.0
    sha256: str | None = None
    error_class: ErrorClass | None = None
    duplicate_of: int | None = None
    result: Result | None = None

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
        done = ending.outcome.job
        row = self.rows[done.id]
        if row.state is not JobState.CPU_RUNNING or row.job.attempt != done.attempt:
            return _done(None)
        match ending.outcome:
            case Result() as result:
                self._store(row, result, ending)
            case Failure() as failure:
                self._set_aside(row, failure, ending)
        return _done(row.state)

    def give_back(self, jobs: Sequence[Job]) -> Future[None]:
        self.given_back += jobs
        for job in jobs:
            row = self.rows[job.id]
            if row.state is JobState.CPU_RUNNING and row.job.attempt == job.attempt:
                row.state, row.job = JobState.QUEUED, replace(job, attempt=job.attempt - 1)
        return _done(None)

    def requeue(self, number: int) -> None:
        row = self.rows[number]
        if row.state is JobState.QUARANTINED:
            fresh = replace(row.job, attempt=0, lane=Lane.MANUAL)
            self.rows[number] = JobRow(fresh)

    def restart(self, begun: Collection[tuple[int, int]] = ()) -> None:
        self.turn = 0
        for row in self.rows.values():
            if row.state is not JobState.CPU_RUNNING:
                continue
            if (row.job.id, row.job.attempt) not in begun:
                row.state, row.job = JobState.QUEUED, replace(row.job, attempt=row.job.attempt - 1)
            else:
                worn_out = row.job.attempt >= MAX_ATTEMPTS
                row.state = JobState.QUARANTINED if worn_out else JobState.QUEUED

    def state(self, number: int) -> JobState:
        return self.rows[number].state

    def _store(self, row: JobRow, result: Result, ending: Ending) -> None:
        row.sha256 = result.facts.sha256
        twin = self._twin(row)
        if twin is not None and twin.state is JobState.STORED:
            row.state, row.duplicate_of = JobState.DUPLICATE, twin.job.id
            return
        if twin is not None:
            twin.state = JobState.CANCELLED
        row.state, row.result = JobState.STORED, result
        self.outbox += [(row.job.id, event) for event in ending.events]

    def _set_aside(self, row: JobRow, failure: Failure, ending: Ending) -> None:
        if ending.state is JobState.QUARANTINED:
            row.sha256 = failure.sha256
            twin = self._twin(row)
            if twin is not None:
                row.state, row.duplicate_of = JobState.DUPLICATE, twin.job.id
                return
        row.state, row.not_before = ending.state, ending.not_before
        row.error_class = failure.error_class
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
            and other.state in {JobState.STORED, JobState.QUARANTINED}
        )
        return next(same, None)


def _done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future
