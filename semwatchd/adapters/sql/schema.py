"""Make, open and upgrade the journal file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from semwatchd.adapters.mounts import on_network
from semwatchd.adapters.sql.guards import guard_moves
from semwatchd.adapters.sql.identity import name_journal
from semwatchd.adapters.sql.journal import open_engine
from semwatchd.core.errors import EnvironmentFault, JournalInUseError

MIGRATIONS = Path(__file__).parent / "migrations"


def journal_path(state_dir: Path) -> Path:
    """Where the journal lies."""
    return state_dir / "journal.db"


def prepare_journal(state_dir: Path) -> Path:
    """Make or upgrade the journal in ``state_dir`` and return its path. Its owner calls this, nobody else.

    Raises
    ------
    EnvironmentFault
        The folder cannot be written or lies on a share, the disk is full, or the file is no journal of ours.
    """
    path = journal_path(state_dir)
    if on_network(str(state_dir)):
        raise EnvironmentFault(
            f"journal {path} lies on a share, where commits may get lost; name a state_dir on a local disk"
        )
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        engine = open_engine(path)
        upgrade(engine)
        name_journal(engine, path)
    except DatabaseError as error:
        raise EnvironmentFault(f"journal {path}: {error.orig}; {_remedy(error)}") from error
    except OSError as error:
        raise EnvironmentFault(f"journal {path}: {error.strerror}; {_MAY_WRITE}") from error
    except CommandError as error:
        raise EnvironmentFault(
            f"journal {path} was written by a newer semwatchd ({error}); run that one, or a newer one still"
        ) from error
    return path


_MAY_WRITE = "check that the disk has room and that this user may write there"


def _remedy(error: DatabaseError) -> str:
    """Tell a sick disk from a file that is not ours: nothing but another file helps against the latter."""
    reason = str(error.orig)
    if isinstance(error, OperationalError) and "already exists" not in reason:
        return _MAY_WRITE
    return (
        "this is not a sound journal of semwatchd; run `semwatchd journal repair`, restore its copy, "
        "or move the file away and start anew"
    )


def upgrade(engine: Engine) -> None:
    """Bring the schema up to this code's version, or leave it as it was."""
    config = _alembic()
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
            guard_moves(connection)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def current_journal(state_dir: Path) -> Path:
    """Return the path of the journal that another process owns, if this code can work on it.

    Raises
    ------
    EnvironmentFault
        There is none yet, or it has another version's schema.
    """
    path = journal_path(state_dir)
    if not path.exists():
        raise EnvironmentFault(f"there is no journal in {state_dir} yet; start the daemon once")
    try:
        with open_engine(path).connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except DatabaseError as error:
        raise EnvironmentFault(f"journal {path}: {error.orig}; {_remedy(error)}") from error
    if found != newest_schema():
        raise EnvironmentFault(
            f"journal {path} has schema {found}, this semwatchd has {newest_schema()}; "
            "use the daemon's version, or restart the daemon with this one"
        )
    return path


def newest_schema() -> str | None:
    """Return the version of the schema that this code works on."""
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # % is special in its files
    return config


@contextmanager
def sole_owner(state_dir: Path) -> Iterator[None]:
    """Hold the lock that keeps two daemons off one journal; the kernel frees it with the process.

    Raises
    ------
    JournalInUseError
        Another daemon holds it.
    EnvironmentFault
        The lock file cannot be made.
    """
    descriptor = _open_lock(state_dir)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
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


def _open_lock(state_dir: Path) -> int:
    path = state_dir / "journal.lock"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise EnvironmentFault(f"lock {path}: {error.strerror}; {_MAY_WRITE}") from error
