"""Between rows and nouns."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert

from semwatchd.adapters.sql import tables
from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.core.job import Context, Job, Lane
from semwatchd.core.paths import unescape
from semwatchd.core.plan import DepthPlan, Plan

CONTEXT_FIELDS = ("tool", "lot", "wafer", "slot", "step", "recipe")

_NEW_PLAN = insert(tables.plan)
_KEEP_PLAN = Prepared(
    _NEW_PLAN.on_conflict_do_update(set_={"document": _NEW_PLAN.excluded.document}), ("plan_hash", "document")
)


def remember_plan(connection: Connection, plan: Plan) -> None:
    """Keep the plan's content beside its hash, so that an old result can be explained.

    Of plans with one hash the newest stands: its reference holds the same bytes, and is where it says.
    """
    _KEEP_PLAN.run(connection, {"plan_hash": plan.plan_hash, "document": _document_of(plan)})


@lru_cache(maxsize=64)
def _document_of(plan: Plan) -> str:
    return json.dumps(asdict(plan))


def shallow(noun: Any) -> dict[str, Any]:  # noqa: ANN401 — any dataclass
    """Return the fields of a flat dataclass; ``asdict`` would copy each of them."""
    return {name: getattr(noun, name) for name in noun.__dataclass_fields__}


@lru_cache(maxsize=64)
def plan_of(document: str) -> Plan:
    """Rebuild a plan from its row."""
    fields = json.loads(document)
    stages, depth = tuple(fields["stages"]), fields.get("depth")
    return Plan(**fields | {"stages": stages, "depth": None if depth is None else _depth_plan_of(depth)})


def _depth_plan_of(document: Any) -> DepthPlan:  # noqa: ANN401 — whatever stands in the row
    """Rebuild its tuples; JSON knows lists only."""
    fields = dict(document).items()
    rebuilt: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields}
    return DepthPlan(**rebuilt)


class JobRow(NamedTuple):
    """What a job is rebuilt from, in the order of :data:`JOB_COLUMNS`; paths as they are written."""

    id: int
    attempt: int
    path: str
    root: str
    size: int
    mtime_ns: int
    lane: str
    detected_at: float
    warnings: str
    tool: str
    lot: str | None
    wafer: str | None
    slot: str | None
    step: str | None
    recipe: str | None
    revision: int
    document: str


JOB_COLUMNS = (*(tables.job.c[name] for name in JobRow._fields[:-1]), tables.plan.c.document)


def job_of(row: JobRow, *, attempt: int, alone: bool) -> Job:
    """Rebuild a job from its row joined with its plan's."""
    return Job(
        id=row.id,
        attempt=attempt,
        path=unescape(row.path),
        root=unescape(row.root),
        size=row.size,
        mtime_ns=row.mtime_ns,
        plan=plan_of(row.document),
        context=Context(
            tool=row.tool, lot=row.lot, wafer=row.wafer, slot=row.slot, step=row.step, recipe=row.recipe
        ),
        lane=Lane(row.lane),
        alone=alone,
        detected_at=row.detected_at,
        warnings=_warnings_of(row.warnings),
        revision=row.revision,
    )


@lru_cache(maxsize=64)
def _warnings_of(document: str) -> tuple[str, ...]:
    """Read a list that is nearly always empty."""
    return tuple(json.loads(document))
