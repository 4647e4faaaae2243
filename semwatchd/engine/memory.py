"""Which lines of the program hold more and more memory, found while it runs."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from semwatchd.core.errors import EnvironmentFault

TOP = 25  #: lines named; what leaks is among the first
_NOT_OURS = [tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """What one line of the program holds."""

    file: str
    line: int
    size_bytes: int
    size_diff_bytes: int
    objects: int
    objects_diff: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How memory changed from the middle to the end of the time it was traced for."""

    seconds: float
    traced_diff_bytes: int  #: of all that was made since the tracing began
    rss_bytes: int
    rss_diff_bytes: int
    tracer_bytes: int  #: what the tracing itself took, and has given back
    lines: tuple[Grown, ...]  #: the largest changes first


class MemoryTracer:
    """Traces on demand: while nobody asks, it costs nothing."""

    def __init__(self) -> None:
        self._in_use = threading.Lock()

    def growth(self, seconds: float, pause: Callable[[float], None]) -> Growth:
        """Trace for this long and compare the end with the middle.

        The first half only fills the books: what was made before the tracing began is not in them, so what
        merely takes its place would look like growth.

        Parameters
        ----------
        pause
            Waits so many seconds; whatever it raises ends the tracing.

        Raises
        ------
        EnvironmentFault
            It is being traced already.
        """
        with self._tracing():
            pause(seconds / 2)
            first, rss_before = _snapshot()
            pause(seconds / 2)
            second, rss_bytes = _snapshot()
            tracer_bytes = tracemalloc.get_tracemalloc_memory()
        changes = second.compare_to(first, "lineno")
        return Growth(
            seconds=seconds,
            traced_diff_bytes=sum(change.size_diff for change in changes),
            rss_bytes=rss_bytes,
            rss_diff_bytes=rss_bytes - rss_before,
            tracer_bytes=tracer_bytes,
            lines=tuple(_grown(change) for change in changes[:TOP] if change.size_diff),
        )

    @contextmanager
    def _tracing(self) -> Iterator[None]:
        if not self._in_use.acquire(blocking=False):
            raise EnvironmentFault("memory is being traced for someone else; ask again when that has ended")
        before = tracemalloc.is_tracing()  # by PYTHONTRACEMALLOC; then it goes on after us
        try:
            tracemalloc.start()
            yield
        finally:
            if not before:
                tracemalloc.stop()
            self._in_use.release()


def _snapshot() -> tuple[tracemalloc.Snapshot, int]:
    gc.collect()  # what only waits to be collected is not held
    return tracemalloc.take_snapshot().filter_traces(_NOT_OURS), psutil.Process().memory_info().rss


def _grown(change: tracemalloc.StatisticDiff) -> Grown:
    frame = change.traceback[0]
    return Grown(
        file=frame.filename,
        line=frame.lineno,
        size_bytes=change.size,
        size_diff_bytes=change.size_diff,
        objects=change.count,
        objects_diff=change.count_diff,
    )
