"""What is left of a run when it is over: the journal, the folders, and what the receivers got."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semwatchd.core.paths import unescape
from tests.daemon import Site
from tests.faults.receiver import Arrival
from tests.faults.truth import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    id: int
    path: str
    sha256: str | None
    plan_hash: str
    state: str
    error_class: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedRow:
    """One event owed to one destination."""

    seq: int
    event_id: str
    destination: str
    job_id: int
    order_key: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    truths: Sequence[Truth]
    jobs: Sequence[JobRow]
    owed: Sequence[OwedRow]
    results: frozenset[int]  #: ids of the jobs that have one
    ignored: frozenset[str]  #: paths
    arrivals: Sequence[Arrival]  #: over HTTP, in order
    dropped: Sequence[str]  #: names in the drop folder


def gather(site: Site, truths: Sequence[Truth], arrivals: Sequence[Arrival], drop: Path) -> Evidence:
    """Read everything a judge needs."""
    jobs = site.rows("select id, path, sha256, plan_hash, state, error_class, reason from job order by id")
    owed = site.rows("select seq, event_id, destination, job_id, order_key, state from outbox order by seq")
    ignored = site.rows("select directory, name from sighting where state = 'ignored'")
    return Evidence(
        truths=truths,
        jobs=[
            JobRow(
                id=row[0],
                path=unescape(row[1]),
                sha256=row[2],
                plan_hash=row[3],
                state=row[4],
                error_class=row[5],
                reason=row[6],
            )
            for row in jobs
        ],
        owed=[
            OwedRow(
                seq=row[0],
                event_id=row[1],
                destination=row[2],
                job_id=row[3],
                order_key=row[4],
                state=row[5],
            )
            for row in owed
        ],
        results=frozenset(job_id for (job_id,) in site.rows("select job_id from result")),
        ignored=frozenset(str(site.watched / unescape(folder) / unescape(name)) for folder, name in ignored),
        arrivals=arrivals,
        dropped=sorted(path.name for path in drop.iterdir()),
    )
