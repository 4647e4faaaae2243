"""The journal takes every legal move and refuses every other, whoever writes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
from sqlalchemy import Connection, Executable, delete, insert, update
from sqlalchemy.exc import IntegrityError

from semwatchd.adapters.sql.guards import GUARDED
from semwatchd.adapters.sql.journal import open_engine
from semwatchd.adapters.sql.schema import prepare_journal
from semwatchd.adapters.sql.tables import metadata
from semwatchd.core.moves import Moves
from tests.journals import rows

pytestmark = pytest.mark.integration


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Connection]:
    """Without the rules on other columns, so that a row may hold nonsense."""
    with open_engine(prepare_journal(tmp_path)).connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        yield connection


def refused(journal: Connection, write: Executable) -> bool:
    try:
        journal.execute(write)
    except IntegrityError as error:
        return "illegal move" in str(error)
    return False


@pytest.mark.parametrize(("name", "moves"), GUARDED.items())
def test_only_legal_moves_are_written(journal: Connection, name: str, moves: Moves) -> None:
    table = metadata.tables[name]
    for begin in moves.goes:
        assert refused(journal, a_row(name, begin)) == (begin not in moves.begins)
        journal.execute(delete(table))
    journal.exec_driver_sql(f"DROP TRIGGER {name}_begins")
    for old, new in itertools.product(moves.goes, repeat=2):
        journal.execute(a_row(name, old))
        assert refused(journal, update(table).values(state=new)) != moves.allows(old, new), (old, new)
        journal.execute(delete(table))


def a_row(name: str, state: StrEnum) -> Executable:
    """Hold no more than a row must."""
    columns = metadata.tables[name].columns
    needed = [c for c in columns if not (c.nullable or c.server_default or c.name in {"id", "seq"})]
    return insert(metadata.tables[name]).values({c.name: "1" for c in needed} | {"state": state})


def test_the_triggers_are_those_of_the_running_code(tmp_path: Path) -> None:
    with open_engine(prepare_journal(tmp_path)).connect() as connection:
        connection.exec_driver_sql("DROP TRIGGER job_moves")
    prepare_journal(tmp_path)
    found = rows(tmp_path, "SELECT name FROM sqlite_master WHERE type = 'trigger'")
    assert {name for (name,) in found} == {
        f"{table}_{kind}" for table in GUARDED for kind in ("begins", "moves")
    }
