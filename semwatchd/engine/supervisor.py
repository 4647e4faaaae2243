"""The pool of workers: start, feed, watch, replace.

Each worker has its own pipe, so a killed one can take no lock with it. The pipe is also the life line: when a
worker dies, the supervisor reads end-of-file at once. Jobs are answered in the order they were sent, so the
oldest unanswered job is the one that was being measured when a worker died; the others never started.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from semwatchd.core.job import ErrorClass, Failure, Job, Outcome, Result
from semwatchd.core.ports import Log, Telemetry
from semwatchd.engine.child import Child
from semwatchd.engine.messages import Ready, Reply, Seat, Setup, Task
from semwatchd.engine.pace import Deadlines
from semwatchd.engine.wakeup import Wakeup

CREDIT = 2  # jobs a worker may hold: one in work, one waiting so that it never idles
QUICK_DEATH_S = 10.0  # a worker that dies younger than this is restarted with growing patience
MAX_RESTART_DELAY_S = 30.0
DUMP_S = 1.0  # from the question where a hung worker is to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker may take before it is ended, or replaced between two jobs."""

    deadline_s: float  #: longest time for one job
    recycle_rss_bytes: int  #: memory it may hold on to
    recycle_jobs: int  #: jobs it may do
    #: Longest time for single stages of a job; that of the others is learned, see :mod:`.pace`.
    stage_deadline_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class News:
    """What happened in the pool since it was last asked."""

    outcomes: list[Outcome] = field(default_factory=list)
    seated: set[int] = field(default_factory=set)  #: jobs of these whose pictures wait for the network
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
    that started them ends. Only :meth:`wake` and what says so may be called from anywhere.

    Parameters
    ----------
    placement
        The cores of each worker, one entry per worker.
    slots
        Descriptors of the files in which each worker notes what it begins, one per worker; ours to close.
    """

    def __init__(
        self,
        setup: Setup,
        placement: Sequence[tuple[int, ...]],
        slots: Sequence[int],
        limits: Limits,
        telemetry: Telemetry,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setup = setup
        self._placement = placement
        self._slots = slots
        self._limits = limits
        self._deadlines = Deadlines(limits.deadline_s, limits.stage_deadline_s)
        self._telemetry = telemetry
        self._log = log
        self._clock = clock
        self._workers: list[Child | None] = [None] * len(placement)
        self._restart_at = [0.0] * len(placement)
        self._restart_delay_s = [0.0] * len(placement)
        self._recycled: set[int] = set()  # slots whose new worker is being started
        self._wakeup = Wakeup()
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
    def missing(self) -> int:
        """How many workers were lost and are not back yet. One that is being recycled is not lost."""
        return self.size - self.ready_count - len(self._recycled)

    @property
    def busy(self) -> bool:
        """Whether any job is unanswered."""
        return any(worker.owed for worker in self._workers if worker)

    def free(self) -> int:
        """How many more jobs the pool takes."""
        return sum(CREDIT - len(worker.owed) for worker in self._taking())

    def figures(self) -> list[WorkerFigures]:
        """Return memory and processor time of each worker."""
        return [
            WorkerFigures(slot=slot, rss_bytes=worker.rss_bytes, cpu_s=worker.cpu_s)
            for slot, worker in enumerate(self._workers)
            if worker
        ]

    def living(self) -> list[tuple[int, Child]]:
        """Return the workers that answer, by slot. May be called from any thread."""
        return [(slot, worker) for slot, worker in enumerate(self._workers) if worker and worker.ready]

    def submit(self, job: Job, seat: Seat | None = None) -> None:
        """Give a job to the least busy worker, and a seat for its picture. Ask :meth:`free` first."""
        worker = min(self._taking(), key=lambda worker: len(worker.owed))
        if not worker.owed:
            worker.head_since = self._clock()
        worker.owed.append(job)
        try:
            worker.pipe.send(Task(job=job, seat=seat))
        except OSError:
            return  # it has just died; its end-of-file tells the rest of the story

    def _taking(self) -> Iterator[Child]:
        return (worker for worker in self._workers if worker and worker.ready and not worker.retiring)

    def wake(self) -> None:
        """End a :meth:`wait` early. May be called from any thread."""
        self._wakeup.ring()

    def wait(self, timeout_s: float) -> News:
        """Wait for answers, deaths or a :meth:`wake`, at most ``timeout_s``; replace what died."""
        news = News()
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                self._wakeup.quieten()
            else:
                self._hear(key.data, news)
        self._end_overdue(news)
        self._recycle()
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
        self._wakeup.close()
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
            self._recycled.discard(slot)
            worker.head_since = self._clock()
            self._log.info("worker_ready", slot=slot, pid=worker.process.pid, cores=list(message.cores))
            return
        worker.owed.popleft()
        worker.answered += 1
        if isinstance(message.outcome, Result):
            self._deadlines.took(message.outcome.elapsed_ms)
        worker.head_since, worker.dump_asked_at = self._clock(), None
        worker.rss_bytes, worker.cpu_s = message.rss_bytes, message.cpu_s
        news.outcomes.append(message.outcome)
        if message.seated:
            news.seated.add(message.outcome.job.id)

    def _end_overdue(self, news: News) -> None:
        """Ask what is overdue where it is, and end it a moment later; waiting for that holds up nobody."""
        now = self._clock()
        for slot, worker in enumerate(self._workers):
            if worker is None or not (why := worker.late(now, self._deadlines)):
                continue
            if worker.dump_asked_at is None:
                worker.ask_for_stacks(now)
            elif now - worker.dump_asked_at >= DUMP_S:
                worker.kill()
                self._replace(slot, worker, news, ErrorClass.RESOURCE, why)

    def _recycle(self) -> None:
        """Replace one worker that has grown or aged, once it has answered everything.

        The new one is started after the old one has ended: on the same core it would only take its time.
        """
        slot = next((slot for slot, worker in enumerate(self._workers) if worker and worker.retiring), None)
        if slot is None and self.ready_count == self.size:
            slot = next(
                (slot for slot, worker in enumerate(self._workers) if worker and self._worn(worker)), None
            )
        worker = None if slot is None else self._workers[slot]
        if slot is None or worker is None:
            return
        worker.retiring = True
        if not worker.owed:
            self._retire(slot, worker)

    def _worn(self, worker: Child) -> bool:
        limits = self._limits
        return worker.rss_bytes > limits.recycle_rss_bytes or worker.answered >= limits.recycle_jobs

    def _retire(self, slot: int, worker: Child) -> None:
        worker.kill()
        self._forget(slot, worker)
        self._recycled.add(slot)
        self._telemetry.worker_restarted("recycled")
        self._log.info("worker_recycled", slot=slot, jobs=worker.answered, rss_bytes=worker.rss_bytes)

    def _forget(self, slot: int, worker: Child) -> str:
        self._selector.unregister(worker.pipe)
        self._workers[slot] = None
        return worker.bury()

    def _replace(self, slot: int, worker: Child, news: News, blame: ErrorClass, why: str) -> None:
        stacks, stage = worker.stacks(), worker.stage
        ended = self._forget(slot, worker)
        if worker.owed:
            where = f", in stage {stage}" if stage else ""
            reason = why or f"the worker died while measuring this image ({ended}{where})"
            news.outcomes.append(Failure(job=worker.owed.popleft(), error_class=blame, reason=reason))
            news.unstarted.extend(worker.owed)
        self._recycled.discard(slot)
        self._plan_restart(slot, died_young=self._clock() - worker.born < QUICK_DEATH_S)
        self._telemetry.worker_restarted("deadline" if why else "crash")
        said = {name: text for name, text in (("stage", stage), ("stacks", stacks)) if text}
        self._log.warning("worker_lost", slot=slot, pid=worker.process.pid, reason=why or ended, **said)

    def _plan_restart(self, slot: int, *, died_young: bool) -> None:
        delay_s = self._restart_delay_s[slot]
        self._restart_delay_s[slot] = min(max(2 * delay_s, 0.5), MAX_RESTART_DELAY_S) if died_young else 0.0
        self._restart_at[slot] = self._clock() + self._restart_delay_s[slot]

    def _spawn_missing(self) -> None:
        now = self._clock()
        for slot, cores in enumerate(self._placement):
            if self._workers[slot] is None and now >= self._restart_at[slot]:
                self._spawn(slot, cores, now)

    def _spawn(self, slot: int, cores: tuple[int, ...], now: float) -> None:
        try:
            worker = Child(cores, self._setup, self._slots[slot], now)
        except OSError as error:  # the machine has no memory or no process left: it may have some again
            self._recycled.discard(slot)
            self._plan_restart(slot, died_young=True)
            self._log.error("worker_not_started", slot=slot, error=str(error))
            return
        self._workers[slot] = worker
        self._selector.register(worker.pipe, selectors.EVENT_READ, slot)
