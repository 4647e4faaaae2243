"""The seams: what the engine needs of the outside world. One adapter and one in-memory twin each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from semwatchd.core.image import SemImage
from semwatchd.core.job import (
    Context,
    DeliveryState,
    DepthSkip,
    ErrorClass,
    Job,
    JobState,
    Lane,
    Outcome,
    Result,
)
from semwatchd.core.naming import NameRules
from semwatchd.core.plan import Plan


class FileStamp(NamedTuple):
    """Which version of a path this is. Any difference means: other bytes may be there.

    A tuple, because a scan makes and compares two for every file there is.
    """

    size: int  #: bytes
    mtime_ns: int
    ino: int


class CompletenessKind(StrEnum):
    """What the layout of a file says of whether all of it has arrived."""

    COMPLETE = "complete"  #: every strip and tile lies inside the file
    TRUNCATED = "truncated"  #: something it points to lies beyond its end
    ZERO_TAIL = "zero_tail"  #: uncompressed picture data ends in zeros, as preallocated files do
    BROKEN = "broken"  #: not a layout that waiting could complete


@dataclass(frozen=True, slots=True)
class Completeness:
    """Whether all of a file has arrived, and what tells so."""

    kind: CompletenessKind
    reason: str = ""  #: for a person, e.g. "strip 3 of 59 ends beyond the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLook:
    """One look at a path, without opening it."""

    stamp: FileStamp
    oddity: str | None = None  #: why it must never be opened as an image


class FileProbe(Protocol):
    """What settling may ask of a file. Raises OSError where the disk does not answer.

    ``look`` returns None where nothing is there. ``being_written`` returns None where the file system
    cannot tell. Only regular files are ever opened.
    """

    def look(self, root: str, relpath: str) -> FileLook | None: ...
    def being_written(self, path: str) -> bool | None: ...
    def completeness(self, path: str) -> Completeness: ...


class NoAnswerError(OSError):
    """Whoever asks the share for us is not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which folder a path leads to."""

    device: int
    inode: int
    is_mount: bool
    asker: int = 0  #: who found out; after a change, what the one before was about to tell is missing


class Entry(NamedTuple):
    """One name in a directory."""

    name: str
    is_directory: bool
    stamp: FileStamp | None  #: None for a directory, and for a file that has just gone or does not answer


class FolderProbe(Protocol):
    """What watching may ask of a folder. Raises OSError; NoAnswerError where asking further is no use.

    ``place`` succeeds only for a folder that can be listed. ``entries`` leaves out what the names exclude;
    ``directory`` is a path below the root.
    """

    def place(self, root: str) -> Place: ...
    def entries(self, root: str, directory: str, names: NameRules) -> Iterator[Entry]: ...
    def changed_at(self, path: str) -> float: ...


class CanaryFile(Protocol):
    """The file by which the intake tests itself, of a name that is no image's. Raises OSError.

    ``take_away`` is content where nothing is there.
    """

    @property
    def name(self) -> str: ...
    def lay(self, root: str) -> None: ...
    def take_away(self, root: str) -> None: ...


class FolderState(StrEnum):
    """Whether a watched folder can be trusted to show its files."""

    OK = "ok"
    DEGRADED = "degraded"  #: files are found, but later than they should be
    LOST = "lost"  #: missing, unreadable or another folder: says nothing about our files


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderHealth:
    """How a watched folder stands, for the operator."""

    root: str
    state: FolderState = FolderState.OK
    reason: str = ""  #: what is wrong
    todo: str = ""  #: what to do about it


@dataclass(frozen=True, slots=True)
class Sight:
    """A hint that there may be a new version of a file."""

    root: str
    relpath: str
    how: str  #: "event", "moved" (renamed into place) or "scan"


class FolderSource(Protocol):
    """The watched folders: hints, health, and the wish to be scanned.

    ``drain`` waits at most ``timeout_s`` for the first hint and returns at most ``limit``; what is not
    taken waits, and what does not fit is found again by a scan. ``check`` is called about every second.
    ``rearm`` watches a folder anew and has it scanned.
    """

    def drain(self, limit: int, timeout_s: float) -> Sequence[Sight]: ...
    def check(self) -> Sequence[FolderHealth]: ...
    def rescan(self, root: str | None = None) -> None: ...
    def rearm(self, root: str) -> None: ...


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
    ``known_in`` takes a directory as its path below the root ("" is the root itself) and answers by
    file name. A path has at most one settling row; ``ready``, ``ignored`` and ``vanished`` end it, also
    where the stamp has changed since, and the first two may come without it. ``unsettled`` gives paths
    below the root. Writing the same version twice changes nothing. ``known_in`` is asked from the
    scanners' threads, everything else from the thread that looks after the root.
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
    """Bytes → picture. Raises DataError for whatever the bytes may be; MemoryError where there is no room."""

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
    """What becomes of a job after one attempt.

    A Failure that ends as STORED leaves the numbers as they are that the job already has.
    """

    outcome: Outcome
    state: JobState
    not_before: float = 0.0  #: epoch seconds; for RETRY_WAIT
    refund: bool = False  #: the attempt does not count: the job was not to blame
    events: tuple[RenderedEvent, ...] = ()


class JobStore(Protocol):
    """The journal as the dispatcher sees it. Every future is done once the change is durable.

    ``claim`` takes up to ``limit`` jobs, and besides up to ``alone`` of those that must be measured alone: on
    their last attempt, or after one that took too much memory or time. It counts the attempt before the work
    starts. ``finish`` answers the state the job really took:
    DUPLICATE when the same bytes are another job's, None when the outcome is of an older attempt.

    A measured job may wait for its depth. ``seat`` takes it from its worker, or back from a process that
    never began it; ``show`` records the attempt before its picture is shown. ``report`` stores its numbers
    and events ahead of its depth; False means that it waits no more, perhaps because it has just become a
    DUPLICATE. Every ending or report with events raises the job's revision by one. ``reclaim_owed`` queues
    up to ``limit`` CPU_DONE jobs anew, oldest first, and returns how many; ``owed`` counts them.
    """

    def claim(self, limit: int, alone: int) -> Future[Sequence[Job]]: ...
    def finish(self, ending: Ending) -> Future[JobState | None]: ...
    def give_back(self, jobs: Sequence[Job]) -> Future[None]: ...
    def seat(self, jobs: Sequence[Job]) -> Future[None]: ...
    def show(self, jobs: Sequence[Job]) -> Future[None]: ...
    def report(self, result: Result, events: Sequence[RenderedEvent]) -> Future[bool]: ...
    def reclaim_owed(self, limit: int) -> Future[int]: ...
    def owed(self) -> Future[int]: ...


class Telemetry(Protocol):
    """What the operators count. Nothing here may block or raise."""

    def sighted(self, tool: str, how: str) -> None: ...
    def watcher_overflowed(self, root: str) -> None: ...
    def canary(self, root: str, latency_s: float | None) -> None: ...
    def share_helper_lost(self, root: str, reason: str) -> None: ...
    def share_helper_stuck(self, root: str, *, stuck: bool) -> None: ...
    def job_ended(self, job: Job, state: JobState, error_class: ErrorClass | None) -> None: ...
    def job_timed(self, tool: str, elapsed_ms: Mapping[str, float], end_to_end_s: float) -> None: ...
    def worker_restarted(self, reason: str) -> None: ...
    def depth_skipped(self, reason: DepthSkip) -> None: ...
    def delivery(self, destination: str, outcome: str, elapsed_s: float) -> None: ...
    def breaker(self, destination: str, state: str) -> None: ...
    def beat(self, loop: str) -> None: ...
    def rest(self, loop: str) -> None: ...


class Lifecycle(Protocol):
    """What started us and watches over us. Nothing here may raise.

    ``watchdog_s`` is how long it waits for the next ``alive`` before it takes us for hung; None: for ever.
    """

    @property
    def watchdog_s(self) -> float | None: ...
    def ready(self) -> None: ...
    def reloading(self) -> None: ...
    def stopping(self) -> None: ...
    def alive(self) -> None: ...
    def status(self, text: str) -> None: ...
    def extend(self, seconds: float) -> None: ...


class Log(Protocol):
    """The part of a structlog logger that the engine uses."""

    def info(self, event: str, **fields: Any) -> Any: ...  # noqa: ANN401 — structlog's own signature
    def warning(self, event: str, **fields: Any) -> Any: ...  # noqa: ANN401
    def error(self, event: str, **fields: Any) -> Any: ...  # noqa: ANN401
