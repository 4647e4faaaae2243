"""Make, open and upgrade the journal file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from semwatchd.adapters.sql.journal import open_engine
from semwatchd.core.errors import EnvironmentFault, JournalInUseError

MIGRATIONS = Path(__file__).parent / "migrations"


def journal_path(state_dir: Path) -> Path:
    """Where the journal lies."""
    return state_dir / "journal.db"


def prepare_journal(state_dir: Path) -> Path:
    """Make or upgrade the journal in ``state_dir`` and return its path.

    Raises
    ------
    EnvironmentFault
        The folder cannot be written, the disk is full, or the file is not a journal of ours.
    """
    path = journal_path(state_dir)
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        upgrade(open_engine(path))
    except (OSError, DatabaseError) as error:
        cause = getattr(error, "orig", error)
        raise EnvironmentFault(
            f"journal {path}: {cause}; check that the disk has room and that this user may write there"
        ) from error
    except CommandError as error:
        raise EnvironmentFault(
            f"journal {path} was written by a newer semwatchd ({error}); upgrade"
        ) from error
    return path


def upgrade(engine: Engine) -> None:
    """Bring the schema up to this code's version, or leave it as it was."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def newest_revision() -> str:
    """Return the schema version this code writes."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    assert head is not None  # noqa: S101 — the package ships at least one revision
    return head


@contextmanager
def sole_owner(state_dir: Path) -> Iterator[None]:
    """Hold the lock that keeps two daemons off one journal; the kernel frees it with the process.

    Raises
    ------
    JournalInUseError
        Another daemon holds it.
    """
    path = state_dir / "journal.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise JournalInUseError(
                f"another semwatchd (pid {owner or 'unknown'}) owns the journal in {state_dir}; "
                "stop it, or give this one a state_dir of its own"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
