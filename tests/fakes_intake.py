"""In-memory twins of what intake stands on: journal, disk, folders."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from semwatchd.core.job import SightingState
from semwatchd.core.ports import (
    Completeness,
    CompletenessKind,
    FileLook,
    FileStamp,
    FolderHealth,
    JobOrder,
    Sight,
    Sighting,
)

COMPLETE = Completeness(CompletenessKind.COMPLETE)
TRUNCATED = Completeness(CompletenessKind.TRUNCATED, "strip 3 of 4 ends beyond the file")
ZERO_TAIL = Completeness(CompletenessKind.ZERO_TAIL, "the last 4096 bytes are zero")
BROKEN = Completeness(CompletenessKind.BROKEN, "no TIFF header")


class Settled(NamedTuple):
    state: SightingState
    stamp: FileStamp
    order: JobOrder | None = None
    reason: str = ""


class MemorySightingLog:
    """Twin of the journal's sightings; ``settled`` keeps every final word on a path, in order."""

    def __init__(self) -> None:
        self.settled: dict[tuple[str, str], list[Settled]] = {}
        self.open: dict[tuple[str, str], FileStamp] = {}
        self.gone: list[str] = []

    def known(self, root: str, relpath: str, stamp: FileStamp) -> bool:
        return any(row.stamp == stamp for row in self.settled.get((root, relpath), []))

    def known_in(self, root: str, directory: str) -> Mapping[str, FileStamp]:
        return {
            posixpath.basename(relpath): rows[-1].stamp
            for (of, relpath), rows in self.settled.copy().items()
            if of == root and posixpath.dirname(relpath) == directory
        }

    def unsettled(self, root: str) -> Sequence[str]:
        return [relpath for of, relpath in self.open if of == root]

    def settling(self, sighting: Sighting) -> None:
        self.open.setdefault((sighting.root, sighting.relpath), sighting.stamp)

    def ready(self, sighting: Sighting, order: JobOrder) -> None:
        self._settle(sighting, Settled(SightingState.READY, sighting.stamp, order))

    def ignored(self, sighting: Sighting, reason: str) -> None:
        self._settle(sighting, Settled(SightingState.IGNORED, sighting.stamp, reason=reason))

    def vanished(self, root: str, relpath: str) -> None:
        del self.open[root, relpath]
        self.gone.append(relpath)

    def names(self, state: SightingState = SightingState.READY) -> list[str]:
        return sorted(path for (_, path), rows in self.settled.copy().items() if rows[-1].state is state)

    def word_on(self, relpath: str) -> Settled:
        (rows,) = [rows for (_, path), rows in self.settled.items() if path == relpath]
        return rows[-1]

    def _settle(self, sighting: Sighting, row: Settled) -> None:
        key = (sighting.root, sighting.relpath)
        self.open.pop(key, None)
        if not self.known(*key, sighting.stamp):
            self.settled.setdefault(key, []).append(row)


@dataclass(slots=True)
class FakeFile:
    stamp: FileStamp
    content: Completeness = COMPLETE
    writer: bool | None = False
    oddity: str | None = None
    trouble: OSError | None = None


@dataclass(slots=True)
class FakeDisk:
    """Files by path below the root, whatever the root; remembers which were opened."""

    files: dict[str, FakeFile] = field(default_factory=dict)
    root: str = "/watched"
    opened: list[str] = field(default_factory=list)
    _ino: int = 0

    def write(
        self, relpath: str, content: Completeness = COMPLETE, *, writer: bool | None = False
    ) -> FakeFile:
        """Make the file, or change the one that is there."""
        self._ino += 1
        old = self.files.get(relpath)
        stamp = FileStamp(size=self._ino, mtime_ns=self._ino, ino=old.stamp.ino if old else self._ino)
        self.files[relpath] = FakeFile(stamp, content, writer)
        return self.files[relpath]

    def rename(self, source: str, target: str) -> None:
        self.files[target] = self.files.pop(source)

    def look(self, root: str, relpath: str) -> FileLook | None:
        file = self.files.get(relpath)
        if file is None:
            return None
        if file.trouble is not None:
            raise file.trouble
        return FileLook(stamp=file.stamp, oddity=file.oddity)

    def being_written(self, path: str) -> bool | None:
        return self._open(path).writer

    def completeness(self, path: str) -> Completeness:
        return self._open(path).content

    def touch(self, relpath: str) -> None:
        file = self.files[relpath]
        file.stamp = file.stamp._replace(mtime_ns=file.stamp.mtime_ns + 1)

    def _open(self, path: str) -> FakeFile:
        relpath = posixpath.relpath(path, self.root)
        self.opened.append(relpath)
        return self.files[relpath]


class FakeSource:
    """Hands out the hints it was given and remembers which scans were wished for."""

    def __init__(self) -> None:
        self.hints: list[Sight] = []
        self.health: list[FolderHealth] = []
        self.wished: list[str | None] = []
        self.rearmed: list[str] = []
        self.error: Exception | None = None

    def drain(self, limit: int, timeout_s: float) -> Sequence[Sight]:
        drained, self.hints = self.hints[:limit], self.hints[limit:]
        return drained

    def check(self) -> Sequence[FolderHealth]:
        if self.error is not None:
            raise self.error
        return self.health

    def rescan(self, root: str | None = None) -> None:
        self.wished.append(root)

    def rearm(self, root: str) -> None:
        self.rearmed.append(root)


class MemoryCanary:
    """Twin of the canary's file; ``there`` may be set, and ``trouble`` is raised."""

    name = ".canary"

    def __init__(self) -> None:
        self.there = False
        self.trouble: OSError | None = None

    def lay(self, root: str) -> None:
        self._work()
        if self.there:
            raise FileExistsError(17, "File exists")
        self.there = True

    def take_away(self, root: str) -> None:
        self._work()
        self.there = False

    def _work(self) -> None:
        if self.trouble is not None:
            raise self.trouble
