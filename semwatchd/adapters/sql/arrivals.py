"""When which tool's images came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, LargeBinary, cast, func, select

from semwatchd.adapters.sql.tables import job
from semwatchd.core.job import Lane


class Arrival(NamedTuple):
    """One image, as it came."""

    job_id: int
    tool: str
    at: float  #: epoch seconds


def arrivals(connection: Connection, after: int, limit: int) -> Sequence[Arrival]:
    """Return up to ``limit`` live images whose job has a higher number than ``after``, in order.

    Rows that make no sense are passed over: it is not for us to stumble upon them.
    """
    query = (
        select(job.c.id, cast(job.c.tool, LargeBinary), job.c.detected_at)
        .where(job.c.id > after, job.c.lane == Lane.LIVE, func.typeof(job.c.detected_at) == "real")
        .order_by(job.c.id)
        .limit(limit)
    )
    return [
        Arrival(number, bytes(tool).decode("utf-8", "replace"), at)
        for number, tool, at in connection.execute(query)
    ]


def newest_job(connection: Connection) -> int:
    """Return the number of the newest job; 0 where there is none."""
    newest: int | None = connection.execute(select(func.max(job.c.id))).scalar()
    return newest or 0
