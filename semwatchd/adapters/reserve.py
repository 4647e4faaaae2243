"""A file that only takes up room: given up when the disk is full, so that the journal can go on a little."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

SIZE_BYTES = 16 * 1024 * 1024


class ReserveFile:
    """engine.disk.Reserve on the journal's disk. Released in the journal's thread, restored in another."""

    def __init__(self, path: Path, size_bytes: int = SIZE_BYTES) -> None:
        self._path = path
        self.size_bytes = size_bytes
        self.spent = False

    def release(self) -> None:
        """Give its room back to the disk."""
        with suppress(FileNotFoundError):
            self._path.unlink()
            self.spent = True

    def restore(self) -> None:
        """Take its room, if it is not there. Where the disk refuses, there is none until the next call."""
        if self._path.exists():
            return
        try:
            self._allocate()
        except OSError:
            self._path.unlink(missing_ok=True)
        else:
            self.spent = False

    def _allocate(self) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(handle, 0, self.size_bytes)
        finally:
            os.close(handle)
