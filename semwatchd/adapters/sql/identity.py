"""Which journal this is: a name in the file, and the same name in a marker beside it.

Where the two disagree, somebody brought the journal from elsewhere or took the old one away. Measuring goes
on all the same, but nothing is removed from such a journal.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, select

from semwatchd.adapters.sql.journal import reading, writing
from semwatchd.adapters.sql.tables import identity
from semwatchd.core.errors import EnvironmentFault


class ForeignJournalError(EnvironmentFault):
    """The journal is not the one that the marker beside it names."""


def marker_path(journal: Path) -> Path:
    """Where the name of the journal that belongs here is kept."""
    return journal.with_name("journal.id")


def name_journal(engine: Engine, path: Path) -> None:
    """Name a journal that has no name yet, and write its marker if there is none. Its owner calls this.

    The marker is prepared before the name is committed and put in place after, so that an end in between is
    made good by the next start. A marker that is already there is never changed.
    """
    draft, marker = _draft_path(path), marker_path(path)
    with reading(engine) as connection:
        name = journal_name(connection)
    if name is None:
        name = str(uuid.uuid4())
        _write(draft, name)
        with writing(engine) as connection:
            connection.execute(insert(identity).values(id=name, created_at=time.time()))
    if not draft.exists():
        return
    if marker.exists() or _read(draft) != name:
        draft.unlink()
    else:
        draft.rename(marker)
        _sync_folder(marker)


def require_own(connection: Connection, path: Path) -> None:
    """Make sure that the journal is the one that belongs here.

    Raises
    ------
    ForeignJournalError
        It has no name, no marker, or another one's marker.
    """
    name, marker = journal_name(connection), _read(marker_path(path))
    if name is None or name != marker:
        raise ForeignJournalError(
            f"journal {path} is named {name or 'nothing'}, but {marker_path(path)} says "
            f"{marker or 'nothing'}: it was brought here, or the one that was here is gone; nothing is "
            "removed from it. Put the right one back, or run `semwatchd journal adopt` to keep this one"
        )


def adopt(connection: Connection, path: Path) -> str:
    """Let the marker name this journal, and return the name.

    Raises
    ------
    EnvironmentFault
        The journal has no name yet, or the marker cannot be written.
    """
    name = journal_name(connection)
    if name is None:
        raise EnvironmentFault(f"journal {path} has no name yet; start the daemon once")
    draft, marker = _draft_path(path), marker_path(path)
    try:
        _write(draft, name)
        draft.replace(marker)
        _sync_folder(marker)
    except OSError as error:
        raise EnvironmentFault(f"write {marker}: {error.strerror}; run this as the daemon's user") from error
    return name


def journal_name(connection: Connection) -> str | None:
    """Return the name in the file; None where it has none, or more than one."""
    return connection.execute(select(identity.c.id)).scalar_one_or_none()


def _draft_path(journal: Path) -> Path:
    return marker_path(journal).with_suffix(".id.new")


def _read(marker: Path) -> str | None:
    try:
        return marker.read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None


def _write(path: Path, name: str) -> None:
    with path.open("w", encoding="ascii") as file:
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
