"""Which rows of the journal this code could not read: an unknown state, JSON that is none, a wrong type.

A page of the disk, another program or a person's hand can leave such rows in a file that SQLite calls sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
)

from semwatchd.adapters.sql import tables
from semwatchd.adapters.sql.rows import plan_of
from semwatchd.core.job import DeliveryState, ErrorClass, JobState, Lane, SightingState

#: What a column may hold.
WORDS: Mapping[Column[Any], type[StrEnum]] = {
    tables.sighting.c.state: SightingState,
    tables.job.c.state: JobState,
    tables.job.c.lane: Lane,
    tables.job.c.error_class: ErrorClass,
    tables.outbox.c.state: DeliveryState,
}
#: What the JSON in a column must be.
DOCUMENTS: Mapping[Column[Any], str] = {
    tables.plan.c.document: "object",
    tables.job.c.evidence: "object",
    tables.job.c.warnings: "array",
    tables.result.c.facts: "object",
    tables.result.c.measurements: "object",
    tables.result.c.registration: "object",
    tables.result.c.warnings: "array",
    tables.result.c.elapsed_ms: "object",
    tables.result.c.cpu_ms: "object",
    tables.result.c.artefacts: "array",
    tables.outbox.c.payload: "object",
}
_STORED_AS = {Integer: ("integer",), Float: ("real", "integer")}  # all else is text


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """A row our code cannot take, and why."""

    table: str
    rowid: int  #: SQLite's own number of the row
    columns: tuple[str, ...]  #: those that hold what they must not


def unreadable_rows(
    connection: Connection, among: Mapping[str, ColumnElement[bool]] | None = None
) -> Iterator[UnreadableRow]:
    """Yield the rows that this code could not read.

    Parameters
    ----------
    among
        By table, which of its rows to look at; other tables are left out. None looks at everything.
    """
    for table in tables.metadata.sorted_tables:
        if among is None:
            yield from _unreadable_in(connection, table, _survey(table))
        elif table.name in among:
            yield from _unreadable_in(connection, table, _survey(table).where(among[table.name]))


def _unreadable_in(
    connection: Connection, table: Table, survey: Select[int, str, bytes]
) -> Iterator[UnreadableRow]:
    for rowid, wrong, texts in connection.execute(survey):
        columns = tuple(wrong.split())
        if not _decodes(texts):
            columns += tuple(_undecodable(connection, table, rowid))
        elif table is tables.plan and not columns and not _is_plan(connection, rowid):
            columns = ("document",)
        if columns:
            yield UnreadableRow(table=table.name, rowid=rowid, columns=tuple(dict.fromkeys(columns)))


@lru_cache(maxsize=16)
def _survey(table: Table) -> Select[int, str, bytes]:
    """Ask SQLite for each row's number, the names of its wrong columns, and all its text in one piece.

    Text is asked for as bytes: one byte that is not UTF-8 would end the whole query.
    """
    wrong: ColumnElement[str] = literal("")
    texts: ColumnElement[str] = literal("")
    for column in table.columns:
        wrong += case((_is_wrong(column), literal(f"{column.name} ")), else_="")
        if type(column.type) not in _STORED_AS:
            texts += func.coalesce(type_coerce(column, Text), "")
    return select(literal_column("rowid", Integer), wrong, cast(texts, LargeBinary)).select_from(table)


def _is_wrong(column: Column[Any]) -> ColumnElement[bool]:
    held = type_coerce(column, Text)
    wrong: ColumnElement[bool] = func.typeof(column).not_in(_STORED_AS.get(type(column.type), ("text",)))
    if column in WORDS:
        wrong = or_(wrong, held.not_in([word.value for word in WORDS[column]]))
    if column in DOCUMENTS:
        wrong = or_(wrong, _is_no_document(held, DOCUMENTS[column]))
    return and_(column.is_not(None), wrong) if column.nullable else wrong


def _is_no_document(held: ColumnElement[str], kind: str) -> ColumnElement[bool]:
    """SQLite may ask for the type of the JSON before it knows that it is JSON, and a CASE keeps the order."""
    return case((func.json_valid(held) == 1, func.json_type(held) != kind), else_=True)


def _decodes(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _undecodable(connection: Connection, table: Table, rowid: int) -> Iterator[str]:
    for column in table.columns:
        held = select(cast(type_coerce(column, Text), LargeBinary)).where(literal_column("rowid") == rowid)
        if not _decodes(connection.execute(held).scalar_one() or b""):
            yield column.name


def _is_plan(connection: Connection, rowid: int) -> bool:
    query = select(tables.plan.c.document).where(literal_column("rowid") == rowid)
    try:
        plan_of(connection.execute(query).scalar_one())
    except (KeyError, TypeError, ValueError):
        return False
    return True
