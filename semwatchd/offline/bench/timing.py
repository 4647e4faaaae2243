"""Processor time of several ways to do one thing, taken in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from semwatchd.offline.bench.peers import PeerMissingError

Task = Callable[[int], object]  #: is told how often it was carried out before

#: What is shorter is repeated: after another's turn nothing of one's own is in the processor's caches, and a
#: worker measures one image after the other.
LONG_ENOUGH_MS = 40.0
MOST_REPEATS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """CPU milliseconds of one way, round by round; none where it cannot be done, and why."""

    cpu_ms: Sequence[float]
    note: str = ""

    @property
    def median_ms(self) -> float | None:
        """Median of all rounds."""
        return statistics.median(self.cpu_ms) if self.cpu_ms else None


def in_turns(tasks: Mapping[str, Task], rounds: int) -> dict[str, Timing]:
    """Time each task once per round, so that whatever else the machine does falls on all alike.

    The first round is not counted. A task that fails in it has no figures but a note; only the first task,
    which is ours, must not fail.
    """
    notes = {name: _refusal(task, must=number == 0) for number, (name, task) in enumerate(tasks.items())}
    able = {name: task for name, task in tasks.items() if not notes[name]}
    repeats = {name: _repeats(task) for name, task in able.items()}
    spent: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds):
        for name, task in able.items():
            spent[name].append(_cpu_ms(task, number * repeats[name], repeats[name]))
    return {name: Timing(cpu_ms=spent[name], note=notes[name]) for name in tasks}


def ratio(other: Timing, ours: Timing) -> float | None:
    """How many times our processor time the other takes: the median over the rounds."""
    pairs = zip(other.cpu_ms, ours.cpu_ms, strict=False)
    return statistics.median(theirs / mine for theirs, mine in pairs) if other.cpu_ms else None


def _refusal(task: Task, *, must: bool) -> str:
    try:
        task(0)
    except PeerMissingError as error:
        return str(error)
    except Exception as error:  # another's library may fail in whatever way it likes
        if must:
            raise
        return (str(error).strip().splitlines() or [type(error).__name__])[0][:80]
    return ""


def _repeats(task: Task) -> int:
    once_ms = max(_cpu_ms(task, 0, 1), 1e-3)
    return max(1, min(MOST_REPEATS, round(LONG_ENOUGH_MS / once_ms)))


def _cpu_ms(task: Task, first: int, repeats: int) -> float:
    start = time.process_time_ns()
    for number in range(first, first + repeats):
        task(number)
    return (time.process_time_ns() - start) / 1e6 / repeats
