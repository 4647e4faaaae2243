"""The journal as intake sees it: which versions of which files are known, and what became of them."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, CursorResult, and_, insert, select, update

from semwatchd.adapters.sql.journal import Journal, reading
from semwatchd.adapters.sql.rows import remember_plan
from semwatchd.adapters.sql.tables import SETTLING, job, sighting
from semwatchd.core.job import JobState, SightingState
from semwatchd.core.ports import FileStamp, JobOrder, Sighting

_SETTLED = sighting.c.state.in_([SightingState.READY, SightingState.IGNORED, SightingState.SUPERSEDED])


class SqlSightingLog:
    """core.ports.SightingLog on the journal.

    Parameters
    ----------
    on_ready
        Called when a new job is durable, so that the dispatcher need not poll.
    on_error
        Called with the exception of a change that could not be written.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], float],
        on_ready: Callable[[], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._on_ready = on_ready
        self._on_error = on_error

    def known(self, root: str, relpath: str, stamp: FileStamp) -> bool:
        """Whether this very version has already become a job or been ignored."""
        with reading(self._journal.engine) as connection:
            return _settled_version(connection, root, relpath, stamp)

    def known_in(self, root: str, directory: str) -> Mapping[str, FileStamp]:
        """Return the newest settled version of each name in one directory (``""`` for the root)."""
        with reading(self._journal.engine) as connection:
            return known_in(connection, root, directory)

    def unsettled(self, root: str) -> Sequence[str]:
        """Return the paths below ``root`` that were settling when the journal was last written."""
        with reading(self._journal.engine) as connection:
            return unsettled(connection, root)

    def settling(self, seen: Sighting) -> None:
        """Record that the file was seen."""
        self._write(lambda connection: _settling(connection, seen, self._clock()))

    def ready(self, seen: Sighting, order: JobOrder) -> None:
        """Record that the file is complete, and queue its job in the same transaction."""
        done = self._write(lambda connection: record_ready(connection, seen, order, self._clock()))
        done.add_done_callback(lambda _: self._on_ready())

    def ignored(self, seen: Sighting, reason: str) -> None:
        """Record that the file is none of ours, and why."""
        self._write(lambda connection: _ignored(connection, seen, reason, self._clock()))

    def vanished(self, root: str, relpath: str) -> None:
        """Record that the file went away before it was complete."""
        self._write(lambda connection: _vanished(connection, root, relpath, self._clock()))

    def _write(self, work: Callable[[Connection], None]) -> Future[None]:
        done = self._journal.submit(work)
        done.add_done_callback(self._report)
        return done

    def _report(self, done: Future[None]) -> None:
        error = done.exception()
        if error is not None:
            self._on_error(error)


def known_in(connection: Connection, root: str, directory: str) -> Mapping[str, FileStamp]:
    """Return the newest settled version of each name in one directory (``""`` for the root)."""
    query = (
        select(sighting.c.name, sighting.c.size, sighting.c.mtime_ns, sighting.c.ino)
        .where(sighting.c.root == root, sighting.c.directory == directory, _SETTLED)
        .order_by(sighting.c.id)
    )
    return {
        row.name: FileStamp(size=row.size, mtime_ns=row.mtime_ns, ino=row.ino)
        for row in connection.execute(query)
    }


def unsettled(connection: Connection, root: str) -> Sequence[str]:
    """Return the paths below ``root`` that are settling."""
    query = select(sighting.c.directory, sighting.c.name).where(sighting.c.root == root, SETTLING)
    return [posixpath.join(row.directory, row.name) for row in connection.execute(query)]


def reconsider_ignored(connection: Connection, root: str, reads: Callable[[str], bool], now: float) -> int:
    """Let files settle that were ignored under older patterns and are to be read now; return how many."""
    ignored = select(sighting.c.id, sighting.c.name).where(
        sighting.c.root == root, sighting.c.state == SightingState.IGNORED
    )
    wanted = [row.id for row in connection.execute(ignored) if reads(row.name)]
    for sighting_id in wanted:
        connection.execute(
            update(sighting)
            .where(sighting.c.id == sighting_id)
            .values(state=SightingState.SETTLING, reason=None, changed_at=now)
        )
    return len(wanted)


def record_ready(connection: Connection, seen: Sighting, order: JobOrder, now: float) -> None:
    """Record a complete file and its job; a version already recorded changes nothing."""
    if _settled_version(connection, seen.root, seen.relpath, seen.stamp):
        _vanished(connection, seen.root, seen.relpath, now)
        return
    sighting_id, first_seen = _settle(connection, seen, SightingState.READY, None, now)
    remember_plan(connection, order.plan)
    job_id = _inserted_id(connection.execute(insert(job), _job_row(seen, order, first_seen)))
    connection.execute(update(sighting).where(sighting.c.id == sighting_id).values(job_id=job_id))


def _settling(connection: Connection, seen: Sighting, now: float) -> None:
    if _settling_row(connection, seen) is None:
        connection.execute(insert(sighting), _row(seen, SightingState.SETTLING, now) | {"first_seen": now})


def _settle(
    connection: Connection, seen: Sighting, state: SightingState, reason: str | None, now: float
) -> tuple[int, float]:
    """Give this version its final state and supersede older ones; return its id and its first sight."""
    connection.execute(
        update(sighting)
        .where(
            _place(seen.root, seen.relpath),
            sighting.c.state.in_([SightingState.READY, SightingState.IGNORED]),
        )
        .values(state=SightingState.SUPERSEDED, changed_at=now)
    )
    settled = _row(seen, state, now) | {"reason": reason}
    settling = _settling_row(connection, seen)
    if settling is None:
        return _inserted_id(connection.execute(insert(sighting), settled | {"first_seen": now})), now
    connection.execute(update(sighting).where(sighting.c.id == settling.id).values(settled))
    return settling.id, settling.first_seen


def _inserted_id(inserted: CursorResult[Any]) -> int:
    return int(inserted.lastrowid)


def _ignored(connection: Connection, seen: Sighting, reason: str, now: float) -> None:
    if not _settled_version(connection, seen.root, seen.relpath, seen.stamp):
        _settle(connection, seen, SightingState.IGNORED, reason, now)


def _vanished(connection: Connection, root: str, relpath: str, now: float) -> None:
    connection.execute(
        update(sighting)
        .where(_place(root, relpath), sighting.c.state == SightingState.SETTLING)
        .values(state=SightingState.VANISHED, changed_at=now)
    )


def _settled_version(connection: Connection, root: str, relpath: str, stamp: FileStamp) -> bool:
    query = select(sighting.c.id).where(
        _place(root, relpath),
        _SETTLED,
        sighting.c.size == stamp.size,
        sighting.c.mtime_ns == stamp.mtime_ns,
        sighting.c.ino == stamp.ino,
    )
    return connection.execute(query.limit(1)).first() is not None


def _settling_row(connection: Connection, seen: Sighting) -> Any:  # noqa: ANN401 — a Row or None
    return connection.execute(
        select(sighting.c.id, sighting.c.first_seen).where(_place(seen.root, seen.relpath), SETTLING)
    ).first()


def _place(root: str, relpath: str) -> ColumnElement[bool]:
    directory, name = posixpath.split(relpath)
    return and_(sighting.c.root == root, sighting.c.directory == directory, sighting.c.name == name)


def _row(seen: Sighting, state: SightingState, now: float) -> dict[str, Any]:
    directory, name = posixpath.split(seen.relpath)
    return {
        "root": seen.root,
        "directory": directory,
        "name": name,
        **asdict(seen.stamp),
        "state": state,
        "changed_at": now,
    }


def _job_row(seen: Sighting, order: JobOrder, detected_at: float) -> dict[str, Any]:
    return {
        "plan_hash": order.plan.plan_hash,
        "path": posixpath.join(seen.root, seen.relpath),
        "root": seen.root,
        "size": seen.stamp.size,
        "mtime_ns": seen.stamp.mtime_ns,
        **asdict(order.context),
        "lane": order.lane,
        "state": JobState.QUEUED,
        "warnings": json.dumps(order.warnings),
        "detected_at": detected_at,
    }
