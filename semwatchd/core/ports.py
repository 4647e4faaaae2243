"""The seams: what the engine needs of the outside world. One adapter and one in-memory twin each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from semwatchd.core.image import SemImage
from semwatchd.core.job import Context, DeliveryState, ErrorClass, Job, JobState, Lane, Outcome
from semwatchd.core.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStamp:
    """Which version of a path this is. Any difference means: other bytes may be there."""

    size: int  #: bytes
    mtime_ns: int
    ino: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One version of one file under a watched root."""

    root: str  #: absolute path of the watched folder
    relpath: str  #: path below the root; undecodable bytes as surrogate escapes
    stamp: FileStamp


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """What intake asks to be done with a settled file."""

    plan: Plan
    context: Context
    lane: Lane = Lane.LIVE
    warnings: tuple[str, ...] = ()


class SightingLog(Protocol):
    """The journal as intake sees it. Writes are queued in order and made durable together, soon.

    ``known`` and ``known_in`` answer for versions already ready or ignored, not for settling ones.
    Writing the same version twice changes nothing.
    """

    def known(self, root: str, relpath: str, stamp: FileStamp) -> bool: ...
    def known_in(self, root: str, directory: str) -> Mapping[str, FileStamp]: ...
    def unsettled(self, root: str) -> Sequence[str]: ...
    def settling(self, sighting: Sighting) -> None: ...
    def ready(self, sighting: Sighting, order: JobOrder) -> None: ...
    def ignored(self, sighting: Sighting, reason: str) -> None: ...
    def vanished(self, root: str, relpath: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """The bytes of one file, read once, with the hash of exactly these bytes."""

    path: str
    data: bytes
    sha256: str
    size: int
    mtime_ns: int


class FileReader(Protocol):
    """Disk → bytes. Raises EnvironmentFault, FileChangedError or DataError."""

    def __call__(self, path: str) -> SourceFile: ...


class Decoder(Protocol):
    """Bytes → picture. Raises DataError, and nothing else, for whatever the bytes may be."""

    def __call__(self, source: SourceFile) -> SemImage: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One message to one destination, as it stands in the outbox."""

    seq: int
    event_id: str  #: the same on every try and after every restart
    destination: str
    order_key: str
    payload: str  #: CloudEvents 1.0 envelope, JSON
    attempts: int
    subject: str  #: for logs and file names


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one try to deliver ended."""

    seq: int
    state: DeliveryState
    attempts: int  #: tries so far, this one included if it reached the receiver
    not_before: float = 0.0  #: epoch seconds; for RETRY_WAIT
    error: str | None = None


class Outbox(Protocol):
    """The durable queue of events.

    ``take`` marks up to ``limit`` events of a destination as being sent and returns them in order. It
    leaves out every key whose oldest undelivered event may not be sent yet, so a waiting event holds back
    only its own key; a parked event holds back none. Both calls return once the change is durable.
    """

    def take(self, destination: str, limit: int, now: float) -> Sequence[Event]: ...
    def settle(self, verdicts: Sequence[Verdict], now: float) -> None: ...


class MesAdapter(Protocol):
    """Deliver one event. Returning means accepted; else TransientError or PermanentRejection."""

    def send(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEvent:
    """An event before the journal has given it a number and a destination."""

    event_id: str
    event_type: str
    order_key: str
    subject: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What becomes of a job after one attempt."""

    outcome: Outcome
    state: JobState
    not_before: float = 0.0  #: epoch seconds; for RETRY_WAIT
    refund: bool = False  #: the attempt does not count: the job was not to blame
    events: tuple[RenderedEvent, ...] = ()


class JobStore(Protocol):
    """The journal as the dispatcher sees it. Every future is done once the change is durable.

    ``claim`` counts the attempt before the work starts. ``finish`` answers the state the job really took:
    DUPLICATE when the same bytes are another job's, None when the outcome is of an older attempt.
    """

    def claim(self, limit: int) -> Future[Sequence[Job]]: ...
    def finish(self, ending: Ending) -> Future[JobState | None]: ...
    def give_back(self, jobs: Sequence[Job]) -> Future[None]: ...


class Telemetry(Protocol):
    """What the operators count. Nothing here may block or raise."""

    def sighted(self, tool: str, how: str) -> None: ...
    def watcher_overflowed(self, root: str) -> None: ...
    def job_ended(self, job: Job, state: JobState, error_class: ErrorClass | None) -> None: ...
    def job_timed(self, tool: str, elapsed_ms: Mapping[str, float], end_to_end_s: float) -> None: ...
    def worker_restarted(self, reason: str) -> None: ...
    def delivery(self, destination: str, outcome: str, elapsed_s: float) -> None: ...
    def breaker(self, destination: str, state: str) -> None: ...
    def beat(self, loop: str) -> None: ...


class Log(Protocol):
    """The part of a structlog logger that the engine uses."""

    def info(self, event: str, **fields: Any) -> Any: ...  # noqa: ANN401 — structlog's own signature
    def warning(self, event: str, **fields: Any) -> Any: ...  # noqa: ANN401
    def error(self, event: str, **fields: Any) -> Any: ...  # noqa: ANN401
