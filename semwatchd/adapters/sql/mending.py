"""Make the journal's rows readable again by the smallest change, with what they held kept aside.

A column with nothing vital in it gets its default. A row that cannot be kept goes, and with it what pointed
to it; its file, if it still lies on the disk, is sighted anew and measured again under the same event ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Table,
    Text,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import NullType

from semwatchd.adapters.sql.guards import guard_moves, unguard_moves
from semwatchd.adapters.sql.queries import LOOSE_ENDS
from semwatchd.adapters.sql.tables import (
    OPEN_JOBS,
    SETTLING,
    UNDELIVERED,
    job,
    metadata,
    outbox,
    plan,
    result,
    sighting,
)
from semwatchd.adapters.sql.unreadable import WORDS, UnreadableRow, unreadable_rows
from semwatchd.core.job import JobState, Lane
from semwatchd.core.plan import Plan

#: Rows whose state is looked at from the end of each table at start, besides all that are open.
NEWEST_ROWS = 50_000
#: Stands for a plan whose content is lost; what was already measured under it keeps its hash.
LOST_PLAN = json.dumps(asdict(Plan(name="lost", stages=())))
#: What takes the place of an unreadable value. Other columns get their default or null, or the row goes.
_INSTEAD: Mapping[Column[Any], Any] = {
    plan.c.document: LOST_PLAN,
    job.c.state: case(
        (exists().where(result.c.job_id == job.c.id), JobState.STORED.value), else_=JobState.QUEUED.value
    ),
    job.c.lane: Lane.LIVE.value,
    job.c.warnings: "[]",
    job.c.attempt: 0,
    job.c.not_before: 0.0,
    job.c.revision: case((exists().where(result.c.job_id == job.c.id), 1), else_=0),
    outbox.c.state: case((outbox.c.delivered_at.is_(None), "pending"), else_="delivered"),
    outbox.c.attempts: 0,
    outbox.c.not_before: 0.0,
}
_AGAIN = {
    "state": JobState.QUEUED,
    "attempt": 0,
    "not_before": 0,
    "sha256": None,
    "duplicate_of": None,
    "revision": 0,
}
PLAN_LOST = "its plan is lost"
_WITHOUT_DEPTH = {"state": JobState.STORED, "reason": f"no depth: {PLAN_LOST}"}
_DONE_WITH_ITS_PLAN = (JobState.STORED, JobState.DUPLICATE, JobState.CANCELLED)

rowid: ColumnElement[int] = literal_column("rowid")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A row as it was before it was mended or taken out."""

    table: str
    rowid: int
    why: str
    done: str  #: "mended", "removed" or "to be measured again"
    content: Mapping[str, Any]


def open_rows(connection: Connection) -> Mapping[str, ColumnElement[bool]]:
    """Say which rows the daemon will read as soon as it works, or would overlook because of their state."""
    among: dict[str, ColumnElement[bool]] = {"plan": true()}
    for table, under_way in ((sighting, SETTLING), (job, OPEN_JOBS), (outbox, UNDELIVERED)):
        newest = connection.execute(select(func.max(rowid)).select_from(table)).scalar_one() or 0
        legal = [state.value for state in WORDS[table.c.state]]
        overlooked = type_coerce(table.c.state, Text).not_in(legal)
        among[table.name] = or_(under_way, and_(rowid > newest - NEWEST_ROWS, overlooked))
    return among


def mend(connection: Connection, broken: Iterable[UnreadableRow]) -> list[SetAside]:
    """Mend these rows and all that hangs on them, inside the caller's transaction; return what they held."""
    with _unguarded(connection):
        kept = [entry for row in broken for entry in _mend_row(connection, row)]
        if any(entry.done == "removed" for entry in kept):
            kept += [*_mend_strays(connection), *_mend_loose_ends(connection)]
    return kept


def mend_all(connection: Connection) -> list[SetAside]:
    """Mend whatever is wrong with any row, inside the caller's transaction; return what they held."""
    with _unguarded(connection):
        kept = [entry for row in list(unreadable_rows(connection)) for entry in _mend_row(connection, row)]
        kept += [*_mend_strays(connection), *_mend_loose_ends(connection)]
    return kept


@contextmanager
def _unguarded(connection: Connection) -> Iterator[None]:
    """Let rows be in any state, and point nowhere, until the transaction ends."""
    connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    unguard_moves(connection)
    yield
    guard_moves(connection)


