"""The seams: what the engine needs of the outside world. One adapter and one in-memory twin each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from semwatchd.core.image import SemImage
from semwatchd.core.job import ErrorClass, Job, JobState


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


class MesAdapter(Protocol):
    """Deliver one event. Returning means accepted; else TransientError or PermanentRejection."""

    def send(self, event: Event) -> None: ...


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
