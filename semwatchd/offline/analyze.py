"""Measure single files without a daemon: the same workers, the same stages, one answer per file."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from semwatchd.adapters.probe import stamp_of
from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.job import Context, Failure, Job, Outcome, Result
from semwatchd.core.paths import escape
from semwatchd.core.plan import Plan
from semwatchd.core.ports import FileStamp, Log, Telemetry
from semwatchd.engine.settings import WorkerSettings
from semwatchd.engine.supervisor import WorkerPool
from semwatchd.line import start_workers

DEADLINE_S = 8.0  # a person waits for the answer
SILENCE_S = 60.0  # without any worker that answers: none ever will


def analyze(
    paths: Sequence[str], plan: Plan, settings: WorkerSettings, telemetry: Telemetry, log: Log
) -> Iterator[Outcome]:
    """Yield one outcome per file, in the order given. A file that kills its worker costs only itself."""
    waiting = deque(_job(number, path, plan) for number, path in enumerate(paths))
    total = len(waiting)
    if not total:
        return
    few = settings.model_copy(
        update={"count": settings.count or min(total, os.cpu_count() or 1), "pin": False}
        | {"deadline_s": min(settings.deadline_s, DEADLINE_S)}
    )
    pool = start_workers(few, None, telemetry, log)
    try:
        yield from _in_order(pool, waiting, total)
    finally:
        pool.close()


def _in_order(pool: WorkerPool, waiting: deque[Job], total: int) -> Iterator[Outcome]:
    answered: dict[int, Outcome] = {}
    heard_at = time.monotonic()
    for number in range(total):
        while number not in answered:
            while waiting and pool.free():
                pool.submit(waiting.popleft())
            news = pool.wait(1.0)
            waiting.extendleft(reversed(news.unstarted))
            answered |= {outcome.job.id: outcome for outcome in news.outcomes}
            if pool.ready_count or news.outcomes:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_S:
                raise EnvironmentFault(
                    f"no worker has started within {SILENCE_S:g} s; raise workers.memory_limit_mb, "
                    "or see in the lines above why they end"
                )
        yield answered.pop(number)


def _job(number: int, path: str, plan: Plan) -> Job:
    """Make a job of a path; one that is not there fails in the worker, with the reader's own words."""
    try:
        stamp = stamp_of(Path(path).stat())
    except (OSError, ValueError):
        stamp = FileStamp(size=0, mtime_ns=0, ino=0)
    return Job(
        id=number,
        attempt=1,
        path=path,
        root=path,  # no watched folder: nobody knows whether a missing file was ever there
        size=stamp.size,
        mtime_ns=stamp.mtime_ns,
        plan=plan,
        context=Context(tool="analyze"),
    )


def as_record(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as ``semwatchd analyze --json`` prints it; the shape is a contract."""
    record: dict[str, Any] = {
        "path": escape(outcome.job.path),
        "status": "ok",
        "error_class": None,
        "reason": None,
        "image": None,
        "measurements": {},
        "registration": None,
        "warnings": list(outcome.job.warnings),
    }
    match outcome:
        case Failure():
            return record | {
                "status": "rejected",
                "error_class": outcome.error_class,
                "reason": outcome.reason,
            }
        case Result():
            return record | {
                "image": asdict(outcome.facts),
                "measurements": dict(outcome.measurements),
                "registration": asdict(outcome.registration) if outcome.registration else None,
                "warnings": list(outcome.warnings),
            }
