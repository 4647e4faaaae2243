from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from semwatchd.adapters.sql.journal import open_engine, reading, writing
from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.adapters.sql.schema import prepare_journal
from semwatchd.adapters.sql.tables import plan, sighting
from semwatchd.core.job import SightingState

COLUMNS = ("root", "directory", "name", "size", "mtime_ns", "ino", "state", "first_seen", "changed_at")
INSERT = Prepared(insert(sighting), COLUMNS)
FIND = Prepared(select(sighting.c.id, sighting.c.state).where(sighting.c.name == bindparam("at_name")))
IGNORE = Prepared(
    update(sighting)
    .where(sighting.c.id == bindparam("this_id"))
    .values(state=SightingState.IGNORED, reason=bindparam("why"))
)
NEW_PLAN = Prepared(insert(plan), ("plan_hash", "document"))


def a_row(name: str) -> dict[str, object]:
    numbers = dict.fromkeys(("size", "mtime_ns", "ino", "first_seen", "changed_at"), 1)
    return {"root": "/r", "directory": "", "name": name, "state": SightingState.SETTLING, **numbers}


def test_it_does_what_the_statement_does(tmp_path: Path) -> None:
    engine = open_engine(prepare_journal(tmp_path))
    with writing(engine) as connection:
        first, second = (INSERT.run(connection, a_row(name)) for name in ("a.tif", "b.tif"))
        IGNORE.run_each(connection, [{"this_id": second, "why": "no image"}])
    with reading(engine) as connection:
        assert FIND.first(connection, {"at_name": "a.tif"}) == (first, "settling")
        assert FIND.all(connection, {"at_name": "b.tif"}) == [(second, "ignored")]
        assert FIND.first(connection, {"at_name": "c.tif"}) is None


def test_values_are_written_as_their_columns_want(tmp_path: Path) -> None:
    engine = open_engine(prepare_journal(tmp_path))
    with writing(engine) as connection:
        made = INSERT.run(connection, a_row("\udcff\n.tif"))
        IGNORE.run(connection, {"this_id": made, "why": "two\nlines"})
    with reading(engine) as connection:
        assert FIND.first(connection, {"at_name": "\udcff\n.tif"}) is not None
        (row,) = connection.execute(select(sighting))
        assert (row.name, row.reason) == ("\udcff\n.tif", "two\\x0alines")


def test_errors_are_those_of_sqlalchemy(tmp_path: Path) -> None:
    engine = open_engine(prepare_journal(tmp_path))
    row = {"plan_hash": "p", "document": "{}"}
    with pytest.raises(IntegrityError, match="UNIQUE"), writing(engine) as connection:
        NEW_PLAN.run_each(connection, [row, row])
    with reading(engine) as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(OperationalError, match="readonly"):
            NEW_PLAN.run(connection, row)


def test_a_forgotten_value_is_an_error(tmp_path: Path) -> None:
    engine = open_engine(prepare_journal(tmp_path))
    with reading(engine) as connection, pytest.raises(Exception, match="at_name"):
        FIND.first(connection, {})
