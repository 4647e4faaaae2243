"""Put a damaged journal right: at start the rows that would be in the way, by command all of it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete
from sqlalchemy.exc import DatabaseError

from semwatchd.adapters.sql.guards import guard_moves, unguard_moves
from semwatchd.adapters.sql.journal import open_engine, reading, writing
from semwatchd.adapters.sql.mending import SetAside, mend, mend_all, open_rows
from semwatchd.adapters.sql.rows import remember_plan
from semwatchd.adapters.sql.schema import journal_path, prepare_journal, sole_owner
from semwatchd.adapters.sql.tables import identity, metadata
from semwatchd.adapters.sql.unreadable import unreadable_rows
from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.plan import Plan

HIGHEST_ROWID = 2**40  # where a damaged table cannot tell its own
MOST_FAILURES = 50_000  # reads of one table that end in an error, before the rest of it is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What was done to a journal."""

    rows: tuple[SetAside, ...] = ()
    kept_in: Path | None = None  #: file with what those rows held
    damaged: Path | None = None  #: where the old file was moved to, if it had to be made anew
    taken_over: int = 0  #: rows read out of it


def mend_at_start(path: Path, plans: Sequence[Plan], now: float) -> Repaired:
    """Mend the rows that would be in the daemon's way. Its owner calls this before anything else reads.

    Parameters
    ----------
    plans
        Those of the configuration: their content is known, whatever the journal says.
    """
    engine = open_engine(path)
    with _in_words(path):
        with reading(engine) as connection:
            if not any(unreadable_rows(connection, open_rows(connection))):
                return Repaired()
        return _mend_open_rows(engine, path, plans, now)


def _mend_open_rows(engine: Engine, path: Path, plans: Sequence[Plan], now: float) -> Repaired:
    with writing(engine) as connection:
        for plan in plans:
            remember_plan(connection, plan)
        kept = mend(connection, list(unreadable_rows(connection, open_rows(connection))))
        return Repaired(rows=tuple(kept), kept_in=_keep(path.parent, kept, now))


def repair_journal(state_dir: Path, plans: Sequence[Plan], now: float) -> Repaired:
    """Mend every row; a file SQLite cannot work with is moved aside, and a new one made of what can be read.

    Raises
    ------
    JournalInUseError
        A daemon owns the journal.
    EnvironmentFault
        It cannot be written.
    """
    path = journal_path(state_dir)
    with sole_owner(state_dir), _in_words(path):
        damaged = None if _sqlite_can_work_with(path) else _move_aside(path, now)
        prepare_journal(state_dir)
        with writing(open_engine(path)) as connection:
            lost: list[SetAside] = []
            taken_over = _take_over(connection, damaged, lost) if damaged else 0
            for plan in plans:
                remember_plan(connection, plan)
            kept = lost + mend_all(connection)
            kept_in = _keep(state_dir, kept, now)
        prepare_journal(state_dir)  # names it anew where the old name could not be read
        return Repaired(rows=tuple(kept), kept_in=kept_in, damaged=damaged, taken_over=taken_over)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except (DatabaseError, sqlite3.Error, OSError) as error:
        reason = getattr(error, "orig", None) or error
        todo = (
            "run `semwatchd journal repair`"
            if _is_damage(reason)
            else "see that its disk has room and takes writes"
        )
        raise EnvironmentFault(f"journal {path}: {reason}; {todo}") from error


def _sqlite_can_work_with(path: Path) -> bool:
    if not path.exists():
        return True  # a new one will be made
    try:
        with reading(open_engine(path)) as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    except DatabaseError as error:
        if not _is_damage(error.orig):
            raise
        return False
    return bool(said == "ok") or _only_indexes(path)


def _is_damage(error: BaseException | None) -> bool:
    """Tell a damaged file from a full disk, a lock or a missing right, which pass."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest is detail
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _only_indexes(path: Path) -> bool:
    """Make the indexes anew; True if that was all that was wrong."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            connection.execute("REINDEX")
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            return False


def _move_aside(path: Path, now: float) -> Path:
    """Rename the file and its log alike, so that what stands in the log can still be read."""
    damaged = path.with_name(f"journal.damaged-{_stamp(now)}.db")
    for ending in ("-shm", "-wal", ""):  # the file last: interrupted, the next try finds it in its place
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(damaged.with_name(damaged.name + ending))
    return damaged


def _keep(folder: Path, rows: Iterable[SetAside], now: float) -> Path | None:
    """Write down what rows held, for good, before the journal forgets it."""
    lines = [json.dumps(asdict(row)) + "\n" for row in rows]
    if not lines:
        return None
    path = folder / f"journal.set-aside-{_stamp(now)}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    return path


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


def _take_over(connection: Connection, damaged: Path, lost: list[SetAside]) -> int:
    """Copy every row of ``damaged`` that can be read; ``lost`` gets those the new journal does not take."""
    connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    connection.execute(delete(identity))  # the old one's, if it can be read, goes on
    unguard_moves(connection)
    taken = 0
    with closing(sqlite3.connect(damaged)) as old:
        old.text_factory = _text_or_bytes
        for table in metadata.sorted_tables:
            columns = _columns_in_both(old, table.name)
            marks = ", ".join("?" * len(columns))
            names = ", ".join(columns)
            insert = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 — names of ours
            for row in _readable_rows(old, table.name, names) if columns else ():
                try:
                    connection.exec_driver_sql(insert, row[1:])
                    taken += 1
                except DatabaseError as error:
                    content = dict(zip(columns, map(_showable, row[1:]), strict=True))
                    lost.append(
                        SetAside(
                            table=table.name,
                            rowid=row[0],
                            why=str(error.orig),
                            done="removed",
                            content=content,
                        )
                    )
    guard_moves(connection)
    return taken


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _showable(value: object) -> object:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _columns_in_both(old: sqlite3.Connection, table: str) -> list[str]:
    try:
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return []
    return [column.name for column in metadata.tables[table].columns if column.name in there]


def _readable_rows(old: sqlite3.Connection, table: str, names: str) -> Iterator[tuple[Any, ...]]:
    """Yield all rows that can be read, by halving whatever range of row numbers ends in an error."""
    query = f"SELECT rowid, {names} FROM {table} WHERE rowid > ? AND rowid <= ? ORDER BY rowid"  # noqa: S608 — ours
    ranges, failures = [(0, HIGHEST_ROWID)], 0
    while ranges and failures < MOST_FAILURES:
        last, end = ranges.pop()
        try:
            for row in old.execute(query, (last, end)):
                yield row
                last = row[0]
        except sqlite3.DatabaseError:
            failures += 1
            middle = (last + end) // 2
            if middle > last:
                ranges += [(middle, end), (last, middle)]
