"""Lets writers pass. While it is shut none is under way: a folder can be moved as at night, tool at rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = 0

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Wait until the gate is open; then nobody shuts it before the block ends."""
        with self._changed:
            self._changed.wait_for(lambda: not self._shut)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Let nobody in, wait until all are out, and open it again after the block."""
        with self._changed:
            self._shut += 1
            self._changed.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._changed:
                self._shut -= 1
                self._changed.notify_all()
