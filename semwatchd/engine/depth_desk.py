"""Between the workers and the process that tells depths: pictures wait here, and numbers never for long.

What a worker has measured is kept until its depth is known; then both go out as one result. Where that takes
too long, or the device is sick, the numbers go ahead and the depth follows as a second revision.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from semwatchd.core.job import MAX_ATTEMPTS, DepthSkip, ErrorClass, Failure, Job, Lane, Outcome, Result
from semwatchd.core.ports import JobStore, Log, Telemetry
from semwatchd.engine.depth_batches import Batches, Seated
from semwatchd.engine.depth_child import DepthKeeper, Ended, Heard
from semwatchd.engine.depths import SAID, Endings, answered, without_depth
from semwatchd.engine.messages import Answered, Ask, DepthReady, Mapped, Question, Refused, Seat, Sick
from semwatchd.engine.seats import Seats
from semwatchd.engine.settings import DepthSettings
from semwatchd.engine.wakeup import Wakeup

LONGEST_TURN_S = 0.5  # so that a stop is noticed and the loop is seen to live
RECLAIM_EVERY_S = 2.0  # how often a device that has room looks for depths that are owed


@dataclass(frozen=True, slots=True, kw_only=True)
class Partners:
    """Whom the desk talks to."""

    endings: Endings
    store: JobStore
    show: Callable[[bool, str], None]  #: takes (well, reason) whenever the process's state changes
    telemetry: Telemetry
    log: Log
    on_error: Callable[[BaseException], None]


class DepthDesk:
    """Keeps results until their depth is known. :meth:`run` in a thread of its own; the rest is the
    dispatcher's.
    """

    def __init__(
        self,
        settings: DepthSettings,
        keeper: DepthKeeper,
        seats: Seats,
        partners: Partners,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._keeper = keeper
        self._seats = seats
        self._endings = partners.endings
        self._store = partners.store
        self._show = partners.show
        self._telemetry = partners.telemetry
        self._log = partners.log
        self._on_error = partners.on_error
        self._clock = clock
        self._lent: dict[int, Seat] = {}  # by job; the dispatcher's
        self._arrived: deque[Seated] = deque()
        self._batches = Batches(settings.batch, settings.max_wait_s)
        self._showing: Future[None] | None = None  # the journal's word that they are
        self._sick = False
        self._owed = 0
        self._reclaim_at = clock()
        self._taken = self._ended = 0
        self._wakeup = Wakeup()

    @property
    def idle(self) -> bool:
        """Whether no picture is here, and none is owed that could be."""
        return self.empty and (self._sick or not self._owed)

    @property
    def empty(self) -> bool:
        """Whether no picture is here."""
        return self._taken == self._ended

    def lend(self, job: Job) -> Seat | None:
        """Lend a place for the job's picture; None where it needs none, or there is none."""
        if job.plan.depth is None or self._sick:
            return None
        seat = self._seats.lend()
        if seat is not None:
            self._lent[job.id] = seat
        return seat

    def forget(self, job: Job) -> None:
        """Take back the place of a job that was never begun, or whose worker is dead."""
        seat = self._lent.pop(job.id, None)
        if seat is not None:
            self._seats.give_back(seat)

    def take(self, outcome: Outcome, *, seated: bool) -> None:
        """Take over what a worker has answered."""
        if isinstance(outcome, Result) and seated:
            self._taken += 1
            self._store.seat([outcome.job])
            self._arrived.append(Seated(outcome, self._lent.pop(outcome.job.id), self._clock()))
            self._wakeup.ring()
            return
        had_seat = outcome.job.id in self._lent
        self.forget(outcome.job)
        if isinstance(outcome, Failure) or outcome.job.plan.depth is None or had_seat:
            self._endings.collect(outcome)
        elif not self._keeper.ready or _can_wait(outcome.job):
            self._owe(outcome)
        else:
            self._skip(outcome, DepthSkip.BUSY)

    def run(self, stop: threading.Event) -> None:
        """Turn until ``stop`` is set; pictures that are still here are measured again at the next start."""
        try:
            while not stop.is_set():
                self.turn(self._patience_s())
        finally:
            self._keeper.close()
            self._telemetry.rest("depth")

    def turn(self, timeout_s: float) -> None:
        """Do one round."""
        heard = self._keeper.hear(timeout_s, self._wakeup)
        self._wakeup.quieten()
        self._take_arrivals()
        if heard is not None:
            self._understand(heard)
        self._report_late()
        self._pick()
        self._ask()
        self._reclaim()
        self._telemetry.beat("depth")

    def close(self) -> None:
        """Let go of what is the system's; after :meth:`run`."""
        self._wakeup.close()

    def _patience_s(self) -> float:
        due_at = self._batches.due_at() if self._may_show else None
        return LONGEST_TURN_S if due_at is None else min(max(due_at - self._clock(), 0.0), LONGEST_TURN_S)

    def _take_arrivals(self) -> None:
        while self._arrived:
            self._batches.add(self._arrived.popleft())

    def _understand(self, heard: Heard) -> None:
        match heard:
            case DepthReady(about=about):
                self._sick, self._reclaim_at = False, self._clock()
                self._log.info("depth_ready", **about)
                self._show(True, "")
            case Answered(answers=answers):
                self._answered(answers)
            case Sick(reason=reason):
                self._sicken(reason)
            case Ended(reason=reason, was_ready=True):
                self._lost(reason)
            case Ended(reason=reason):
                self._sicken(f"it ended before it was ready: {reason}")

    def _answered(self, answers: Sequence[Mapped | Refused]) -> None:
        by_ticket = {answer.ticket: answer for answer in answers}
        for seated in self._batches.end_shown():
            self._end(seated, answered(seated.result, by_ticket[seated.seat.ticket]))

    def _lost(self, reason: str) -> None:
        """Blame what was shown when the process died; what waits lies where it lay."""
        self._showing, shown = None, self._batches.end_shown()
        self._log.error("depth_process_lost", reason=reason, shown=len(shown))
        for seated in shown:
            if seated.job.attempt >= MAX_ATTEMPTS:
                self._skip(seated.result, DepthSkip.CRASHES)
                self._let_go(seated)
            else:
                self._end(seated, Failure(job=seated.job, error_class=ErrorClass.TASK, reason=reason))

    def _sicken(self, reason: str) -> None:
        """Let all numbers go ahead; their depths are owed until the device is well."""
        self._sick, self._showing = True, None
        self._log.error("depth_sick", reason=reason, waiting=len(self._batches))
        self._show(False, reason)
        for seated in self._batches.end_all():
            self._owe(seated.result)
            self._let_go(seated)

    def _owe(self, result: Result) -> None:
        if self._owed >= self._settings.most_owed and not _can_wait(result.job):
            self._skip(result, DepthSkip.SICK)
            return
        self._owed += 1
        self._endings.owe(result)

    def _skip(self, result: Result, why: DepthSkip) -> None:
        self._telemetry.depth_skipped(why)
        self._endings.collect(without_depth(result, SAID[why]))

    def _end(self, seated: Seated, outcome: Outcome) -> None:
        self._endings.collect(outcome)
        self._let_go(seated)

    def _let_go(self, seated: Seated) -> None:
        self._seats.give_back(seated.seat)
        self._ended += 1

    def _report_late(self) -> None:
        latest = self._clock() - self._settings.partial_after_s
        self._batches.replace(lambda seated: self._ahead(seated, latest))

    def _ahead(self, seated: Seated, latest: float) -> Seated:
        """Send the numbers ahead of a depth that takes too long."""
        if seated.job.revision or seated.since > latest:
            return seated
        self._endings.report(seated.result)
        return replace(seated, result=replace(seated.result, job=replace(seated.job, revision=1)))

    @property
    def _may_show(self) -> bool:
        return self._keeper.free and not self._batches.shown

    def _pick(self) -> None:
        """Choose what is shown next, and let the journal know before it is."""
        batch = self._batches.pick(self._clock()) if self._may_show else ()
        if batch:
            self._showing = self._store.show([seated.job for seated in batch])
            self._showing.add_done_callback(lambda _: self._wakeup.ring())

    def _ask(self) -> None:
        """Show it once the journal knows."""
        if self._showing is None or not self._showing.done():
            return
        showing, self._showing = self._showing, None
        error = showing.exception()
        if error is not None:
            self._on_error(error)
            return
        questions = tuple(
            Question(job=seated.job, facts=seated.result.facts, seat=seated.seat)
            for seated in self._batches.shown
        )
        self._keeper.ask(Ask(questions=questions))

    def _reclaim(self) -> None:
        """Where there is room, queue again what is owed."""
        now = self._clock()
        if not self._keeper.ready or now < self._reclaim_at:
            return
        self._reclaim_at = now + RECLAIM_EVERY_S
        if self._seats.free * 2 >= self._settings.seats:
            self._store.reclaim_owed(self._seats.free // 2)
        self._store.owed().add_done_callback(self._count_owed)

    def _count_owed(self, done: Future[int]) -> None:
        if done.exception() is None:
            self._owed = done.result()


def _can_wait(job: Job) -> bool:
    """Whether its depth may be owed without end: nobody waits for it, or its numbers have gone ahead."""
    return job.lane is not Lane.LIVE or job.revision > 0
