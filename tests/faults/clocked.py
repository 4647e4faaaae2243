"""``python -m tests.faults.clocked FILE ARGUMENTS``: semwatchd, with a wall clock that can be set wrong.

Nobody else's clock moves. The monotonic clock does not either: setting the time never touches it.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = struct.Struct("d")


class WrongClock:
    """Says through a shared file by how many seconds the daemon's clock is wrong, and keeps a record."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(SECONDS.pack(0.0))
        self.path = path
        self.was_wrong: list[tuple[float, float, float]] = []  #: from, to (epoch seconds), by how much
        self._shared = _shared(path)

    @contextmanager
    def wrong_by(self, error_s: float) -> Iterator[None]:
        """Let the clock jump now, and back at the end."""
        began = time.time()
        SECONDS.pack_into(self._shared, 0, error_s)
        try:
            yield
        finally:
            SECONDS.pack_into(self._shared, 0, 0.0)
            self.was_wrong.append((began, time.time(), error_s))

    def told_wrong(self, at: float) -> bool:
        """Whether the daemon may have written this time while its clock was wrong."""
        return any(began <= at - error_s <= ended for began, ended, error_s in self.was_wrong)


def _shared(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), SECONDS.size)


def _make_wrong(path: Path) -> None:
    shared, right = _shared(path), time.time
    time.time = lambda: right() + SECONDS.unpack_from(shared)[0]


if __name__ == "__main__":
    _make_wrong(Path(sys.argv[1]))
    sys.argv[1:] = sys.argv[2:]
    from semwatchd.cli import main  # it takes the clock on import

    main()
