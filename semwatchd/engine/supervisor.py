"""The pool of workers: start, feed, watch, replace.

Each worker has its own pipe, so a killed one can take no lock with it. The pipe is also the life line: when a
worker dies, the supervisor reads end-of-file at once. Jobs are answered in the order they were sent, so the
oldest unanswered job is the one that was being measured when a worker died; the others never started.
"""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from semwatchd.core.job import ErrorClass, Failure, Job, Outcome
from semwatchd.core.ports import Log, Telemetry
from semwatchd.engine.child import START_LIMIT_S, Child
from semwatchd.engine.messages import Ready, Reply, Setup

CREDIT = 2  # jobs a worker may hold: one in work, one waiting so that it never idles
QUICK_DEATH_S = 10.0  # a worker that dies younger than this is restarted with growing patience
MAX_RESTART_DELAY_S = 30.0


@dataclass(frozen=True, slots=True)
class News:
    """What happened in the pool since it was last asked."""

    outcomes: list[Outcome] = field(default_factory=list)
    unstarted: list[Job] = field(default_factory=list)  #: lost with a dead worker, but never begun


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFigures:
    """One worker's use of the machine, as of its last answer."""

    slot: int
    rss_bytes: int
    cpu_s: float


class WorkerPool:
    """N workers, each on its own cores, replaced when they die or hang.

    All methods belong to one thread, the one that made the pool: the kernel ends the children when the thread
    that started them ends. Only :meth:`wake` may be called from anywhere.

    Parameters
    ----------
    placement
        The cores of each worker, one entry per worker.
    slots
        Descriptors of the files in which each worker notes what it begins, one per worker; ours to close.
    deadline_s
        Longest time one job may take before its worker is killed.
    """

    def __init__(
        self,
        setup: Setup,
        placement: Sequence[tuple[int, ...]],
        slots: Sequence[int],
        deadline_s: float,
        telemetry: Telemetry,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setup = setup
        self._placement = placement
        self._slots = slots
        self._deadline_s = deadline_s
        self._telemetry = telemetry
        self._log = log
        self._clock = clock
        self._workers: list[Child | None] = [None] * len(placement)
        self._restart_at = [0.0] * len(placement)
        self._restart_delay_s = [0.0] * len(placement)
        self._closed = False
        self._wakeup_lock = threading.Lock()
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)
        self._spawn_missing()

    @property
    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        return [worker.process.pid for worker in self._workers if worker]

    @property
    def size(self) -> int:
        """How many workers there should be."""
        return len(self._placement)

    @property
    def ready_count(self) -> int:
        """How many workers have loaded their libraries and answer."""
        return sum(1 for worker in self._workers if worker and worker.ready)

    @property
    def busy(self) -> bool:
        """Whether any job is unanswered."""
        return any(worker.owed for worker in self._workers if worker)

    def free(self) -> int:
        """How many more jobs the pool takes."""
        return sum(CREDIT - len(worker.owed) for worker in self._workers if worker and worker.ready)

    def figures(self) -> list[WorkerFigures]:
        """Return memory and processor time of each worker."""
        return [
            WorkerFigures(slot=slot, rss_bytes=worker.rss_bytes, cpu_s=worker.cpu_s)
            for slot, worker in enumerate(self._workers)
            if worker
        ]

    def submit(self, job: Job) -> None:
        """Give a job to the least busy worker. Ask :meth:`free` first."""
        worker = min((w for w in self._workers if w and w.ready), key=lambda w: len(w.owed))
        if not worker.owed:
            worker.head_since = self._clock()
        worker.owed.append(job)
        try:
            worker.pipe.send(job)
        except OSError:
            return  # it has just died; its end-of-file tells the rest of the story

    def wake(self) -> None:
        """End a :meth:`wait` early. May be called from any thread."""
        with self._wakeup_lock:  # after close() the number may already be another file's
            if not self._closed:
                os.eventfd_write(self._wakeup, 1)

    def wait(self, timeout_s: float) -> News:
        """Wait for answers, deaths or a :meth:`wake`, at most ``timeout_s``; replace what died."""
        news = News()
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                os.eventfd_read(self._wakeup)
            else:
                self._hear(key.data, news)
        self._kill_overdue(news)
        self._spawn_missing()
        return news

    def close(self) -> list[Job]:
        """End all workers at once and return the jobs they had not answered."""
        unanswered: list[Job] = []
        living = [worker for worker in self._workers if worker]
        for worker in living:
            worker.kill()
        for worker in living:
            unanswered += worker.owed
            self._selector.unregister(worker.pipe)
            worker.bury()
        self._workers = [None] * len(self._workers)
        for descriptor in self._slots:
            os.close(descriptor)
        self._selector.close()
        with self._wakeup_lock:
            self._closed = True
            os.close(self._wakeup)
        return unanswered

    def _hear(self, slot: int, news: News) -> None:
        worker = self._workers[slot]
        if worker is None:
            return
        try:
            message: Ready | Reply = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(slot, worker, news, ErrorClass.TASK, "")
            return
        if isinstance(message, Ready):
            worker.ready = True
            worker.head_since = self._clock()
            self._log.info("worker_ready", slot=slot, pid=worker.process.pid, cores=list(message.cores))
            return
        worker.owed.popleft()
        worker.head_since = self._clock()
        worker.rss_bytes, worker.cpu_s = message.rss_bytes, message.cpu_s
        news.outcomes.append(message.outcome)

    def _kill_overdue(self, news: News) -> None:
        now = self._clock()
        for slot, worker in enumerate(self._workers):
            if worker and worker.overdue(now, self._deadline_s):
                worker.kill()
                limit_s = self._deadline_s if worker.ready else START_LIMIT_S
                why = f"no answer within {limit_s:g} s; the worker was ended"
                self._replace(slot, worker, news, ErrorClass.RESOURCE, why)

    def _replace(self, slot: int, worker: Child, news: News, blame: ErrorClass, why: str) -> None:
        self._selector.unregister(worker.pipe)
        ended = worker.bury()
        if worker.owed:
            reason = why or f"the worker died while measuring this image ({ended})"
            news.outcomes.append(Failure(job=worker.owed.popleft(), error_class=blame, reason=reason))
            news.unstarted.extend(worker.owed)
        self._workers[slot] = None
        self._plan_restart(slot, worker)
        self._telemetry.worker_restarted("deadline" if why else "crash")
        self._log.warning("worker_lost", slot=slot, pid=worker.process.pid, reason=why or ended)

    def _plan_restart(self, slot: int, worker: Child) -> None:
        now = self._clock()
        delay_s = self._restart_delay_s[slot]
        died_young = now - worker.born < QUICK_DEATH_S
        self._restart_delay_s[slot] = min(max(2 * delay_s, 0.5), MAX_RESTART_DELAY_S) if died_young else 0.0
        self._restart_at[slot] = now + self._restart_delay_s[slot]

    def _spawn_missing(self) -> None:
        now = self._clock()
        for slot, cores in enumerate(self._placement):
            if self._workers[slot] is None and now >= self._restart_at[slot]:
                worker = Child(cores, self._setup, self._slots[slot], now)
                self._workers[slot] = worker
                self._selector.register(worker.pipe, selectors.EVENT_READ, slot)
