from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import pytest

from semwatchd.core.job import ErrorClass, Failure, JobState, Outcome, Result
from semwatchd.core.ports import Ending, RenderedEvent
from semwatchd.engine.collector import ENVIRONMENT_RETRY_S, Collector, judge
from tests.deliveries import a_result
from tests.fakes import ListLog, RecordingTelemetry
from tests.journals import some_job

NOW = 1_800_000_000.0
EVENT = RenderedEvent(event_id="e", event_type="t", order_key="k", subject="s", payload="{}")


def failed(error_class: ErrorClass, attempt: int = 1, *, changed: bool = False, revision: int = 0) -> Failure:
    job = replace(some_job(1, attempt), revision=revision)
    return Failure(job=job, error_class=error_class, reason="why", file_changed=changed)


@pytest.mark.parametrize(
    ("outcome", "state", "wait_s", "refund"),
    [
        (a_result(), JobState.STORED, None, False),
        (failed(ErrorClass.DATA), JobState.QUARANTINED, None, False),
        (failed(ErrorClass.TASK, 1), JobState.RETRY_WAIT, 2.0, False),
        (failed(ErrorClass.TASK, 2), JobState.RETRY_WAIT, 10.0, False),
        (failed(ErrorClass.TASK, 3), JobState.QUARANTINED, None, False),
        (failed(ErrorClass.RESOURCE, 1), JobState.RETRY_WAIT, 2.0, False),
        (failed(ErrorClass.RESOURCE, 3), JobState.QUARANTINED, None, False),
        (failed(ErrorClass.ENVIRONMENT, 3), JobState.RETRY_WAIT, ENVIRONMENT_RETRY_S, True),
        (failed(ErrorClass.DEVICE, 3), JobState.RETRY_WAIT, ENVIRONMENT_RETRY_S, True),
        (failed(ErrorClass.SHUTDOWN, 3), JobState.QUEUED, None, True),
        (failed(ErrorClass.ENVIRONMENT, changed=True), JobState.CANCELLED, None, False),
        (failed(ErrorClass.TASK, 2, revision=1), JobState.RETRY_WAIT, 10.0, False),
        (failed(ErrorClass.ENVIRONMENT, revision=1), JobState.RETRY_WAIT, ENVIRONMENT_RETRY_S, True),
        (failed(ErrorClass.SHUTDOWN, revision=1), JobState.QUEUED, None, True),
    ],
)
def test_the_table_of_judgements(
    outcome: Outcome,
    state: JobState,
    wait_s: float | None,
    refund: bool,  # noqa: FBT001 — a parameter
) -> None:
    not_before = 0.0 if wait_s is None else NOW + wait_s
    assert judge(outcome, NOW) == Ending(outcome=outcome, state=state, not_before=not_before, refund=refund)


@pytest.mark.parametrize(
    "failure",
    [
        failed(ErrorClass.DATA, revision=1),
        failed(ErrorClass.RESOURCE, 3, revision=1),
        failed(ErrorClass.ENVIRONMENT, changed=True, revision=1),
    ],
)
def test_numbers_once_told_are_never_taken_back(failure: Failure) -> None:
    said = replace(failure, reason="no depth: why")
    assert judge(failure, NOW) == Ending(outcome=said, state=JobState.STORED)


class SlowStore:
    """A journal that takes its time: the test says when a change is durable."""

    def __init__(self) -> None:
        self.ending: Ending | None = None
        self.done: Future[JobState | None] = Future()

    def finish(self, ending: Ending) -> Future[JobState | None]:
        self.ending = ending
        return self.done


class Bench:
    def __init__(self) -> None:
        self.store = SlowStore()
        self.telemetry = RecordingTelemetry()
        self.log = ListLog()
        self.resighted: list[tuple[str, str]] = []
        self.environment: list[str] = []
        self.errors: list[BaseException] = []
        self.collector = Collector(
            store=self.store,  # type: ignore[arg-type] # finish is all a collector asks for
            render=lambda _: (EVENT,),
            resight=lambda root, path: self.resighted.append((root, path)),
            environment=self.environment.append,
            on_error=self.errors.append,
            telemetry=self.telemetry,
            log=self.log,
            clock=lambda: NOW,
        )

    def collect(self, outcome: Outcome, state: JobState | None) -> None:
        self.collector.collect(outcome)
        assert (self.telemetry.calls, self.log.lines, self.environment) == ([], [], [])
        self.store.done.set_result(state)


def test_a_result_is_told_of_once_it_is_durable() -> None:
    bench = Bench()
    result = a_result()
    bench.collect(result, JobState.STORED)
    assert bench.store.ending == Ending(outcome=result, state=JobState.STORED, events=(EVENT,))
    assert bench.telemetry.named("job_ended") == [(result.job, JobState.STORED, None)]
    ((tool, elapsed_ms, end_to_end_s),) = bench.telemetry.named("job_timed")
    assert (tool, elapsed_ms) == ("sem1", result.elapsed_ms)
    assert end_to_end_s == pytest.approx(NOW, abs=1)
    assert bench.log.lines[0][:2] == ("info", "job_ended")
    assert bench.environment == [""]


def test_what_the_journal_says_counts_and_not_what_was_hoped() -> None:
    bench = Bench()
    bench.collect(a_result(), JobState.DUPLICATE)
    assert bench.telemetry.named("job_ended")[0][1] is JobState.DUPLICATE


def test_a_late_outcome_is_only_a_line_in_the_log() -> None:
    bench = Bench()
    bench.collect(a_result(), None)
    assert bench.log.events() == ["late_outcome_dropped"]
    assert bench.telemetry.calls == []


def test_a_disk_that_fails_is_told_with_its_reason() -> None:
    bench = Bench()
    bench.collect(failed(ErrorClass.ENVIRONMENT), JobState.RETRY_WAIT)
    assert bench.environment == ["why"]
    assert bench.log.lines[0][2]["reason"] == "why"


def test_a_file_that_changed_is_looked_at_again_and_no_fault_of_the_disk() -> None:
    bench = Bench()
    outcome = failed(ErrorClass.ENVIRONMENT, changed=True)
    bench.collect(outcome, JobState.CANCELLED)
    assert bench.resighted == [(outcome.job.root, outcome.job.path)]
    assert bench.environment == [""]


def test_an_ending_that_cannot_be_written_is_an_error_of_the_daemon() -> None:
    bench = Bench()
    bench.collector.collect(a_result())
    bench.store.done.set_exception(ValueError("no such column"))
    assert [str(error) for error in bench.errors] == ["no such column"]
    assert bench.telemetry.calls == []


def test_only_results_are_told_to_the_mes() -> None:
    bench = Bench()
    bench.collect(failed(ErrorClass.DATA), JobState.QUARANTINED)
    assert bench.store.ending
    assert bench.store.ending.events == ()
    assert not isinstance(bench.store.ending.outcome, Result)
