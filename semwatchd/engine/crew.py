"""Threads that must all live. If one dies, the process stops and is started anew; it never limps on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from semwatchd.core.ports import Log


class Crew:
    """Starts threads and hears of their deaths.

    Parameters
    ----------
    on_death
        Called once something has failed that the process cannot live without.
    """

    def __init__(self, log: Log, on_death: Callable[[], None]) -> None:
        self._log = log
        self._on_death = on_death
        self.failed = False

    def start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Run ``work`` in a thread of its own; an exception in it is a :meth:`death`."""
        thread = threading.Thread(target=self._guarded, args=(name, work), name=name, daemon=True)
        thread.start()
        return thread

    @contextmanager
    def beside(
        self, name: str, work: Callable[[threading.Event], None], end_s: float | None = None
    ) -> Iterator[None]:
        """Run ``work`` beside the block, and set its event on leaving.

        Parameters
        ----------
        end_s
            How long its end is waited for, at most; by default for as long as it takes.
        """
        stop = threading.Event()
        thread = self.start(name, partial(work, stop))
        try:
            yield
        finally:
            stop.set()
            thread.join(end_s)

    def death(self, name: str, error: BaseException) -> None:
        """Record that a part has failed for good. May be called from any thread."""
        self._log.error("part_died", part=name, error=f"{type(error).__name__}: {error}", exc_info=error)
        self.failed = True
        self._on_death()

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 — the edge of a thread: the process ends with exit code 1
            self.death(name, error)
