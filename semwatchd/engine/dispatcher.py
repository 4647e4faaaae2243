"""From the journal's queue to the workers and back, a few jobs ahead and no more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from semwatchd.core.job import Job
from semwatchd.core.ports import JobStore, Log
from semwatchd.engine.depths import Depths
from semwatchd.engine.supervisor import WorkerPool

ALONE_PAUSE = 4.0  # after a job measured alone the others get this many times its time
MAX_ALONE_PAUSE_S = 60.0
DRAIN_TURN_S = 0.2  # so that a second wish to stop is heard at once
POLL_S = 1.0  # operators' commands and due retries are found this late at most


class Dispatcher:
    """The loop of the main thread.

    Parameters
    ----------
    depths
        Takes what the workers answer.
    capacity
        Jobs claimed ahead of the workers. Each counts as an attempt, so few are claimed; the journal holds
        the rest, and that is the back-pressure.
    """

    def __init__(
        self,
        pool: WorkerPool,
        store: JobStore,
        depths: Depths,
        capacity: int,
        on_error: Callable[[BaseException], None],
        log: Log,
    ) -> None:
        self._pool = pool
        self._store = store
        self._depths = depths
        self._capacity = capacity
        self._on_error = on_error
        self._log = log
        self._claimed: deque[Job] = deque()
        self._alone: deque[Job] = deque()  # at most one: its turn comes when no worker holds anything
        self._alone_since: float | None = None  # while it is measured
        self._next_alone = 0.0
        self._claiming: Future[Sequence[Job]] | None = None
        self._more_work = True
        self._next_poll = 0.0
        self._paused = False

    @property
    def depth(self) -> int:
        """Jobs claimed and not yet given to a worker."""
        return len(self._claimed) + len(self._alone)

    @property
    def idle(self) -> bool:
        """Whether nothing is claimed, asked for or running, and no depth is missing that can be had."""
        return not self.depth and self._claiming is None and not self._pool.busy and self._depths.idle

    def notify(self) -> None:
        """Say that new jobs are in the journal. May be called from any thread."""
        self._more_work = True
        self._pool.wake()

    def pause(self) -> None:
        """Claim nothing until :meth:`resume`; what is claimed is measured. May be called from any thread."""
        self._paused = True

    def resume(self) -> None:
        """Claim again."""
        self._paused = False

    def step(self, timeout_s: float) -> None:
        """Hear the workers, feed them, and ask the journal for more."""
        self._hear(timeout_s)
        self._take_claimed()
        self._feed()
        self._ask_for_more()

    def drain(self, limit_s: float, hurried: Callable[[], bool]) -> None:
        """Stop claiming, let the workers finish what they have begun, and return the rest to the queue.

        Parameters
        ----------
        limit_s
            What runs for longer is ended, and returned at no cost.
        hurried
            Asked again and again; True ends the drain at once.
        """
        deadline = time.monotonic() + limit_s
        self._return_claimed()
        while self._unfinished and time.monotonic() < deadline and not hurried():
            self._hear(min(DRAIN_TURN_S, max(0.0, deadline - time.monotonic())))
            self._return_claimed()
        unanswered = self._pool.close()
        if unanswered:
            self._store.give_back(unanswered)
            self._log.warning("drain_limit_reached", given_back=len(unanswered), hurried=hurried())

    @property
    def _unfinished(self) -> bool:
        """Whether a worker or the journal owes us an answer. A sick disk may keep a claim for ever; the next
        start then returns its jobs to their queue.
        """
        return self._pool.busy or self._claiming is not None

    def _return_claimed(self) -> None:
        self._take_claimed()
        waiting = (*self._claimed, *self._alone)
        if waiting:
            self._store.give_back(waiting)
        self._claimed.clear()
        self._alone.clear()

    def _hear(self, timeout_s: float) -> None:
        news = self._pool.wait(timeout_s)
        for outcome in news.outcomes:
            self._depths.take(outcome, seated=outcome.job.id in news.seated)
        for job in news.unstarted:
            self._depths.forget(job)
        if news.unstarted:
            self._store.give_back(news.unstarted)

    def _take_claimed(self) -> None:
        if self._claiming is None or not self._claiming.done():
            return
        claimed, self._claiming = self._claiming, None
        error = claimed.exception()
        if error is not None:
            self._on_error(error)
            return
        for job in claimed.result():
            (self._alone if job.alone else self._claimed).append(job)

    def _feed(self) -> None:
        now = time.monotonic()
        if self._alone_since is not None:
            if self._pool.busy:
                return
            self._next_alone = now + min(ALONE_PAUSE * (now - self._alone_since), MAX_ALONE_PAUSE_S)
            self._alone_since = None
        if self._alone and now >= self._next_alone:
            if not self._pool.busy and self._pool.free():
                self._alone_since = now
                self._submit(self._alone.popleft())
            return  # nothing new is begun until the workers are empty
        while self._claimed and self._pool.free():
            self._submit(self._claimed.popleft())

    def _submit(self, job: Job) -> None:
        self._pool.submit(job, self._depths.lend(job))

    def _ask_for_more(self) -> None:
        wanted = self._capacity - len(self._claimed)
        due = self._more_work or time.monotonic() >= self._next_poll
        if self._paused or self._claiming is not None or wanted * 2 < self._capacity or not due:
            return
        self._more_work = False
        self._next_poll = time.monotonic() + POLL_S
        self._claiming = self._store.claim(wanted, alone=0 if self._alone else 1)
        self._claiming.add_done_callback(lambda done: self._claim_arrived(done, wanted))

    def _claim_arrived(self, done: Future[Sequence[Job]], wanted: int) -> None:
        if done.exception() is None and len(done.result()) >= wanted:
            self._more_work = True  # as many as asked for: there are likely more
        self._pool.wake()
