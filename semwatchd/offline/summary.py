"""What a demo run came to: the numbers, and whether the books balance against the tool's truth."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from semwatchd.core.image import RegistrationStatus
from semwatchd.core.job import DeliveryState, JobState
from semwatchd.offline.books import Books, JobLine
from semwatchd.offline.manifest import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from the end of writing a file, settling included."""

    p50_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFigures:
    """What the network said."""

    told: int  #: images with a depth
    maps: int  #: of them, those whose map and preview are on the disk
    holes_nm: float | None  #: depth of the holes, the middle of all
    each_ms: float | None  #: wall time of one depth with its map, the middle of all


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of one run."""

    written: int  #: files the tool wrote
    stored: int
    duplicates: int  #: refused by identity
    quarantined: Mapping[str, int]  #: reason → files
    delivered: Mapping[str, int]  #: destination → distinct events that arrived there
    repeats: Mapping[str, int]  #: destination → arrivals of an event that was there already
    retried: int  #: deliveries that took more than one try
    images_per_min: float | None
    file_to_stored: Latency
    file_to_delivered: Latency
    registered: int  #: images whose shift was measured on both axes
    registration_rms_px: float | None  #: length of the difference between measured and true shift
    registration_worst_px: float | None  #: the longest of them
    depth: DepthFigures
    problems: tuple[str, ...]  #: empty when the books balance


def summarise(entries: Sequence[Entry], books: Books, arrivals: Mapping[str, Sequence[str]]) -> Summary:
    """Compare the tool's truth, the journal and what arrived.

    Parameters
    ----------
    arrivals
        Event ids in order of arrival, for each destination.
    """
    states = Counter(line.state for line in books.jobs)
    reasons = Counter(line.reason or "" for line in books.jobs if line.state == JobState.QUARANTINED)
    finished_at = {entry.path: entry.finished_at for entry in entries}
    stored = [line for line in books.jobs if line.state == JobState.STORED and line.path in finished_at]
    errors = registration_errors_px(entries, stored)
    return Summary(
        written=len(entries),
        stored=states[JobState.STORED],
        duplicates=states[JobState.DUPLICATE],
        quarantined=dict(reasons),
        delivered={name: len(set(ids)) for name, ids in arrivals.items()},
        repeats={name: len(ids) - len(set(ids)) for name, ids in arrivals.items()},
        retried=sum(line.attempts > 1 for line in books.deliveries),
        images_per_min=_rate_per_min(stored, finished_at),
        file_to_stored=_latency((line.stored_at or 0) - finished_at[line.path] for line in stored),
        file_to_delivered=_delivery_latency(books, stored, finished_at),
        registered=len(errors),
        registration_rms_px=_rms(errors),
        registration_worst_px=max(errors, default=None),
        depth=depth_figures(stored),
        problems=(*job_problems(entries, books.jobs), *delivery_problems(books, arrivals)),
    )


def job_problems(entries: Sequence[Entry], jobs: Sequence[JobLine]) -> list[str]:
    """Say where the journal's jobs differ from what the tool wrote.

    Every file must have exactly one job. Of files with the same bytes exactly one must be stored, whichever
    of them it is: which copy settles first is the file system's business.
    """
    by_path = defaultdict(list)
    for line in jobs:
        by_path[line.path].append(line)
    problems = [
        f"{entry.path}: {len(by_path[entry.path])} jobs instead of one"
        for entry in entries
        if len(by_path[entry.path]) != 1
    ]
    unknown = by_path.keys() - {entry.path for entry in entries}
    problems += [f"{path}: a job for a file the tool never wrote" for path in sorted(unknown)]
    for copies in _by_content(entries):
        expected = sorted(entry.expected for entry in copies)
        found = sorted(line.state.value for entry in copies for line in by_path[entry.path])
        if found != expected:
            problems.append(
                f"{copies[0].path}: {', '.join(found) or 'nothing'} instead of {', '.join(expected)}"
            )
    return problems


def delivery_problems(books: Books, arrivals: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which stored image was not delivered exactly once to each destination, by event id."""
    stored = {line.id for line in books.jobs if line.state == JobState.STORED}
    problems = []
    for destination, ids in arrivals.items():
        owed = [line for line in books.deliveries if line.destination == destination]
        confirmed = {line.event_id for line in owed if line.state == DeliveryState.DELIVERED}
        if missing := len(stored - {line.job_id for line in owed}):
            problems.append(f"{destination}: {missing} stored images have no event")
        if open_ := len(owed) - len(confirmed):
            problems.append(f"{destination}: {open_} events are not delivered")
        if lost := len(confirmed - set(ids)):
            problems.append(f"{destination}: {lost} events count as delivered but never arrived")
        if foreign := len(set(ids) - {line.event_id for line in owed}):
            problems.append(f"{destination}: {foreign} events arrived that the journal does not know")
    return problems


def registration_errors_px(entries: Sequence[Entry], stored: Sequence[JobLine]) -> list[float]:
    """Distance between measured and true shift, of every image that was registered on both axes."""
    truth = {entry.path: (entry.dx_px, entry.dy_px) for entry in entries}
    errors = []
    for line in stored:
        if line.registration and line.registration["status"] == RegistrationStatus.OK:
            dx_px, dy_px = truth[line.path]
            errors.append(math.hypot(line.registration["dx_px"] - dx_px, line.registration["dy_px"] - dy_px))
    return errors


def depth_figures(stored: Sequence[JobLine]) -> DepthFigures:
    """Count the depths that were told, and the maps that are there."""
    told = [line for line in stored if line.depth]
    holes_nm = [line.depth["depth.hole_depth_nm"] for line in told]
    return DepthFigures(
        told=len(told),
        maps=sum(bool(line.artefacts) and all(map(os.path.exists, line.artefacts)) for line in told),
        holes_nm=percentile([hole_nm for hole_nm in holes_nm if hole_nm is not None], 50),
        each_ms=percentile([line.elapsed_ms["depth"] for line in told], 50),
    )


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Smallest value that ``percent`` of all values do not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def _by_content(entries: Sequence[Entry]) -> list[list[Entry]]:
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.sha256].append(entry)
    return list(groups.values())


def _latency(seconds: Iterable[float]) -> Latency:
    values = list(seconds)
    return Latency(p50_s=percentile(values, 50), p99_s=percentile(values, 99))


def _delivery_latency(books: Books, stored: Sequence[JobLine], finished_at: Mapping[str, float]) -> Latency:
    path_of = {line.id: line.path for line in stored}
    return _latency(
        line.delivered_at - finished_at[path_of[line.job_id]]
        for line in books.deliveries
        if line.delivered_at is not None and line.job_id in path_of
    )


def _rate_per_min(stored: Sequence[JobLine], finished_at: Mapping[str, float]) -> float | None:
    ends = [line.stored_at for line in stored if line.stored_at is not None]
    if not ends:
        return None
    return 60 * len(ends) / max(max(ends) - min(finished_at.values()), 1e-3)


def _rms(values: Sequence[float]) -> float | None:
    return math.sqrt(math.fsum(v * v for v in values) / len(values)) if values else None
