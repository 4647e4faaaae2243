"""The judge: holds what the oracle knows against what is left. Pure, so that the judge can be tried too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from semwatchd.core.paths import escape
from tests.faults.evidence import Evidence, JobRow
from tests.faults.truth import Fate, Truth

HOLDING = frozenset({"stored", "quarantined"})  #: states of the one job that stands for a content
ENDED = HOLDING | {"duplicate", "cancelled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    wrong: tuple[str, ...]  #: every other broken rule
    blamed: int  #: sound images in quarantine, because too many of the kills fell on them
    repeats: int  #: events received more than once, which receivers know by their id

    @property
    def violations(self) -> tuple[str, ...]:
        return (
            *(f"lost: {line}" for line in self.lost),
            *(f"doubled: {line}" for line in self.doubled),
            *self.wrong,
        )


def judge(seen: Evidence) -> Verdict:
    """Check every rule."""
    holders = _holders(seen.jobs)
    arrived = Counter(arrival.event_id for arrival in seen.arrivals)
    return Verdict(
        lost=(*_never_ended(seen, holders), *_never_received(seen, arrived)),
        doubled=(*_held_twice(holders), *_told_twice(seen)),
        wrong=(*_wrong_fate(seen, holders), *_loose(seen, arrived), *_out_of_order(seen)),
        blamed=sum(_was_blamed(truth, holders) for truth in seen.truths),
        repeats=arrived.total() - len(arrived),
    )


def _holders(jobs: Iterable[JobRow]) -> Mapping[str, Sequence[JobRow]]:
    """Jobs that stand for a content, by its sha256; where that was never known, by the path."""
    holders: dict[str, list[JobRow]] = defaultdict(list)
    for job in jobs:
        if job.state in HOLDING:
            holders[job.sha256 or job.path].append(job)
    return holders


def _of(truth: Truth, holders: Mapping[str, Sequence[JobRow]]) -> Sequence[JobRow]:
    return holders.get(truth.sha256, ()) or holders.get(truth.path, ())


def _never_ended(seen: Evidence, holders: Mapping[str, Sequence[JobRow]]) -> Iterator[str]:
    ended = {(job.path, job.sha256) for job in seen.jobs if job.state in ENDED}
    for truth in seen.truths:
        if truth.fate is Fate.IGNORED:
            continue
        if not _of(truth, holders):
            yield f"{_named(truth)} is neither stored nor quarantined"
        elif not ended & {(truth.path, truth.sha256), (truth.path, None)}:
            yield f"{_named(truth)} has no job of its own"


def _never_received(seen: Evidence, arrived: Mapping[str, int]) -> Iterator[str]:
    dropped = Counter(_event_of(name) for name in seen.dropped if not name.startswith("."))
    for row in seen.owed:
        if row.destination == "mes" and row.event_id not in arrived:
            yield f"event {row.event_id} of job {row.job_id} ({row.state}) never arrived"
        if row.destination == "drop" and dropped[row.event_id] != 2:
            yield f"event {row.event_id} of job {row.job_id} ({row.state}) lacks a file in the drop folder"


def _event_of(name: str) -> str:
    """Return the event id in a file name; it is a UUID of 36 characters before the ending."""
    return name.rpartition(".")[0][-36:]


def _held_twice(holders: Mapping[str, Sequence[JobRow]]) -> Iterator[str]:
    for content, jobs in holders.items():
        per_plan = Counter(job.plan_hash for job in jobs)
        if per_plan.most_common(1)[0][1] > 1 and any(job.sha256 for job in jobs):
            yield f"{content} is held by jobs {', '.join(str(job.id) for job in jobs)}"


def _told_twice(seen: Evidence) -> Iterator[str]:
    ids: dict[str, set[str]] = defaultdict(set)
    for arrival in seen.arrivals:
        ids[arrival.sha256].add(arrival.event_id)
    for sha256, told in ids.items():
        if len(told) > 1:
            yield f"{sha256} was told of under {len(told)} event ids"


def _wrong_fate(seen: Evidence, holders: Mapping[str, Sequence[JobRow]]) -> Iterator[str]:
    for truth in seen.truths:
        match truth.fate:
            case Fate.STORED:
                for job in _of(truth, holders):
                    if job.state == "quarantined" and job.error_class == "data":
                        yield f"{_named(truth)} is sound, yet quarantined: {job.reason}"
            case Fate.QUARANTINED:
                if any(job.state == "stored" for job in _of(truth, holders)):
                    yield f"{_named(truth)} is no image, yet stored"
            case Fate.IGNORED if truth.path not in seen.ignored:
                yield f"{_named(truth)} is not ignored"


def _loose(seen: Evidence, arrived: Mapping[str, int]) -> Iterator[str]:
    stored = {job.id for job in seen.jobs if job.state == "stored"}
    owed = Counter(row.job_id for row in seen.owed)
    known = {row.event_id for row in seen.owed}
    yield from (f"job {job_id} is stored without a result" for job_id in stored - seen.results)
    yield from (f"job {job_id} has a result, but is not stored" for job_id in seen.results - stored)
    yield from (f"job {job_id} owes {owed[job_id]} events, not 2" for job_id in stored if owed[job_id] != 2)
    yield from (f"event {row.event_id} is {row.state}" for row in seen.owed if row.state != "delivered")
    yield from (f"event {event_id} arrived, yet nobody sent it" for event_id in set(arrived) - known)
    yield from (f"{name} is left in the drop folder" for name in seen.dropped if name.startswith("."))
    yield from (f"job {job.id} is still {job.state}" for job in seen.jobs if job.state not in ENDED)


def _out_of_order(seen: Evidence) -> Iterator[str]:
    """Within one key, events must first arrive in the order in which they were stored."""
    seqs = {row.event_id: row.seq for row in seen.owed if row.destination == "mes"}
    newest: dict[str, int] = defaultdict(int)
    first: set[str] = set()
    for arrival in seen.arrivals:
        seq = seqs.get(arrival.event_id, 0)
        if arrival.event_id in first:
            continue
        first.add(arrival.event_id)
        if seq < newest[arrival.order_key]:
            yield f"event {arrival.event_id} of {arrival.order_key} arrived after a later one"
        newest[arrival.order_key] = max(seq, newest[arrival.order_key])


def _was_blamed(truth: Truth, holders: Mapping[str, Sequence[JobRow]]) -> bool:
    return truth.fate is Fate.STORED and any(job.state == "quarantined" for job in _of(truth, holders))


def _named(truth: Truth) -> str:
    return f"{escape(truth.path)} ({truth.way}, cycle {truth.cycle}, sha256 {truth.sha256[:12]})"
