"""Watchdog's inotify emitter, taught to leave excluded directories alone and to admit what it missed.

Watchdog watches every directory below a root and passes over those it cannot watch in silence. Both are
decided in methods it does not publish, so a test holds each of them fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchdog.observers.api import EventQueue, ObservedWatch
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyFD

__all__ = ["InotifyFD", "KeepOutEmitter"]


@dataclass(kw_only=True)
class _KeepOutGroup(InotifyWatchGroup):
    keep_out: Callable[[bytes], bool]
    overflowed: Callable[[], None]
    unwatched: set[bytes] = field(default_factory=set, init=False)

    def _add_callback(self, path: bytes) -> None:
        if self.keep_out(path):
            return
        super()._add_callback(path)
        if path in self._active_callbacks_by_path or not Path(os.fsdecode(path)).is_dir():
            self.unwatched.discard(path)
        else:
            self.unwatched.add(path)

    def on_queue_overflow(self) -> None:
        super().on_queue_overflow()
        self.overflowed()


class KeepOutEmitter(InotifyEmitter):
    """Emitter for one folder.

    Parameters
    ----------
    keep_out
        Whether a directory (absolute, as bytes) gets no watch.
    overflowed
        Called when the kernel has dropped events.
    """

    def __init__(
        self,
        event_queue: EventQueue,
        watch: ObservedWatch,
        *,
        keep_out: Callable[[bytes], bool],
        overflowed: Callable[[], None],
        **options: Any,  # noqa: ANN401 — watchdog's own
    ) -> None:
        super().__init__(event_queue, watch, **options)
        self._keep_out = keep_out
        self._overflowed = overflowed

    def on_thread_start(self) -> None:
        """Make the watches."""
        self._inotify = _KeepOutGroup(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            is_recursive=self.watch.is_recursive,
            event_mask=self.get_event_mask_from_filter(),
            follow_symlink=self.watch.follow_symlink,
            keep_out=self._keep_out,
            overflowed=self._overflowed,
        )

    def unwatched(self) -> int:
        """Return how many directories could not be watched."""
        return len(self._inotify.unwatched) if isinstance(self._inotify, _KeepOutGroup) else 0