def _mend_row(connection: Connection, row: UnreadableRow) -> Iterator[SetAside]:
    table, why = metadata.tables[row.table], f"unreadable {', '.join(row.columns)}"
    columns = [table.c[name] for name in row.columns]
    mendable = all(column in _INSTEAD or column.nullable for column in columns)
    if table is result or not mendable:  # a number that may be wrong is worth less than a new one
        yield from _remove(connection, table, row.rowid, why)
        return
    instead = {column.name: _INSTEAD.get(column, null()) for column in columns}
    try:
        yield from _change(connection, table, row.rowid, why, instead)
    except IntegrityError:  # as it should be, it would be a second one of its kind
        yield from _remove(connection, table, row.rowid, why)
        return
    if table is plan:
        yield from _end_open_jobs(connection, row.rowid)


def _change(
    connection: Connection, table: Table, number: int, why: str, values: Mapping[str, Any]
) -> Iterator[SetAside]:
    held = _content(connection, table, number)
    connection.execute(update(table).where(rowid == number).values(values))
    done = "to be measured again" if values is _AGAIN else "mended"
    yield SetAside(table=table.name, rowid=number, why=why, done=done, content=held)


def _remove(connection: Connection, table: Table, number: int, why: str) -> Iterator[SetAside]:
    held = _content(connection, table, number)
    if table is outbox:  # an event that never arrived is made anew, under its old id
        owed = select(outbox.c.job_id).where(rowid == number, outbox.c.delivered_at.is_(None))
        connection.execute(update(job).where(job.c.id.in_(owed)).values(_AGAIN))
    connection.execute(delete(table).where(rowid == number))
    yield SetAside(table=table.name, rowid=number, why=why, done="removed", content=held)


def _end_open_jobs(connection: Connection, plan_rowid: int) -> Iterator[SetAside]:
    """Take out the jobs that cannot be measured without the plan's content; their files are sighted anew.

    Where the numbers were told, they stand, and only depth is given up.
    """
    its_hash = select(plan.c.plan_hash).where(rowid == plan_rowid).scalar_subquery()
    waiting = select(job.c.id, job.c.revision > 0).where(
        job.c.plan_hash == its_hash, job.c.state.not_in(_DONE_WITH_ITS_PLAN)
    )
    for number, told in connection.execute(waiting).all():
        if told:
            yield from _change(connection, job, number, PLAN_LOST, _WITHOUT_DEPTH)
        else:
            yield from _remove(connection, job, number, PLAN_LOST)


def _mend_strays(connection: Connection) -> Iterator[SetAside]:
    """Cut what points to rows that are not there, until nothing does."""
    while strays := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
        for name, number, parent, _ in strays:
            if parent == plan.name:
                yield from _mend_lost_plan(connection, number)
                continue
            table, why = metadata.tables[name], f"no such {parent}"
            pointing = [column for column in table.columns if column.references(metadata.tables[parent].c.id)]
            if all(column.nullable for column in pointing):
                nothing = {column.name: null() for column in pointing}
                yield from _change(connection, table, number, why, nothing)
            else:
                yield from _remove(connection, table, number, why)


def _mend_lost_plan(connection: Connection, job_number: int) -> Iterator[SetAside]:
    its_hash = connection.scalar(select(job.c.plan_hash).where(job.c.id == job_number))
    if its_hash is None or connection.scalar(
        select(rowid).select_from(plan).where(plan.c.plan_hash == its_hash)
    ):
        return
    number = connection.execute(insert(plan).values(plan_hash=its_hash, document=LOST_PLAN)).lastrowid
    yield from _end_open_jobs(connection, number)


def _mend_loose_ends(connection: Connection) -> Iterator[SetAside]:
    """Let what breaks our rules be measured again; a result or a sighting can be had anew."""
    for why, (table, broken) in LOOSE_ENDS.items():
        for number in connection.scalars(select(rowid).select_from(table).where(broken)).all():
            if table is job:
                yield from _change(connection, table, number, why, _AGAIN)
            else:
                yield from _remove(connection, table, number, why)


def _content(connection: Connection, table: Table, number: int) -> Mapping[str, Any]:
    """Read a row whatever it holds: text as bytes, for it may be none."""
    held = connection.execute(select(*map(_raw, table.columns)).where(rowid == number)).one()
    return {
        column.name: value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        for column, value in zip(table.columns, held, strict=True)
    }


def _raw(column: Column[Any]) -> ColumnElement[Any]:
    value = type_coerce(column, NullType())
    text_or_bytes = func.typeof(column).in_(["text", "blob"])
    return type_coerce(case((text_or_bytes, cast(value, LargeBinary)), else_=value), NullType())
