"""Between rows and nouns."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row
from sqlalchemy.dialects.sqlite import insert

from semwatchd.adapters.sql import tables
from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.core.job import Context, Job, Lane
from semwatchd.core.plan import Plan

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
    return Plan(**fields | {"stages": tuple(fields["stages"])})


def job_of(row: Row[Any]) -> Job:
    """Rebuild a job from its row joined with its plan's."""
    return Job(
        id=row.id,
        attempt=row.attempt,
        path=row.path,
        root=row.root,
        size=row.size,
        mtime_ns=row.mtime_ns,
        plan=plan_of(row.document),
        context=Context(**{name: getattr(row, name) for name in CONTEXT_FIELDS}),
        lane=Lane(row.lane),
        detected_at=row.detected_at,
        warnings=tuple(json.loads(row.warnings)),
    )
