"""A real journal with its writer running, for tests that want the truth from the disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from semwatchd.adapters.sql.jobs import SqlJobStore
from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.schema import journal_path, prepare_journal
from semwatchd.adapters.sql.sightings import SqlSightingLog
from semwatchd.core.job import Context, Job, JobState, Lane
from semwatchd.core.plan import Plan
from semwatchd.core.ports import Ending, FileStamp, JobOrder, RenderedEvent, Sighting
from tests.deliveries import a_result
from tests.fakes import ListLog

ROOT = "/data/sem1"


@contextmanager
def running_journal(
    folder: Path, on_state: Callable[[bool, str], None] = lambda *_: None
) -> Iterator[Journal]:
    journal = Journal(prepare_journal(folder), ListLog(), on_state)
    writer = threading.Thread(target=journal.run)
    writer.start()
    try:
        yield journal
    finally:
        journal.close()
        writer.join()
        journal.dispose()


def settle(journal: Journal) -> None:
    """Wait until everything queued so far is on the disk."""
    journal.flush()


def rows(folder: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """Ask the file itself, as another program would."""
    with closing(sqlite3.connect(journal_path(folder))) as connection:
        return connection.execute(query, values).fetchall()


def a_sighting(relpath: str, version: int = 1, root: str = ROOT) -> Sighting:
    return Sighting(
        root=root, relpath=relpath, stamp=FileStamp(size=100 + version, mtime_ns=version, ino=version)
    )


def an_order(plan: Plan | None = None, lane: Lane = Lane.LIVE) -> JobOrder:
    return JobOrder(plan=plan or Plan(), context=Context(tool="sem1", lot="L1"), lane=lane)


def some_job(number: int, attempt: int = 1, plan: Plan | None = None) -> Job:
    return Job(
        id=number,
        attempt=attempt,
        path=f"{ROOT}/{number}.tif",
        root=ROOT,
        size=100,
        mtime_ns=1,
        plan=plan or Plan(),
        context=Context(tool="sem1", lot="L1"),
    )


def lived_in(journal: Journal) -> None:
    """Leave one image stored and owed to the MES, two queued, and one settling."""

    def fail(error: BaseException) -> None:
        raise error

    sightings = SqlSightingLog(journal, lambda: 1000.0, lambda: None, fail)
    for number in (1, 2, 3):
        sightings.settling(a_sighting(f"{number}.tif", number))
        sightings.ready(a_sighting(f"{number}.tif", number), an_order())
    sightings.settling(a_sighting("4.tif", 4))
    jobs = SqlJobStore(journal, ["mes"], lambda: 1001.0, lambda: None)
    (first,) = jobs.claim(1, alone=0).result()
    event = RenderedEvent(
        event_id="e-1", event_type="t", order_key="sem1:L1", subject="1.tif", payload='{"data": {}}'
    )
    jobs.finish(Ending(outcome=a_result(first), state=JobState.STORED, events=(event,))).result()


def spoil(folder: Path, table: str, column: str, value: object) -> None:
    """Write a value into the first row of a table that our own code never would, as a sick disk may."""
    with closing(sqlite3.connect(journal_path(folder))) as connection, connection:
        connection.execute(f"DROP TRIGGER IF EXISTS {table}_moves")
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", (value,))  # noqa: S608 — names of ours
