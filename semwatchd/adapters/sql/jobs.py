"""The journal as the dispatcher and the depth desk see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from sqlalchemy import bindparam, func, or_, select, update

from semwatchd.adapters.sql.claims import claim
from semwatchd.adapters.sql.endings import THIS_ATTEMPT, attempt_key, finish, report
from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.adapters.sql.tables import OPEN_JOBS, job
from semwatchd.core.job import Job, JobState, Result
from semwatchd.core.ports import Ending, RenderedEvent

_GIVE_BACK = Prepared(
    update(job)
    .where(THIS_ATTEMPT, job.c.state == JobState.CPU_RUNNING)
    .values(state=JobState.QUEUED, attempt=job.c.attempt - 1)
)
_SEAT = Prepared(
    update(job)
    .where(THIS_ATTEMPT, or_(job.c.state == JobState.CPU_RUNNING, job.c.state == JobState.GPU_RUNNING))
    .values(state=JobState.GPU_QUEUED)
)
_SHOW = Prepared(
    update(job).where(THIS_ATTEMPT, job.c.state == JobState.GPU_QUEUED).values(state=JobState.GPU_RUNNING)
)
_OWED = (OPEN_JOBS, job.c.state == JobState.CPU_DONE)
_COUNT_OWED = select(func.count()).select_from(job).where(*_OWED)
_RECLAIM = (
    update(job)
    .where(job.c.id.in_(select(job.c.id).where(*_OWED).order_by(job.c.id).limit(bindparam("most"))))
    .values(state=JobState.QUEUED, attempt=0, not_before=bindparam("now"), error_class=None, reason=None)
)


class SqlJobStore:
    """core.ports.JobStore on the journal.

    Parameters
    ----------
    destinations
        Names of the destinations every finished result is owed to.
    on_events
        Called when new events are durable, so that the relays need not poll.
    """

    def __init__(
        self,
        journal: Journal,
        destinations: Sequence[str],
        clock: Callable[[], float],
        on_events: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._destinations = tuple(destinations)
        self._clock = clock
        self._on_events = on_events
        self._turn = 0  # places given so far, for the share of backfill

    def claim(self, limit: int, alone: int) -> Future[Sequence[Job]]:
        """Take the next jobs and count their attempt before the work starts.

        A person's wish goes first; live and backfill jobs share the rest, see :mod:`semwatchd.core.lanes`.
        """
        turn, self._turn = self._turn, self._turn + limit
        return self._journal.submit(lambda connection: claim(connection, limit, alone, turn, self._clock()))

    def finish(self, ending: Ending) -> Future[JobState | None]:
        """Record how an attempt ended; result and outbox rows are one transaction with the state."""
        done = self._journal.submit(
            lambda connection: finish(connection, ending, self._destinations, self._clock())
        )
        if ending.events:
            done.add_done_callback(lambda _: self._on_events())
        return done

    def give_back(self, jobs: Sequence[Job]) -> Future[None]:
        """Return jobs that were never started; their attempt does not count."""
        return self._move(_GIVE_BACK, jobs)

    def seat(self, jobs: Sequence[Job]) -> Future[None]:
        """Let measured jobs wait for their depth."""
        return self._move(_SEAT, jobs)

    def show(self, jobs: Sequence[Job]) -> Future[None]:
        """Record that the pictures of these jobs are about to be shown to the network."""
        return self._move(_SHOW, jobs)

    def report(self, result: Result, events: Sequence[RenderedEvent]) -> Future[bool]:
        """Store and tell the numbers of a job whose depth is late."""
        done = self._journal.submit(
            lambda connection: report(connection, result, events, self._destinations, self._clock())
        )
        done.add_done_callback(lambda _: self._on_events())
        return done

    def reclaim_owed(self, limit: int) -> Future[int]:
        """Let jobs whose depth is owed be measured again, oldest first; return how many."""
        again = {"most": limit, "now": self._clock()}
        return self._journal.submit(lambda connection: connection.execute(_RECLAIM, again).rowcount)

    def owed(self) -> Future[int]:
        """Count the jobs whose depth is owed."""
        return self._journal.submit(lambda connection: connection.execute(_COUNT_OWED).scalar_one())

    def _move(self, statement: Prepared, jobs: Sequence[Job]) -> Future[None]:
        keys = [attempt_key(each) for each in jobs]
        return self._journal.submit(lambda connection: statement.run_each(connection, keys))
