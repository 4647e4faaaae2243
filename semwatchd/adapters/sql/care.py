"""Look after the journal: whether it is sound, and a copy of it. Both work beside a running daemon."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from semwatchd.adapters.sql.journal import open_engine, reading
from semwatchd.adapters.sql.queries import loose_ends
from semwatchd.adapters.sql.schema import newest_schema
from semwatchd.adapters.sql.unreadable import UnreadableRow, unreadable_rows
from semwatchd.core.errors import EnvironmentFault

MOST_COMPLAINTS = 100  # of SQLite about one file; what follows is seldom more than an echo


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """What is wrong with a journal; empty fields are good news."""

    path: str
    size_bytes: int
    wal_bytes: int
    schema: str | None = None
    integrity: tuple[str, ...] = ()  #: SQLite's complaints about the file
    foreign_keys: tuple[str, ...] = ()  #: rows that point to rows that are not there
    loose_ends: Mapping[str, int] = field(default_factory=dict)  #: broken rules of ours, and how often
    unreadable: tuple[UnreadableRow, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not (self.integrity or self.foreign_keys or any(self.loose_ends.values()) or self.unreadable)


def check_journal(path: Path) -> Checkup:
    """Look through the whole journal for what SQLite, or this code, could not work with."""
    wal = path.with_name(path.name + "-wal")
    size_bytes, wal_bytes = path.stat().st_size, wal.stat().st_size if wal.exists() else 0
    found = Checkup(path=str(path), size_bytes=size_bytes, wal_bytes=wal_bytes)
    try:
        with reading(open_engine(path)) as connection:
            return _examine(connection, found)
    except DatabaseError as error:
        return Checkup(
            path=found.path, size_bytes=size_bytes, wal_bytes=wal_bytes, integrity=(str(error.orig),)
        )


def _examine(connection: Connection, bare: Checkup) -> Checkup:
    complaints = [
        str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA integrity_check({MOST_COMPLAINTS})")
    ]
    schema = MigrationContext.configure(connection).get_current_revision()
    if schema != newest_schema():
        complaints.append(f"schema {schema}; this semwatchd knows {newest_schema()}")
    strays = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return Checkup(
        path=bare.path,
        size_bytes=bare.size_bytes,
        wal_bytes=bare.wal_bytes,
        schema=schema,
        integrity=tuple(said for said in complaints if said != "ok"),
        foreign_keys=tuple(f"{table} row {rowid}: no such {parent}" for table, rowid, parent, _ in strays),
        loose_ends=loose_ends(connection),
        unreadable=tuple(unreadable_rows(connection)),
    )


def back_up(journal: Path, copy: Path) -> int:
    """Copy the journal as it stands at this moment into one file that needs no other, and return its bytes.

    The copy appears whole or not at all, and takes the place of an older one. The daemon goes on writing.

    Raises
    ------
    EnvironmentFault
        The copy cannot be written, or the journal is not sound enough to be copied.
    """
    if copy.exists() and copy.samefile(journal):
        raise EnvironmentFault(f"{copy} is the journal itself; name another file for its copy")
    part = copy.with_name(f".{copy.name}.part")
    try:
        part.unlink(missing_ok=True)
        _copy(journal, part)
        _sync(part)
        part.replace(copy)
        _sync(copy.parent)
    except sqlite3.Error as error:
        raise EnvironmentFault(
            f"copy {copy}: {error}; see that its disk has room, and ask `semwatchd journal check`"
        ) from error
    except OSError as error:
        raise EnvironmentFault(f"copy {copy}: {error.strerror}; name a file this user may write") from error
    finally:
        if part.parent.is_dir():
            part.unlink(missing_ok=True)
    return copy.stat().st_size


def _copy(journal: Path, part: Path) -> None:
    """Copy in one step: one in several begins anew whenever the daemon commits in between."""
    with closing(sqlite3.connect(journal)) as source, closing(sqlite3.connect(part)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # or the copy would want a second file beside it
        (verdict,) = target.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
