"""What travels: sightings, jobs, their outcomes, and the states they may be in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from semwatchd.core.image import ImageFacts, Registration
from semwatchd.core.plan import Plan

#: Tries a job gets before a person must look at it.
MAX_ATTEMPTS = 3
LONGEST_RETRY_S = 10.0  #: no job waits longer for its next attempt

Measurements = Mapping[str, float | None]


class SightingState(StrEnum):
    """Where a file on disk stands."""

    SETTLING = "settling"  #: seen, not yet proved complete
    READY = "ready"  #: complete; a job was made of it
    IGNORED = "ignored"  #: not an image of ours; the reason is recorded
    VANISHED = "vanished"  #: gone before it was complete
    SUPERSEDED = "superseded"  #: the same path was written anew


class JobState(StrEnum):
    """Where an image job stands."""

    QUEUED = "queued"  #: waiting for a worker
    CPU_RUNNING = "cpu_running"  #: claimed for a worker; the attempt is already counted
    GPU_QUEUED = "gpu_queued"  #: measured; its picture waits to be shown to the network
    GPU_RUNNING = "gpu_running"  #: its picture is being shown to the network
    CPU_DONE = "cpu_done"  #: its numbers are stored and reported, its depth is owed
    RETRY_WAIT = "retry_wait"  #: will be queued again at not_before
    STORED = "stored"  #: its result is in the journal
    QUARANTINED = "quarantined"  #: set aside for a person, with evidence
    CANCELLED = "cancelled"  #: rejected by a person, or replaced by a later success on the same bytes
    DUPLICATE = "duplicate"  #: the same bytes under the same plan are another job's


class DeliveryState(StrEnum):
    """Where an event stands on its way to one destination."""

    PENDING = "pending"  #: not yet sent
    SENDING = "sending"  #: taken by the sender; back to pending when the daemon starts
    RETRY_WAIT = "retry_wait"  #: not taken; will be sent again at not_before
    DELIVERED = "delivered"  #: the destination confirmed it
    PARKED = "parked"  #: refused for good; a person must look
    DROPPED = "dropped"  #: given up by a person


class Lane(StrEnum):
    """Which queue a job stands in."""

    LIVE = "live"  #: fresh from a tool
    BACKFILL = "backfill"  #: found by an operator's backfill
    MANUAL = "manual"  #: requeued by a person


class ErrorClass(StrEnum):
    """Whose fault a failure is, which decides what it costs the job."""

    DATA = "data"  #: bad file: quarantined at once
    TASK = "task"  #: exception or crash: retried, then quarantined
    RESOURCE = "resource"  #: memory or time: retried, then quarantined
    DEVICE = "device"  #: the GPU is sick: free retry
    ENVIRONMENT = "environment"  #: disk, share, database: free retry
    SHUTDOWN = "shutdown"  #: interrupted by our own stop: free retry


class DepthSkip(StrEnum):
    """Why an image goes without the depth that its plan asks for."""

    BUSY = "busy"  #: more to do than the depth process can
    SICK = "sick"  #: it does not work, and too many images wait for it
    CRASHES = "crashes"  #: it ended again and again while it had the picture
    OFF = "off"  #: there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where in the fab the image belongs. Missing context is None, never invented."""

    tool: str
    lot: str | None = None
    wafer: str | None = None
    slot: str | None = None
    step: str | None = None
    recipe: str | None = None

    @property
    def order_key(self) -> str:
        """Events with the same key are delivered in order."""
        return f"{self.tool}:{self.lot or ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier image that this one is compared with, as it was when it had settled."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One image to be measured under one plan. A worker needs nothing else but the shared disk."""

    id: int
    attempt: int  #: 1 for the first try; an outcome of an older attempt is dropped
    path: str  #: absolute; undecodable bytes as surrogate escapes
    root: str  #: the watched folder it was found under
    size: int  #: bytes, when the file had settled
    mtime_ns: int  #: when the file had settled
    plan: Plan
    context: Context
    lane: Lane = Lane.LIVE
    reference: Earlier | None = None  #: where the plan compares with an earlier image, and there is one
    alone: bool = False  #: nothing may be measured beside it, so that it takes no other job down with it
    detected_at: float | None = None  #: epoch seconds of the first sight of the file
    warnings: tuple[str, ...] = ()  #: what intake already knows, e.g. that the tail is all zero
    revision: int = 0  #: of the last event that told of it; from 1 on its numbers are known, whatever happens


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The numbers of one image."""

    job: Job
    facts: ImageFacts
    measurements: Measurements
    registration: Registration | None = None
    warnings: tuple[str, ...] = ()
    elapsed_ms: Mapping[str, float] = field(default_factory=dict)  #: wall time per stage, and "read"
    cpu_ms: Mapping[str, float] = field(default_factory=dict)  #: processor time, likewise
    artefacts: tuple[str, ...] = ()  #: absolute paths of files made beside the numbers
    weights_sha256: str | None = None  #: of the network that made depth; None where there is no depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was read of a file that could not be measured, so that a person can judge it without the file."""

    size: int  #: bytes read
    sha256: str  #: of all of them
    first_bytes: str  #: the first 64, hexadecimal: what kind of file it is, or that it is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there are no numbers."""

    job: Job
    error_class: ErrorClass
    reason: str  #: for a person: what, where, why
    evidence: Evidence | None = None  #: where the bytes could be read
    file_changed: bool = False  #: written to while being read: settle again

    @property
    def sha256(self) -> str | None:
        """Hash of the bytes, where they could be read."""
        return self.evidence.sha256 if self.evidence else None


Outcome = Result | Failure
