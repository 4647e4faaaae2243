"""How much room the journal's disk has left, and what is given up before the journal is."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from semwatchd.engine.health import Health, HealthBoard

GIB = 1024**3
#: A level that was entered is left once there is so much more room, lest it comes and goes.
LEAVE_AT = 1.2


class DiskLevel(IntEnum):
    """How scarce room is."""

    AMPLE = 0
    LOW = 1  #: a person should free some
    SCARCE = 2  #: files beside the journal are no longer made
    FULL = 3  #: no more jobs are begun; what was seen is still written down


#: Each level begins below this share of the disk, and on a large disk below so many bytes.
BEGINS = {
    DiskLevel.LOW: (0.10, 10 * GIB),
    DiskLevel.SCARCE: (0.05, 5 * GIB),
    DiskLevel.FULL: (0.02, 1 * GIB),
}

_TODO = "free space on this disk; what was stopped goes on by itself"
_SAYS = {
    DiskLevel.LOW: "",
    DiskLevel.SCARCE: "; no files are made beside the journal",
    DiskLevel.FULL: "; no more images are measured, they wait in their folders and the journal",
}


def begins_below(level: DiskLevel, total_bytes: int) -> float:
    """Return how many bytes must be free so that ``level`` does not begin."""
    share, most_bytes = BEGINS[level]
    return min(share * total_bytes, most_bytes)


def level_after(before: DiskLevel, free_bytes: int, total_bytes: int) -> DiskLevel:
    """Return the level, given the one before: worse at once, better only with some room more."""
    return max(
        (
            level
            for level in BEGINS
            if free_bytes < (_ends if level <= before else begins_below)(level, total_bytes)
        ),
        default=DiskLevel.AMPLE,
    )


def _ends(level: DiskLevel, total_bytes: int) -> float:
    return LEAVE_AT * begins_below(level, total_bytes)


class Reserve(Protocol):
    """Bytes held back for the day the disk is full."""

    size_bytes: int

    @property
    def spent(self) -> bool: ...  # noqa: D102 — released, and not yet made again
    def restore(self) -> None: ...  # noqa: D102 — make it, if it is not there


class Claims(Protocol):
    """Whoever begins jobs."""

    def pause(self) -> None: ...  # noqa: D102
    def resume(self) -> None: ...  # noqa: D102


class DiskGuard:
    """Walks the ladder. Asked every few seconds, in one thread.

    Parameters
    ----------
    usage
        Free and total bytes of the journal's disk.
    """

    def __init__(
        self, usage: Callable[[], tuple[int, int]], reserve: Reserve, claims: Claims, health: HealthBoard
    ) -> None:
        self._usage = usage
        self._reserve = reserve
        self._claims = claims
        self._health = health
        self.level = DiskLevel.AMPLE
        self.free_bytes = 0

    def look(self) -> None:
        """Look once, and act on it."""
        self.free_bytes, total_bytes = self._usage()
        if self.free_bytes >= self._reserve.size_bytes + _ends(DiskLevel.LOW, total_bytes):
            self._reserve.restore()
        self.level = level_after(self.level, self.free_bytes, total_bytes)
        if self._reserve.spent and self.free_bytes < self._reserve.size_bytes + _ends(
            DiskLevel.FULL, total_bytes
        ):
            self.level = DiskLevel.FULL  # what is free is the reserve's own room
        if self.level is DiskLevel.FULL:
            self._claims.pause()
        else:
            self._claims.resume()
        self._tell(total_bytes)

    def _tell(self, total_bytes: int) -> None:
        if self.level is DiskLevel.AMPLE:
            self._health.set("disk", Health.OK)
            return
        free = f"{self.free_bytes / 1e6:.0f} MB of {total_bytes / 1e6:.0f} MB are free"
        state = Health.FAILED if self.level is DiskLevel.FULL else Health.DEGRADED
        self._health.set("disk", state, free + _SAYS[self.level], _TODO)
