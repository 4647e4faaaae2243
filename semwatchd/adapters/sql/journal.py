"""The journal: one SQLite file, one thread that writes it, many changes per commit.

The writer takes whatever changes are waiting, runs them in one transaction and syncs the disk once (group
commit). If one of them fails, the group is rolled back and each is run again alone, so that a bad change
harms only itself. If the disk is full or sick, the group is kept and tried again until it goes through.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool, Pool, QueuePool

from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.failpoints import failpoint
from semwatchd.core.ports import Log

T = TypeVar("T")

GROUP_LIMIT = 256  # changes per commit: bounds how long a reader of the WAL can fall behind
QUEUE_LIMIT = 10_000  # changes waiting before whoever brings more is made to wait
BUSY_TIMEOUT_MS = 15_000  # an operator's command may hold the write lock for a moment
DISK_FULL = "disk is full"  # SQLite's own words
RETRY_S = 1.0  # between two tries on a full or sick disk


def open_engine(path: Path, *, pool: type[Pool] = NullPool) -> Engine:
    """Open the journal file so that a commit has reached the disk when it returns."""
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=pool)

    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")

    event.listen(engine, "connect", configure)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that owns the write lock from its first statement."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Lend a connection for SELECTs; it sees every commit that has returned."""
    with engine.connect() as connection:
        yield connection


@dataclass(frozen=True, slots=True)
class _Change:
    work: Callable[[Connection], Any]
    done: Future[Any]


class Journal:
    """The only thread of the daemon that writes the journal.

    Parameters
    ----------
    path
        The SQLite file; its schema must be current.
    on_state
        Told ``(healthy, reason)`` when the disk refuses a commit and when it takes one again.
    """

    def __init__(self, path: Path, log: Log, on_state: Callable[[bool, str], None]) -> None:
        self.engine = open_engine(path, pool=QueuePool)
        self._log = log
        self._on_state = on_state
        self._idle_readers: list[Connection] = []
        self._queue: queue.Queue[_Change | None] = queue.Queue(QUEUE_LIMIT)
        self._stop = threading.Event()
        self._ended = threading.Event()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue a change; the future is done once the change is on the disk.

        ``work`` may be run twice and must not touch anything but the connection it is given.
        """
        done: Future[T] = Future()
        self._queue.put(_Change(work, done))
        if self._ended.is_set():
            self._refuse_queued()
        return done

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection for :class:`Prepared` SELECTs; it sees every commit whose future is done.

        It stays open between two uses: to take one from SQLAlchemy's pool costs several times the query.
        """
        try:
            connection = self._idle_readers.pop()
        except IndexError:
            connection = self.engine.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle_readers.append(connection)

    def dispose(self) -> None:
        """Close every connection that nobody uses."""
        while self._idle_readers:
            self._idle_readers.pop().close()
        self.engine.dispose()

    def flush(self) -> None:
        """Wait until all changes submitted before are on the disk."""
        self.submit(_change_nothing).result()

    def run(self) -> None:
        """Write until :meth:`close`; returns when everything queued before it is on the disk.

        However it ends, every change gets its answer: nobody waits for a writer that is no more.
        """
        try:
            with self.engine.connect() as connection:
                self._write(connection)
        finally:
            self._ended.set()
            self._refuse_queued()

    def _write(self, connection: Connection) -> None:
        open_ = True
        while open_:
            group, open_ = self._next_group()
            if group:
                with _answered(group):
                    self._commit_stubbornly(connection, group)
        with suppress(OperationalError):  # a full disk; the next start reads the log as it is
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _refuse_queued(self) -> None:
        with suppress(queue.Empty):
            while True:
                change = self._queue.get_nowait()
                if change is not None:
                    change.done.set_exception(EnvironmentFault("the journal is closed"))

    def stop_trying(self) -> None:
        """Give up on a sick disk from now on: whoever waits for a change hears of it, and can end."""
        self._stop.set()

    def close(self) -> None:
        """Let :meth:`run` finish what is queued and return."""
        self.stop_trying()
        self._queue.put(None)

    def _next_group(self) -> tuple[list[_Change], bool]:
        group: list[_Change] = []
        change = self._queue.get()
        while change is not None:
            group.append(change)
            if len(group) >= GROUP_LIMIT:
                return group, True
            try:
                change = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit_stubbornly(self, connection: Connection, group: list[_Change]) -> None:
        sick = False
        while True:
            try:
                self._commit(connection, group)
            except OperationalError as error:
                sick = True
                self._on_state(False, str(error.orig))
                self._log.error("journal_write_failed", error=str(error.orig), waiting=len(group))
                if self._stop.wait(RETRY_S):
                    for change in group:
                        change.done.set_exception(error)
                    return
            else:
                if sick:
                    self._on_state(True, "")
                    self._log.info("journal_write_recovered")
                return

    def _commit(self, connection: Connection, group: list[_Change]) -> None:
        try:
            values = _in_one_transaction(connection, [change.work for change in group])
        except Exception as error:  # whoever holds the future hears of it
            if _is_sick_disk(error):
                raise
            if len(group) == 1:
                group[0].done.set_exception(error)
                return
            for change in group:
                self._commit(connection, [change])
        else:
            for change, value in zip(group, values, strict=True):
                change.done.set_result(value)


@contextmanager
def _answered(group: list[_Change]) -> Iterator[None]:
    """Tell whoever waits for these changes what has ended their writer."""
    try:
        yield
    except BaseException as error:
        for change in group:
            if not change.done.done():
                change.done.set_exception(error)
        raise


def _is_sick_disk(error: Exception) -> bool:
    """Tell what may pass, such as a full disk, from text in a row that is none, which never will."""
    return isinstance(error, OperationalError) and "Could not decode" not in str(error.orig)


def _in_one_transaction(connection: Connection, works: list[Callable[[Connection], Any]]) -> list[Any]:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        values = [work(connection) for work in works]
        failpoint("journal.before_commit")
        connection.exec_driver_sql("COMMIT")
        failpoint("journal.after_commit")
    except BaseException:
        if connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr] # sqlite3's own flag
            connection.exec_driver_sql("ROLLBACK")
        raise
    return values


def _change_nothing(_: Connection) -> None:
    """Only its place in the queue matters."""
