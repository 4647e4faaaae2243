"""What becomes of a job after an attempt: decided here, and written in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from semwatchd.core.job import LONGEST_RETRY_S, MAX_ATTEMPTS, ErrorClass, Failure, JobState, Outcome, Result
from semwatchd.core.paths import escape
from semwatchd.core.ports import Ending, JobStore, Log, RenderedEvent, Telemetry

RETRY_AFTER_S = (2.0, LONGEST_RETRY_S)  #: after the first and the second failure that was the job's own
ENVIRONMENT_RETRY_S = LONGEST_RETRY_S  #: how often a disk or share that is away is asked again

_FOR_GOOD = (JobState.QUARANTINED, JobState.CANCELLED)


def judge(outcome: Outcome, now: float) -> Ending:
    """Decide the job's next state. Pure: the events of a result are added by the collector.

    A job whose numbers were already reported, and that fails for good when it is measured again for its
    depth, is stored as it was.
    """
    match outcome:
        case Result():
            return Ending(outcome=outcome, state=JobState.STORED)
        case Failure():
            ending = _judge_failure(outcome, now)
            known = outcome.job.revision and ending.state in _FOR_GOOD
            return _without_depth(outcome) if known else ending


def _without_depth(failure: Failure) -> Ending:
    said = replace(failure, reason=f"no depth: {failure.reason}")
    return Ending(outcome=said, state=JobState.STORED)


def _judge_failure(failure: Failure, now: float) -> Ending:
    if failure.file_changed:
        return Ending(outcome=failure, state=JobState.CANCELLED)
    match failure.error_class:
        case ErrorClass.DATA:
            return Ending(outcome=failure, state=JobState.QUARANTINED)
        case ErrorClass.TASK | ErrorClass.RESOURCE if failure.job.attempt >= MAX_ATTEMPTS:
            return Ending(outcome=failure, state=JobState.QUARANTINED)
        case ErrorClass.TASK | ErrorClass.RESOURCE:
            not_before = now + RETRY_AFTER_S[failure.job.attempt - 1]
            return Ending(outcome=failure, state=JobState.RETRY_WAIT, not_before=not_before)
        case ErrorClass.SHUTDOWN:
            return Ending(outcome=failure, state=JobState.QUEUED, refund=True)
        case ErrorClass.ENVIRONMENT | ErrorClass.DEVICE:
            not_before = now + ENVIRONMENT_RETRY_S
            return Ending(outcome=failure, state=JobState.RETRY_WAIT, not_before=not_before, refund=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Takes outcomes from the pool to the journal."""

    store: JobStore
    render: Callable[[Result], tuple[RenderedEvent, ...]]
    resight: Callable[[str, str], None]  #: (root, path) of a file that changed under the reader
    environment: Callable[[str], None]  #: told "" after a good read, else what the disk said
    on_error: Callable[[BaseException], None]
    telemetry: Telemetry
    log: Log
    clock: Callable[[], float]  #: epoch seconds

    def collect(self, outcome: Outcome) -> None:
        """Queue the ending of one attempt; log and count it once it is durable."""
        ending = judge(outcome, self.clock())
        if isinstance(outcome, Result):
            ending = Ending(outcome=outcome, state=ending.state, events=self.render(outcome))
        self._finish(ending)

    def owe(self, result: Result) -> None:
        """Store numbers whose depth is to follow, and report them unless that has been done."""
        events = () if result.job.revision else self.render(result)
        self._finish(Ending(outcome=result, state=JobState.CPU_DONE, events=events))

    def report(self, result: Result) -> None:
        """Store and report numbers ahead of their depth, which is still being worked at."""
        done = self.store.report(result, self.render(result))
        done.add_done_callback(lambda done: self._ahead(result, done))

    def _finish(self, ending: Ending) -> None:
        self.store.finish(ending).add_done_callback(lambda done: self._report(ending, done))

    def _ahead(self, result: Result, done: Future[bool]) -> None:
        error = done.exception()
        if error is not None:
            self.on_error(error)
            return
        self.log.info("numbers_ahead_of_depth", job=result.job.id, path=escape(result.job.path))
        self._time(result)

    def _report(self, ending: Ending, done: Future[JobState | None]) -> None:
        error = done.exception()
        if error is not None:
            self.on_error(error)
            return
        state, outcome = done.result(), ending.outcome
        if state is None:
            self.log.warning("late_outcome_dropped", job=outcome.job.id, attempt=outcome.job.attempt)
            return
        self._count(outcome, state)
        self._say(outcome, state)
        if isinstance(outcome, Failure) and outcome.file_changed:
            self.resight(outcome.job.root, outcome.job.path)

    def _count(self, outcome: Outcome, state: JobState) -> None:
        error_class = outcome.error_class if isinstance(outcome, Failure) else None
        self.telemetry.job_ended(outcome.job, state, error_class)
        if isinstance(outcome, Result) and not outcome.job.revision:  # else its numbers went ahead
            self._time(outcome)
        if error_class == ErrorClass.ENVIRONMENT and state == JobState.RETRY_WAIT:
            self.environment(outcome.reason if isinstance(outcome, Failure) else "")
        else:
            self.environment("")

    def _time(self, result: Result) -> None:
        since_written_s = max(0.0, self.clock() - result.job.mtime_ns / 1e9)
        self.telemetry.job_timed(result.job.context.tool, result.elapsed_ms, since_written_s)

    def _say(self, outcome: Outcome, state: JobState) -> None:
        job = outcome.job
        fields = {
            "state": state,
            "job": job.id,
            "path": escape(job.path),
            "tool": job.context.tool,
            "attempt": job.attempt,
        }
        match outcome:
            case Result():
                elapsed_ms = round(sum(outcome.elapsed_ms.values()), 2)
                self.log.info("job_ended", **fields, elapsed_ms=elapsed_ms)
            case Failure():
                self.log.warning(
                    "job_ended", **fields, error_class=outcome.error_class, reason=outcome.reason
                )
