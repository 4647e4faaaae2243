"""The watchdog observer on one local folder, and whether that folder is still the one we know.

Events are hints: whatever goes wrong in here is made good by a scan, so the handler never raises and
every loss only sets a mark.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver

from semwatchd.adapters.inotify import InotifyFD, KeepOutEmitter
from semwatchd.core.naming import NameRules
from semwatchd.core.ports import FolderHealth, FolderProbe, FolderState, NoAnswerError, Place

EVENTS: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileMovedEvent,
    FileCreatedEvent,  # closed is not seen for links, files moved in, and files in just-made directories
    DirCreatedEvent,
    DirMovedEvent,
]
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who is told of what; called from watchdog's threads, so nothing here may block.

    ``post`` takes a path below the root and how it came; ``list_below`` a directory to be scanned, ""
    being the whole root. Both return False where the hint could not be kept.
    """

    post: Callable[[str, str], bool]
    list_below: Callable[[str], bool]


class FolderWatcher:
    """Keeps one folder watched, through removal, replacement, renaming and remounting.

    Parameters
    ----------
    probe
        Asked after the folder itself.
    events
        False leaves the observer out: a share's other writers raise no events here.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        root: str,
        names: NameRules,
        listeners: Listeners,
        *,
        probe: FolderProbe,
        events: bool,
        clock: Callable[[], float],
    ) -> None:
        self._root = root
        self._names = names
        self._listeners = listeners
        self._probe = probe
        self._events = events
        self._clock = clock
        self._place: Place | None = None
        self._is_mount = False
        self._watch: _Watch | None = None
        self._watch_problem = ""
        self._retry_at = 0.0
        self._retry_s = FIRST_RETRY_S
        self.missed = threading.Event()  #: set from any thread when hints were lost

    def check(self) -> FolderHealth:
        """Look whether the folder is there and watched, make it so where it is not, and say how it stands."""
        try:
            place = self._probe.place(self._root)
        except OSError as error:
            return self._lose(f"{self._root}: {error.strerror}", _ADVICE.get(type(error), _LOOK_AT_IT))
        if self._is_mount and not place.is_mount:
            return self._lose(f"{self._root}: nothing is mounted there any more", _MOUNT_IT)
        if place != self._place:
            self._meet(place)
        elif self._events and self._clock() >= self._retry_at and not self._watched():
            self._arm()
        return self._health()

    def rearm(self) -> None:
        """Watch anew and have everything scanned, whatever the watch looks like."""
        if self._place is not None:
            self._meet(self._place)

    def stop(self) -> None:
        """Take the watch away."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _lose(self, reason: str, todo: str) -> FolderHealth:
        """Forget the folder but not that it was a mount: what lies under a mount point is not ours."""
        self.stop()
        self._place = None
        return FolderHealth(root=self._root, state=FolderState.LOST, reason=reason, todo=todo)

    def _meet(self, place: Place) -> None:
        """Begin with a folder not seen before, or not since it was lost."""
        self._place = place
        self._is_mount = place.is_mount
        self._retry_s = FIRST_RETRY_S
        if self._events:
            self._arm()
        else:
            self._scan_all()

    def _arm(self) -> None:
        """Watch, then scan for what happened before the watch was there."""
        self.stop()
        self._watch_problem = ""
        handler = _Handler(os.path.realpath(self._root), self._listeners, self.missed)
        try:
            self._watch = _Watch(os.path.realpath(self._root), self._names, handler, self.missed)
        except OSError as error:
            self._watch_problem = error.strerror or str(error)
        self._retry_at = self._clock() + self._retry_s
        self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
        self._scan_all()

    def _scan_all(self) -> None:
        if not self._listeners.list_below(""):
            self.missed.set()

    def _watched(self) -> bool:
        return self._watch is not None and self._watch.alive()

    def _health(self) -> FolderHealth:
        health = FolderHealth(root=self._root)
        if self._watch_problem:
            return _slow(health, f"cannot be watched: {self._watch_problem}")
        if self._watch is not None and (unwatched := self._watch.unwatched()):
            return _slow(health, f"{unwatched} directories cannot be watched")
        return health


class _Watch:
    """One observer with its own inotify instance, so that one folder's flood is not another's loss."""

    def __init__(
        self, path: str, names: NameRules, handler: FileSystemEventHandler, missed: threading.Event
    ) -> None:
        prefix = os.fsencode(path).rstrip(b"/") + b"/"
        self._inotify = InotifyFD()
        self._observer = BaseObserver(
            KeepOutEmitter,
            inotify_fd=self._inotify,
            keep_out=lambda directory: (
                directory.startswith(prefix) and names.excluded(os.fsdecode(directory[len(prefix) :]))
            ),
            overflowed=missed.set,
        )
        self._inotify.start()
        try:
            self._observer.schedule(handler, path, recursive=True, event_filter=EVENTS)
            self._observer.start()
        except OSError:
            self.stop()
            raise

    def alive(self) -> bool:
        threads = [self._inotify, self._observer, *self._observer.emitters]
        return len(threads) > 2 and all(thread.is_alive() for thread in threads)

    def unwatched(self) -> int:
        emitters = self._observer.emitters.copy()
        return sum(emitter.unwatched() for emitter in emitters if isinstance(emitter, KeepOutEmitter))

    def stop(self) -> None:
        self._observer.stop()
        self._inotify.stop()
        for thread in (self._observer, self._inotify):
            if thread.is_alive():
                thread.join()


class _Handler(FileSystemEventHandler):
    """Hands each event over and never raises: an exception here would end watchdog's thread for good."""

    def __init__(self, path: str, listeners: Listeners, missed: threading.Event) -> None:
        self._prefix = path.rstrip("/") + "/"
        self._listeners = listeners
        self._missed = missed

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            kept = self._hand_over(event)
        except Exception:  # noqa: BLE001 — the edge of a foreign thread; the scan makes it good
            kept = False
        if not kept:
            self._missed.set()

    def _hand_over(self, event: FileSystemEvent) -> bool:
        path = os.fsdecode(event.dest_path or event.src_path)
        if not path.startswith(self._prefix):
            return True
        relpath = path[len(self._prefix) :]
        if event.is_directory:
            return self._listeners.list_below(relpath)
        # Of a directory that is moved, the files are reported too, but nothing says that they are whole.
        in_one_piece = isinstance(event, FileMovedEvent) and not event.is_synthetic
        return self._listeners.post(relpath, "moved" if in_one_piece else "event")


_LOOK_AT_IT = "check the disk or the share, and that the daemon's user may list the folder"
_MOUNT_IT = "mount the share again; restart the daemon if it is to be a plain folder from now on"
_ADVICE: dict[type[OSError], str] = {
    FileNotFoundError: "create the folder again, mount its share, or correct watch.root",
    NotADirectoryError: "correct watch.root: it must be a folder",
    PermissionError: "give the daemon's user the right to list the folder",
    NoAnswerError: "see to the share and its server; it is tried again by itself, and then scanned",
}


def _slow(health: FolderHealth, reason: str) -> FolderHealth:
    todo = "raise fs.inotify.max_user_watches and max_user_instances; until then only scans find new images"
    return replace(health, state=FolderState.DEGRADED, reason=f"{health.root}: {reason}", todo=todo)
