"""Retention: what the journal forgets, step by step, beside the work. Images are looked for, never touched.

An image that still lies in its folder must stay known: forgotten, it would be new, measured and delivered
again. So a row goes only if its file is gone for sure; a folder that looks lost says nothing about its files.
"""

from __future__ import annotations

import os
import posixpath
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import DatabaseError

from semwatchd.adapters.sql import pruning
from semwatchd.adapters.sql.identity import require_own
from semwatchd.adapters.sql.journal import open_engine, reading, writing
from semwatchd.adapters.sql.pruning import OldFile
from semwatchd.adapters.sql.tables import job, outbox, sighting
from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.ports import Log
from semwatchd.engine.health import Health, HealthBoard
from semwatchd.engine.settings import RetentionSettings

T = TypeVar("T")

DAY_S = 86_400.0
FIRST_AFTER_S = 600.0  # a start has better things to do
EVERY_S = 3600.0  # between two sweeps
PAUSE_S = 1.0  # between two steps, so that the writer's queue never notices


class Write(Protocol):
    """Run one change in a transaction of its own, and return what it answers once it is durable."""

    def __call__(self, work: Callable[[Connection], T]) -> T:
        """Run it."""
        ...


@dataclass(slots=True)
class Pruned:
    """What a sweep removed."""

    payloads: int = 0
    jobs: int = 0
    sightings: int = 0


class Sweep:
    """One walk through the whole journal, from its oldest row to its newest.

    Parameters
    ----------
    write
        Makes each change durable; a rehearsal takes it back instead.
    may_ask
        Whether a watched folder may be looked into: a share that hangs would hang whoever asks.

    Raises
    ------
    EnvironmentFault
        There is no journal, or it is not the one that belongs here.
    """

    def __init__(self, path: Path, write: Write, may_ask: Callable[[str], bool], now: float) -> None:
        if not path.exists():
            raise EnvironmentFault(f"there is no journal {path}; nothing is removed from a new one")
        self._engine = open_engine(path)
        with reading(self._engine) as connection:
            require_own(connection, path)
        self._write = write
        self._may_ask = may_ask
        self._now = now
        self._there: dict[str, bool] = {}
        self.done = Pruned()

    def steps(self, settings: RetentionSettings) -> Iterator[None]:
        """Do what the settings ask for; each step costs some milliseconds and yields after."""
        if settings.history_days is not None:
            yield from self._forget(self._now - settings.history_days * DAY_S)
        if settings.payload_days is not None:
            yield from self._erase(self._now - settings.payload_days * DAY_S)

    def _forget(self, before: float) -> Iterator[None]:
        for after in _windows(self._engine, job):
            ids = self._gone(partial(pruning.old_jobs, after=after, before_time=before))
            if ids:
                self.done.jobs += self._write(partial(pruning.forget_jobs, ids=ids, before_time=before))
            yield
        for after in _windows(self._engine, sighting):
            ids = self._gone(partial(pruning.old_sightings, after=after, before_time=before))
            if ids:
                change = partial(pruning.forget_sightings, ids=ids, before_time=before)
                self.done.sightings += self._write(change)
            yield

    def _erase(self, before: float) -> Iterator[None]:
        for after in _windows(self._engine, outbox):
            change = partial(pruning.erase_payloads, after=after, before_time=before)
            self.done.payloads += self._write(change)
            yield

    def _gone(self, look: Callable[[Connection], Sequence[OldFile]]) -> Sequence[int]:
        """Return the numbers of the rows whose file is gone. No transaction is open while disks are asked."""
        with reading(self._engine) as connection:
            old = look(connection)
        return [row.id for row in old if self._is_there(row.root) and _is_gone(row.path, row.root)]

    def _is_there(self, root: str) -> bool:
        if root not in self._there:
            self._there[root] = self._may_ask(root) and self._holds_what_we_know(root)
        return self._there[root]

    def _holds_what_we_know(self, root: str) -> bool:
        """Tell the folder from an empty mount point, or another disk in its place."""
        with reading(self._engine) as connection:
            newest = list(pruning.newest_images(connection, root))
        return any(_lies_there(path, stamp.size, stamp.mtime_ns) for path, stamp in newest)


def _windows(engine: Engine, table: Table) -> Iterator[int]:
    with reading(engine) as connection:
        last = pruning.last_id(connection, table)
    yield from range(0, last, pruning.WINDOW)


def _lies_there(path: str, size: int, mtime_ns: int) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (size, mtime_ns)


def _is_gone(path: str, root: str) -> bool:
    """Whether the file was removed. Where its folder stands empty, a share may only be unmounted there."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return _nearest_folder_holds_something(path, root)
    except OSError:
        return False
    return False


def _nearest_folder_holds_something(path: str, root: str) -> bool:
    folder = posixpath.dirname(path)
    while folder.startswith(root):
        try:
            with os.scandir(folder) as entries:
                return any(entries)
        except FileNotFoundError:
            folder = posixpath.dirname(folder)
        except OSError:
            return False
    return False


def by_hand(path: Path) -> Write:
    """Write as an operator's command does, beside the daemon."""
    engine = open_engine(path)

    def write(work: Callable[[Connection], T]) -> T:
        with writing(engine) as connection:
            return work(connection)

    return write


def rehearsed(path: Path) -> Write:
    """Do each change and take it back."""
    engine = open_engine(path)

    def write(work: Callable[[Connection], T]) -> T:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                return work(connection)
            finally:
                connection.exec_driver_sql("ROLLBACK")

    return write


class Retention:
    """Sweeps from time to time, beside the work.

    Parameters
    ----------
    write
        Submits to the daemon's one writer.
    clock
        Seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        write: Write,
        may_ask: Callable[[str], bool],
        clock: Callable[[], float],
        *,
        health: HealthBoard,
        log: Log,
    ) -> None:
        self._path = path
        self._write = write
        self._may_ask = may_ask
        self._clock = clock
        self._health = health
        self._log = log

    def run(self, settings: RetentionSettings, stop: threading.Event) -> None:
        """Sweep until told to stop."""
        wait_s = FIRST_AFTER_S
        while not stop.wait(wait_s):
            wait_s = EVERY_S
            try:
                sweep = Sweep(self._path, self._write, self._may_ask, self._clock())
                for _ in sweep.steps(settings):
                    if stop.wait(PAUSE_S):
                        return
            except (EnvironmentFault, DatabaseError) as error:
                self._log.warning("retention_refused", error=str(error))
                todo = "see to the journal; the next try is in an hour"
                self._health.set("retention", Health.DEGRADED, str(error), todo)
            else:
                done = sweep.done
                self._log.info(
                    "journal_pruned", jobs=done.jobs, sightings=done.sightings, payloads=done.payloads
                )
                self._health.set("retention", Health.OK)
