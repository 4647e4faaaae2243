"""The journal as intake sees it: which versions of which files are known, and what became of them."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, select, text, update

from semwatchd.adapters.sql.journal import Journal, reading
from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.adapters.sql.rows import CONTEXT_FIELDS, remember_plan, shallow
from semwatchd.adapters.sql.tables import SETTLING, job, sighting
from semwatchd.core.job import JobState, SightingState
from semwatchd.core.naming import UNKNOWN_TYPE
from semwatchd.core.paths import unescape
from semwatchd.core.ports import FileStamp, JobOrder, Sighting

# Statements of the hot path are put together once; building one costs more than running it.
_AT_PLACE = and_(
    sighting.c.root == bindparam("at_root"),
    sighting.c.directory == bindparam("at_directory"),
    sighting.c.name == bindparam("at_name"),
)
_SETTLED = text("sighting.state IN ('ready', 'ignored', 'superseded')")
_CURRENT = text("sighting.state IN ('ready', 'ignored')")

_FIND_VERSION = Prepared(
    select(sighting.c.id).where(
        _AT_PLACE,
        _SETTLED,
        sighting.c.size == bindparam("at_size"),
        sighting.c.mtime_ns == bindparam("at_mtime_ns"),
        sighting.c.ino == bindparam("at_ino"),
    )
)
_LIST_KNOWN = Prepared(
    select(sighting.c.name, sighting.c.size, sighting.c.mtime_ns, sighting.c.ino)
    .where(
        sighting.c.root == bindparam("at_root"), sighting.c.directory == bindparam("at_directory"), _SETTLED
    )
    .order_by(sighting.c.name, sighting.c.id)  # as the index has them, so nothing need be sorted
)
_FIND_SETTLING = Prepared(select(sighting.c.id, sighting.c.first_seen).where(_AT_PLACE, SETTLING))
_VERSION = ("size", "mtime_ns", "ino", "state", "reason", "changed_at")
_INSERT = Prepared(insert(sighting), ("root", "directory", "name", *_VERSION, "job_id", "first_seen"))
_INSERT_JOB = Prepared(
    insert(job),
    (
        *("plan_hash", "path", "root", "size", "mtime_ns", *CONTEXT_FIELDS),
        *("lane", "state", "warnings", "detected_at"),
    ),
)
_SUPERSEDE = Prepared(
    update(sighting)
    .where(_AT_PLACE, _CURRENT)
    .values(state=SightingState.SUPERSEDED, changed_at=bindparam("now"))
)
_VANISH = Prepared(
    update(sighting)
    .where(_AT_PLACE, SETTLING)
    .values(state=SightingState.VANISHED, changed_at=bindparam("now"))
)
_SETTLE = Prepared(
    update(sighting)
    .where(sighting.c.id == bindparam("this_id"))
    .values({name: bindparam(name) for name in (*_VERSION, "job_id")})
)


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
        with self._journal.reading() as connection:
            return _is_known(connection, root, relpath, stamp)

    def known_in(self, root: str, directory: str) -> Mapping[str, FileStamp]:
        """Return the newest settled version of each name in one directory (``""`` for the root)."""
        with self._journal.reading() as connection:
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
    rows = _LIST_KNOWN.all(connection, {"at_root": root, "at_directory": directory})
    return {unescape(name): FileStamp(size, mtime_ns, ino) for name, size, mtime_ns, ino in rows}


def unsettled(connection: Connection, root: str) -> Sequence[str]:
    """Return the paths below ``root`` that are settling."""
    query = select(sighting.c.directory, sighting.c.name).where(sighting.c.root == root, SETTLING)
    return [posixpath.join(row.directory, row.name) for row in connection.execute(query)]


def reconsider_ignored(connection: Connection, root: str, reads: Callable[[str], bool], now: float) -> int:
    """Let files settle that were ignored under older patterns and are to be read now; return how many."""
    ignored = select(sighting.c.id, sighting.c.name).where(
        sighting.c.root == root,
        sighting.c.state == SightingState.IGNORED,
        sighting.c.reason.startswith(UNKNOWN_TYPE),
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
    if _is_known(connection, seen.root, seen.relpath, seen.stamp):
        _vanished(connection, seen.root, seen.relpath, now)
        return
    _settle(connection, seen, SightingState.READY, now, order=order)


def _settling(connection: Connection, seen: Sighting, now: float) -> None:
    if _FIND_SETTLING.first(connection, _place(seen.root, seen.relpath)) is None:
        row = _row(seen, SightingState.SETTLING, None, now)
        _INSERT.run(connection, row | {"job_id": None, "first_seen": now})


def _settle(
    connection: Connection,
    seen: Sighting,
    state: SightingState,
    now: float,
    *,
    order: JobOrder | None = None,
    reason: str | None = None,
) -> None:
    """Give this version its final state and its job, if one is ordered, and supersede older versions."""
    place = _place(seen.root, seen.relpath)
    _SUPERSEDE.run(connection, place | {"now": now})
    settling_id, first_seen = _FIND_SETTLING.first(connection, place) or (None, now)
    job_id = _queue_job(connection, seen, order, first_seen) if order else None
    settled = _row(seen, state, reason, now) | {"job_id": job_id}
    if settling_id is None:
        _INSERT.run(connection, settled | {"first_seen": now})
        return
    for name in ("root", "directory", "name"):
        del settled[name]
    _SETTLE.run(connection, settled | {"this_id": settling_id})


def _queue_job(connection: Connection, seen: Sighting, order: JobOrder, first_seen: float) -> int:
    remember_plan(connection, order.plan)
    return _INSERT_JOB.run(connection, _job_row(seen, order, first_seen))


def _ignored(connection: Connection, seen: Sighting, reason: str, now: float) -> None:
    if _is_known(connection, seen.root, seen.relpath, seen.stamp):
        _vanished(connection, seen.root, seen.relpath, now)
    else:
        _settle(connection, seen, SightingState.IGNORED, now, reason=reason)


def _vanished(connection: Connection, root: str, relpath: str, now: float) -> None:
    _VANISH.run(connection, _place(root, relpath) | {"now": now})


def _is_known(connection: Connection, root: str, relpath: str, stamp: FileStamp) -> bool:
    version = {"at_size": stamp.size, "at_mtime_ns": stamp.mtime_ns, "at_ino": stamp.ino}
    return _FIND_VERSION.first(connection, _place(root, relpath) | version) is not None


def _place(root: str, relpath: str) -> dict[str, Any]:
    directory, name = posixpath.split(relpath)
    return {"at_root": root, "at_directory": directory, "at_name": name}


def _row(seen: Sighting, state: SightingState, reason: str | None, now: float) -> dict[str, Any]:
    directory, name = posixpath.split(seen.relpath)
    return {
        "root": seen.root,
        "directory": directory,
        "name": name,
        "size": seen.stamp.size,
        "mtime_ns": seen.stamp.mtime_ns,
        "ino": seen.stamp.ino,
        "state": state,
        "reason": reason,
        "changed_at": now,
    }


def _job_row(seen: Sighting, order: JobOrder, detected_at: float) -> dict[str, Any]:
    return {
        "plan_hash": order.plan.plan_hash,
        "path": posixpath.join(seen.root, seen.relpath),
        "root": seen.root,
        "size": seen.stamp.size,
        "mtime_ns": seen.stamp.mtime_ns,
        **shallow(order.context),
        "lane": order.lane,
        "state": JobState.QUEUED,
        "warnings": json.dumps(order.warnings),
        "detected_at": detected_at,
    }
