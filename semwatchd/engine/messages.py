"""What the supervisor and a worker say to each other over their pipe, besides jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from semwatchd.core.job import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The first message to a worker: how to make its ``analyse`` function."""

    factory: str  #: "package.module:function"; called with ``settings``
    settings: Any  #: picklable
    memory_limit_bytes: int  #: address space; beyond it an allocation fails instead of the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The first message from a worker."""

    cores: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One outcome, and what the worker has used so far."""

    outcome: Outcome
    rss_bytes: int
    cpu_s: float
