"""What the supervisor and its children say to each other over their pipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semwatchd.core.image import ImageFacts
from semwatchd.core.job import Job, Measurements, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabShape:
    """A slab that a child inherits, see :mod:`.ring`."""

    descriptor: int  #: the same number in every process
    slots: int
    picture_bytes: int  #: that a slot holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The first message to a worker: how to make its ``analyse`` function."""

    factory: str  #: "package.module:function"; called with ``settings``
    settings: Any  #: picklable
    memory_limit_bytes: int  #: address space; beyond it an allocation fails instead of the machine
    slab: SlabShape | None = None  #: where pictures for the network go; None: there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The first message from a worker."""

    cores: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A place in the slab for one picture; what is put there under another ticket is not that picture."""

    slot: int
    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One job for a worker, and where to leave its picture for the network; None: nowhere."""

    job: Job
    seat: Seat | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One outcome, and what the worker has used so far."""

    outcome: Outcome
    rss_bytes: int
    cpu_s: float
    seated: bool = False  #: the picture waits in the seat that came with the task


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthSetup:
    """The first message to the depth process: how to make its teller, and the slab's measures."""

    factory: str  #: "package.module:function"; called with ``settings``
    settings: Any  #: picklable
    slots: int
    picture_bytes: int  #: that a slot holds


@dataclass(frozen=True, slots=True, kw_only=True)
class TellerSettings:
    """What :func:`semwatchd.depth_teller.build` must know."""

    folder: Path  #: of the maps; made when there is one
    weights: Path | None = None  #: None: those that come with semwatchd
    device: str = "auto"  #: or "cpu", "cuda"
    threads: int = 1  #: of the CPU
    batch: int = 32  #: pictures the network is shown at once, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthReady:
    """The depth process has its network: what, where and how fast it is."""

    about: Mapping[str, str | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One picture in the slab whose depth is asked for."""

    job: Job
    facts: ImageFacts
    seat: Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Pictures to be shown to the network together."""

    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What the network says of one picture."""

    ticket: int
    measurements: Measurements
    warnings: tuple[str, ...]
    artefacts: tuple[str, ...]  #: absolute paths; none where the disk took no map
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why one picture has no depth; it would have none on a second try either."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer per question, in their order, and what the process has used so far."""

    answers: tuple[Mapped | Refused, ...]
    rss_bytes: int
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sick:
    """The network or its device cannot be had now; nothing is said of any picture."""

    reason: str
