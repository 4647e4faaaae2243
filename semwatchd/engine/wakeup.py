"""A bell that any thread may ring, for a thread that waits for descriptors."""

from __future__ import annotations

import os
import threading
from contextlib import suppress


class Wakeup:
    """An event descriptor. Ringing it after its end does nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return what can be waited for."""
        return self._descriptor

    def ring(self) -> None:
        """Wake whoever waits. May be called from any thread."""
        with self._lock:  # after close() the number may already be another file's
            if not self._closed:
                os.eventfd_write(self._descriptor, 1)

    def quieten(self) -> None:
        """Take note of all rings so far."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back."""
        with self._lock:
            self._closed = True
            os.close(self._descriptor)
