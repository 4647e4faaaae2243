"""The legal moves of sightings, jobs and deliveries: where each may begin, and where it may go from there.

This is the only place that says so. The journal refuses every other move, whoever tries it; staying in a
state is no move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from semwatchd.core.job import DeliveryState, JobState, SightingState


@dataclass(frozen=True, slots=True)
class Moves:
    """The states of one kind of thing."""

    begins: frozenset[StrEnum]  #: states a new one may be in
    goes: Mapping[StrEnum, frozenset[StrEnum]]  #: by state; an empty set makes it final

    def allows(self, old: StrEnum, new: StrEnum) -> bool:
        """Whether one in state ``old`` may be written as ``new``."""
        return new == old or new in self.goes[old]


SIGHTING_MOVES = Moves(
    begins=frozenset({SightingState.SETTLING, SightingState.READY, SightingState.IGNORED}),
    goes={
        SightingState.SETTLING: frozenset(
            {SightingState.READY, SightingState.IGNORED, SightingState.VANISHED}
        ),
        SightingState.READY: frozenset({SightingState.SUPERSEDED}),
        SightingState.IGNORED: frozenset({SightingState.SUPERSEDED, SightingState.SETTLING}),
        SightingState.VANISHED: frozenset(),
        SightingState.SUPERSEDED: frozenset(),
    },
)

#: What has been measured is never set aside: its numbers are known.
_AFTER_MEASURING = frozenset(
    {JobState.STORED, JobState.DUPLICATE, JobState.CPU_DONE, JobState.RETRY_WAIT, JobState.QUEUED}
)
JOB_MOVES = Moves(
    begins=frozenset({JobState.QUEUED}),
    goes={
        JobState.QUEUED: frozenset({JobState.CPU_RUNNING}),
        JobState.CPU_RUNNING: frozenset(
            {
                JobState.STORED,
                JobState.DUPLICATE,
                JobState.QUARANTINED,
                JobState.RETRY_WAIT,
                JobState.CANCELLED,
                JobState.QUEUED,
                JobState.GPU_QUEUED,
                JobState.CPU_DONE,
            }
        ),
        JobState.GPU_QUEUED: _AFTER_MEASURING | {JobState.GPU_RUNNING},
        JobState.GPU_RUNNING: _AFTER_MEASURING | {JobState.GPU_QUEUED},
        JobState.CPU_DONE: frozenset({JobState.QUEUED}),
        JobState.RETRY_WAIT: frozenset({JobState.QUEUED}),
        JobState.STORED: frozenset(),
        JobState.QUARANTINED: frozenset({JobState.QUEUED, JobState.CANCELLED}),
        JobState.CANCELLED: frozenset(),
        JobState.DUPLICATE: frozenset(),
    },
)

DELIVERY_MOVES = Moves(
    begins=frozenset({DeliveryState.PENDING}),
    goes={
        DeliveryState.PENDING: frozenset({DeliveryState.SENDING}),
        DeliveryState.SENDING: frozenset(
            {
                DeliveryState.DELIVERED,
                DeliveryState.RETRY_WAIT,
                DeliveryState.PARKED,
                DeliveryState.PENDING,
            }
        ),
        DeliveryState.RETRY_WAIT: frozenset({DeliveryState.SENDING, DeliveryState.PENDING}),
        DeliveryState.DELIVERED: frozenset(),
        DeliveryState.PARKED: frozenset({DeliveryState.PENDING}),
        DeliveryState.DROPPED: frozenset(),
    },
)
